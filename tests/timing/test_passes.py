"""The ways to read a time, exactly: on a host clock that moves by known amounts, and on a device with a queue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step
from bench.timing.passes import (
    RATE_UNITS,
    Taken,
    enqueueing,
    hold_rate,
    time_batched,
    time_device,
    time_staged,
    time_whole,
    time_work,
)

LONG = 10_000_000
"""Units of a hold, here nanoseconds, that outlasts any enqueueing of these tests."""


def phases(rig: Any) -> list[list[Any]]:
    return [[run] for run in rig.runs]


# The host's clock


def test_a_whole_sample_synchronises_at_its_ends_only(world: Any) -> None:
    world.sync_cost = 7
    assert time_whole(world.rig(), 3) == Taken((3 * 600 + 7,))
    assert world.log == ["sync", "clock", *["f", "b", "u"] * 3, "sync", "clock"]


def test_a_staged_sample_synchronises_after_each_phase_inside_its_time(world: Any) -> None:
    world.sync_cost = 7
    assert time_staged(world.rig(), 3) == Taken((3 * 107, 3 * 207, 3 * 307))
    one = ["clock", "f", "sync", "clock", "b", "sync", "clock", "u", "sync", "clock"]
    assert world.log == ["sync", *one * 3]


def test_a_cold_step_is_flushed_before_each_and_outside_every_time(world: Any) -> None:
    world.sync_cost = 7
    assert time_whole(world.rig(cold=True), 3) == Taken((3 * 607,))
    assert world.log == ["flush", "sync", "clock", "f", "b", "u", "sync", "clock"] * 3


def test_cold_phases_are_flushed_before_each_step_and_outside_every_time(world: Any) -> None:
    world.sync_cost = 7
    assert time_staged(world.rig(cold=True), 2) == Taken((2 * 107, 2 * 207, 2 * 307))
    one = ["clock", "f", "sync", "clock", "b", "sync", "clock", "u", "sync", "clock"]
    assert world.log == ["sync", *["flush", "sync", *one] * 2]


def test_what_stages_return_is_waited_for_inside_every_time(world: Any) -> None:
    """All of it, of the last step of a sample, as a framework needs that hands out results before they are computed."""
    waited: list[Any] = []

    def ready(returned: Any) -> None:
        waited.append(returned)
        world.time += 1000

    phases = zip((FORWARD, BACKWARD, UPDATE), ("loss", ("dw", "db"), {"w": 1}), strict=True)
    stages = tuple(Stage(phase, lambda value=value: value) for phase, value in phases)
    rig = replace(world.rig(step=Step(stages, lambda: State(0.0, {}), lambda: None)), ready=ready)
    assert time_whole(rig, 3) == Taken((1000,))
    assert waited == [["loss", ("dw", "db"), {"w": 1}]]
    waited.clear()
    assert time_staged(rig, 1) == Taken((1000, 1000, 1000))
    assert waited == ["loss", ("dw", "db"), {"w": 1}]
    waited.clear()
    assert time_whole(replace(rig, flush=world.flush), 2) == Taken((2000,))
    assert len(waited) == 2


def test_work_of_any_kind_is_timed_between_two_synchronisations(world: Any) -> None:
    world.sync_cost = 7
    assert time_work(world.step(), 4, world.now, world.synchronize) == 4 * 600 + 7
    assert world.log[:2] + world.log[-2:] == ["sync", "clock", "sync", "clock"]


def test_the_host_waits_for_a_device_that_works_behind_its_back(gpu: Any) -> None:
    """350 us of work a step are asked for in 15 us."""
    assert time_whole(gpu.rig(), 2) == Taken((5_000 + 2 * 350_000,))
    assert time_staged(gpu.rig(), 2) == Taken((2 * 105_000, 2 * 205_000, 2 * 55_000))


def test_a_planted_missing_synchronisation_shows(gpu: Any) -> None:
    careless = replace(gpu.rig(), synchronize=lambda: None)
    assert time_whole(careless, 2) == Taken((2 * 3 * 5_000,))
    assert time_staged(careless, 2) == Taken((10_000, 10_000, 10_000))


def test_enqueueing_is_the_hosts_part_alone(gpu: Any) -> None:
    assert enqueueing(gpu.rig(), 4) == 4 * 3 * 5_000
    assert gpu.time == gpu.free_at, "what was enqueued has been waited for"


# The device's own clock


@pytest.mark.parametrize("unit", [1.0, 0.55, 3.0])
def test_the_rate_of_a_hold_is_that_of_the_second_one(gpu: Any, unit: float) -> None:
    gpu.unit = unit
    assert hold_rate(gpu, gpu.synchronize) == unit
    assert gpu.launched == ["mark", "hold", "mark"] * 2


def test_a_hold_that_takes_no_time_has_a_rate_above_0(gpu: Any) -> None:
    gpu.unit, gpu.marking = 0.0, 0
    assert hold_rate(gpu, gpu.synchronize) == 1 / RATE_UNITS


def test_held_back_a_device_shows_its_own_time_and_none_of_the_hosts(gpu: Any) -> None:
    rig = gpu.rig()
    assert time_device(rig, gpu, 3, LONG, phases(rig)) == Taken((300_000, 600_000, 150_000), held=True)
    assert gpu.launched == ["hold", *["mark", "f", "mark", "b", "mark", "u", "mark"] * 3]


def test_short_phases_hold_the_launches_where_nothing_holds_them_back(gpu: Any) -> None:
    """Three phases of 2 us each that take 5 us to ask for, with a mark of 1 us: without a hold, the host's time."""
    gpu.costs = (2_000, 2_000, 2_000)
    rig = gpu.rig()
    held = time_device(rig, gpu, 2, LONG, phases(rig))
    assert held == Taken((4_000, 4_000, 4_000), held=True)
    loose = time_device(rig, gpu, 2, 0, phases(rig))
    assert not loose.held
    assert min(loose.nanoseconds) >= 2 * 5_000


