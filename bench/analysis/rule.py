"""The rule: from evidence, however it was found, to REGRESSION, PASS, INCONCLUSIVE or INVALID.

Evidence comes from pairs (`bench.analysis.verdict`) or from two groups of processes (`bench.analysis.compare`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bench.errors import UsageError


class Verdict(StrEnum):
    """What can be said of B."""

    REGRESSION = "REGRESSION"
    INVALID = "INVALID"
    INCONCLUSIVE = "INCONCLUSIVE"
    PASS = "PASS"  # noqa: S105 - a verdict, not a password


class Statistic(StrEnum):
    """What a batch of steps is reduced to. A column needs both; the first is the primary one."""

    MINIMUM = "minimum"
    MEDIAN = "median"


@dataclass(frozen=True)
class Criteria:
    """What a verdict takes. Slowdowns are B / A - 1."""

    alpha: float = 0.01
    """The risk of any false REGRESSION among all families, and of each bound."""
    margin: float = 0.01
    """A slowdown must be surely over this to be a REGRESSION."""
    tolerance: float = 0.05
    """A slowdown must be surely under this to PASS."""
    power: float = 0.8
    """How often a slowdown of the size called detectable would be found."""
    fine: float = 0.2
    """The first of two stages settles a family only if every p is over this."""

    def __post_init__(self) -> None:
        """Refuse what no verdict could follow from.

        Raises:
            UsageError: a value is out of its range.
        """
        for name, value, most in (("alpha", self.alpha, 0.5), ("power", self.power, 1.0), ("fine", self.fine, 1.0)):
            if not 0 < value < most:
                raise UsageError(f"{name} is {value}: give a number between 0 and {most:g}.")
        if not 0 <= self.margin < self.tolerance < float("inf"):
            raise UsageError(
                f"margin is {self.margin} and tolerance {self.tolerance}: give 0 or more, the tolerance the larger."
            )


@dataclass(frozen=True)
class Evidence:
    """What one statistic of a column says by itself. `slowdown` and its bounds are B / A - 1."""

    statistic: Statistic
    pairs: int
    """How many it rests on; 0 for groups of processes that are not paired."""
    slowdown: float
    low: float | None
    """Slower by at least this, wrong with probability alpha; None with too few pairs for a bound."""
    high: float | None
    """Slower by at most this, wrong with probability alpha."""
    p: float
    """Of the test that B is not slower, alone."""
    adjusted_p: float
    """The same, corrected for every column, statistic and family."""
    detectable: float | None
    """The smallest slowdown that the test would have found with the criteria's power, at alpha over the number of
    families; None where so few pairs could not show any."""
    detectable_over_margin: float | None
    """The same with the margin on top: what would have become a REGRESSION."""
    verdict: Verdict


@dataclass(frozen=True)
class ColumnVerdict:
    """The verdict of one column; `evidence` is empty if it is INVALID, and else holds every statistic in order."""

    name: str
    verdict: Verdict
    reason: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class FamilyVerdict:
    """The verdict of a family: that of its worst column."""

    name: str
    verdict: Verdict
    reason: str
    columns: tuple[ColumnVerdict, ...]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The first of REGRESSION, INVALID, INCONCLUSIVE, PASS that occurs; INVALID if there is none at all."""
    found = set(verdicts)
    return next((verdict for verdict in Verdict if verdict in found), Verdict.INVALID)


def exit_code(verdicts: Iterable[Verdict], allow_inconclusive: bool = False) -> int:
    """Return 1 if something got slower, 4 if something could not be judged, 3 if something stayed open, else 0."""
    found = set(verdicts)
    if Verdict.REGRESSION in found:
        return 1
    if Verdict.INVALID in found or not found:
        return 4
    return 3 if Verdict.INCONCLUSIVE in found and not allow_inconclusive else 0


def evidence_of(
    statistic: Statistic,
    logs: tuple[float, float | None, float | None],
    p: tuple[float, float],
    detectable: float | None,
    criteria: Criteria,
    pairs: int = 0,
) -> Evidence:
    """What one statistic of a column says, by the rule of `judge`.

    Args:
        statistic: which.
        logs: ln(B / A), its lower and its upper bound at the criteria's alpha.
        p: of the test that B is not slower: alone, and corrected for everything that is decided together.
        detectable: the slowdown that could have been seen, if any.
        criteria: what a verdict takes.
        pairs: how many it rests on.
    """
    low, high = (None if end is None else math.expm1(end) for end in logs[1:])
    verdict = Verdict.INCONCLUSIVE
    if p[1] <= criteria.alpha and low is not None and low > criteria.margin:
        verdict = Verdict.REGRESSION
    elif high is not None and high < criteria.tolerance:
        verdict = Verdict.PASS
    over = None if detectable is None else (1 + criteria.margin) * (1 + detectable) - 1
    return Evidence(statistic, pairs, math.expm1(logs[0]), low, high, *p, detectable, over, verdict)


def column_verdict(
    name: str, evidence: tuple[Evidence, ...], criteria: Criteria, no_bound: str, unit: str = "pairs"
) -> ColumnVerdict:
    """Slower if either statistic says so, fine only if both do.

    Args:
        name: the column's.
        evidence: of every statistic, in order.
        criteria: those that the evidence was judged by.
        no_bound: the reason where there are too few observations for a bound.
        unit: what is observed, in the plural.
    """
    verdict = worst(each.verdict for each in evidence)
    deciding = next(each for each in evidence if each.verdict is verdict)
    if deciding.low is None or deciding.high is None:
        return ColumnVerdict(name, verdict, no_bound, evidence)
    reason = _reason(deciding, (deciding.low, deciding.high), evidence, criteria, unit)
    return ColumnVerdict(name, verdict, reason, evidence)


def family_verdict(name: str, columns: Sequence[ColumnVerdict]) -> FamilyVerdict:
    """The verdict and the reasons of the worst columns."""
    verdict = worst(column.verdict for column in columns)
    deciding = [column for column in columns if column.verdict is verdict]
    reason = "; ".join(f"{column.name}: {column.reason}" for column in deciding) or "nothing was compared"
    return FamilyVerdict(name, verdict, reason, tuple(columns))


def _reason(
    deciding: Evidence, bounds: tuple[float, float], evidence: Sequence[Evidence], criteria: Criteria, unit: str
) -> str:
    verdict, (low, high), p = deciding.verdict, bounds, deciding.adjusted_p
    if verdict is Verdict.REGRESSION:
        return f"the {deciding.statistic} is slower by {deciding.slowdown:.1%}, by at least {low:.1%} (p {p:.2g})"
    if verdict is Verdict.PASS:
        highest = max(each.high for each in evidence if each.high is not None)
        seen = [each.detectable for each in evidence]
        could = f"so few {unit} for so many cases could not have shown any slowdown"
        if (known := [each for each in seen if each is not None]) and len(known) == len(seen):
            could = f"{max(known):.1%} could have been seen"
        return f"slower by at most {highest:.1%}, under the tolerance of {criteria.tolerance:.1%}; {could}"
    between = f"the {deciding.statistic} is slower by something from {low:.1%} to {high:.1%}"
    if low > criteria.margin:
        return f"{between}, but p is {p:.2g} after correction, over {criteria.alpha:g}"
    return f"{between}, neither surely over {criteria.margin:.1%} nor surely under {criteria.tolerance:.1%}"
