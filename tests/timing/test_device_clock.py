"""How many iterations, how long a hold and which way of taking phases apart, on a simulated device."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.data.schema import Method
from bench.timing.device_clock import DeviceClock
from bench.timing.passes import enqueueing
from bench.timing.policy import SamplingPolicy

POLICY = SamplingPolicy()
SPARE = 100_000


def rehearsed(rig: Any, policy: SamplingPolicy = POLICY, cycle: int = 1, steps: int = 500) -> DeviceClock:
    clock = DeviceClock.rehearsed(rig, lambda iterations: None, cycle, steps, policy)
    assert clock is not None
    return clock


def test_a_device_that_works_in_step_with_the_host_has_no_clock(world: Any) -> None:
    assert DeviceClock.rehearsed(world.rig(), lambda iterations: None, 1, 500, POLICY) is None


def test_long_phases_stand_between_marks_of_their_own(gpu: Any) -> None:
    clock = rehearsed(gpu.rig())
    assert clock.labels == (
        ("forward", Method.STAGED),
        ("backward", Method.STAGED),
        ("update", Method.STAGED),
        ("step", Method.WHOLE),
    )
    assert clock.iterations == 10  # half a millisecond of the shortest phase, 50 us
    assert clock.steps_a_sample == 10
    taken = clock.take()
    assert taken.nanoseconds == (1_000_000, 2_000_000, 500_000, 3_500_000)
    assert taken.held


def test_short_phases_are_timed_many_at_once(gpu: Any) -> None:
    gpu.costs = (2_000, 3_000, 4_000)
    clock = rehearsed(gpu.rig())
    assert {method for _, method in clock.labels} == {Method.BATCHED, Method.WHOLE}
    assert clock.iterations == POLICY.device_iterations
    assert clock.steps_a_sample == 3 * POLICY.device_iterations
    taken = clock.take()
    assert [nanoseconds / clock.iterations for nanoseconds in taken.nanoseconds] == [2_000, 3_000, 4_000, 9_000]
    assert taken.held


@pytest.mark.parametrize(("shortest", "batched"), [(50_000, False), (49_500, True)])
def test_the_shortest_phase_decides_between_the_two(gpu: Any, shortest: int, batched: bool) -> None:
    gpu.costs = (200_000, 200_000, shortest)
    assert rehearsed(gpu.rig()).batched == batched


def test_what_is_loaded_in_the_first_call_does_not_decide(gpu: Any) -> None:
    """The first step takes a hundred times as long, as kernels do that are loaded lazily."""
    plain = gpu.step()

    def lazily() -> None:
        gpu.costs = (2_000, 3_000, 4_000) if gpu.steps else (200_000, 300_000, 400_000)
        plain.stages[0].run()

    step = replace(plain, stages=(replace(plain.stages[0], run=lazily), *plain.stages[1:]))
    assert rehearsed(gpu.rig(step=step)).batched


def test_a_fused_step_gives_the_whole_alone(gpu: Any) -> None:
    clock = rehearsed(gpu.rig(fused=True))
    assert clock.labels == (("step", Method.WHOLE),)
    assert clock.iterations == 2  # half a millisecond of 350 us
    assert clock.take().nanoseconds == (700_000,)


def test_cold_caches_are_flushed_before_each_step_so_phases_are_never_batched(gpu: Any) -> None:
    gpu.costs = (2_000, 3_000, 4_000)
    clock = rehearsed(gpu.rig(cold=True))
    assert not clock.batched
    before = gpu.flushes
    taken = clock.take()
    assert gpu.flushes - before == clock.iterations
    assert [nanoseconds / clock.iterations for nanoseconds in taken.nanoseconds] == [2_000, 3_000, 4_000, 9_000]
    assert taken.held


def test_iterations_are_whole_cycles_within_a_third_of_a_course(gpu: Any) -> None:
    gpu.costs = (1_000, 1_000, 1_000)
    assert rehearsed(gpu.rig(), cycle=4).iterations == 64
    assert rehearsed(gpu.rig(), cycle=4, steps=100).iterations == 28  # 33 of which 4 run untimed
    assert rehearsed(gpu.rig(), cycle=4, steps=7).iterations == 4
    assert rehearsed(gpu.rig(), replace(POLICY, device_iterations=6), cycle=4).iterations == 4


def test_a_hold_lasts_twice_what_enqueueing_takes_and_a_little(gpu: Any) -> None:
    gpu.unit = 0.5
    clock = rehearsed(gpu.rig())
    assert clock.units == (2 * enqueueing(gpu.rig(), clock.iterations) + SPARE) / 0.5


def test_a_hold_that_was_too_short_is_doubled_until_it_holds(gpu: Any) -> None:
    """Marks take ten times as long to ask for as the work does, and enqueueing without marks cannot know."""
    gpu.marking = 50_000
    clock = rehearsed(gpu.rig())
    first = 2 * enqueueing(gpu.rig(), clock.iterations) + SPARE
    needed = clock.iterations * (3 * 5_000 + 4 * 50_000)
    doublings = math.ceil(math.log2(needed / first))
    assert doublings > 1
    assert clock.units == first * 2**doublings
    assert clock.take().held


def test_iterations_are_halved_when_the_queue_is_full(gpu: Any) -> None:
    """A hold, then seven places a step: 64 steps do not fit into 200 places, whatever the hold, but 16 do."""
    gpu.costs = (2_000, 200_000, 200_000)
    gpu.places = 200
    clock = rehearsed(gpu.rig(), replace(POLICY, device_batch_seconds=0.0))
    assert clock.iterations == 16
    taken = clock.take()
    assert taken.held
    assert taken.nanoseconds == (32_000, 3_200_000, 3_200_000, 6_432_000)


def test_halving_keeps_whole_cycles(gpu: Any) -> None:
    gpu.costs = (2_000, 200_000, 200_000)
    gpu.places = 60  # 8 steps of 7 places and the hold; 12 is not to be had by halving 64
    policy = replace(POLICY, device_batch_seconds=0.0, device_iterations=60)
    clock = rehearsed(gpu.rig(), policy, cycle=4)
    assert clock.iterations == 4  # 60, 28, 12, 4
    assert clock.take().held


def test_where_nothing_holds_the_clock_says_so(gpu: Any) -> None:
    gpu.holds, gpu.marking = False, 0
    clock = rehearsed(gpu.rig(), cycle=2)
    assert clock.iterations == 2
    assert clock.units == POLICY.hold_max_seconds * 1e9
    assert not clock.take().held


def test_room_is_asked_for_before_anything_runs(gpu: Any) -> None:
    """Training starts over in time: what runs between two requests for room is never more than was asked for."""
    room = [0]
    overrun: list[int] = []

    def counted(run: Callable[[], object]) -> Callable[[], object]:
        def forward() -> None:
            room[0] -= 1
            if room[0] < 0:
                overrun.append(room[0])
            run()

        return forward

    def make_room(iterations: int) -> None:
        room[0] = iterations

    for costs, marking in (((2_000, 3_000, 4_000), 1_000), ((100_000, 200_000, 50_000), 50_000)):
        gpu.costs, gpu.marking = costs, marking
        plain = gpu.step()
        first = replace(plain.stages[0], run=counted(plain.stages[0].run))
        rig = gpu.rig(step=replace(plain, stages=(first, *plain.stages[1:])))
        clock = DeviceClock.rehearsed(rig, make_room, 1, 500, POLICY)
        assert clock is not None
        make_room(clock.steps_a_sample)
        clock.take()
        assert (room[0], overrun) == (0, [])
