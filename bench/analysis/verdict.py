"""What paired log ratios mean: REGRESSION, PASS, INCONCLUSIVE or INVALID, for each thing compared and for each family.

A *family* is one implementation on one device; its *columns* are what was timed in the same pairs, such as the whole
step and its phases. Each column is reduced to two statistics of its turns. The minimum is the quieter one; the median
must be there too, because a minimum cannot show a slowdown that strikes only some steps. Both are hypotheses of the
same family, so asking twice is paid for: a column is a REGRESSION if either statistic shows one, and a PASS only if
both pass.

Families are judged at planned *looks*, and one that is decided needs no more pairs. Why the chance of any false
REGRESSION in all families stays under alpha, whichever look each leaves at:

1. At each look all pairs so far give each hypothesis a p by the step-down max-T test. Over the hypotheses of a family
   that are true, the least of these p is at least the max-T p of the true ones alone, which is at most u with
   probability at most u, were that the only look.
2. `sequential_p` rises with each p. So what it makes of 1 is still, over the true hypotheses of a family, at most u
   with probability at most u, for all planned looks together. It never rises from look to look.
3. What Holm's method rejects when these p fall only grows. So whatever is rejected at any time, from families that
   left at any look, would be rejected too from the p of all planned looks of all families, and among these Holm keeps
   the chance of a false one under alpha.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

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
from bench.stats.looks import DOUBT, detectable_by_looks, mean_bound, risk_shares, sequential_p
from bench.stats.paired import (
    hodges_lehmann,
    odd_ones,
    pairs_needed,
    sign_flip_test,
    signed_rank_bounds,
    spread_growth,
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
    share: float = 1.0
    """Its part of A's whole step: what slows it by x slows the step by x times this."""


@dataclass(frozen=True)
class Family:
    """What was measured of one implementation on one device."""

    name: str
    pairs: int
    """The number of pairs that there should be; a column with another number is INVALID."""
    columns: tuple[PairedColumn, ...]
    looks: tuple[int, ...] = ()
    """After how many pairs it was planned to look, in ascending order, now being one of these; empty: now alone."""
    sides: tuple[ArrayLike, ArrayLike] | None = None
    """ln of the time of a whole step in each process of A and of B, in the order of the pairs, if known."""


def judge(families: Sequence[Family], seed: int, criteria: Criteria = Criteria()) -> tuple[FamilyVerdict, ...]:
    """Judge every column and every family by all pairs so far, in the order given.

    The rule is that of `evidence_of`, with p corrected inside a family by max-T, for looks by `sequential_p`, and
    across families by Holm's method. The bounds of a look are those of all pairs so far at the look's part of alpha.
    Before its last look a family goes on while it is INCONCLUSIVE, and so is a column while its p, corrected inside
    the family only, is at most `DOUBT` and its upper bound over the margin: else a small slowdown would pass at the
    first look.

    What cannot be judged is INVALID and takes no part in the corrections. All families are given each time, with the
    pairs that they had when they left: a decided verdict does not change.

    Args:
        families: those that are decided together.
        seed: the seed of the sign flips, the same at each look.
        criteria: what a verdict takes.

    Raises:
        ValueError: two families, or two columns of one family, have the same name, or a family is between its looks.
    """
    _refuse_twins("families", (family.name for family in families))
    prepared = [_prepare(family, seed) for family in families]
    adjusted = step_down_families([each.sequential for each in prepared])
    count = sum(bool(each.sequential) for each in prepared)
    return tuple(
        _family_verdict(each, corrected, count, criteria) for each, corrected in zip(prepared, adjusted, strict=True)
    )


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
            return f"a turn's {statistic} is missing"
        values = np.asarray(given, dtype=float)
        if values.shape != (pairs,):
            return f"a turn's {statistic} has values of {values.size} pairs, not of {pairs}"
        if (wrong := np.flatnonzero(~np.isfinite(values))).size:
            return f"a turn's {statistic} of pair {wrong[0]} is not a finite number"
        found.append(values)
    return np.column_stack(found)


