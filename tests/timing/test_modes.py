"""Steps built in a mode: what is copied, when, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench import BACKWARD, FORWARD, UPDATE, Data, Device, Stage, State, Step
from bench.errors import StepError
from bench.model.case import Mode
from bench.model.problem import Problem
from bench.model.workload import WORKLOADS
from bench.timing.modes import build_in_mode
from bench.timing.passes import Taken, time_staged, time_whole
from bench.workloads import tutorial

PROBLEM = tutorial(batch=4, d_in=3, hidden=2, d_out=1)
DATA = WORKLOADS["mlp_sgd"].data(PROBLEM)
COPYING = 1_000
TRANSFERRED = [mode for mode in Mode if mode.transferred]


class Card:
    """A device whose memory is a list of arrays, and whose uploads cost time in the simulated world."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.memory: list[np.ndarray] = []

    def put(self, array: np.ndarray) -> np.ndarray:
        self.memory.append(np.array(array))
        return self.memory[-1]

    def upload(self, target: np.ndarray, array: np.ndarray) -> Callable[[], None]:
        def again() -> None:
            self.world.log.append("x" if array is DATA.x else "y")
            self.world.time += COPYING
            target[...] = array

        return again

    def device(self, **options: Any) -> Device:
        options = {"upload": self.upload, "flush": self.world.flush, **options}
        return Device("card", "", 1, None, self.put, self.world.synchronize, **options)


@pytest.fixture
def card(world: Any) -> Card:
    return Card(world)


def builder(card: Card, fused: bool = False) -> Callable[..., Step]:
    def build(problem: Problem, data: Data, device: Device) -> Step:
        device.put(data.parameters["w1"])
        device.put(data.x), device.put(data.y)
        return card.world.step(fused)

    return build


@pytest.mark.parametrize("mode", [mode for mode in Mode if not mode.transferred])
def test_a_resident_batch_is_put_once(card: Card, mode: Mode) -> None:
    step = build_in_mode(builder(card), PROBLEM, DATA, card.device(), mode)
    step()
    assert card.world.log == ["f", "b", "u"]


@pytest.mark.parametrize("mode", TRANSFERRED)
def test_a_transferred_batch_is_copied_before_every_forward_and_inside_its_time(card: Card, mode: Mode) -> None:
    step = build_in_mode(builder(card), PROBLEM, DATA, card.device(), mode)
    rig = card.world.rig(step=step)
    assert time_whole(rig, 2) == Taken((2 * (600 + 2 * COPYING),))
    assert card.world.log == ["sync", "clock", *["x", "y", "f", "b", "u"] * 2, "sync", "clock"]
    assert time_staged(rig, 2) == Taken((2 * (100 + 2 * COPYING), 400, 600))


@pytest.mark.parametrize("mode", TRANSFERRED)
def test_a_fused_step_has_the_copy_in_its_only_stage(card: Card, mode: Mode) -> None:
    step = build_in_mode(builder(card, fused=True), PROBLEM, DATA, card.device(), mode)
    assert len(step.stages) == 1
    step()
    assert card.world.log == ["x", "y", "f", "b", "u"]


def test_the_copy_goes_into_the_very_arrays_of_the_step_and_no_others(card: Card) -> None:
    step = build_in_mode(builder(card), PROBLEM, DATA, card.device(), Mode.TRANSFERRED_WARM)
    for array in card.memory:
        array[...] = 7
    step()
    weights, x, y = card.memory
    assert (weights == 7).all()
    assert np.array_equal(x, DATA.x)
    assert np.array_equal(y, DATA.y)


def test_what_else_the_step_has_stays(card: Card) -> None:
    built: list[Step] = []

    def build(*arguments: Any) -> Step:
        built.append(builder(card, fused=True)(*arguments))
        return built[0]

    step = build_in_mode(build, PROBLEM, DATA, card.device(), Mode.TRANSFERRED_WARM)
    assert (step.state, step.reset, step.trace) == (built[0].state, built[0].reset, built[0].trace)
    assert step.stages[0].phases == FORWARD + BACKWARD + UPDATE


PUTS: dict[str, Callable[[Data, Device], None]] = {
    "nothing": lambda data, device: None,
    "x alone": lambda data, device: device.put(data.x),
    "y alone": lambda data, device: device.put(data.y),
    "a copy of x": lambda data, device: (device.put(np.array(data.x)), device.put(data.y))[0],
}


@pytest.mark.parametrize("mode", TRANSFERRED)
@pytest.mark.parametrize("put", PUTS.values(), ids=PUTS)
def test_a_batch_that_is_not_put_by_the_device_is_refused(
    card: Card, put: Callable[[Data, Device], None], mode: Mode
) -> None:
    def build(problem: Problem, data: Data, device: Device) -> Step:
        put(data, device)
        return card.world.step()  # type: ignore[no-any-return]

    with pytest.raises(StepError, match=rf"device\.put\(data\.x\) and device\.put\(data\.y\), as {mode} needs"):
        build_in_mode(build, PROBLEM, DATA, card.device(), mode)


def test_a_device_without_uploads_or_flushes_says_which_mode_to_leave_out(card: Card) -> None:
    with pytest.raises(StepError, match="card cannot be uploaded to: leave out --modes transferred-warm"):
        build_in_mode(builder(card), PROBLEM, DATA, card.device(upload=None), Mode.TRANSFERRED_WARM)
    for mode in (Mode.RESIDENT_COLD, Mode.TRANSFERRED_COLD):
        with pytest.raises(StepError, match=f"card cannot flush its caches: leave out --modes {mode}"):
            build_in_mode(builder(card), PROBLEM, DATA, card.device(flush=None), mode)


def test_what_is_no_step_is_handed_on_for_others_to_refuse(card: Card) -> None:
    def build(*_: Any) -> Any:
        return (Stage(FORWARD, lambda: None), lambda: State(0.0, {}))

    assert isinstance(build_in_mode(build, PROBLEM, DATA, card.device(), Mode.TRANSFERRED_WARM), tuple)
