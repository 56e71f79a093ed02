"""The gate: an implementation runs its first steps and must agree with the truth in all that it computed.

An error is the norm of the difference over the norm of the truth; it must stay under what the truth allows, and so
must the largest difference of a single element, so that a few wrong ones in a large array do not hide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.model.precision import Precision
from bench.model.problem import Dtype
from bench.model.step import State, Step
from bench.oracle.array_error import ArrayError
from bench.oracle.causes import likely_cause
from bench.oracle.truth import Course, Expected, Key, Truth, arrays_of

_EXACT = 256.0
"""So much more exact than the epsilon of its products no step is, unless they were computed in another precision."""
_BEYOND_DOUBT = 1000.0
"""A refusal this many times over its allowance is none that more perturbed runs could turn."""


@dataclass(frozen=True)
class Verification:
    """What the gate found."""

    passed: bool
    reason: str = ""
    """Why it failed, in one sentence; empty if it passed."""
    steps: int = 0
    """Steps that were compared."""
    errors: tuple[ArrayError, ...] = ()
    """One an array."""
    blind: tuple[str, ...] = ()
    """Arrays of which this precision cannot tell anything: zeros would pass."""
    unverified: str = ""
    """The author's reason why nothing was compared."""

    def error(self, kind: str) -> float | None:
        """Return the largest error of one kind of array; None if there is no such array."""
        return max((each.error for each in self.errors if each.kind == kind and not each.element), default=None)

    @property
    def worst(self) -> ArrayError | None:
        """The array that comes closest to what is allowed, or is furthest beyond."""
        return max(self.errors, key=lambda each: each.ratio, default=None)

    @property
    def doubtful(self) -> bool:
        """Whether more perturbed runs could turn a refusal."""
        return not self.passed and self.worst is not None and 1.0 < self.worst.ratio < _BEYOND_DOUBT


class _Gate:
    """Collects errors by what they are of, and the first reason to refuse."""

    def __init__(self, dtype: Dtype) -> None:
        self.dtype = dtype
        self.worst: dict[tuple[Key, bool], ArrayError] = {}
        self.blind: dict[str, None] = {}
        self.reason = ""

    def refuse(self, reason: str) -> None:
        self.reason = self.reason or reason

    def record(self, key: Key, step: int, found: NDArray[np.float64], expected: Expected) -> None:
        """Take one array."""
        apart = found - expected.value
        most = float(np.abs(expected.value).max(initial=0.0))
        for element, error, scale, allowed in (
            (False, float(np.linalg.norm(apart)), expected.scale, expected.allowed),
            (True, float(np.abs(apart).max(initial=0.0)), most, expected.largest),
        ):
            if not math.isfinite(error):
                self.refuse(f"{key} is not finite in step {step}.")
                error = math.inf
            elif scale == 0.0:
                error, allowed, scale = (math.inf if error > allowed else 0.0), 0.0, 1.0
            seen = ArrayError(key.kind, key.name, step, error / scale, allowed / scale, element)
            before = self.worst.get((key, element))
            if before is None or seen.ratio > before.ratio:
                self.worst[key, element] = seen
            if seen.error > seen.allowed:
                what = f"an element of {key}" if element else str(key)
                if math.isfinite(seen.error):
                    self.refuse(
                        f"{what} is off by {seen.error:.1e} in step {step}, where {seen.allowed:.1e} is allowed."
                    )
                else:
                    self.refuse(f"{what} is not zero in step {step}, where it must be.")
        if expected.blind and most:
            self.blind.setdefault(str(key))

    def compare(
        self, state: State, expected: Mapping[Key, Expected], start: Mapping[str, NDArray[np.float64]], step: int
    ) -> None:
        """Compare all that a state tells with what is expected."""
        self._check_form(state, expected, start)
        if self.reason:
            return
        for key, value in arrays_of(state, start).items():
            self.record(key, step, value, expected[key])

    def _check_form(
        self, state: State, expected: Mapping[Key, Expected], start: Mapping[str, NDArray[np.float64]]
    ) -> None:
        """Refuse what is missing, what is none of the step's arrays, and arrays of another shape or number format."""
        if state.loss is None and Key("loss", "") in expected:
            self.refuse("the loss is missing.")
        given = (("gradient", state.gradients), ("change", state.parameters), ("result", state.results))
        for kind, arrays in given:
            for name, value in arrays.items():
                what = f"the parameter {name}" if kind == "change" else f"the {kind} of {name}"
                right = expected.get(Key(kind, name))
                if right is None:
                    self.refuse(f"{what} is not one of this step.")
                elif np.shape(value) != right.value.shape:
                    self.refuse(f"{what} has the shape {np.shape(value)}; it must have the shape {right.value.shape}.")
                elif self.dtype is Dtype.FLOAT32 and np.asarray(value).dtype == np.float64:
                    self.refuse(f"{what} is float64, where float32 is asked for: compute in the format of the data.")
        for key, right in expected.items():
            if key.kind == "change" and key.name not in state.parameters:
                self.refuse(f"the parameter {key.name} is missing; it must have the shape {right.value.shape}.")
            if key.kind == "result" and key.name not in state.results:
                self.refuse(f"the result {key.name} is missing; it must have the shape {right.value.shape}.")


