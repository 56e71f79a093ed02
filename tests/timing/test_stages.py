"""Steps that are not forward, backward and update apart: inference, fused stages, a stage that gets the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench import BACKWARD, DATA, FORWARD, UPDATE, Stage, State, Step
from bench.data.schema import PHASES, Method
from bench.model.step import Phases
from bench.timing.device_clock import DeviceClock
from bench.timing.measure import Sampling, measure
from bench.timing.passes import Rig
from bench.timing.policy import SamplingPolicy

steps = pytest.mark.parametrize(
    ("phases", "labels"),
    [
        ((FORWARD,), []),
        ((DATA, FORWARD), ["data", "forward"]),
        ((FORWARD + BACKWARD, UPDATE), ["forward+backward", "update"]),
        ((FORWARD, BACKWARD + UPDATE), ["forward", "backward+update"]),
        ((DATA, FORWARD, BACKWARD, UPDATE), ["data", "forward", "backward", "update"]),
    ],
    ids=lambda value: "-".join(value) if value and isinstance(value[0], str) else None,
)


def spending(phases: tuple[Phases, ...], spend: Callable[[int], object]) -> Step:
    """A step whose stages spend one unit, two units and so on."""
    stages = tuple(Stage(each, lambda units=units: spend(units)) for units, each in enumerate(phases, 1))
    return Step(stages, lambda: State(None), lambda: None)


def on_host(world: Any, phases: tuple[Phases, ...]) -> Rig:
    def spend(units: int) -> None:
        world.time += 100 * units

    rig: Rig = world.rig(step=spending(phases, spend))
    return rig


@steps
def test_each_stage_and_the_whole_are_found_exactly(world: Any, phases: tuple[Phases, ...], labels: list[str]) -> None:
    policy = SamplingPolicy(turn_seconds=24e-6, lead_seconds=1e-6, warmup_min_seconds=6e-6)
    found = measure(Sampling(on_host(world, phases), resolution=6, steps=1000, policy=policy), policy)
    times = {(sample.phase, sample.method, sample.nanoseconds / sample.iterations) for sample in found}
    expected = {(label, Method.STAGED, 100.0 * units) for units, label in enumerate(labels, 1)}
    assert times == {*expected, ("step", Method.WHOLE, 100.0 * sum(range(len(phases) + 1)))}
    assert set(labels) <= set(PHASES)


@steps
def test_a_device_tells_as_many_stages(gpu: Any, phases: tuple[Phases, ...], labels: list[str]) -> None:
    step = spending(phases, lambda units: gpu.enqueue(100_000 * units, gpu.launch))
    clock = DeviceClock.rehearsed(gpu.rig(step=step), lambda iterations: None, 1, 500, SamplingPolicy())
    assert clock is not None
    taken = dict(zip(clock.labels, (each / clock.iterations for each in clock.take().nanoseconds), strict=True))
    expected = {(label, Method.STAGED): 100_000.0 * units for units, label in enumerate(labels, 1)}
    assert taken == {**expected, ("step", Method.WHOLE): 100_000 * sum(range(len(phases) + 1))}
