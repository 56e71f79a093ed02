"""The likely cause of a refusal, where it can be told."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from bench.model.precision import Precision
from bench.model.problem import Dtype
from bench.model.step import State
from bench.oracle.array_error import ArrayError
from bench.oracle.truth import Expected, Key, Truth

_FEWEST = 16
_MOSTLY = 0.99
_ALIKE = 1e-3
_HALF_PRECISION = (2.0**-12, 2.0**-4)
"""Relative errors that products of 16-bit factors leave."""


def likely_cause(
    state: State,
    truth: Truth,
    errors: Collection[ArrayError],
    dtype: Dtype,
    precision: Precision,
    devices: int = 1,
) -> str:
    """Return half a sentence that begins with a space, or nothing.

    Args:
        state: what the step left behind when it was refused.
        truth: what it should have been.
        errors: the worst of each array so far.
        dtype: the number format.
        precision: how products may be rounded.
        devices: over how many devices the step was spread.
    """
    step = truth.course[max((each.step for each in errors), default=1) - 1]
    changes = [key.name for key, right in step.items() if key.kind == "change" and np.any(right.value)]
    still = [name for name in changes if np.array_equal(np.asarray(state.parameters.get(name)), truth.start[name])]
    over = [each for each in errors if each.ratio > 1.0]
    if changes and len(still) == len(changes):
        return " No parameter has changed: was the update skipped?"
    if devices > 1:
        return _of_ranks(state, step, devices)
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


def _of_ranks(state: State, step: Mapping[Key, Expected], devices: int) -> str:
    """Return the likely cause where each of several ranks has computed with its part of the batch."""
    right_ones = {key.name: right.value for key, right in step.items() if key.kind == "gradient"}
    known = [(found, right_ones[name]) for name, found in state.gradients.items() if name in right_ones]

    def all_are(factor: float) -> bool:
        return bool(known) and all(np.allclose(found, factor * right, rtol=_ALIKE, atol=0) for found, right in known)

    if all_are(1 / devices):
        return (
            f" All gradients are 1/{devices} of what they must be: they are averaged over {devices} ranks, so a loss "
            f"that is a sum over samples must be a mean, or be multiplied by {devices}."
        )
    if all_are(devices):
        return f" All gradients are {devices} times what they must be: they are added up and must be averaged."
    return (
        " Each rank sees its own part of the batch alone: a loss that is no mean over samples and batch normalisation "
        "come out otherwise there; take SyncBatchNorm (on GPUs) or another normalisation, or measure it on one device."
    )


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
