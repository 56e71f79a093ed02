from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.model.condition import Condition
from bench.timing.energy import energy_of_step
from bench.timing.policy import SamplingPolicy

POLICY = SamplingPolicy(energy_seconds=0.5)


def counting(world: Any, joules: float = 3.0) -> Callable[[], Condition]:
    """A device whose counter grows by so much with every step."""
    return lambda: Condition(energy_joules=100.0 + joules * world.steps_run)


@pytest.fixture
def slow(world: Any) -> Any:
    """Steps of a millisecond."""
    world.cost_of_step = lambda index: (200_000, 500_000, 300_000)
    return world


def test_the_energy_of_a_step_is_what_the_counter_says_over_the_steps(slow: Any) -> None:
    assert energy_of_step(slow.rig(), counting(slow), 500, 1e6, POLICY) == 3.0
    assert slow.steps_run == 500  # half a second of them


@pytest.mark.parametrize(
    ("steps", "iteration", "courses"), [(500, 1e6, 1), (25, 1e6, 20), (500, 25e6, 1), (7, 0.0, 72)]
)
def test_training_starts_over_when_a_block_would_leave_its_course_and_not_before(
    slow: Any, steps: int, iteration: float, courses: int
) -> None:
    """What a reset costs is no part of a step, so there are as few as a course of training allows."""
    assert energy_of_step(slow.rig(), counting(slow), steps, iteration, POLICY) == 3.0
    assert slow.resets == courses
    assert slow.steps_run / courses <= steps


def test_every_step_is_waited_for_before_the_counter_is_read_again(gpu: Any) -> None:
    seen: list[bool] = []

    def condition() -> Condition:
        seen.append(gpu.time >= gpu.free_at)
        return Condition(energy_joules=2.0 * gpu.steps)

    assert energy_of_step(gpu.rig(), condition, 500, 350e3, replace(POLICY, energy_seconds=0.1)) == 2.0
    assert seen == [True, True]


def test_without_a_counter_the_energy_is_unknown_and_nothing_runs(slow: Any) -> None:
    assert energy_of_step(slow.rig(), None, 500, 1e6, POLICY) is None
    assert energy_of_step(slow.rig(), lambda: Condition(power_watts=70.0), 500, 1e6, POLICY) is None
    assert slow.steps_run == 0


@pytest.mark.parametrize("joules", [0.0, -1.0])
def test_a_counter_that_stands_or_falls_tells_nothing(slow: Any, joules: float) -> None:
    assert energy_of_step(slow.rig(), counting(slow, joules), 500, 1e6, POLICY) is None


def test_a_counter_that_is_lost_on_the_way_tells_nothing(slow: Any) -> None:
    readings = iter([Condition(energy_joules=5.0), Condition()])
    assert energy_of_step(slow.rig(), lambda: next(readings), 500, 1e6, POLICY) is None
