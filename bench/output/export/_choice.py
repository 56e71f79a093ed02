"""Which benchmarks of a run are exported. Importing this imports nothing heavy: the command line asks for `EVERY`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.data.schema import SummaryRow

EVERY = "all"
"""Stands for every phase, first steps and the single depths of a dynamic step included."""


@dataclass(frozen=True)
class Choice:
    """Which benchmarks of a run are wanted: by default the whole steps, which are what a tool should watch."""

    implementations: tuple[str, ...] = ()
    """Names of implementations; none stands for all."""
    phases: tuple[str, ...] = ("step",)
    """Names of phases, or `EVERY`."""

    def of(self, rows: Sequence[SummaryRow]) -> list[SummaryRow]:
        """Choose among the rows of a run.

        Raises:
            UsageError: no row has such a name.
        """
        for option, wanted, known in (
            ("-i", self.implementations, {row.case.implementation for row in rows}),
            (
                "--phase",
                self.phases,
                {EVERY, *WHOLE_STEPS.phases, *(row.phase for row in rows if row.phase is not None)},
            ),
        ):
            for name in wanted:
                if name not in known:
                    raise UsageError(f"{option} {name}: the run has no such thing; {nearest(name, known)}")
        return [
            row
            for row in rows
            if (not self.implementations or row.case.implementation in self.implementations)
            and (EVERY in self.phases or (row.phase in self.phases and row.variant is None))
        ]


WHOLE_STEPS = Choice()
