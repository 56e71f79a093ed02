"""The gate: an implementation runs its first steps and must agree with the oracle in all that it computed.

An error is ||found - truth|| / ||truth||. It must stay under the tolerance of the number format, plus what that format
cannot decide: the rounding of a parameter that is written back, and ReLU units on the edge of their kink. Both are
computed, not guessed, both vanish in float64, and together they are never more than a tenth: a step that does nothing
is off by 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bench.model.precision import Precision
from bench.model.problem import Dtype
from bench.model.step import State, Step
from bench.oracle.truth import Truth

if TYPE_CHECKING:
    from bench.model.data import Array

TOLERANCE = {Dtype.FLOAT32: 1e-4, Dtype.FLOAT64: 1e-10}
"""Largest relative error that passes where nothing is undecided."""
TF32_TOLERANCE = 1e-2
"""For float32 with TF32 allowed: its factors have 10 bits of mantissa, so a product's relative error is up to 2^-10,
and a step chains a few of them."""
MOST_UNDECIDED = 0.1
"""Largest part of the true norm that may be put down to the number format."""


@dataclass(frozen=True)
class Verification:
    """What the gate found. Errors are the largest over all steps and arrays, relative and without unit."""

    # Read by pydantic, which would otherwise send an infinite error as an unknown one.
    __pydantic_config__: ClassVar[dict[str, str]] = {"ser_json_inf_nan": "constants"}

    passed: bool
    reason: str
    """Why it failed, in one sentence; empty if it passed."""
    steps: int
    tolerance: float
    loss_error: float | None = None
    gradient_error: float | None = None
    """Largest error of a gradient; None where the implementation exposes none."""
    change_error: float | None = None
    """Error of the parameters' change since the start: the parameters themselves barely move."""


def relative_error(found: Array, truth: Array) -> float:
    """Return ||found - truth|| / ||truth||; infinite if anything is not finite, or if only the truth is 0."""
    difference = float(np.linalg.norm(np.asarray(found, dtype=np.float64) - truth))
    scale = float(np.linalg.norm(truth))
    if not math.isfinite(difference):
        return math.inf
    if scale == 0.0:
        return 0.0 if difference == 0.0 else math.inf
    return difference / scale


class _Gate:
    """Collects errors by what they are of, and the first reason to refuse."""

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self.worst: dict[str, float] = {}
        self.reason = ""

    def refuse(self, reason: str) -> None:
        self.reason = self.reason or reason

    def record(self, kind: str, name: str, step: int, error: float, undecided: float = 0.0) -> None:
        """Take one error; `undecided` is the part of the true norm that the number format cannot settle."""
        self.worst[kind] = max(error, self.worst.get(kind, 0.0))
        limit = self.tolerance + min(undecided, MOST_UNDECIDED)
        if error <= limit:
            return
        what = f"the {kind} of {name}" if name else f"the {kind}"
        if math.isfinite(error):
            self.refuse(f"{what} is off by {error:.1e} in step {step}, where {limit:.1e} is allowed.")
        else:
            self.refuse(f"{what} is not finite in step {step}, or not zero where it must be.")


def _compare(gate: _Gate, found: State, truth: Truth, step: int, dtype: Dtype) -> None:
    exact, undecided = truth.states[step - 1], truth.undecided[step - 1]
    gate.record("loss", "", step, relative_error(np.asarray(found.loss), np.asarray(exact.loss)))
    for name, gradient in found.gradients.items():
        right = exact.gradients.get(name)
        if right is None or right.shape != gradient.shape:
            gate.refuse(f"the gradient of {name} is not one of this step, or has the wrong shape {gradient.shape}.")
            continue
        part = _part(undecided[f"gradient.{name}"], right)
        gate.record("gradient", name, step, relative_error(gradient, right), part)
    for name, right in exact.parameters.items():
        parameter = found.parameters.get(name)
        if parameter is None or parameter.shape != right.shape:
            shape = "is missing" if parameter is None else f"has the shape {parameter.shape}"
            gate.refuse(f"the parameter {name} {shape}; it must have the shape {right.shape}.")
            continue
        change = right - truth.start[name]
        # Writing a parameter back rounds it by at most half an epsilon, in every step and whatever computed it.
        rounding = step * 0.5 * dtype.epsilon * float(np.linalg.norm(right))
        if _part(rounding, change) > MOST_UNDECIDED:
            gate.refuse(
                f"the change of {name} is too small for {dtype} to show, so it cannot be verified: "
                "use larger sizes or --dtype float64."
            )
            continue
        part = _part(undecided[f"change.{name}"] + rounding, change)
        moved = np.asarray(parameter, dtype=np.float64) - truth.start[name]
        gate.record("change", name, step, relative_error(moved, change), part)


def _check_reset(gate: _Gate, step: Step, truth: Truth, dtype: Dtype) -> None:
    """Check that one step after a reset is the first step again: training starts over many times while it is timed."""
    again = _Gate(gate.tolerance)
    step()
    _compare(again, step.state(), truth, 1, dtype)
    step.reset()
    if again.reason:
        gate.refuse(f"after reset(), {again.reason}")


def _part(norm: float, truth: Array) -> float:
    scale = float(np.linalg.norm(truth))
    return norm / scale if scale else 0.0


def verify(
    step: Step,
    truth: Truth,
    dtype: Dtype,
    precision: Precision = Precision.FULL,
    run: Callable[[], None] | None = None,
) -> Verification:
    """Run a fresh step as many times as `truth` has states and compare each; reset it and compare the first again.

    The step is left as it was at the start.

    Args:
        step: a step that has not run yet.
        truth: the oracle's course of training.
        dtype: the number format, which sets the tolerance.
        precision: how float32 matrices may be multiplied; TF32 widens the tolerance.
        run: runs the step once; by default `step` itself. A caller that times the first call passes its own.
    """
    tf32 = precision is Precision.TF32 and dtype is Dtype.FLOAT32
    gate = _Gate(TF32_TOLERANCE if tf32 else TOLERANCE[dtype])
    for number in range(1, len(truth.states) + 1):
        (run or step)()
        _compare(gate, step.state(), truth, number, dtype)
        if gate.reason:
            break
    step.reset()
    if not gate.reason:
        _check_reset(gate, step, truth, dtype)
    return Verification(
        passed=not gate.reason,
        reason=gate.reason,
        steps=number,
        tolerance=gate.tolerance,
        loss_error=gate.worst.get("loss"),
        gradient_error=gate.worst.get("gradient"),
        change_error=gate.worst.get("change"),
    )
