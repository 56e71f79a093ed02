"""The rule: from evidence, however it was found, to REGRESSION, PASS, INCONCLUSIVE or INVALID.

Evidence comes from pairs (`bench.analysis.verdict`) or from two groups of processes (`bench.analysis.run_verdicts`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Verdict(StrEnum):
    """What can be said of B, the worst first."""

    REGRESSION = "REGRESSION"
    INVALID = "INVALID"
    INCONCLUSIVE = "INCONCLUSIVE"
    PASS = "PASS"  # noqa: S105 - a verdict, not a password


class Statistic(StrEnum):
    """What a turn is reduced to. A column needs both; the first is the primary one."""

    MINIMUM = "minimum"
    MEDIAN = "median"


@dataclass(frozen=True)
class Criteria:
    """What a verdict takes. Slowdowns are B / A - 1."""

    alpha: float = 0.01
    """The risk of any false REGRESSION among all families, and of each bound, over all looks."""
    margin: float = 0.01
    """The slowdown that a REGRESSION must surely exceed: of the whole step, or of the phase that it is found in."""
    tolerance: float = 0.05
    """The slowdown of the whole step that a PASS must surely stay under, and each phase by what it adds to the step."""
    power: float = 0.8
    """The chance of finding a slowdown of the size called detectable."""

    def __post_init__(self) -> None:
        """Refuse criteria that no verdict could follow from.

        Raises:
            ValueError: a value is out of its range.
        """
        for name, value, most in (("alpha", self.alpha, 0.5), ("power", self.power, 1.0)):
            if not 0 < value < most:
                raise ValueError(f"{name} is {value}: it must be between 0 and {most:g}")
        if not 0 <= self.margin < self.tolerance < math.inf:
            found = f"margin is {self.margin} and tolerance {self.tolerance}"
            raise ValueError(f"{found}: margin must be less than tolerance, and not below 0")


@dataclass(frozen=True)
class Evidence:
    """What one statistic of a column says by itself. `slowdown` and its bounds are B / A - 1."""

    statistic: Statistic
    pairs: int
    """The number of pairs that it rests on; 0 for groups of processes that are not paired."""
    slowdown: float
    low: float | None
    """The lower bound, at whatever look wrong with probability alpha; None with too few observations for a bound."""
    high: float | None
    """The upper bound, of pairs that of their centre and of their mean; its risk and None as above."""
    p: float
    """The p value of the test that B is not slower, alone."""
    adjusted_p: float
    """The same, corrected for every column, statistic, look and family."""
    detectable: float | None
    """The smallest slowdown that would have been found with the criteria's power, by all planned looks, at alpha over
    the number of families; None where so few observations could not show any."""
    verdict: Verdict
    share: float = 1.0
    """The column's part of the whole step, by which its tolerance is counted."""

    @property
    def added(self) -> float:
        """What the slowdown adds to the whole step, as a part of it."""
        return self.share * self.slowdown


@dataclass(frozen=True)
class ColumnVerdict:
    """The verdict of one column."""

    name: str
    verdict: Verdict
    reason: str
    evidence: tuple[Evidence, ...] = ()
    """The evidence of every statistic in order; none if the column is INVALID."""

    @property
    def deciding(self) -> Evidence | None:
        """The first evidence that says what the verdict says; None if the column is INVALID."""
        return next((each for each in self.evidence if each.verdict is self.verdict), None)


