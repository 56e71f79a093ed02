"""What paired log ratios mean: REGRESSION, PASS, INCONCLUSIVE or INVALID, for each thing compared and for each family.

A *family* is one implementation on one device; its *columns* are what was timed in the same pairs, such as the whole
step and its phases. Each column is seen by two statistics of its batches. The minimum is the quieter one; the median
must be there too, because a minimum cannot see a slowdown that strikes only some steps. Both are hypotheses of the
same family, so looking twice is paid for: a column is a REGRESSION if either statistic shows one, and a PASS only if
both pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from bench.analysis.rule import (
    ColumnVerdict,
    Criteria,
    Evidence,
    FamilyVerdict,
    Statistic,
    Verdict,
    column_verdict,
    evidence_of,
    family_verdict,
    worst,
)
from bench.errors import UsageError
from bench.stats import Floats
from bench.stats.estimates import detectable_slowdown
from bench.stats.paired import (
    FLIPS,
    hodges_lehmann,
    pairs_needed,
    sign_flip_test,
    signed_rank_bounds,
    step_down_families,
)

__all__ = [
    "Column",
    "ColumnVerdict",
    "Criteria",
    "Evidence",
    "Family",
    "FamilyVerdict",
    "Statistic",
    "Verdict",
    "judge",
    "worst",
]


@dataclass(frozen=True)
class Column:
    """One thing that was timed on both sides, such as `step` or `backward`."""

    name: str
    values: Mapping[Statistic, ArrayLike] = field(default_factory=dict)
    """Log ratios, one a pair in the same order as in the family's other columns; `pair_value` makes them."""
    invalid: str = ""
    """Why the values cannot be used, if so: a side is missing, unverified or was disturbed."""


@dataclass(frozen=True)
class Family:
    """What one implementation on one device gave."""

    name: str
    pairs: int
    """How many there should be; a column with another number is INVALID."""
    columns: tuple[Column, ...]


def judge(
    families: Sequence[Family], rng: np.random.Generator, criteria: Criteria | None = None, flips: int = FLIPS
) -> tuple[FamilyVerdict, ...]:
    """A verdict for every column and every family, in the order given.

    A statistic is a REGRESSION if its p, corrected inside its family by max-T and across families by Holm's method, is
    at most alpha and its lower bound is over the margin; else a PASS if its upper bound is under the tolerance; else
    INCONCLUSIVE. What cannot be judged is INVALID and takes no part in the corrections.

    Args:
        families: those that are decided together.
        rng: where the sign flips come from.
        criteria: the default ones if None.
        flips: how many.

    Raises:
        UsageError: two families, or two columns of one family, have the same name.
    """
    criteria = criteria or Criteria()
    _refuse_twins("families", [family.name for family in families])
    for family in families:
        _refuse_twins(f"columns of {family.name}", [column.name for column in family.columns])
    reasons = [tuple(_unusable(column, family.pairs) for column in family.columns) for family in families]
    matrices = [_matrix(family, reason) for family, reason in zip(families, reasons, strict=True)]
    tests = [None if matrix is None else sign_flip_test(matrix, rng, flips) for matrix in matrices]
    adjusted = step_down_families([[] if test is None else test.adjusted.tolist() for test in tests])
    count = sum(test is not None for test in tests)
    judged = []
    for family, reason, matrix, test, corrected in zip(families, reasons, matrices, tests, adjusted, strict=True):
        evidence: list[Evidence] = []
        if matrix is not None and test is not None:
            able = family.pairs >= pairs_needed(criteria.alpha, count) and count <= criteria.alpha * (flips + 1)
            risk = criteria.alpha / count if able else None
            for h, (p, adjusted_p) in enumerate(zip(test.p.tolist(), corrected, strict=True)):
                statistic = tuple(Statistic)[h % len(Statistic)]
                evidence.append(_evidence(statistic, matrix[:, h], (p, adjusted_p), criteria, risk))
        judged.append(_family_verdict(family, reason, evidence, criteria))
    return tuple(judged)


def _refuse_twins(kind: str, names: Sequence[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise UsageError(f"{count} {kind} are called {name!r}: give each its own name.")


def _unusable(column: Column, pairs: int) -> str:
    """Why a column is INVALID; empty if it is not."""
    if column.invalid:
        return column.invalid
    if pairs < 1:
        return "no pair was measured"
    for statistic in Statistic:
        if column.values.get(statistic) is None:
            return f"the batch {statistic} is missing"
        values = np.asarray(column.values[statistic], dtype=float)
        if values.shape != (pairs,):
            return f"the batch {statistic} has values of {values.size} pairs, not of {pairs}"
        if (wrong := np.flatnonzero(~np.isfinite(values))).size:
            return f"the batch {statistic} of pair {wrong[0]} is not a finite number"
    return ""


def _matrix(family: Family, reasons: Sequence[str]) -> Floats | None:
    """The usable columns' values, shape (pairs, columns x statistics), the statistics of a column side by side."""
    usable = [column for column, reason in zip(family.columns, reasons, strict=True) if not reason]
    values = [np.asarray(column.values[statistic], dtype=float) for column in usable for statistic in Statistic]
    return np.column_stack(values) if values else None


def _evidence(
    statistic: Statistic, values: Floats, p: tuple[float, float], criteria: Criteria, risk: float | None
) -> Evidence:
    detectable = None
    if risk is not None and len(values) > 1:
        detectable = detectable_slowdown(values, risk, criteria.power)
    logs = (hodges_lehmann(values), *signed_rank_bounds(values, criteria.alpha))
    return evidence_of(statistic, logs, p, detectable, criteria, len(values))


def _family_verdict(
    family: Family, reasons: Sequence[str], evidence: Sequence[Evidence], criteria: Criteria
) -> FamilyVerdict:
    rest, columns = iter(evidence), []
    no_bound = f"{family.pairs} pairs give no bound, {pairs_needed(criteria.alpha)} or more do"
    for column, reason in zip(family.columns, reasons, strict=True):
        if reason:
            columns.append(ColumnVerdict(column.name, Verdict.INVALID, reason))
        else:
            found = tuple(next(rest) for _ in Statistic)
            columns.append(column_verdict(column.name, found, criteria, no_bound))
    return family_verdict(family.name, columns)
