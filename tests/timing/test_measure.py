"""The sampling logic, exactly: time is simulated, so every expected figure is an equality."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from bench import Stage, Step
from bench.data.schema import Method
from bench.timing.measure import Course, Sampling, WarmUp, first_step, measure, size_sample, warm_up
from bench.timing.policy import Sample, SamplingPolicy

POLICY = SamplingPolicy(
    process_seconds=151.2e-6, turn_seconds=24e-6, lead_seconds=1.2e-6, min_turns=2, warmup_min_seconds=6e-6
)
"""Of steps of 600 ns and a clock that resolves 6 ns: six turns of two units of ten steps, each led by two steps."""
TURN_STEPS = 2 + 2 * 2 * 10


def sampling(world: Any, policy: SamplingPolicy = POLICY, fused: bool = False, **options: Any) -> Sampling:
    options = {"rig": world.rig(fused), "resolution": 6, "steps": 1000, "policy": policy, **options}
    return Sampling(**options)


def measured(world: Any, policy: SamplingPolicy = POLICY, **options: Any) -> tuple[Sample, ...]:
    return measure(sampling(world, policy, **options), policy)


def warmed_up(world: Any, policy: SamplingPolicy, steps: int = 1000, cycle: int = 1) -> WarmUp:
    rig = world.rig()
    return warm_up(Course(rig.step, steps), cycle, policy, rig)


def of(samples: Sequence[Sample], phase: str, method: Method) -> list[Sample]:
    return [sample for sample in samples if (sample.phase, sample.method) == (phase, method)]


def each(samples: Sequence[Sample]) -> set[tuple[str, Method, float]]:
    """What each phase took in one iteration."""
    return {(sample.phase, sample.method, sample.nanoseconds / sample.iterations) for sample in samples}


def plain(more: int = 0) -> set[tuple[str, Method, float]]:
    """What each phase takes in the simulated world, and so much more where it is waited for."""
    staged = {(phase, Method.STAGED, cost + more) for phase, cost in (("forward", 100), ("backward", 200))}
    return {*staged, ("update", Method.STAGED, 300 + more), ("step", Method.WHOLE, 600 + more)}


def test_the_first_step_is_a_sample_of_its_own(world: Any) -> None:
    assert first_step(world.rig()) == Sample("first_step", Method.WHOLE, 0, 1, 600)


def test_every_phase_and_the_whole_are_found_exactly(world: Any) -> None:
    assert each(measured(world)) == plain()


def test_samples_keep_their_order_and_whole_and_staged_alternate_over_units_and_turns(world: Any) -> None:
    found = measured(world)
    phases = ["forward", "backward", "update"]
    first_whole = ["step", *phases, *phases, "step"]
    first_staged = [*phases, "step", "step", *phases]
    assert [s.phase for s in found] == [*first_whole, *first_staged] * 3
    assert [s.turn for s in found] == [number for number in range(6) for _ in range(8)]


def test_iterations_units_and_turns_follow_the_policy(world: Any) -> None:
    found = of(measured(world), "step", Method.WHOLE)
    assert [(s.turn, s.iterations) for s in found] == [(number, 10) for number in range(6) for _ in range(2)]


def test_a_turn_takes_what_was_foretold(world: Any) -> None:
    """Two leading steps, and two units of ten whole steps and ten staged ones."""
    step = sampling(world)
    steps, began = world.steps_run, world.time
    step.turn(0)
    assert world.steps_run - steps == TURN_STEPS
    assert world.time - began == TURN_STEPS * 600
    assert step.turn_seconds == pytest.approx(TURN_STEPS * 600e-9)


def test_a_sample_is_one_cycle_of_steps_unless_the_clock_asks_for_more(world: Any) -> None:
    for cycle in (1, 4):
        found = measured(world, resolution=0, cycle=cycle, variants=(0,) * 4)
        assert {s.iterations for s in found if s.variant is None} == {cycle}


@pytest.mark.parametrize(
    ("turn", "units"), [(0.0, 1), (17e-6, 1), (19e-6, 2), (24e-6, 2), (36e-6, 3), (60e-6, 5), (1.0, 10)]
)
def test_a_turn_has_as_many_units_as_its_time_holds(world: Any, turn: float, units: int) -> None:
    found = sampling(world, replace(POLICY, turn_seconds=turn)).turn(0)
    assert len(of(found, "step", Method.WHOLE)) == len(of(found, "update", Method.STAGED)) == units


def test_a_step_in_one_stage_has_twice_the_units_and_no_phases(world: Any) -> None:
    found = sampling(world, fused=True).turn(0)
    assert [(s.phase, s.nanoseconds, s.iterations) for s in found] == [("step", 6000, 10)] * 4


@pytest.mark.parametrize(
    ("turn_seconds", "turns"),
    [(0.0, 20), (0.0125, 20), (0.0127, 20), (0.025, 10), (0.049, 5), (0.06, 5), (3.0, 5)],
)
def test_a_process_takes_as_many_turns_as_its_time_holds(turn_seconds: float, turns: int) -> None:
    assert SamplingPolicy(process_seconds=0.25, min_turns=5, max_turns=20).turns(turn_seconds) == turns


# The lead


def slow_start(world: Any, steps: int) -> None:
    """Let the next steps be slow, as they are whose caches belonged to another process meanwhile."""
    end = world.steps_run + steps
    world.cost_of_step = lambda index: (9000, 9000, 9000) if index < end else (100, 200, 300)


@pytest.mark.parametrize("number", [0, 1])
def test_the_lead_of_a_turn_is_not_timed(world: Any, number: int) -> None:
    step = sampling(world)
    slow_start(world, 2)
    assert each(step.turn(number)) == plain()
    slow_start(world, 3)  # one step more would show
    assert each(step.turn(number)) != plain()


@pytest.mark.parametrize(
    ("seconds", "steps"), [(29e-9, 0), (31e-9, 1), (599e-9, 1), (601e-9, 2), (1.2e-6, 2), (6e-6, 10)]
)
def test_a_lead_is_whole_steps_and_left_out_where_it_is_a_small_part_of_one(
    world: Any, seconds: float, steps: int
) -> None:
    """A twentieth of a step of 600 ns is 30 ns."""
    step = sampling(world, replace(POLICY, lead_seconds=seconds))
    before = world.steps_run
    step.turn(0)
    assert world.steps_run - before == steps + TURN_STEPS - 2
    assert step.turn_seconds == pytest.approx((steps + TURN_STEPS - 2) * 600e-9)


def test_a_lead_is_whole_cycles(world: Any) -> None:
    step = sampling(world, cycle=4, resolution=0, variants=(0,) * 4)  # 2.4 us a cycle, of which 1.2 us are half
    before = world.steps_run
    step.turn(0)
    assert world.steps_run - before == 4 + 5 * 2 * 4


def test_a_long_step_has_no_lead(world: Any) -> None:
    world.cost_of_step = lambda index: (10**8, 2 * 10**8, 3 * 10**8)
    step = sampling(world, SamplingPolicy())
    before = world.steps_run
    step.turn(0)
    assert world.steps_run - before == 2


# What a sample and a turn are


@pytest.mark.parametrize(
    ("iteration", "cycle", "steps", "aim", "expected"),
    [
        (600.0, 1, 1000, 6000.0, 10),
        (601.0, 1, 1000, 6000.0, 10),
        (599.0, 1, 1000, 6000.0, 11),
        (600.0, 4, 1000, 6000.0, 12),  # a multiple of the cycle
        (600.0, 1, 1000, 0.0, 1),
        (600.0, 4, 1000, 0.0, 4),
        (600.0, 1, 1000, 60_000.0, 100),
        (600.0, 1, 7, 6000.0, 6),  # never longer than a course of training after its first cycle
        (600.0, 4, 12, 6000.0, 8),
        (600.0, 4, 7, 6000.0, 4),
        (600.0, 4, 2, 6000.0, 4),
        (1e9, 1, 500, 6000.0, 1),
        (0.0, 1, 500, 6000.0, 499),
    ],
)
def test_the_size_of_a_sample(iteration: float, cycle: int, steps: int, aim: float, expected: int) -> None:
    assert size_sample(iteration, cycle, steps, aim) == expected


@pytest.mark.parametrize(("resolution", "iterations"), [(1, 2), (40, 67)])
def test_the_clocks_resolution_is_below_a_thousandth_of_a_sample(world: Any, resolution: int, iterations: int) -> None:
    found = of(measured(world, resolution=resolution), "step", Method.WHOLE)
    assert {s.iterations for s in found} == {iterations}
    assert all(s.nanoseconds >= 1000 * resolution for s in found)


def test_a_slow_step_still_gets_the_fewest_samples_allowed(world: Any) -> None:
    world.cost_of_step = lambda index: (10**9, 10**9, 10**9)
    found = of(measured(world, SamplingPolicy(min_turns=3, min_units=2)), "step", Method.WHOLE)
    assert [s.turn for s in found] == [0, 0, 1, 1, 2, 2]


def test_warm_up_discards_a_slow_start_and_ends_when_thirds_agree(world: Any) -> None:
    world.cost_of_step = lambda index: (10_000, 0, 0) if index < 20 else (100, 200, 300)
    policy = SamplingPolicy(warmup_min_seconds=6e-6)
    found = warmed_up(world, policy)
    # With 3 iterations the thirds agree already at the slow level: the start looks steady. That is what the minimum
    # is for; with it the first look comes after 20 slow steps.
    assert found.settled
    later = warmed_up(world, SamplingPolicy(warmup_min_seconds=201e-6))
    assert later.iteration_nanoseconds == 600


def test_warm_up_goes_on_while_the_step_gets_faster(world: Any) -> None:
    world.cost_of_step = lambda index: (max(600, 60_000 - 1000 * index), 0, 0)
    found = warmed_up(world, SamplingPolicy(warmup_min_seconds=1e-6), steps=10_000)
    assert found.settled
    assert found.iterations % 3 == 0
    third = found.iterations // 3
    cost = [max(600, 60_000 - 1000 * index) for index in range(found.iterations)]
    middle, last = sorted(cost[third : 2 * third])[third // 2], sorted(cost[2 * third :])[third // 2]
    assert abs(last - middle) <= 0.05 * middle + 1000


def test_warm_up_that_never_settles_ends_at_its_cap_and_says_so(world: Any) -> None:
    world.cost_of_step = lambda index: (int(1000 * 1.5**index), 0, 0)
    policy = SamplingPolicy(warmup_min_seconds=0.0, warmup_max_seconds=1e-3)
    found = warmed_up(world, policy)
    assert not found.settled
    assert world.time >= 1e6


def test_warm_up_counts_whole_cycles(world: Any) -> None:
    world.cost_of_step = lambda index: (100 * (index % 4), 0, 0)
    found = warmed_up(world, SamplingPolicy(warmup_min_seconds=1e-6), cycle=4)
    assert found.settled
    assert found.iterations % 4 == 0
    assert found.iteration_nanoseconds == 150


def test_training_starts_over_before_it_leaves_its_course_and_never_inside_a_sample(world: Any) -> None:
    found = measured(world, steps=25)
    assert {sample.iterations for sample in found} == {10}
    assert world.resets >= world.steps_run // 25 > 5
    assert each(found) == plain()


def test_each_sample_is_waited_for(world: Any) -> None:
    world.sync_cost = 7
    assert each(measured(world, resolution=0)) == plain(more=7)


def test_varying_work_is_timed_one_by_one_under_their_own_label(world: Any) -> None:
    variants = (3, 1, 0, 2) * 10
    world.cost_of_step = lambda index: (1000 * variants[index % len(variants)], 50, 50)
    found = measured(world, variants=variants, cycle=4, steps=40)
    single = [sample for sample in found if sample.variant is not None]
    assert {(s.variant, s.nanoseconds) for s in single} == {(0, 100), (1, 1100), (2, 2100), (3, 3100)}
    assert [sum(s.variant == variant for s in single) for variant in range(4)] == [SamplingPolicy.variant_cycles] * 4
    assert sorted(s.turn for s in single if s.variant == 2) == list(range(SamplingPolicy.variant_cycles))
    mixed = [s for s in of(found, "step", Method.WHOLE) if s.variant is None]
    assert {s.nanoseconds / s.iterations for s in mixed} == {1600}
    assert all(s.iterations % 4 == 0 for s in mixed)


def test_a_fused_step_has_no_staged_phases_but_profiled_ones(world: Any) -> None:
    found = measured(world, fused=True)
    assert not [sample for sample in found if sample.method is Method.STAGED]
    profiled = {s.phase: s.nanoseconds for s in found if s.method is Method.PROFILED}
    assert profiled == {"forward": 5000, "backward": 9000, "update": 2000}
    assert len(of(found, "forward", Method.PROFILED)) == SamplingPolicy.traced_steps


def test_what_is_taken_once_is_taken_at_the_end(world: Any) -> None:
    step = sampling(world, fused=True, cycle=4, variants=(3, 1, 0, 2))
    assert {(s.phase, s.method, s.variant) for s in step.turn(0)} == {("step", Method.WHOLE, None)}
    last = step.finish()
    assert {s.variant for s in of(last, "step", Method.WHOLE)} == {0, 1, 2, 3}
    assert {s.method for s in last} == {Method.WHOLE, Method.PROFILED}


def test_flags_are_looked_for_around_each_turn_and_outside_its_times(world: Any) -> None:
    seen: list[tuple[int, int]] = []

    def observe() -> Any:
        world.time += 999  # looking costs time; none of it may be in a sample
        began = world.steps_run

        def ended(nanoseconds: int) -> str:
            world.time += 999
            seen.append((nanoseconds, world.steps_run - began))
            return "preempted" if len(seen) % 2 == 0 else ""

        return ended

    found = measured(world, observe=observe)
    assert each(found) == plain()
    assert seen == [(40 * 600, 40)] * 6  # the lead is over
    assert {(s.turn, s.flags) for s in found} == {(number, ("", "preempted")[number % 2]) for number in range(6)}


def test_a_process_that_never_settled_has_all_its_samples_flagged(world: Any) -> None:
    world.cost_of_step = lambda index: (int(1000 * 1.5 ** min(index, 40)), 0, 0)
    policy = replace(POLICY, warmup_min_seconds=0.0, warmup_max_seconds=1e-3)
    step = sampling(world, policy, fused=True, observe=lambda: lambda nanoseconds: "preempted")
    assert not step.warmup.settled
    assert {sample.flags for sample in step.turn(0)} == {"preempted unsettled"}
    assert {sample.flags for sample in step.finish()} == {"unsettled"}


def test_a_sign_of_life_is_given_before_each_sample_and_outside_its_time(world: Any) -> None:
    beats: list[int] = []

    def beat() -> None:
        world.time += 999
        beats.append(world.steps_run)

    step = sampling(world, beat=beat)
    first = world.steps_run
    assert beats == list(range(first))  # each step of the warm-up is a cycle
    assert each(step.turn(0)) == plain()
    assert beats[first:] == [first + done for done in (0, 1, 2, 12, 22, 32)]


@pytest.mark.parametrize("fails", [False, True])
def test_no_garbage_is_collected_while_times_are_taken_and_it_is_again_afterwards(world: Any, fails: bool) -> None:
    enabled: list[bool] = []
    step = sampling(world, cycle=2, resolution=0, variants=(0, 0))

    def noted(what: Any) -> list[bool]:
        enabled.clear()
        began = world.steps_run

        def cost(index: int) -> tuple[int, int, int]:
            enabled.append(gc.isenabled())
            if fails and index == began + 5:
                raise RuntimeError("no luck")
            return 100, 200, 300

        world.cost_of_step = cost
        with pytest.raises(RuntimeError) if fails else nullcontext():
            what()
        assert gc.isenabled()
        return enabled

    taken = noted(lambda: step.turn(0))
    assert taken[:6] == [True] * 6  # the lead: one cycle of two steps of three stages
    assert set(taken[6:]) == {False}
    assert set(noted(step.finish)) == {False}


def test_a_unit_is_a_whole_cycle_and_times_are_of_all_its_iterations(world: Any) -> None:
    world.cost_of_step = lambda index: ((100, 200, 300), (300, 400, 500))[index % 2]
    found = sampling(world, cycle=2, resolution=0, variants=(0, 1)).turn(0)
    assert {(s.phase, s.iterations, s.nanoseconds) for s in found} == {
        ("step", 2, 1800),
        ("forward", 2, 400),
        ("backward", 2, 600),
        ("update", 2, 800),
    }


def test_the_first_cycle_after_a_reset_is_not_timed(world: Any) -> None:
    """It is slow here, as an optimiser is that makes its state anew; no sample may show it."""
    since_reset = {"steps": 0}
    inner = world.step()

    def run(stage: Any) -> Any:
        def timed() -> None:
            if since_reset["steps"] == 0 and stage is inner.stages[0]:
                world.time += 50_000
            stage.run()
            if stage is inner.stages[2]:
                since_reset["steps"] += 1

        return timed

    def reset() -> None:
        world.resets += 1
        since_reset["steps"] = 0

    step = Step(tuple(Stage(stage.phases, run(stage)) for stage in inner.stages), inner.state, reset)
    step()
    found = measured(world, rig=world.rig(step=step), steps=25)
    assert world.resets > 3
    assert each(found) == plain()


def test_a_slow_steady_step_is_steady(world: Any) -> None:
    world.cost_of_step = lambda index: (10**9, 10**9, 10**9)
    found = warmed_up(world, SamplingPolicy())
    assert (found.settled, found.iterations) == (True, 6)


# By the device's own clock


QUICK = SamplingPolicy(queue_seconds=1e-3, process_seconds=20e-3, warmup_min_seconds=1e-3)


def queued(gpu: Any, policy: SamplingPolicy = QUICK, cold: bool = False, steps: int = 500) -> tuple[Sample, ...]:
    return measured(gpu, policy, rig=gpu.rig(cold=cold), resolution=1, steps=steps)


def on_device(samples: Sequence[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.clock == "device"]


def test_a_device_with_a_clock_gives_samples_of_both_clocks(gpu: Any) -> None:
    found = queued(gpu)
    device, host = on_device(found), [sample for sample in found if sample.clock == "host"]
    times = {phase: {s.nanoseconds / s.iterations for s in device if s.phase == phase} for phase in ("forward", "step")}
    assert times == {"forward": {100_000}, "step": {350_000}}
    assert {s.method for s in device} == {Method.STAGED, Method.WHOLE}
    # By the host's clock a phase costs its launch as well, and a whole step only the first one.
    assert {s.nanoseconds / s.iterations for s in host if s.phase == "forward"} == {105_000}
    assert {s.nanoseconds - s.iterations * 350_000 for s in host if s.phase == "step"} == {5_000}
    assert {s.flags for s in found} == {""}


def test_samples_by_the_device_are_no_more_than_the_policy_allows(gpu: Any) -> None:
    found = queued(gpu, replace(QUICK, process_seconds=0.1, device_samples=3))
    assert [s.turn for s in on_device(found) if s.phase == "step"] == [0, 1, 2]
    assert len(of(found, "step", Method.WHOLE)) > 10


def test_short_phases_are_batched_and_say_so(gpu: Any) -> None:
    gpu.costs = (2_000, 3_000, 4_000)
    device = on_device(queued(gpu))
    assert {(s.phase, s.method, s.nanoseconds / s.iterations) for s in device} == {
        ("forward", Method.BATCHED, 2_000),
        ("backward", Method.BATCHED, 3_000),
        ("update", Method.BATCHED, 4_000),
        ("step", Method.WHOLE, 9_000),
    }


def test_what_nothing_holds_back_is_flagged_as_bound_by_its_launches(gpu: Any) -> None:
    gpu.costs, gpu.holds = (2_000, 3_000, 4_000), False
    found = queued(gpu)
    assert {s.flags for s in on_device(found)} == {"launch_bound"}
    assert {s.flags for s in found if s.clock == "host"} == {""}


def test_training_starts_over_in_time_on_a_device_too(gpu: Any) -> None:
    gpu.costs = (2_000, 3_000, 4_000)
    queued(gpu, steps=100)
    assert gpu.steps > 300
    assert gpu.longest <= 100


def test_cold_steps_are_flushed_outside_every_time_of_both_clocks(gpu: Any) -> None:
    found = queued(gpu, cold=True)
    assert {s.nanoseconds / s.iterations for s in on_device(found) if s.phase == "step"} == {350_000}
    host = of(found, "step", Method.WHOLE)
    assert {s.nanoseconds / s.iterations for s in host if s.clock == "host"} == {355_000}


@pytest.mark.parametrize(("aim", "iterations"), [(0.0, 1), (1e-3, 3), (4e-3, 12)])
def test_a_queue_gets_several_steps_a_sample(gpu: Any, aim: float, iterations: int) -> None:
    """One step would be mostly waiting for its end; a step by itself takes 355 us here."""
    found = of(queued(gpu, replace(QUICK, queue_seconds=aim)), "step", Method.WHOLE)
    assert {s.iterations for s in found if s.clock == "host"} == {iterations}


def test_cold_sampling_counts_what_the_flushes_cost(world: Any) -> None:
    """Ten steps of 600 ns with a flush of 77 us before each: a unit costs 1.552 ms, and 5 ms hold three of them."""
    policy = replace(POLICY, process_seconds=20e-3, turn_seconds=5e-3, lead_seconds=100e-6)
    step = sampling(world, policy, rig=world.rig(cold=True))
    began = world.time
    found = step.turn(0)
    assert each(found) == plain()
    assert len(of(found, "step", Method.WHOLE)) == 3
    assert world.time - began == (2 + 60) * 77_600
    assert step.turn_seconds == pytest.approx(62 * 77_600e-9)
    assert policy.turns(step.turn_seconds) == 4


def test_memory_is_noted_after_the_warm_up_and_after_each_turn_outside_all_times(world: Any) -> None:
    """Reading it costs a lot here, and no sample holds any of that."""
    calls: list[int] = []

    def held() -> int:
        world.time += 10**9
        calls.append(world.time)
        return len(calls) * 1000

    quiet = sampling(world)
    plain = [quiet.turn(number) for number in range(3)]
    noted = sampling(world, held=held)
    assert [noted.turn(number) for number in range(3)] == plain
    assert [nbytes for _, nbytes in noted.memory] == [1000, 2000, 3000, 4000]
    counts = [count for count, _ in noted.memory]
    assert counts[0] >= noted.warmup.iterations
    assert len({late - early for early, late in pairwise(counts)}) == 1