def run_course(gate: _Gate, step: Step, course: Course, truth: Truth, run: Callable[[], object]) -> State | None:
    """Run a step along a course and compare each state; the last state, or None if there is no step to run."""
    state = None
    for number, expected in enumerate(course, start=1):
        run()
        state = step.state()
        gate.compare(state, expected, truth.start, number)
        if gate.reason:
            break
    return state


def verify(
    step: Step,
    truth: Truth,
    dtype: Dtype,
    precision: Precision = Precision.FULL,
    run: Callable[[], object] | None = None,
    devices: int = 1,
) -> Verification:
    """Run a fresh step as many times as the truth has steps and compare each; reset it and compare the first again.

    The step is left as it was at the start.

    Args:
        step: a step that has not run yet.
        truth: the course of training.
        dtype: the number format.
        precision: how products may be rounded.
        run: runs the step once; by default `step` itself. A caller that timed the first call passes its own.
        devices: over how many devices it is spread.
    """
    gate = _Gate(dtype)
    state = run_course(gate, step, truth.course, truth, run or step)
    if gate.reason and state is not None:
        gate.reason += likely_cause(state, truth, gate.worst.values(), dtype, precision, devices)
    step.reset()
    if not gate.reason and dtype is Dtype.FLOAT32 and _is_too_exact(gate.worst.values(), precision):
        gate.refuse(f"its results are as exact as those of full precision, and {precision} is asked for.")
    if not gate.reason:
        again = _Gate(dtype)
        run_course(again, step, truth.course[:1], truth, run or step)
        step.reset()
        if again.reason:
            gate.refuse(f"after reset(), {again.reason}")
    return _verification(gate, len(truth.course))


def verify_again(
    step: Step,
    truth: Truth,
    dtype: Dtype,
    before: Verification,
    when: str,
    fresh: bool = False,
    run: Callable[[], object] | None = None,
) -> Verification:
    """Verify a step that was right before, from its start; it is left as it was at the start.

    Args:
        step: the step, reset.
        truth: the course of training.
        dtype: the number format.
        before: what was found before; worse errors are added.
        when: how the reason begins, such as `after timing`.
        fresh: whether it has been given the fresh inputs.
        run: runs the step once; by default `step` itself.
    """
    gate = _Gate(dtype)
    run_course(gate, step, truth.fresh if fresh else truth.course, truth, run or step)
    step.reset()
    found = _verification(gate, before.steps)
    worst = {(each.key, each.element): each for each in before.errors}
    for each in found.errors:
        if (each.key, each.element) not in worst or each.ratio > worst[each.key, each.element].ratio:
            worst[each.key, each.element] = each
    reason = f"{when}, {found.reason}" if found.reason else ""
    return replace(before, passed=found.passed, reason=reason, errors=tuple(worst.values()))


def _verification(gate: _Gate, steps: int) -> Verification:
    errors = tuple(gate.worst.values())
    blind = tuple(gate.blind)
    if not gate.reason and errors and _nothing_tells(errors, blind):
        gate.refuse("nothing of it can be told from zeros in this precision: use larger sizes or another precision.")
    return Verification(not gate.reason, gate.reason, steps, errors, blind)


def _is_too_exact(errors: Iterable[ArrayError], precision: Precision) -> bool:
    """Tell whether products cannot have been rounded as the precision says."""
    told = [each.error for each in errors if each.kind in ("gradient", "result") and not each.element]
    return precision.epsilon is not None and bool(told) and max(told) < precision.epsilon / _EXACT


def _nothing_tells(errors: Sequence[ArrayError], blind: Sequence[str]) -> bool:
    """Say whether zeros would pass for all that a step shows beside its loss."""
    shown = {str(each.key) for each in errors if each.kind != "loss"}
    return bool(shown) and shown <= set(blind)
