"""What paired log ratios mean: REGRESSION, PASS, INCONCLUSIVE or INVALID, for each thing compared and for each family.

A *family* is one implementation on one device; its *columns* are what was timed in the same pairs, such as the whole
step and its phases. Each column is reduced to two statistics of its batches. The minimum is the quieter one; the median
must be there too, because a minimum cannot show a slowdown that strikes only some steps. Both are hypotheses of the
same family, so looking twice is paid for: a column is a REGRESSION if either statistic shows one, and a PASS only if
both pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
)
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


@dataclass(frozen=True)
class PairedColumn:
    """One thing that was timed on both sides, such as `step` or `backward`."""

    name: str
    values: Mapping[Statistic, ArrayLike] = field(default_factory=dict)
    """Log ratios, one a pair in the same order as in the family's other columns; `pair_value` makes them."""
    invalid: str = ""
    """The reason why the values cannot be used, if any: a side is missing, unverified or was disturbed."""


@dataclass(frozen=True)
class Family:
    """What was measured of one implementation on one device."""

    name: str
    pairs: int
    """The number of pairs that there should be; a column with another number is INVALID."""
    columns: tuple[PairedColumn, ...]


def judge(
    families: Sequence[Family], rng: np.random.Generator, criteria: Criteria = Criteria(), flips: int = FLIPS
) -> tuple[FamilyVerdict, ...]:
    """Judge every column and every family, in the order given.

    The rule is that of `evidence_of`, with p corrected inside a family by max-T and across families by Holm's method.
    What cannot be judged is INVALID and takes no part in the corrections.

    Args:
        families: those that are decided together.
        rng: the source of the sign flips.
        criteria: what a verdict takes.
        flips: their number.

    Raises:
        ValueError: two families, or two columns of one family, have the same name.
    """
    _refuse_twins("families", (family.name for family in families))
    for family in families:
        _refuse_twins(f"columns of {family.name}", (column.name for column in family.columns))
    values = [{column.name: _values(column, family.pairs) for column in family.columns} for family in families]
    tests = [_test(columns.values(), rng, flips) for columns in values]
    adjusted = step_down_families([corrected for _, corrected in tests])
    count = sum(bool(p) for p, _ in tests)
    judged = []
    for family, columns, (alone, _), corrected in zip(families, values, tests, adjusted, strict=True):
        able = alone and family.pairs >= pairs_needed(criteria.alpha, count) and count <= criteria.alpha * (flips + 1)
        risk = criteria.alpha / count if able else None
        p = zip(alone, corrected, strict=True)
        no_bound = f"{family.pairs} pairs give no bound, {pairs_needed(criteria.alpha)} or more do"
        verdicts = [
            ColumnVerdict(name, Verdict.INVALID, found)
            if isinstance(found, str)
            else column_verdict(name, _evidence(found, p, criteria, risk), criteria, no_bound)
            for name, found in columns.items()
        ]
        judged.append(family_verdict(family.name, verdicts))
    return tuple(judged)


def _refuse_twins(kind: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"{count} {kind} are called {name!r}: each needs a name of its own.")


def _values(column: PairedColumn, pairs: int) -> Floats | str:
    """Return a column's values, shape (pairs, statistics), or why it is INVALID."""
    if column.invalid:
        return column.invalid
    if pairs < 1:
        return "no pair was measured"
    found = []
    for statistic in Statistic:
        given = column.values.get(statistic)
        if given is None:
            return f"the batch {statistic} is missing"
        values = np.asarray(given, dtype=float)
        if values.shape != (pairs,):
            return f"the batch {statistic} has values of {values.size} pairs, not of {pairs}"
        if (wrong := np.flatnonzero(~np.isfinite(values))).size:
            return f"the batch {statistic} of pair {wrong[0]} is not a finite number"
        found.append(values)
    return np.column_stack(found)


def _test(columns: Iterable[Floats | str], rng: np.random.Generator, flips: int) -> tuple[list[float], list[float]]:
    """Test a family: p of each statistic of each usable column, alone and corrected inside the family."""
    usable = [column for column in columns if not isinstance(column, str)]
    if not usable:
        return [], []
    test = sign_flip_test(np.hstack(usable), rng, flips)
    return test.p.tolist(), test.adjusted.tolist()


def _evidence(
    values: Floats, p: Iterator[tuple[float, float]], criteria: Criteria, risk: float | None
) -> tuple[Evidence, ...]:
    """Judge each statistic of a column, whose p values are what `p` gives next."""
    found = []
    for statistic, logs in zip(Statistic, values.T, strict=True):
        detectable = None if risk is None else detectable_slowdown(logs, risk, criteria.power)
        centre = (hodges_lehmann(logs), *signed_rank_bounds(logs, criteria.alpha))
        found.append(evidence_of(statistic, centre, next(p), detectable, criteria, len(logs)))
    return tuple(found)