@dataclass(frozen=True)
class _Prepared:
    """A family with what its looks say, one number a hypothesis: a statistic of a column that can be used."""

    family: Family
    looks: tuple[int, ...]
    values: Mapping[str, Floats | str]
    """Of each column, as `_values` has it."""
    alone: list[float]
    """The p of all pairs so far."""
    inside: list[float]
    """The same, corrected inside the family."""
    sequential: list[float]
    """The same, corrected for looks too."""

    @property
    def risk_share(self) -> float:
        """The part of alpha that this look may spend."""
        return float(risk_shares(len(self.looks))[self.looks.index(self.family.pairs)])


def _prepare(family: Family, seed: int) -> _Prepared:
    _refuse_twins(f"columns of {family.name}", (column.name for column in family.columns))
    looks = family.looks or (family.pairs,)
    if family.pairs and family.pairs not in looks:
        raise ValueError(f"{family.name} has {family.pairs} pairs, and looks are planned after {looks}.")
    values = {column.name: _values(column, family.pairs) for column in family.columns}
    usable = [column for column in values.values() if not isinstance(column, str)]
    if not usable:
        return _Prepared(family, looks, values, [], [], [])
    matrix, done = np.hstack(usable), looks[: looks.index(family.pairs) + 1]
    tests = [sign_flip_test(matrix[:look], np.random.default_rng([seed, look])) for look in done]
    sequential = sequential_p([test.adjusted for test in tests], len(looks))
    return _Prepared(family, looks, values, tests[-1].p.tolist(), tests[-1].adjusted.tolist(), sequential.tolist())


def _family_verdict(found: _Prepared, corrected: list[float], families: int, criteria: Criteria) -> FamilyVerdict:
    family, last = found.family, found.family.pairs >= found.looks[-1]
    risk = criteria.alpha * (found.risk_share if corrected else 1.0)
    few = "1 pair gives" if family.pairs == 1 else f"{family.pairs} pairs give"
    no_bound = f"{few} no bound, {pairs_needed(risk)} or more do"
    p = zip(found.alone, found.inside, corrected, strict=True)

    def evidence(statistic: Statistic, logs: Floats, share: float) -> Evidence:
        alone, inside, final = next(p)
        low, high = signed_rank_bounds(logs, risk)
        high = None if high is None else max(high, mean_bound(logs, risk))
        doubtful = not last and inside <= DOUBT and (high is None or high > math.log1p(criteria.margin))
        reach = detectable_by_looks(logs, found.looks, criteria.alpha, families, criteria.power, criteria.margin)
        centre = (hodges_lehmann(logs), low, high)
        return evidence_of(statistic, centre, (alone, final), reach, criteria, len(logs), share, doubtful)

    verdicts = []
    for column in family.columns:
        values = found.values[column.name]
        if isinstance(values, str):
            verdicts.append(ColumnVerdict(column.name, Verdict.INVALID, values))
            continue
        both = tuple(evidence(each, logs, column.share) for each, logs in zip(Statistic, values.T, strict=True))
        verdicts.append(column_verdict(column.name, both, criteria, no_bound))
    judged = family_verdict(family.name, verdicts)
    decided = last or judged.verdict is not Verdict.INCONCLUSIVE
    return replace(judged, decided=decided, remark=_remark(found, criteria))


def _remark(found: _Prepared, criteria: Criteria) -> str:
    """Say what a bound of the centre hides: a few pairs of the first column that are far slower, a spread that grew."""
    said, values = [], next(iter(found.values.values()), "")
    if not isinstance(values, str):
        odd = max((odd_ones(logs, math.log1p(criteria.tolerance)) for logs in values.T), key=len)
        if len(odd):
            verb = "is" if len(odd) == 1 else "are"
            said.append(f"{len(odd)} of the {len(values)} pairs {verb} slower by {math.expm1(odd.min()):.0%} or more")
    if found.family.sides is not None and (grown := spread_growth(*found.family.sides, criteria.alpha)):
        said.append("processes of B spread by {1:.1%}, those of A by {0:.1%}".format(*grown))
    return "; ".join(said)
