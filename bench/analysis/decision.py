"""What follows from verdicts: whether fresh pairs must decide, and which phase a report names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.rule import Criteria, Evidence, FamilyVerdict, Verdict
from bench.model.step import Phase


@dataclass(frozen=True)
class FirstStage:
    """What the first of two stages settles."""

    fine: tuple[FamilyVerdict, ...]
    """The families that are clearly fine: they PASS and need no more pairs."""
    again: tuple[str, ...]
    """The names of those that fresh pairs alone decide."""


def after_first_stage(judged: Sequence[FamilyVerdict], criteria: Criteria = Criteria()) -> FirstStage:
    """Settle the families that PASS with every single p over `criteria.fine`.

    All others go on: what they got so far is no verdict. Their first pairs must not be used again, or looking twice
    would add chances of a false REGRESSION. Since the second stage knows nothing of the first, its risk is still alpha;
    that of a false PASS is at most alpha in each stage.
    """
    fine = tuple(
        family
        for family in judged
        if family.verdict is Verdict.PASS
        and all(each.p > criteria.fine for column in family.columns for each in column.evidence)
    )
    return FirstStage(fine, tuple(family.name for family in judged if family not in fine))


def after_second_stage(first: FirstStage, second: Sequence[FamilyVerdict]) -> tuple[FamilyVerdict, ...]:
    """Return the final verdicts: what the first stage settled, then what fresh pairs said of each of the others.

    Args:
        first: what `after_first_stage` returned.
        second: what `judge` returned for the fresh pairs alone. A family that is missing here is INVALID.
    """
    fresh = {family.name: family for family in second}
    absent = "its fresh pairs are missing"
    others = (fresh.get(name, FamilyVerdict(name, Verdict.INVALID, absent, ())) for name in first.again)
    return (*first.fine, *others)


@dataclass(frozen=True)
class PhaseChange:
    """A phase that got slower, and what shows it."""

    phase: Phase
    evidence: Evidence
    """The evidence of the first statistic that is a REGRESSION."""
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
        shown = [each for each in column.evidence if each.verdict is Verdict.REGRESSION]
        if column.name in phases and shown:
            base = known.get(column.name)
            added = None if base is None else base * shown[0].slowdown
            changes.append(PhaseChange(phases[column.name], shown[0], added))
    return tuple(sorted(changes, key=lambda it: (-(it.seconds or 0), -it.evidence.slowdown)))