@dataclass(frozen=True)
class FamilyVerdict:
    """The verdict of a family: that of its worst column."""

    name: str
    verdict: Verdict
    reason: str
    columns: tuple[ColumnVerdict, ...]
    remark: str = ""
    """What else the pairs have shown: some that are far slower than the others, or a spread that grew."""
    decided: bool = True
    """Whether the verdict stands; else pairs that were planned are missing."""


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the first of REGRESSION, INVALID, INCONCLUSIVE, PASS that occurs; INVALID if there is none at all."""
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
    share: float = 1.0,
    doubtful: bool = False,
) -> Evidence:
    """Judge one statistic of a column.

    It is a REGRESSION if its corrected p is at most alpha and its lower bound is over the margin; else a PASS if its
    upper bound adds less than the tolerance to the whole step and there is no doubt; else INCONCLUSIVE.

    Args:
        statistic: the statistic.
        logs: ln(B / A), its lower and its upper bound.
        p: the p values of the test that B is not slower: alone, and corrected for everything that is decided together.
        detectable: the slowdown that could have been detected, if any.
        criteria: what a verdict takes.
        pairs: the number of pairs that it rests on.
        share: the column's part of the whole step.
        doubtful: whether more pairs are to come and may show a REGRESSION.
    """
    low, high = (None if end is None else math.expm1(end) for end in logs[1:])
    verdict = Verdict.INCONCLUSIVE
    if p[1] <= criteria.alpha and low is not None and low > criteria.margin:
        verdict = Verdict.REGRESSION
    elif high is not None and high * share < criteria.tolerance and not doubtful:
        verdict = Verdict.PASS
    return Evidence(statistic, pairs, math.expm1(logs[0]), low, high, *p, detectable, verdict, share)


def column_verdict(
    name: str, evidence: tuple[Evidence, ...], criteria: Criteria, no_bound: str, unit: str = "pairs"
) -> ColumnVerdict:
    """Judge a column: slower if either statistic says so, fine only if both do.

    Args:
        name: the column's name.
        evidence: the evidence of every statistic, in order.
        criteria: those that the evidence was judged by.
        no_bound: the reason where there are too few observations for a bound.
        unit: what is observed, in the plural.
    """
    found = ColumnVerdict(name, worst(each.verdict for each in evidence), no_bound, evidence)
    deciding = found.deciding
    if deciding is None or deciding.low is None or deciding.high is None:
        return found
    return replace(found, reason=_reason(deciding, (deciding.low, deciding.high), evidence, criteria, unit))


def family_verdict(name: str, columns: Sequence[ColumnVerdict]) -> FamilyVerdict:
    """Judge a family: it has the verdict and the reasons of its worst columns."""
    verdict = worst(column.verdict for column in columns)
    deciding = [column for column in columns if column.verdict is verdict]
    reason = "; ".join(f"{column.name}: {column.reason}" for column in deciding) or "nothing was compared"
    return FamilyVerdict(name, verdict, reason, tuple(columns))


def _reason(
    deciding: Evidence, bounds: tuple[float, float], evidence: Sequence[Evidence], criteria: Criteria, unit: str
) -> str:
    verdict, (low, high), p, part = deciding.verdict, bounds, deciding.adjusted_p, deciding.share < 1
    if verdict is Verdict.REGRESSION:
        adds = f", which adds {deciding.added:.1%} to the step" if part else ""
        return f"the {deciding.statistic} is slower by {deciding.slowdown:.1%}, by at least {low:.1%} (p {p:.2g}){adds}"
    if verdict is Verdict.PASS:
        high = max(each.high for each in evidence if each.high is not None)
        adds = f", which adds at most {high * deciding.share:.1%} to the step" if part else ""
        seen = [each.detectable for each in evidence]
        could = f"so few {unit} for so many cases could not have shown any slowdown"
        if (known := [each for each in seen if each is not None]) and len(known) == len(seen):
            could = f"a slowdown of {max(known):.1%} was detectable"
        return f"slower by at most {high:.1%}{adds}, under the tolerance of {criteria.tolerance:.1%}; {could}"
    between = f"the slowdown of the {deciding.statistic} is between {low:.1%} and {high:.1%}"
    if low > criteria.margin:
        return f"{between}, but p is {p:.2g} after correction, over {criteria.alpha:g}"
    if high * deciding.share < criteria.tolerance:
        return f"{between}, and more pairs would tell whether it is over {criteria.margin:.1%}"
    of_step = " of the step" if part else ""
    return f"{between}, neither surely over {criteria.margin:.1%} nor surely under {criteria.tolerance:.1%}{of_step}"
