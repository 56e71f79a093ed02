from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.data.schema import Method, Status
from bench.model.condition import Condition
from bench.model.discovery import discover
from bench.run.plan import Selection, choose, plan_cases
from bench.run.records import rows_of, throttled, whole_steps
from bench.run.rounds import Found
from bench.timing.policy import Sample
from bench.timing.protocol import Reply


def test_a_reply_becomes_rows_with_nothing_lost(ok_reply: Any, small_problem: Any) -> None:
    (item,) = plan_cases(Selection(choose(discover(), ["numpy_manual"]), small_problem.sizes))
    samples, process = rows_of("r", item.case, 3, 17, Found(ok_reply, seconds=0.25))
    assert [(s.phase, s.process, s.seconds, s.flags) for s in samples] == [("step", 17, 1e-6, "")]
    assert (process.case, process.round, process.process) == (item.case, 3, 17)
    assert (process.status, process.verified, process.wall_seconds) == (Status.OK, True, 0.25)
    assert (process.loss_error, process.warmup_iterations, process.warmup_settled) == (1e-7, 9, True)
    assert process.device_name


def test_memory_that_grows_is_recorded_by_the_iteration(small_problem: Any, ok_reply: Reply) -> None:
    (item,) = plan_cases(Selection(choose(discover(), ["numpy_manual"]), small_problem.sizes))
    for grows, gained in ((10_000_000, 1e6), (0, 0.0)):
        memory = tuple((10 * number, 500_000_000 + grows * number) for number in range(9))
        _, process = rows_of("r", item.case, 0, 0, Found(replace(ok_reply, memory=memory)))
        assert process.growth_bytes == gained


def test_what_a_failed_process_does_not_know_stays_unknown(small_problem: Any) -> None:
    (item,) = plan_cases(Selection(choose(discover(), ["numpy_manual"]), small_problem.sizes))
    samples, process = rows_of("r", item.case, 0, 0, Found(Reply(Status.FAILED, "it broke")))
    assert samples == []
    assert (process.status, process.reason, process.verified) == (Status.FAILED, "it broke", False)
    assert (process.loss_error, process.warmup_settled, process.peak_bytes, process.threads_used) == (None,) * 4
    assert process.growth_bytes is None


def test_stages_are_summed_over_a_turn_and_whole_steps_kept_one_by_one(small_problem: Any) -> None:
    (item,) = plan_cases(Selection(choose(discover(), ["numpy_manual"]), small_problem.sizes))
    turns = [
        Sample(phase, method, turn, 2, 1000 * (turn + 1))
        for turn in range(2)
        for phase, method in (("step", Method.WHOLE), ("forward", Method.STAGED), ("update", Method.STAGED)) * 3
    ]
    first = Sample("first_step", Method.WHOLE, 0, 1, 9)
    samples, _ = rows_of("r", item.case, 0, 0, Found(Reply(Status.OK, samples=(first,)), {"": turns}))
    found = [(s.phase, s.turn, s.iterations, round(s.seconds * 1e9)) for s in samples]
    assert found.count(("step", 0, 2, 1000)) == found.count(("step", 1, 2, 2000)) == 3
    assert sorted(set(found) - {("step", 0, 2, 1000), ("step", 1, 2, 2000)}) == [
        ("first_step", 0, 1, 9),
        ("forward", 0, 6, 3000),
        ("forward", 1, 6, 6000),
        ("update", 0, 6, 3000),
        ("update", 1, 6, 6000),
    ]


def test_whole_steps_of_a_process_that_drifts_say_so(small_problem: Any) -> None:
    (item,) = plan_cases(Selection(choose(discover(), ["numpy_manual"]), small_problem.sizes))

    def flags(slope: int) -> set[tuple[str, str]]:
        turns = [
            Sample(phase, method, turn, 1, 1000 + slope * turn, flags="stolen")
            for turn in range(12)
            for phase, method in (("step", Method.WHOLE), ("forward", Method.STAGED))
        ]
        samples, _ = rows_of("r", item.case, 0, 0, Found(Reply(Status.OK), {"": turns}))
        return {(sample.phase, sample.flags) for sample in samples}

    assert flags(0) == {("step", "stolen"), ("forward", "stolen")}
    assert flags(50) == {("step", "stolen drifting"), ("forward", "stolen")}


def test_whole_steps_by_turn_leave_out_single_variants_and_phases() -> None:
    samples = [
        Sample("step", Method.WHOLE, 0, 2, 2000),
        Sample("step", Method.WHOLE, 1, 2, 6000),
        Sample("step", Method.WHOLE, 1, 2, 4000),
        Sample("step", Method.WHOLE, 0, 1, 9, variant=0),
        Sample("forward", Method.STAGED, 0, 2, 8),
    ]
    assert whole_steps(samples) == {0: pytest.approx(1e-6), 1: pytest.approx(2.5e-6)}
    assert whole_steps([]) == {}


def test_the_state_of_a_device_and_its_energy_have_columns(ok_reply: Any, small_problem: Any) -> None:
    (item,) = plan_cases(Selection(choose(discover(), ["numpy_manual"]), small_problem.sizes))
    condition = Condition(
        sm_clock_mhz=1410,
        throttle=("power cap", "thermal"),
        power_watts=299.5,
        temperature_celsius=81.0,
        other_bytes=7,
        energy_joules=123456.0,
    )
    reply = replace(ok_reply, condition=condition, energy_joules=0.25, device_name="A GPU")
    _, process = rows_of("r", item.case, 0, 0, Found(reply))
    assert process.device_name == "A GPU"
    assert (process.clock_mhz, process.power_watts, process.temperature_celsius, process.other_bytes) == (
        1410,
        299.5,
        81.0,
        7,
    )
    assert process.throttled == "power cap, thermal"
    assert process.energy_joules == 0.25, "of one step, not the counter"


def test_a_device_that_was_throttled_while_sampling_only_was_so_for_a_while(ok_reply: Any) -> None:
    flagged = replace(ok_reply.samples[0], flags="preempted throttled")
    assert throttled(Found(replace(ok_reply, samples=(flagged,)))) == "for a while"
    assert (
        throttled(Found(replace(ok_reply, samples=(flagged,), condition=Condition(throttle=("thermal",))))) == "thermal"
    )
    assert throttled(Found(replace(ok_reply, condition=Condition()))) == ""
    assert throttled(Found(ok_reply)) == ""


def test_whole_steps_are_by_the_hosts_clock() -> None:
    samples = (Sample("step", Method.WHOLE, 0, 1, 9000), Sample("step", Method.WHOLE, 0, 1, 1000, clock="device"))
    assert whole_steps(samples) == {0: 9e-6}