def test_a_hold_that_ends_while_work_is_still_enqueued_is_said_to_have_been_too_short(gpu: Any) -> None:
    rig = gpu.rig()
    enqueued = 3 * (3 * 5_000 + 4 * 1_000)
    assert time_device(rig, gpu, 3, enqueued + 1, phases(rig)).held
    assert not time_device(rig, gpu, 3, enqueued - 1, phases(rig)).held


def test_the_stages_of_a_group_share_two_marks(gpu: Any) -> None:
    rig = gpu.rig()
    assert time_device(rig, gpu, 2, LONG, [rig.runs]) == Taken((700_000,), held=True)
    assert gpu.launched == ["hold", *["mark", "f", "b", "u", "mark"] * 2]


def test_a_cold_device_is_flushed_before_each_step_and_outside_every_time(gpu: Any) -> None:
    rig = gpu.rig(cold=True)
    assert time_device(rig, gpu, 3, LONG, phases(rig)) == Taken((300_000, 600_000, 150_000), held=True)
    assert gpu.launched == ["hold", *["flush", "mark", "f", "mark", "b", "mark", "u", "mark"] * 3]


def test_in_batches_a_phase_is_the_difference_of_two_passes(gpu: Any) -> None:
    """2.1, 3.3 and 1.2 us, below what marks of half a microsecond could tell apart one by one."""
    gpu.costs = (2_100, 3_300, 1_200)
    taken = time_batched(gpu.rig(), gpu, 100, LONG)
    assert taken == Taken((210_000, 330_000, 120_000, 660_000), held=True)
    assert [gpu.launched.count(each) for each in ("f", "b", "u", "mark", "hold")] == [300, 200, 100, 6, 3]


def test_one_pass_of_a_batch_that_was_not_held_spoils_it(gpu: Any) -> None:
    """The third pass asks for three times as much as the first: the hold is long enough for two only."""
    gpu.costs = (2_000, 2_000, 2_000)
    asked = 10 * 5_000 + 2 * 1_000
    assert not time_batched(gpu.rig(), gpu, 10, 2 * asked).held
    assert time_batched(gpu.rig(), gpu, 10, 3 * asked).held


def test_marks_alone_are_too_coarse_for_what_batches_resolve(gpu: Any) -> None:
    """Why there are batches: phase by phase each 2.2 us are rounded to marks of 0.5 us."""
    gpu.costs = (2_200, 2_200, 2_200)
    rig = gpu.rig()
    apart = time_device(rig, gpu, 1, LONG, phases(rig))
    assert set(apart.nanoseconds) <= {2_000, 2_500}
    together = time_batched(gpu.rig(), gpu, 50, LONG)
    assert together.nanoseconds == (110_000, 110_000, 110_000, 330_000)
