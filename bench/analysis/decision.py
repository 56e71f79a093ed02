"""How phases count: by their part of the whole step, and which one a report names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.analysis.rule import Evidence, FamilyVerdict, Verdict
from bench.data.schema import STEP
from bench.model.step import Phase


def share_of(phase: str, seconds: Mapping[str, float]) -> float:
    """Return a phase's part of the whole step; 1, which is the strictest, where one of their times is not known.

    Its error is small beside that of a slowdown, and so it counts as known.

    Args:
        phase: the phase, or the step itself.
        seconds: the baseline's time of each.
    """
    whole = seconds.get(STEP, 0.0)
    return min(1.0, seconds.get(phase, whole) / whole) if whole > 0 else 1.0


@dataclass(frozen=True)
class PhaseChange:
    """A phase that got slower, and what shows it."""

    phase: Phase
    evidence: Evidence
    """The evidence of the first statistic that is a REGRESSION; its `added` is what it adds to the step."""
    seconds: float | None
    """The time that the slowdown adds to a step; None where the baseline's time of this phase is not known."""


def changed_phases(family: FamilyVerdict, seconds: Mapping[str, float] | None = None) -> tuple[PhaseChange, ...]:
    """Return the phases that are a REGRESSION, the one that adds most to a step first; none if no single one shows it.

    Args:
        family: a family with columns named after phases; other columns are left out.
        seconds: the baseline's time of each phase, in seconds a step. Phases without one come last, by their slowdown.
    """
    known, phases, changes = seconds or {}, {phase.value: phase for phase in Phase}, []
    for column in family.columns:
        shown = column.deciding
        if column.name in phases and column.verdict is Verdict.REGRESSION and shown is not None:
            base = known.get(column.name)
            added = None if base is None else base * shown.slowdown
            changes.append(PhaseChange(phases[column.name], shown, added))
    return tuple(sorted(changes, key=lambda it: (-(it.seconds or 0), -it.evidence.slowdown)))
