"""The likely cause of a refusal, where it can be told."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from bench.model.precision import Precision
from bench.model.problem import Dtype
from bench.model.step import State
from bench.oracle.array_error import ArrayError
from bench.oracle.truth import Key, Truth

_FEWEST = 16
_MOSTLY = 0.99
_HALF_PRECISION = (2.0**-12, 2.0**-4)
"""Relative errors that products of 16-bit factors leave."""


def likely_cause(state: State, truth: Truth, errors: Collection[ArrayError], dtype: Dtype, precision: Precision) -> str:
    """Return half a sentence that begins with a space, or nothing.

    Args:
        state: what the step left behind when it was refused.
        truth: what it should have been.
        errors: the worst of each array so far.
        dtype: the number format.
        precision: how products may be rounded.
    """
    step = truth.course[max((each.step for each in errors), default=1) - 1]
    changes = [key.name for key, right in step.items() if key.kind == "change" and np.any(right.value)]
    still = [name for name in changes if np.array_equal(np.asarray(state.parameters.get(name)), truth.start[name])]
    over = [each for each in errors if each.ratio > 1.0]
    if changes and len(still) == len(changes):
        return " No parameter has changed: was the update skipped?"
    if dtype is Dtype.FLOAT32 and precision is Precision.FULL and (_is_short(state) or _looks_short(state, over)):
        return " That is how far off 16-bit arithmetic is: give it --precision amp-bf16, or compute in float32."
    silent = [
        key.name for key, right in step.items() if key.kind == "gradient" and _is_missing(state, key, right.blind)
    ]
    if silent:
        return f" The gradient of {silent[0]} is missing or zero: is it cut off from the loss?"
    if over and all(each.kind == "result" for each in over):
        return " Loss and gradients agree: are running statistics (of a batch normalisation) kept and put back?"
    if still:
        return f" The parameter {still[0]} has not changed: is it left out of the update?"
    return ""


def _is_missing(state: State, key: Key, blind: bool) -> bool:
    found = state.gradients.get(key.name)
    return not blind and bool(state.gradients) and (found is None or not np.any(found))


def _is_short(state: State) -> bool:
    """Tell whether gradients are float32 numbers whose lower halves are empty, as bfloat16 leaves them."""
    for value in state.gradients.values():
        array = np.ascontiguousarray(value, dtype=np.float32)
        bits = array[array != 0].view(np.uint32)
        if bits.size >= _FEWEST and np.mean((bits & 0xFFFF) == 0) >= _MOSTLY:
            return True
    return False


def _looks_short(state: State, over: list[ArrayError]) -> bool:
    """Tell whether the loss of a step that shows no gradients is off by what 16-bit factors leave."""
    low, high = _HALF_PRECISION
    return not state.gradients and any(each.kind == "loss" and low <= each.error <= high for each in over)
