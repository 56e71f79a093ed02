"""How far rounding alone leads: runs with noise in the last bits of parameters and inputs, and their spread."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.model.data import Data
from bench.model.precision import Precision
from bench.model.problem import Dtype
from bench.model.step import State
from bench.oracle.truth import Key, arrays_of
from bench.stats.special import f_quantile

_AMPLITUDE = 8.0
"""Noise in half epsilons: wide enough to turn the decisions that another order of summation may turn."""
_COARSE_AMPLITUDE = 1.0
"""The same in 16-bit formats, whose own rounding turns them."""
_RISK = 1e-9
"""Chance that the distance of a right run is beyond its allowance, were distances sums of independent errors."""
SAFETY = 16.0
"""Further factor. Errors are not quite independent, and compilers sum up terms that cancel in orders that round ten
times as much as the eager run (a CNN with batch normalisation); a percent is thousands of times as much."""
COARSE_SAFETY = 2.0
"""The same in 16-bit formats, whose rounding of factors is more than any order of summation adds."""
_INDEPENDENT = 16
"""An array counts as at most so many independent errors."""


def coarse_epsilon(dtype: Dtype, precision: Precision) -> float | None:
    """Return the epsilon that products round their factors to; None where the number format decides."""
    return precision.epsilon if dtype is Dtype.FLOAT32 else None


def noisy(data: Data, dtype: Dtype, precision: Precision, number: int) -> Data:
    """Return data with noise in the last bits of parameters and floating-point inputs."""
    coarse = coarse_epsilon(dtype, precision)
    width = dtype.epsilon * _AMPLITUDE / 2 if coarse is None else coarse * _COARSE_AMPLITUDE / 2
    chance = np.random.default_rng(number)

    def shaken(array: NDArray[Any]) -> NDArray[Any]:
        if array.dtype.kind != "f":
            return array
        noise = 1.0 + width * chance.integers(-1, 2, array.shape)
        return np.asarray(array.astype(np.float64) * noise).astype(array.dtype)

    inputs = {name: shaken(array) for name, array in data.inputs.items()}
    return replace(data, inputs=inputs, parameters={name: shaken(array) for name, array in data.parameters.items()})


Distance = tuple[float, float]
"""How far an array is from its truth: the square of the norm, and the largest element."""


def distance(found: NDArray[np.float64], truth: NDArray[np.float64]) -> Distance:
    """Measure how far an array is from its truth."""
    apart = found - truth
    return float(np.sum(apart * apart)), float(np.abs(apart).max(initial=0.0))


def distances(
    center: Sequence[State], data: Data, runs: Iterable[tuple[Data, Sequence[State]]]
) -> list[dict[Key, list[Distance]]]:
    """Measure how far the arrays of perturbed runs are from where they should be, step by step.

    Args:
        center: states without noise.
        data: what they began from.
        runs: what each perturbed run began from, and its states; one at a time is held.
    """
    apart: list[dict[Key, list[Distance]]] = [{} for _ in center]
    for shaken, states in runs:
        for state, found, known in zip(center, states, apart, strict=True):
            own = arrays_of(state, data.parameters)
            for key, value in arrays_of(found, shaken.parameters).items():
                if key in own:
                    known.setdefault(key, []).append(distance(value, own[key]))
    return apart


def allowance(size: int, runs: Sequence[Distance], safety: float = SAFETY) -> tuple[float, float]:
    """Return the largest norm, and the largest single element, of a difference that rounding explains.

    Args:
        size: elements of the array.
        runs: its distances in the perturbed runs; none if no run has it, and then nothing is explained.
        safety: the further factor.
    """
    if not runs:
        return 0.0, 0.0
    factor = safety * _factor(size, len(runs))
    squares, elements = zip(*runs, strict=True)
    return factor * math.sqrt(sum(squares) / len(runs)), factor * max(elements)


def _factor(size: int, runs: int) -> float:
    """Return how many times the typical distance of the perturbed runs a right run may be off.

    The squared distance of a run over the mean of theirs follows an F distribution if errors are independent.
    """
    count = min(max(size, 1), _INDEPENDENT)
    return math.sqrt(f_quantile(count, count * runs, 1 - _RISK))
