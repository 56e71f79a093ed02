"""A workload: which mathematics one step computes. Speedups are only ever stated inside one workload.

An author writes a class and decorates it with `@workload`; `Workload` is what the harness makes of it. Nothing beside
the class knows its mathematics.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from bench.errors import StepError, UsageError, nearest
from bench.model.case import CASE_COLUMNS
from bench.model.problem import Problem
from bench.model.sizes import Sizes
from bench.model.step import FORWARD, TRAINING, Phases

if TYPE_CHECKING:
    from bench.model.data import Data
    from bench.model.device import Device
    from bench.model.step import State


_TAKEN = {*(column.name for column in CASE_COLUMNS), *(field.name for field in fields(Problem)), *dir(Problem)}
"""Names that a size cannot have: they say something else of a case or a problem."""


@dataclass(frozen=True)
class Memory:
    """What a case takes, in bytes."""

    host: int
    """Memory of the host that verifying it takes."""
    device: int
    """Memory that a step takes on a device with memory of its own."""


@dataclass(frozen=True)
class Cost:
    """What a phase must do at the least; None where the author does not know."""

    flops: float | None = None
    """Floating-point operations of its matrix products."""
    values: float | None = None
    """Numbers of the working format that it must read and write, each array once."""


@dataclass(frozen=True)
class Workload:
    """One registered workload. What its author has left out is unknown: no rate, no roofline, nothing is impossible."""

    name: str
    title: str
    """A few words for figures and tables."""
    baseline: str
    """The implementation that speedups of this workload are stated over, and whose float64 run is the truth where there
    is no reference."""
    sizes: Sizes
    """Names and default values of its sizes."""
    program: Any
    """The author's object."""
    phases: Phases = TRAINING
    origin: str = ""
    """`file:PATH` or `module:NAME` of what registered it; empty for those that come with the harness."""
    unverified: str = ""
    """The author's reason why it cannot be verified; empty if it is."""
    has_reference: bool = False
    """Whether the author gives the truth by a program of its own."""
    knows_edges: bool = False
    """Whether that program can say how much hangs on decisions that rounding may turn."""

    @property
    def variants(self) -> tuple[int, ...]:
        """The amounts of work between which steps vary; empty if every step does the same."""
        return tuple(getattr(self.program, "variants", ()))

    @property
    def cycle(self) -> int:
        """Steps after which the amount of work repeats: a sample covers a multiple of this."""
        return max(1, len(self.variants))

    @property
    def framework(self) -> str:
        """The framework that draws its data; empty if that is NumPy."""
        return str(getattr(self.program, "framework", ""))

    @property
    def draws_alike(self) -> bool:
        """Whether that framework draws the same on each of its backends."""
        return bool(getattr(self.program, "draws_alike", True))

    def problem(self, changes: Mapping[str, int] = {}, **options: Any) -> Problem:
        """Make a problem of its sizes, with other values for some of them; `options` are those of `Problem`.

        Raises:
            UsageError: a value is not one that a size can have.
        """
        try:
            return Problem(self.sizes.changed(changes), **options)
        except ValueError as error:
            raise UsageError(f"{self.name} cannot have {error}.") from None

    def data(self, problem: Problem) -> Data:
        """Draw the batch and the initial parameters from the problem's seed, rounded once to its number format.

        Raises:
            StepError: the author's `data` gives something else.
        """
        import numpy as np

        found = self.program.data(problem.sizes, np.random.default_rng(problem.seed))
        self._check(found)
        data: Data = found.as_type(problem.dtype.value)
        return data

    def _check(self, found: object) -> None:
        import numpy as np

        from bench.model.data import Data

        if not isinstance(found, Data):
            raise StepError(f"data of {self.name} gives {type(found).__name__}: it must give bench.Data.")
        for name, array in {**found.inputs, **found.parameters}.items():
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
                what = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
                raise StepError(f"data of {self.name} gives {what} as {name!r}: give a NumPy array of numbers.")

    def given(self) -> tuple[tuple[str, str], ...]:
        """Say what `build` is given at its own sizes: names, and their values or shapes in words."""
        problem = self.problem()
        data = self.data(problem)
        arrays = {f"data.{name}": array for name, array in data.inputs.items()}
        arrays |= {f"data.parameters[{name!r}]": array for name, array in data.parameters.items()}
        constants = data.constants.items()
        return (
            *((f"problem.{name}", str(value)) for name, value in problem.sizes.items()),
            *((name, f"{array.dtype} {array.shape}") for name, array in arrays.items()),
            *((f"data.{name}", f"{len(it)} numbers" if isinstance(it, tuple) else str(it)) for name, it in constants),
        )

    def reference(self, problem: Problem, data: Data, steps: int, margin: float = 0.0) -> tuple[State, ...]:
        """Train in float64 by the author's reference and give the state after each of the first steps.

        Args:
            problem: the sizes.
            data: from `data`.
            steps: how many.
            margin: how far decisions are moved from their edge, where the reference `knows_edges`.
        """
        more = {"margin": margin} if margin else {}
        return tuple(self.program.reference(problem.sizes, data.as_type("float64"), steps, **more))

    def cost(self, problem: Problem, phase: str, variant: float | None = None) -> Cost:
        """Ask the author what a phase must do at the least; see `flops`."""
        ask: Callable[..., Cost | None] | None = getattr(self.program, "cost", None)
        if ask is None:
            return Cost()
        given = (problem.sizes, phase) if variant is None else (problem.sizes, phase, variant)
        return ask(*given) or Cost()

    def flops(self, problem: Problem, phase: str, variant: float | None = None) -> float | None:
        """Count the floating-point operations of the matrix products of a phase; None if the count is not known.

        Args:
            problem: the sizes.
            phase: `step`, `first_step` or a phase.
            variant: the amount of work; by default the mean over all.
        """
        return self.cost(problem, phase, variant).flops

    def bytes_moved(self, problem: Problem, phase: str, variant: float | None = None) -> float | None:
        """Count the bytes that a phase must read and write; None if the count is not known."""
        values = self.cost(problem, phase, variant).values
        return None if values is None else values * problem.dtype.itemsize

    def count(self, problem: Problem, device: Device) -> dict[str, float]:
        """Have the author's program count the operations of each stage by running it, where it gives no cost.

        Nothing where it cannot: a step that fails under a counter has unknown operations.
        """
        ask: Callable[..., Mapping[str, float]] | None = getattr(self.program, "count", None)
        if ask is None or self.flops(problem, "step") is not None:
            return {}
        try:
            return dict(ask(problem, self.data(problem), device))
        except Exception:  # noqa: BLE001 - whatever it raises, its times stand without a rate
            return {}

    def matmuls(self) -> int | None:
        """Count the matrix products of a step whose amount of work never varies; None if it varies or is not known."""
        count: int | None = getattr(self.program, "matmuls", None)
        return count

    def memory(self, problem: Problem) -> Memory | None:
        """Work out what a case takes from its sizes alone; None if that is not known."""
        ask: Callable[..., Memory] | None = getattr(self.program, "memory", None)
        return None if ask is None else ask(problem.sizes, problem.dtype.itemsize)

    def tolerance(self, problem: Problem) -> float | None:
        """Look up the relative error that the author allows; None to have it computed."""
        allowed: float | None = getattr(self.program, "tolerance", None)
        return allowed


