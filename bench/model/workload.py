"""A workload: which mathematics one training step computes. Speedups are only ever stated inside one workload."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import UsageError, nearest
from bench.model.problem import Problem

if TYPE_CHECKING:
    from bench.model.data import Data
    from bench.model.step import State


@dataclass(frozen=True)
class Memory:
    """What a case takes, in bytes."""

    host: int
    """Memory of the host that verifying it takes."""
    device: int
    """Memory that a step takes on a device with memory of its own."""


@dataclass(frozen=True)
class Workload(ABC):
    """The mathematics of one training step: its data, its exact answer and what it costs.

    What the harness cannot know about a workload is None: then no rate and no roofline is shown, and nothing is called
    impossible.
    """

    name: str
    title: str
    """A few words for figures and tables."""
    baseline: str
    """The implementation that speedups of this workload are stated over."""

    @property
    def variants(self) -> tuple[int, ...]:
        """The amounts of work between which steps vary; empty if every step does the same."""
        return ()

    @property
    def cycle(self) -> int:
        """Steps after which the amount of work repeats: a sample covers a multiple of this."""
        return max(1, len(self.variants))

    @abstractmethod
    def data(self, problem: Problem) -> Data:
        """Draw the batch and the initial parameters from the problem's seed."""

    @abstractmethod
    def reference(self, data: Data, steps: int, margin: float = 0.0) -> tuple[State, ...]:
        """Train in float64 and give the state after each of the first steps.

        Args:
            data: from `data`.
            steps: how many.
            margin: how far from their edge decisions that rounding could turn are moved; see `bench.oracle.truth`.
        """

    def flops(self, problem: Problem, phase: str, variant: float | None = None) -> float | None:
        """Count the floating-point operations of the matrix products of a phase; None if the count is not known."""
        return None

    def bytes_moved(self, problem: Problem, phase: str, variant: int | None = None) -> float | None:
        """Count the bytes that a phase must read and write; None if the count is not known."""
        return None

    def matmuls(self) -> int | None:
        """Count the matrix products of a step whose amount of work never varies; None if it varies or is not known."""
        return None

    def memory(self, problem: Problem) -> Memory | None:
        """Work out what a case takes from its sizes alone; None if that is not known."""
        return None


WORKLOADS: dict[str, Workload] = {}
"""All workloads by name, in the order in which tables show them."""


def add_workload(item: Workload) -> None:
    """Add a workload."""
    WORKLOADS[item.name] = item


def find_workload(name: str) -> Workload:
    """Look a workload up.

    Raises:
        UsageError: there is none of that name; the nearest name is suggested.
    """
    try:
        return WORKLOADS[name]
    except KeyError:
        raise UsageError(f"There is no workload {name!r}: {nearest(name, WORKLOADS)}") from None
