"""Building a step in a mode: where its batch is when a step begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.errors import StepError
from bench.model.case import Mode
from bench.model.data import Data
from bench.model.device import Device
from bench.model.problem import Problem
from bench.model.registry import Build
from bench.model.step import Stage, Step

if TYPE_CHECKING:
    from bench.model.data import Array


def build_in_mode(build: Build, problem: Problem, data: Data, device: Device, mode: Mode) -> Step:
    """Build a step; if its batch is to be transferred, its first stage copies it to the device first.

    The copy goes into the very arrays that `build` got from `device.put`, so an implementation knows nothing of it.

    Raises:
        StepError: the device cannot do this mode, or `build` got its batch another way.
    """
    if mode.cold and device.flush is None:
        raise StepError(f"the device {device.kind} cannot flush its caches: leave out --modes {mode}.")
    if not mode.transferred:
        return build(problem, data, device)
    if device.upload is None:
        raise StepError(f"the device {device.kind} cannot be uploaded to: leave out --modes {mode}.")
    placed: list[tuple[Any, Array]] = []

    def put(array: Array) -> Any:
        there = device.put(array)
        if any(array is given for given in data.inputs.values()):
            placed.append((there, array))
        return there

    step = build(problem, data, replace(device, put=put))
    if not hasattr(step, "stages"):  # whoever checks what `build` made says what is wrong with it
        return step
    if {id(array) for _, array in placed} != {id(array) for array in data.inputs.values()}:
        names = " and ".join(f"device.put(data.{name})" for name in data.inputs)
        raise StepError(f"build does not put its batch with {names}, as {mode} needs.")
    uploads = [device.upload(there, array) for there, array in placed]
    first, *rest = step.stages
    return replace(step, stages=(Stage(first.phases, _after(uploads, first.run)), *rest))


def _after(uploads: list[Callable[[], None]], run: Callable[[], object]) -> Callable[[], object]:
    def transferred() -> object:
        for upload in uploads:
            upload()
        return run()

    return transferred