WORKLOADS: dict[str, Workload] = {}
"""All workloads by name, in the order in which tables show them."""


def add_workload(item: Workload) -> None:
    """Add a workload, in the place of one of its name: another revision of its file may have been loaded before."""
    WORKLOADS[item.name] = item


def make_workload(
    name: str,
    program: Any,
    *,
    sizes: Mapping[str, int],
    baseline: str,
    title: str = "",
    unverified: str = "",
    origin: str = "",
) -> Workload:
    """Make a workload of an author's object.

    Raises:
        ValueError: something of it cannot be; the message is half a sentence.
    """
    if not isinstance(baseline, str) or not baseline:
        raise ValueError(f"baseline={baseline!r}: name the one implementation that its speedups are over")
    if not callable(getattr(program, "data", None)):
        raise ValueError("no method data(self, size, rng): it draws the inputs and the parameters")
    phases = tuple(getattr(program, "phases", TRAINING))
    if phases not in (FORWARD, TRAINING):
        raise ValueError(f"phases={phases!r}: they are FORWARD + BACKWARD + UPDATE, or FORWARD alone")
    if not isinstance(unverified, str):
        raise ValueError(f"unverified={unverified!r}: write the reason, as in unverified='dropout'")
    if not isinstance(sizes, Mapping):
        raise ValueError(f"sizes={sizes!r}: give names and values, as in {{'batch': 64}}")
    if taken := _TAKEN & {*sizes}:
        raise ValueError(f"the size {min(taken)!r}: that name says something else of a case, so take another")
    words = title or ((program.__doc__ or "").strip().splitlines() or [name])[0].rstrip(".")
    phases = FORWARD if phases == FORWARD else TRAINING
    reference = getattr(program, "reference", None)
    edges = reference is not None and "margin" in inspect.signature(reference).parameters
    about = (phases, origin, unverified, reference is not None, edges)
    return Workload(name, words, baseline, Sizes(sizes), program, *about)


def find_workload(name: str) -> Workload:
    """Look a workload up.

    Raises:
        UsageError: there is none of that name; the nearest name is suggested.
    """
    try:
        return WORKLOADS[name]
    except KeyError:
        raise UsageError(f"There is no workload {name!r}: {nearest(name, WORKLOADS)}") from None
