"""The truth from a float64 reference that knows its edges: decisions, such as those of a ReLU, that rounding may turn.

What is allowed is a fixed relative error, plus what the number format cannot decide: the rounding of a parameter that
is written back, units on the edge of their kink, and what an optimiser that divides by a gradient's size makes of noise
in its last bits. All three are computed, not guessed, all vanish in float64, and together they are never more than a
tenth: a step that does nothing is off by 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.errors import StepError
from bench.model.data import Data
from bench.model.precision import Precision
from bench.model.problem import Dtype, Problem
from bench.model.step import State
from bench.model.workload import Workload
from bench.oracle.noise import COARSE_SAFETY, Distance, allowance, coarse_epsilon, distances, noisy
from bench.oracle.truth import (
    FRESH_STEPS,
    STEPS,
    Course,
    Expected,
    Key,
    Truth,
    arrays_of,
    check_finite,
    digest_of,
    fresh_data,
)

TOLERANCE = {Dtype.FLOAT32: 1e-4, Dtype.FLOAT64: 1e-10}
"""Largest relative error that passes where nothing is undecided."""
ROUNDINGS = 10.0
"""The same where products round their factors, in epsilons of these: a step chains a few products, each of which is
off by at most one."""
KINK_EPSILONS = 8
"""Units whose pre-activation is within this many epsilons of 0, on the scale of its dot product, are undecidable."""
_RUNS = 4
"""Runs of the reference with noise in the last bits."""
MOST_UNDECIDED = 0.1
"""Largest part of the true norm that may be put down to the number format."""


def tolerance(dtype: Dtype, precision: Precision) -> float:
    """Return the relative error that passes where nothing is undecided."""
    coarse = coarse_epsilon(dtype, precision)
    return TOLERANCE[dtype] if coarse is None else ROUNDINGS * coarse


def kink_margin(dtype: Dtype, precision: Precision, terms: int) -> float:
    """Work out how close to 0 a pre-activation must be to be undecidable, on the scale |a| |w| of its dot product.

    A precision that rounds each factor by up to half an epsilon, up or down at random, leaves the sum of so many terms
    off by about that over the square root of their number; four times it is taken.
    """
    coarse = coarse_epsilon(dtype, precision)
    return KINK_EPSILONS * dtype.epsilon if coarse is None else float(2 * coarse / np.sqrt(terms))


def truth_by_reference(workload: Workload, problem: Problem, precision: Precision = Precision.FULL) -> Truth:
    """Train in float64 from the shared start: once exactly, and twice with the undecidable units forced.

    Raises:
        StepError: the truth is not finite, or the number format cannot show how a parameter changes.
    """
    data = workload.data(problem)
    other = fresh_data(workload, problem, data)
    fresh = () if other is None else _course(workload, problem, precision, other, FRESH_STEPS)
    course = _course(workload, problem, precision, data, STEPS)
    start = {name: value.astype(np.float64) for name, value in data.parameters.items()}
    return Truth(digest_of(data), start, course, fresh, data.inputs, {} if other is None else other.inputs)


def _course(workload: Workload, problem: Problem, precision: Precision, data: Data, steps: int) -> Course:
    terms = max(array.shape[-1] for array in data.inputs.values() if array.ndim)
    margin = kink_margin(problem.dtype, precision, terms)
    exact = workload.reference(problem, data, steps)
    check_finite(workload, exact)
    shaken = (noisy(data, problem.dtype, precision, number) for number in range(_RUNS))
    apart = distances(exact, data, ((each, workload.reference(problem, each, steps)) for each in shaken))
    above, below = (workload.reference(problem, data, steps, each) for each in (margin, -margin))
    allowed = workload.tolerance(problem) or tolerance(problem.dtype, precision)
    return tuple(
        _expected(state, one, two, apart[number - 1], data.parameters, number, problem.dtype, allowed)
        for number, (state, one, two) in enumerate(zip(exact, above, below, strict=True), start=1)
    )


def _expected(
    exact: State,
    above: State,
    below: State,
    runs: Mapping[Key, Sequence[Distance]],
    start: Mapping[str, NDArray[np.floating]],
    step: int,
    dtype: Dtype,
    allowed: float,
) -> dict[Key, Expected]:
    """Say what is expected of one step; its parameters have been written back `step` times."""
    first, other = arrays_of(above, start), arrays_of(below, start)
    found = {}
    for key, value in arrays_of(exact, start).items():
        norm, most = float(np.linalg.norm(value)), float(np.abs(value).max(initial=0.0))
        moved = np.zeros(()) if key.kind == "loss" else first[key] - other[key]
        turned, turned_element = float(np.linalg.norm(moved)), float(np.abs(moved).max(initial=0.0))
        if key.kind == "change":
            half = step * 0.5 * dtype.epsilon
            parameter = exact.parameters[key.name]
            rounded, element = allowance(value.size, runs[key], COARSE_SAFETY)
            rounding = half * float(np.linalg.norm(parameter))
            if norm and rounding / norm > MOST_UNDECIDED:
                raise StepError(
                    f"the change of {key.name} is too small for {dtype} to show, so it cannot be verified: "
                    "use larger sizes or --dtype float64."
                )
            found[key] = Expected(
                value,
                norm,
                allowed * norm + min(turned + rounding + rounded, MOST_UNDECIDED * norm),
                allowed * most + turned_element + element + half * float(np.abs(parameter).max(initial=0.0)),
            )
        else:
            bound = allowed * norm + min(turned, MOST_UNDECIDED * norm)
            found[key] = Expected(value, norm, bound, allowed * most + turned_element)
    return found
