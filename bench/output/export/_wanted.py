"""Which benchmarks of a run are exported. Importing this imports nothing heavy: the command line asks for `EVERY`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bench.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from bench.data.schema import SummaryRow

EVERY = "all"
"""Stands for every phase, first steps and the single depths of a dynamic step included."""


class Metric(StrEnum):
    """What is told of a benchmark."""

    TIME = "time"
    SPEEDUP = "speedup"
    THROUGHPUT = "throughput"


@dataclass(frozen=True)
class Wanted:
    """Which benchmarks of a run are wanted: by default the whole steps, which are what a tool should watch."""

    implementations: tuple[str, ...] = ()
    """Names of implementations; none stands for all."""
    phases: tuple[str, ...] = ("step",)
    """Names of phases, or `EVERY`."""
    metric: Metric | None = None
    """What is told of each; None: what the format tells by default."""

    def cases_of(self, rows: Sequence[SummaryRow]) -> list[SummaryRow]:
        """Return the rows of the chosen implementations, with a time or without.

        Raises:
            UsageError: no row is of one of them.
        """
        _check("-i", self.implementations, {row.case.implementation for row in rows})
        return [row for row in rows if not self.implementations or row.case.implementation in self.implementations]

    def times_of(self, rows: Sequence[SummaryRow]) -> list[SummaryRow]:
        """Return the rows of the chosen phases.

        Raises:
            UsageError: no row is of one of them.
        """
        _check("--phase", self.phases, {EVERY, *WHOLE_STEPS.phases, *(row.phase for row in rows if row.phase)})
        return [row for row in rows if EVERY in self.phases or (row.phase in self.phases and row.variant is None)]


def _check(option: str, wanted: Iterable[str], known: Collection[str]) -> None:
    for name in wanted:
        if name not in known:
            raise UsageError(f"{option} {name}: the run has no such thing; {nearest(name, known)}")


WHOLE_STEPS = Wanted()
