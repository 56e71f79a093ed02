"""A against B in pairs of processes: one number a pair, its estimate and interval, and a randomised test.

A pair is one process of A and one of B, alive at once and alternating in short batches. It gives one number, D, the
log ratio B / A; over 0 is slower. Everything here rests on one assumption: where A and B are the same, D and -D are
equally likely, because a coin decides who goes first. No shape of the noise is assumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.errors import UsageError
from bench.stats.estimates import CONFIDENCE

Floats = NDArray[np.float64]

FLIPS = 19_999
"""Random sign flips a test: with the observed signs as one more, p is a multiple of 1 / 20 000."""

_EXACT_PAIRS = 60
"""Up to here 2^n fits into the 64-bit integers that the signed-rank distribution is counted with."""

_ROUNDING = 1e-9
"""Slack when statistics are compared, so that equal ones count as equal however they were summed: p only grows."""


def pair_value(a: ArrayLike, b: ArrayLike) -> float:
    """The log ratio of one pair: the median over its rounds of ln(b / a).

    Args:
        a: A's batch times, one positive number a round, shape (rounds,); any unit.
        b: B's batch times of the same rounds, in the same unit.

    Raises:
        UsageError: the sides differ in length, are empty, or hold a time that is not positive and finite.
    """
    one, other = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if one.ndim != 1 or one.shape != other.shape or not one.size:
        raise UsageError(
            f"A pair has times of shape {one.shape} for A and {other.shape} for B: give one time a round on each side."
        )
    for side, times in (("A", one), ("B", other)):
        wrong = np.flatnonzero(~((times > 0) & np.isfinite(times)))
        if wrong.size:
            raise UsageError(
                f"A pair has the time {times[wrong[0]]} for {side} in round {wrong[0]}: give positive, finite times."
            )
    return float(np.median(np.log(other) - np.log(one)))


def _walsh_averages(values: ArrayLike) -> Floats:
    """(d_i + d_j) / 2 for i <= j, in ascending order, shape (n (n + 1) / 2,)."""
    d = _pairs(values)
    rows, columns = np.triu_indices(len(d))
    averages: Floats = np.sort((d[rows] + d[columns]) / 2)
    return averages


def _pairs(values: ArrayLike) -> Floats:
    d = np.asarray(values, dtype=float)
    if d.ndim != 1 or not d.size or not np.isfinite(d).all():
        raise UsageError(f"The pair values {d.tolist()} cannot be judged: give one finite log ratio a pair.")
    return d


def hodges_lehmann(values: ArrayLike) -> float:
    """The median of the Walsh averages of pair values, shape (n,), n >= 1: the centre that the signed-rank test finds.

    Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 3.2.

    Raises:
        UsageError: there is no value, or one is not finite.
    """
    return float(np.median(_walsh_averages(values)))


@lru_cache(maxsize=128)
def signed_rank_cdf(n: int) -> Floats:
    """P(T <= t) for t = 0 .. n (n + 1) / 2, T being the sum of the ranks 1 .. n that are given a plus by fair coins.

    Exact up to 60 pairs, by counting the subsets with each sum, rank after rank; above, the normal approximation with
    continuity correction, whose tail is the heavier one for risks under 4 %: a bound is then as safe or safer.
    """
    size = n * (n + 1) // 2 + 1
    if n > _EXACT_PAIRS:
        mean, deviation = n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return np.array([0.5 * math.erfc((mean - t - 0.5) / deviation / math.sqrt(2)) for t in range(size)])
    counts = np.zeros(size, dtype=np.int64)
    counts[0] = 1
    for rank in range(1, n + 1):
        counts[rank:] += counts[:-rank].copy()
    cumulative: Floats = np.cumsum(counts) / 2.0**n
    return cumulative


def signed_rank_bounds(values: ArrayLike, alpha: float) -> tuple[float | None, float | None]:
    """A lower and an upper bound of the centre of the pair values, each alone wrong with probability <= alpha.

    Inverts the one-sided signed-rank test: with k the largest number for which P(T <= k - 1) <= alpha, the bounds are
    the k-th Walsh average from below and from above (Hollander, Wolfe and Chicken, 3.3). Ties make them safer.

    Args:
        values: log ratios, one a pair, shape (n,).
        alpha: the risk of each bound.

    Returns:
        (low, high); an end is None where n is too small for any bound, that is where 2^-n > alpha.

    Raises:
        UsageError: there is no value, or one is not finite.
    """
    averages = _walsh_averages(values)
    cumulative = signed_rank_cdf(len(_pairs(values)))
    k = int(np.searchsorted(cumulative, alpha * (1 + _ROUNDING), side="right"))
    if k < 1:
        return None, None
    return float(averages[k - 1]), float(averages[len(averages) - k])


def signed_rank_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> tuple[float | None, float | None]:
    """The two-sided interval of the centre, by inverting the signed-rank test; it covers at least `confidence`.

    Args:
        values: log ratios, one a pair, shape (n,).
        confidence: the coverage to keep at least.

    Returns:
        (low, high), in log ratios; None at both ends where n is too small (under 6 at 95 %).
    """
    return signed_rank_bounds(values, (1 - confidence) / 2)


@dataclass(frozen=True)
class FlipTest:
    """One-sided p values, "B is slower", of hypotheses that share their pairs."""

    p: Floats
    """Of each hypothesis alone, shape (hypotheses,)."""
    adjusted: Floats
    """Corrected for all of them together, shape (hypotheses,)."""


def sign_flip_test(values: ArrayLike, rng: np.random.Generator, flips: int = FLIPS) -> FlipTest:
    """Randomised signed-rank tests with the step-down max-T correction of Westfall and Young.

    The statistic of a hypothesis is the sum of the signed ranks of |D|, ties at their middle rank, over the root of
    the sum of their squares: mean 0 and variance 1 under the flips, so that hypotheses can be compared. A zero takes
    its rank and counts for neither side (Pratt), as in the interval. One flip turns all hypotheses of a pair at once,
    which keeps how they hang together; so the correction costs little where they say the same. Each p is
    (1 + flips at least as large) / (1 + flips), which is exact for any number of flips. Step-down: the largest
    statistic is held against the maximum over all hypotheses, the next against the maximum over what is left, and so
    on ("Resampling-Based Multiple Testing", 1993, algorithm 4.1).

    Args:
        values: log ratios, shape (pairs, hypotheses) or (pairs,) for one hypothesis.
        rng: where the flips come from.
        flips: how many.

    Raises:
        UsageError: there is no value, or one is not finite.
    """
    matrix = np.asarray(values, dtype=float)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise UsageError(f"Pair values of shape {matrix.shape} cannot be tested: give one finite log ratio a pair.")
    signed = _signed_ranks(matrix)
    signs = 2.0 * rng.integers(0, 2, size=(flips, len(matrix)), dtype=np.int8) - 1.0
    scale = np.sqrt((signed**2).sum(axis=0))
    scale[scale == 0] = 1.0  # all zeros: the statistic is 0 however it is flipped, and p is 1
    observed, null = signed.sum(axis=0) / scale, (signs @ signed) / scale
    p = _p_values(null, observed)

    order = np.argsort(-observed, kind="stable")
    highest_left = np.maximum.accumulate(null[:, order[::-1]], axis=1)[:, ::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(_p_values(highest_left, observed[order]))
    return FlipTest(p, adjusted)


def _p_values(null: Floats, observed: Floats) -> Floats:
    reached: Floats = (1 + (null >= observed - _ROUNDING).sum(axis=0)) / (1 + len(null))
    return reached


def _signed_ranks(matrix: Floats) -> Floats:
    """sign(d) times the middle rank of |d| within its column; shape as given."""
    size = np.abs(matrix)
    below = (size[None, :, :] < size[:, None, :]).sum(axis=1)
    equal = (size[None, :, :] == size[:, None, :]).sum(axis=1)
    ranks: Floats = np.sign(matrix) * (below + (equal + 1) / 2)
    return ranks


def step_down_families(adjusted: list[list[float]]) -> list[list[float]]:
    """Correct families' own adjusted p values for there being several families: Holm, and right for what is inside.

    Hypotheses are taken by rising p; each is multiplied by the number of families that have a hypothesis left, and
    none may fall below the one before. Families of one hypothesis make this Holm's method ("A simple sequentially
    rejective multiple test procedure", 1979). A family lowers the factor only when its *last* hypothesis has been
    taken: lowering it at the first would spend that family's share of alpha twice, on the others and on its own rest.
    Each step errs with probability <= alpha by Bonferroni over families and is weaker than the one before, so
    the whole keeps the chance of any false claim under alpha (Romano and Wolf, "Exact and approximate stepdown methods
    for multiple hypothesis testing", 2005).

    Args:
        adjusted: a list a family, of p values that are already corrected inside it; a family may be empty.

    Returns:
        The same shape.
    """
    left = [len(family) for family in adjusted]
    order = sorted((p, f, h) for f, family in enumerate(adjusted) for h, p in enumerate(family))
    result = [[1.0] * len(family) for family in adjusted]
    highest = 0.0
    for p, f, h in order:
        highest = max(highest, min(1.0, p * sum(count > 0 for count in left)))
        result[f][h] = highest
        left[f] -= 1
    return result


def pairs_needed(alpha: float, families: int = 1) -> int:
    """The fewest pairs that can show a slowdown at all: all n signs alike have probability 2^-n, times the families."""
    return max(1, math.ceil(math.log2(families / alpha) - _ROUNDING))
