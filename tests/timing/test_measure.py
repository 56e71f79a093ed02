"""The sampling logic, exactly: time is simulated, so every expected figure is an equality."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench import Stage, Step
from bench.data.schema import Method
from bench.timing.measure import Course, Measurement, WarmUp, first_step, measure, size_sample, warm_up
from bench.timing.policy import Sample, SamplingPolicy


def measured(world: Any, policy: SamplingPolicy | None = None, fused: bool = False, **options: Any) -> Measurement:
    policy = policy or SamplingPolicy(sample_seconds=6e-6, process_seconds=120e-6, warmup_min_seconds=6e-6)
    options = {"resolution": 1, "steps": 1000, **options}
    return measure(world.rig(fused), policy=policy, **options)


def warmed_up(world: Any, policy: SamplingPolicy, steps: int = 1000, cycle: int = 1) -> WarmUp:
    rig = world.rig()
    return warm_up(Course(rig.step, steps), cycle, policy, rig)


def of(measurement: Measurement, phase: str, method: Method) -> list[Sample]:
    return [sample for sample in measurement.samples if (sample.phase, sample.method) == (phase, method)]


def test_the_first_step_is_a_sample_of_its_own(world: Any) -> None:
    assert first_step(world.rig()) == Sample("first_step", Method.WHOLE, 0, 1, 600)


def test_every_phase_and_the_whole_are_found_exactly(world: Any) -> None:
    found = measured(world)
    for phase, nanoseconds in (("forward", 100), ("backward", 200), ("update", 300)):
        samples = of(found, phase, Method.STAGED)
        assert {sample.nanoseconds / sample.iterations for sample in samples} == {nanoseconds}
    assert {s.nanoseconds / s.iterations for s in of(found, "step", Method.WHOLE)} == {600}


def test_samples_keep_their_order_and_alternate_between_whole_and_staged(world: Any) -> None:
    found = measured(world)
    whole = of(found, "step", Method.WHOLE)
    assert [sample.turn for sample in whole] == list(range(len(whole)))
    phases = ["forward", "backward", "update"]
    assert [s.phase for s in found.samples[:16]] == ["step", *phases, *phases, "step"] * 2
    assert [s.turn for s in found.samples[:8]] == [0] * 4 + [1] * 4


def test_iterations_and_number_of_samples_follow_the_policy(world: Any) -> None:
    found = measured(world)
    whole = of(found, "step", Method.WHOLE)
    assert {sample.iterations for sample in whole} == {10}  # 6 us a sample of 600 ns steps
    assert len(whole) == 10  # 120 us of 6 us samples, half of them staged


@pytest.mark.parametrize(
    ("iteration", "cycle", "steps", "resolution", "expected"),
    [
        (600.0, 1, 1000, 1, 10),
        (601.0, 1, 1000, 1, 10),
        (599.0, 1, 1000, 1, 11),
        (600.0, 4, 1000, 1, 12),  # a multiple of the cycle
        (600.0, 1, 1000, 60, 100),  # a clock of 60 ns needs samples of 60 us
        (600.0, 1, 7, 1, 6),  # never longer than a course of training after its first cycle
        (600.0, 4, 12, 1, 8),
        (600.0, 4, 7, 1, 4),
        (600.0, 4, 2, 1, 4),
        (1e9, 1, 500, 1, 1),
        (0.0, 1, 500, 1, 499),
    ],
)
def test_the_size_of_a_sample(iteration: float, cycle: int, steps: int, resolution: int, expected: int) -> None:
    assert size_sample(iteration, cycle, steps, resolution, SamplingPolicy(sample_seconds=6e-6)) == expected


def test_the_clocks_resolution_is_below_a_thousandth_of_a_sample(world: Any) -> None:
    policy = SamplingPolicy(sample_seconds=1e-9, process_seconds=1e-3, warmup_min_seconds=6e-6)
    found = measured(world, policy, resolution=40)
    assert all(s.nanoseconds >= 1000 * 40 for s in of(found, "step", Method.WHOLE))


def test_a_slow_step_still_gets_the_fewest_samples_allowed(world: Any) -> None:
    world.cost_of_step = lambda index: (10**9, 10**9, 10**9)
    found = measured(world, SamplingPolicy(min_samples=5))
    assert len(of(found, "step", Method.WHOLE)) == 5


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
    longest = max(sample.iterations for sample in found.samples)
    assert longest <= 25
    assert world.resets >= world.steps_run // 25
    assert {sample.nanoseconds / sample.iterations for sample in of(found, "step", Method.WHOLE)} == {600}


def test_varying_work_is_timed_one_by_one_under_their_own_label(world: Any) -> None:
    variants = (3, 1, 0, 2) * 10
    world.cost_of_step = lambda index: (1000 * variants[index % len(variants)], 50, 50)
    found = measured(world, variants=variants, cycle=4, steps=40)
    single = [sample for sample in found.samples if sample.variant is not None]
    assert {(s.variant, s.nanoseconds) for s in single} == {(0, 100), (1, 1100), (2, 2100), (3, 3100)}
    assert [sum(s.variant == variant for s in single) for variant in range(4)] == [SamplingPolicy.variant_cycles] * 4
    assert sorted(s.turn for s in single if s.variant == 2) == list(range(SamplingPolicy.variant_cycles))
    mixed = [s for s in of(found, "step", Method.WHOLE) if s.variant is None]
    assert {s.nanoseconds / s.iterations for s in mixed} == {1600}
    assert all(s.iterations % 4 == 0 for s in mixed)


def test_a_fused_step_has_no_staged_phases_but_profiled_ones(world: Any) -> None:
    found = measured(world, fused=True)
    assert not [sample for sample in found.samples if sample.method is Method.STAGED]
    profiled = {s.phase: s.nanoseconds for s in found.samples if s.method is Method.PROFILED}
    assert profiled == {"forward": 5000, "backward": 9000, "update": 2000}
    assert len(of(found, "forward", Method.PROFILED)) == SamplingPolicy.traced_steps


def test_flags_are_looked_for_around_each_sample_and_outside_its_time(world: Any) -> None:
    seen: list[int] = []

    def observe() -> Any:
        world.time += 999  # looking costs time; none of it may be in a sample

        def ended(nanoseconds: int) -> str:
            world.time += 999
            seen.append(nanoseconds)
            return "preempted" if len(seen) % 2 == 0 else ""

        return ended

    found = measured(world, observe=observe)
    whole, staged = of(found, "step", Method.WHOLE), of(found, "update", Method.STAGED)
    assert {s.nanoseconds / s.iterations for s in whole} == {600}
    assert set(seen) == {6000}
    # Taken in the order whole, staged, staged, whole; every second one is flagged.
    assert [s.flags for s in whole[:2]] == ["", "preempted"]
    assert [s.flags for s in staged[:2]] == ["preempted", ""]


def test_a_process_that_never_settled_has_all_its_samples_flagged(world: Any) -> None:
    world.cost_of_step = lambda index: (int(1000 * 1.5 ** min(index, 40)), 0, 0)
    policy = SamplingPolicy(sample_seconds=1e-9, process_seconds=1e-9, warmup_min_seconds=0.0, warmup_max_seconds=1e-3)
    found = measured(world, policy)
    assert not found.warmup.settled
    assert {sample.flags for sample in found.samples} == {"unsettled"}


def test_the_first_cycle_after_a_reset_is_not_timed(world: Any) -> None:
    """It is slow here, as an optimiser is that makes its state anew; no sample may show it."""
    since_reset = {"steps": 0}
    plain = world.step()

    def run(stage: Any) -> Any:
        def timed() -> None:
            if since_reset["steps"] == 0 and stage is plain.stages[0]:
                world.time += 50_000
            stage.run()
            if stage is plain.stages[2]:
                since_reset["steps"] += 1

        return timed

    def reset() -> None:
        world.resets += 1
        since_reset["steps"] = 0

    step = Step(tuple(Stage(stage.phases, run(stage)) for stage in plain.stages), plain.state, reset)
    step()
    policy = SamplingPolicy(sample_seconds=6e-6, process_seconds=500e-6, warmup_min_seconds=6e-6)
    found = measure(world.rig(step=step), resolution=1, steps=25, policy=policy)
    assert world.resets > 3
    assert {s.nanoseconds / s.iterations for s in of(found, "step", Method.WHOLE)} == {600}
    assert {s.nanoseconds / s.iterations for s in of(found, "forward", Method.STAGED)} == {100}


def test_a_slow_steady_step_is_steady(world: Any) -> None:
    world.cost_of_step = lambda index: (10**9, 10**9, 10**9)
    found = warmed_up(world, SamplingPolicy())
    assert (found.settled, found.iterations) == (True, 6)


# By the device's own clock


QUICK = SamplingPolicy(sample_seconds=1e-3, process_seconds=20e-3, warmup_min_seconds=1e-3)


def on_device(measurement: Measurement) -> list[Sample]:
    return [sample for sample in measurement.samples if sample.clock == "device"]


def test_a_device_with_a_clock_gives_samples_of_both_clocks(gpu: Any) -> None:
    found = measure(gpu.rig(), resolution=1, steps=500, policy=QUICK)
    device, host = on_device(found), [sample for sample in found.samples if sample.clock == "host"]
    each = {phase: {s.nanoseconds / s.iterations for s in device if s.phase == phase} for phase in ("forward", "step")}
    assert each == {"forward": {100_000}, "step": {350_000}}
    assert {s.method for s in device} == {Method.STAGED, Method.WHOLE}
    # By the host's clock a phase costs its launch as well, and a whole step only the first one.
    assert {s.nanoseconds / s.iterations for s in host if s.phase == "forward"} == {105_000}
    assert {s.nanoseconds - s.iterations * 350_000 for s in host if s.phase == "step"} == {5_000}
    assert {s.flags for s in found.samples} == {""}


def test_samples_by_the_device_are_no_more_than_the_policy_allows(gpu: Any) -> None:
    found = measure(gpu.rig(), resolution=1, steps=500, policy=replace(QUICK, process_seconds=0.1, device_samples=3))
    assert [s.turn for s in on_device(found) if s.phase == "step"] == [0, 1, 2]
    assert len(of(found, "step", Method.WHOLE)) > 10


def test_short_phases_are_batched_and_say_so(gpu: Any) -> None:
    gpu.costs = (2_000, 3_000, 4_000)
    device = on_device(measure(gpu.rig(), resolution=1, steps=500, policy=QUICK))
    assert {(s.phase, s.method, s.nanoseconds / s.iterations) for s in device} == {
        ("forward", Method.BATCHED, 2_000),
        ("backward", Method.BATCHED, 3_000),
        ("update", Method.BATCHED, 4_000),
        ("step", Method.WHOLE, 9_000),
    }


def test_what_nothing_holds_back_is_flagged_as_bound_by_its_launches(gpu: Any) -> None:
    gpu.costs, gpu.holds = (2_000, 3_000, 4_000), False
    found = measure(gpu.rig(), resolution=1, steps=500, policy=QUICK)
    assert {s.flags for s in on_device(found)} == {"launch_bound"}
    assert {s.flags for s in found.samples if s.clock == "host"} == {""}


def test_training_starts_over_in_time_on_a_device_too(gpu: Any) -> None:
    gpu.costs = (2_000, 3_000, 4_000)
    measure(gpu.rig(), resolution=1, steps=100, policy=QUICK)
    assert gpu.steps > 300
    assert gpu.longest <= 100


def test_cold_steps_are_flushed_outside_every_time_of_both_clocks(gpu: Any) -> None:
    found = measure(gpu.rig(cold=True), resolution=1, steps=500, policy=QUICK)
    assert {s.nanoseconds / s.iterations for s in on_device(found) if s.phase == "step"} == {350_000}
    host = of(found, "step", Method.WHOLE)
    assert {s.nanoseconds / s.iterations for s in host if s.clock == "host"} == {355_000}


def test_cold_sampling_counts_what_the_flushes_cost(world: Any) -> None:
    """Ten steps of 600 ns with a flush of 77 us before each: a sample costs 776 us, and 20 ms hold 13 of both kinds."""
    policy = SamplingPolicy(sample_seconds=6e-6, process_seconds=20e-3, warmup_min_seconds=6e-6)
    found = measure(world.rig(cold=True), resolution=1, steps=1000, policy=policy)
    whole = of(found, "step", Method.WHOLE)
    assert {s.nanoseconds / s.iterations for s in whole} == {600}
    assert len(whole) == 13
