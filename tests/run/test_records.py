from __future__ import annotations

from typing import Any

from bench.data.schema import Method, Status
from bench.model.registry import discover
from bench.run.plan import choose, plan_cases
from bench.run.records import rows_of, whole_step_seconds
from bench.timing.measure import Sample
from bench.timing.protocol import Reply


def test_a_reply_becomes_rows_with_nothing_lost(ok_reply: Any, small_problem: Any) -> None:
    (item,) = plan_cases(choose(discover(), ["numpy_manual"]), small_problem, 1)
    samples, process = rows_of("r", item.case, 3, 17, ok_reply, 0.25)
    assert [(s.phase, s.round, s.process, s.seconds, s.flags) for s in samples] == [("step", 3, 17, 1e-6, "")]
    assert (process.status, process.verified, process.wall_seconds) == (Status.OK, True, 0.25)
    assert (process.loss_error, process.warmup_iterations, process.warmup_settled) == (1e-7, 9, True)
    assert samples[0].device_name


def test_what_a_failed_process_does_not_know_stays_unknown(small_problem: Any) -> None:
    (item,) = plan_cases(choose(discover(), ["numpy_manual"]), small_problem, 1)
    samples, process = rows_of("r", item.case, 0, 0, Reply(Status.FAILED, "it broke"), 1.0)
    assert samples == []
    assert (process.status, process.reason, process.verified) == (Status.FAILED, "it broke", False)
    assert (process.loss_error, process.warmup_settled, process.peak_bytes, process.threads_used) == (None,) * 4


def test_the_median_of_whole_steps_leaves_out_single_depths_and_phases() -> None:
    samples = [
        Sample("step", Method.WHOLE, 0, 2, 2000),
        Sample("step", Method.WHOLE, 1, 2, 6000),
        Sample("step", Method.WHOLE, 2, 2, 4000),
        Sample("step", Method.WHOLE, 0, 1, 9, depth=0),
        Sample("forward", Method.STAGED, 0, 2, 8),
    ]
    assert whole_step_seconds(Reply(Status.OK, samples=tuple(samples))) == 2e-6
    assert whole_step_seconds(Reply(Status.OK)) is None
