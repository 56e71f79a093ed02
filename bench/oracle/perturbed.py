"""The truth about any workload: its baseline in float64 on the CPU, and an allowance from perturbed runs.

What an implementation may be off is measured, not guessed: the same program runs several times in the working
precision with noise in the last bits of parameters and inputs, and the distances of these runs from the truth say how
far from it rounding alone leads, array by array. An array that is noise itself (the gradient of a bias in front of a
normalisation) so gets an allowance on the scale of that noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench.errors import StepError
from bench.model.data import Data
from bench.model.precision import Precision
from bench.model.problem import Dtype, Problem
from bench.model.step import State
from bench.model.workload import Workload
from bench.oracle.noise import COARSE_SAFETY, SAFETY, Distance, allowance, coarse_epsilon, distances, noisy
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

RUNS = 8
MORE_RUNS = 32
"""Perturbed runs, and those by which a refusal that is not beyond doubt is judged once more."""
_LEAST = 64.0
"""Relative errors of so many epsilons of the number format are always allowed: the truth in float64 is not more exact
than that itself."""
_ORDER = 256.0
"""So many epsilons of all gradients together, or of all changes, are always allowed of one array: a compiler may sum up
thousands of terms that cancel in an order that rounds more, which noise in them does not show. (A compiled CNN with
batch normalisation was off by 30 to 100.)"""
_SAME = 1e-7
"""Two float64 runs that differ by more, relative to their arrays, are not the same computation."""

Train = Callable[[Problem, Data, Precision, int], Sequence[State]]
"""The baseline, built anew on the CPU for a problem and data: the states after each of the first steps."""


def truth_by_runs(
    workload: Workload, problem: Problem, precision: Precision, train: Train, can: bool, runs: int = RUNS
) -> Truth:
    """Find out what is true and what is allowed by running the baseline.

    Args:
        workload: which mathematics.
        problem: sizes and number format.
        precision: the precision that implementations are to compute in.
        train: runs the baseline.
        can: whether it can compute in that precision here; otherwise noise in its last bits stands for it.
        runs: perturbed runs.

    Raises:
        StepError: the data, or the computation, are not the same twice; or the truth is not finite.
    """
    data = workload.data(problem)
    if digest_of(data) != digest_of(workload.data(problem)):
        raise StepError(f"the data of {workload.name} are not the same twice: draw them from the rng that is given.")
    other = fresh_data(workload, problem, data)

    def course(of: Data, steps: int) -> Course:
        exact, center = _exact(workload, problem, of, train, steps)
        working = precision if can else Precision.FULL
        shaken = (noisy(of, problem.dtype, precision, number) for number in range(runs))
        apart = distances(center, of, ((each, train(problem, each, working, steps)) for each in shaken))
        return tuple(_expected(state, known, of, problem, precision) for state, known in zip(exact, apart, strict=True))

    start = {name: value.astype(np.float64) for name, value in data.parameters.items()}
    fresh = () if other is None else course(other, FRESH_STEPS)
    inputs = {} if other is None else other.inputs
    return Truth(digest_of(data), start, course(data, STEPS), fresh, data.inputs, inputs)


def _exact(
    workload: Workload, problem: Problem, data: Data, train: Train, steps: int
) -> tuple[Sequence[State], Sequence[State]]:
    """Run in float64, twice; return the truth, and what the perturbed runs should come to.

    These two differ where the author gives a reference and the baseline is wrong: its error is no rounding.
    """
    double = replace(problem, dtype=Dtype.FLOAT64)
    states, again = (train(double, data.as_type("float64"), Precision.FULL, steps) for _ in range(2))
    truth = workload.reference(problem, data, steps) if workload.has_reference else states
    check_finite(workload, truth)
    for number, (one, two) in enumerate(zip(states, again, strict=True), start=1):
        _check_same(workload, number, arrays_of(one, data.parameters), arrays_of(two, data.parameters))
    return truth, states


def _check_same(
    workload: Workload, number: int, one: dict[Key, NDArray[np.float64]], two: dict[Key, NDArray[np.float64]]
) -> None:
    for key, value in one.items():
        scale = float(np.linalg.norm(value))
        if not float(np.linalg.norm(value - two[key])) <= _SAME * scale:
            raise StepError(
                f"two float64 runs of {workload.baseline} differ in {key} in step {number}: it draws random numbers "
                "while it runs, so give unverified='the reason', or make it deterministic."
            )


def _expected(
    exact: State, runs: Mapping[Key, Sequence[Distance]], data: Data, problem: Problem, precision: Precision
) -> dict[Key, Expected]:
    """Say what is expected of one step."""
    coarse = coarse_epsilon(problem.dtype, precision)
    epsilon = coarse or problem.dtype.epsilon
    truth = arrays_of(exact, data.parameters)
    whole = {kind: _norm(value for key, value in truth.items() if key.kind == kind) for kind in ("gradient", "change")}
    found = {}
    for key, value in truth.items():
        rounding, element = allowance(value.size, runs.get(key, ()), SAFETY if coarse is None else COARSE_SAFETY)
        norm, most = float(np.linalg.norm(value)), float(np.abs(value).max(initial=0.0))
        scale = max(norm, epsilon * whole[key.kind]) if key.kind == "gradient" else norm
        order = _ORDER * problem.dtype.epsilon * whole.get(key.kind, 0.0)
        least = max(epsilon, _LEAST * problem.dtype.epsilon)
        found[key] = Expected(value, scale, max(rounding, order, least * scale), max(element, order, least * most))
    return found


def _norm(arrays: Iterable[NDArray[np.float64]]) -> float:
    return math.sqrt(sum(float(np.sum(value * value)) for value in arrays))
