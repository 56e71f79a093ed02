"""What is true of a workload's first steps, and how much of it the problem's number format can decide at all.

A truth is computed once a run and handed to the measuring processes as a file of plain arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.model.precision import Precision
from bench.model.problem import Dtype, Problem
from bench.model.step import State
from bench.model.workload import Workload

if TYPE_CHECKING:
    from bench.model.data import Array

STEPS = 4
"""Steps that are compared: at least three, and one whole block of depths for the dynamic workload."""
KINK_EPSILONS = 8
"""Units whose pre-activation is within this many epsilons of 0, on the scale of its dot product, are undecidable."""


@dataclass(frozen=True)
class Truth:
    """The exact first steps of training from the shared start."""

    start: Mapping[str, NDArray[np.float64]]
    states: tuple[State, ...]
    """Loss, parameters and gradients of each step, in float64."""
    undecided: tuple[Mapping[str, float], ...]
    """For each step, by how much, as a norm, `gradient.NAME` and `change.NAME` move if every ReLU unit that the
    number format cannot place on one side of its kink is put on one side or on the other."""


def kink_margin(dtype: Dtype, precision: Precision, d_in: int) -> float:
    """Work out how close to 0 a pre-activation must be to be undecidable, on the scale |a| |w| of its dot product.

    TF32 rounds each factor by up to 2^-11, up or down at random, so the sum of `d_in` products is off by about
    2^-11 |a| |w| / sqrt(d_in); four times that is taken.
    """
    if precision is Precision.TF32 and dtype is Dtype.FLOAT32:
        return float(2.0**-9 / np.sqrt(d_in))
    return KINK_EPSILONS * dtype.epsilon


def make_truth(
    workload: Workload, problem: Problem, precision: Precision = Precision.FULL, steps: int = STEPS
) -> Truth:
    """Train in float64 from the shared start: once exactly, and twice with the undecidable units forced."""
    data = workload.data(problem)
    above = below = exact = workload.reference(problem, data, steps)
    if workload.knows_edges:
        margin = kink_margin(problem.dtype, precision, data.x.shape[1])
        above, below = (workload.reference(problem, data, steps, m) for m in (margin, -margin))
    undecided = tuple(
        {
            **{f"gradient.{name}": _distance(a.gradients, b.gradients, name) for name in a.gradients},
            **{f"change.{name}": _distance(a.parameters, b.parameters, name) for name in a.parameters},
        }
        for a, b in zip(above, below, strict=True)
    )
    start = {name: value.astype(np.float64) for name, value in data.parameters.items()}
    return Truth(start, exact, undecided)


def _distance(a: Mapping[str, Array], b: Mapping[str, Array], name: str) -> float:
    return float(np.linalg.norm(a[name] - b[name]))


def save_truth(truth: Truth, path: Path) -> None:
    """Write a truth as an .npz file of plain arrays."""
    arrays: dict[str, Array] = {f"start/{name}": value for name, value in truth.start.items()}
    for index, (state, undecided) in enumerate(zip(truth.states, truth.undecided, strict=True)):
        arrays[f"{index}/loss"] = np.asarray(state.loss)
        arrays |= {f"{index}/parameter/{name}": value for name, value in state.parameters.items()}
        arrays |= {f"{index}/gradient/{name}": value for name, value in state.gradients.items()}
        arrays |= {f"{index}/undecided/{name}": np.asarray(value) for name, value in undecided.items()}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_truth(path: Path) -> Truth:
    """Read what `save_truth` wrote; nothing in the file is executed."""
    start: dict[str, NDArray[np.float64]] = {}
    losses: dict[int, float] = {}
    groups: dict[tuple[int, str], dict[str, NDArray[np.float64]]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            first, _, rest = key.partition("/")
            kind, _, name = rest.partition("/")
            if first == "start":
                start[rest] = arrays[key]
            elif kind == "loss":
                losses[int(first)] = float(arrays[key])
            else:
                groups.setdefault((int(first), kind), {})[name] = arrays[key]
    indices = sorted(losses)
    states = tuple(State(losses[i], groups[i, "parameter"], groups[i, "gradient"]) for i in indices)
    undecided = tuple({name: float(value) for name, value in groups[i, "undecided"].items()} for i in indices)
    return Truth(start, states, undecided)
