"""The truth about a workload's first steps, and how far from it a right step may be.

A truth is computed once a run and handed to the measuring processes as a file of plain arrays. It comes from a float64
reference that knows its edges (`bench.oracle.edges`), or from runs of the baseline (`bench.oracle.perturbed`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.errors import StepError
from bench.model.data import Data
from bench.model.problem import Dtype, Problem
from bench.model.step import State
from bench.model.workload import Workload

if TYPE_CHECKING:
    from bench.model.data import Array

STEPS = 4
"""Steps that are compared: at least three, and one whole block of depths for the dynamic workload."""
FRESH_STEPS = 2
"""Steps that are compared on fresh inputs."""
_OTHER_SEED = 7919


class Key(NamedTuple):
    """Which array of a state."""

    kind: str
    """`loss`, `gradient`, `change` (of a parameter since the start) or `result`."""
    name: str

    def __str__(self) -> str:
        """Name it in a sentence."""
        return f"the {self.kind} of {self.name}" if self.name else f"the {self.kind}"


@dataclass(frozen=True)
class Expected:
    """One array of one step."""

    value: NDArray[np.float64]
    """The truth."""
    scale: float
    """Norm that an error is stated relative to."""
    allowed: float
    """Largest norm of the difference that a right step may show."""
    largest: float
    """Largest difference of a single element."""

    @property
    def blind(self) -> bool:
        """Whether zeros in its place would pass: then nobody can tell anything."""
        return float(np.linalg.norm(self.value)) <= self.allowed


Course = tuple[Mapping[Key, Expected], ...]
"""What is expected after each of the first steps."""


@dataclass(frozen=True)
class Truth:
    """The first steps of training from the shared start, on the problem's own inputs and on fresh ones."""

    digest: str
    """Digest of the data that it is about."""
    start: Mapping[str, NDArray[np.float64]]
    """Parameters before the first step."""
    course: Course
    fresh: Course = ()
    """The same on fresh inputs; empty where other seeds give the same inputs."""
    inputs: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """The problem's own inputs."""
    fresh_inputs: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Those of `fresh`."""

    def data(self, dtype: Dtype) -> Data:
        """Return the data that it is about, for a process that does not draw them itself."""
        return Data(self.inputs, self.start).as_type(dtype.value)

    @property
    def nbytes(self) -> int:
        """The bytes of its arrays."""
        expected = (each.value for state in (*self.course, *self.fresh) for each in state.values())
        given = (*self.start.values(), *self.inputs.values(), *self.fresh_inputs.values())
        return sum(array.nbytes for array in (*given, *expected))


def digest_of(data: Data) -> str:
    """Return a digest of inputs and parameters: processes that differ in it do not start from the same arrays."""
    found = hashlib.sha256()
    for name, array in sorted(
        {**data.inputs, **{f"parameter {key}": item for key, item in data.parameters.items()}}.items()
    ):
        found.update(f"{name} {array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def fresh_data(workload: Workload, problem: Problem, data: Data) -> Data | None:
    """Draw other inputs for the same start; None where another seed gives the same inputs, or others in form."""
    inputs = workload.data(replace(problem, seed=problem.seed + _OTHER_SEED)).inputs
    forms = [{name: (array.shape, array.dtype) for name, array in each.items()} for each in (inputs, data.inputs)]
    if forms[0] != forms[1] or all(np.array_equal(inputs[name], data.inputs[name]) for name in inputs):
        return None
    return replace(data, inputs=inputs)


def arrays_of(state: State, start: Mapping[str, Array]) -> dict[Key, NDArray[np.float64]]:
    """List everything that a state tells, in float64, parameters as their change since the start."""
    found: dict[Key, NDArray[np.float64]] = {}
    if state.loss is not None:
        found[Key("loss", "")] = np.asarray(state.loss, dtype=np.float64)
    for name, value in state.gradients.items():
        found[Key("gradient", name)] = np.asarray(value, dtype=np.float64)
    for name, value in state.parameters.items():
        found[Key("change", name)] = np.asarray(value, dtype=np.float64) - start[name]
    for name, value in state.results.items():
        found[Key("result", name)] = np.asarray(value, dtype=np.float64)
    return found


def check_finite(workload: Workload, states: Iterable[State]) -> None:
    """Refuse a truth that is none.

    Raises:
        StepError: it holds what is not a number or not finite.
    """
    for number, state in enumerate(states, start=1):
        arrays = {**state.gradients, **state.parameters, **state.results}
        odd = [name for name, values in arrays.items() if not np.isfinite(values).all()]
        if odd or not np.isfinite(state.loss or 0.0):
            what = odd[0] if odd else "the loss"
            raise StepError(
                f"the truth of {workload.name} is not finite: {what} in step {number} of the float64 run; "
                "use a smaller learning rate or other data."
            )


def save_truth(truth: Truth, path: Path) -> None:
    """Write a truth as an .npz file of plain arrays."""
    arrays: dict[str, Array] = {"digest": np.asarray(truth.digest)}
    given = (("start", truth.start), ("inputs", truth.inputs), ("fresh_inputs", truth.fresh_inputs))
    for part, values in given:
        arrays |= {f"{part}/{name}": value for name, value in values.items()}
    for part, course in (("course", truth.course), ("fresh", truth.fresh)):
        for index, step in enumerate(course):
            for key, expected in step.items():
                place = f"{part}/{index}/{key.kind}/{key.name}"
                arrays[f"value/{place}"] = expected.value
                arrays[f"bounds/{place}"] = np.asarray([expected.scale, expected.allowed, expected.largest])
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_truth(path: Path) -> Truth:
    """Read what `save_truth` wrote; nothing in the file is executed."""
    given: dict[str, dict[str, NDArray[Any]]] = {"start": {}, "inputs": {}, "fresh_inputs": {}}
    courses: dict[str, dict[int, dict[Key, Expected]]] = {"course": {}, "fresh": {}}
    with np.load(path, allow_pickle=False) as arrays:
        for stored in arrays.files:
            first, _, rest = stored.partition("/")
            if first in given:
                given[first][rest] = arrays[stored]
            elif first == "value":
                part, index, kind, name = rest.split("/", 3)
                scale, allowed, largest = (float(each) for each in arrays[f"bounds/{rest}"])
                expected = Expected(arrays[stored], scale, allowed, largest)
                courses[part].setdefault(int(index), {})[Key(kind, name)] = expected
        digest = str(arrays["digest"])
    course, fresh = (tuple(found[index] for index in sorted(found)) for found in courses.values())
    return Truth(digest, given["start"], course, fresh, given["inputs"], given["fresh_inputs"])
