"""The distributions of rank statistics between equals, and the bounds that come from inverting their tests.

SciPy has these distributions only inside `wilcoxon` and `mannwhitneyu`, one p value a call and without ties where they
are exact; a bound needs a whole distribution. So up to `EXACT` values they are counted here; for more, the normal
approximation with continuity correction stands in.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from bench.stats import Floats
from bench.stats.special import normal_cdf

EXACT = 60
"""The most values, of pairs or of either group, for which distributions are counted: 2^60 still fits into an int64."""

ROUNDING = 1e-9
"""Slack when numbers are compared that may be equal, so that it does not matter how they were summed."""


def finite(values: ArrayLike, dimensions: tuple[int, ...] = (1,)) -> Floats:
    """Return the values as an array of floats.

    Args:
        values: at least one number.
        dimensions: how many the array may have.

    Raises:
        ValueError: there is no value, one is not finite, or the array has another number of dimensions.
    """
    found = np.asarray(values, dtype=float)
    if found.ndim not in dimensions or not found.size or not np.isfinite(found).all():
        raise ValueError(f"one or more finite numbers are needed, not {found.tolist()} of shape {found.shape}")
    return found


def differences(a: ArrayLike, b: ArrayLike) -> Floats:
    """Return b - a of every value of B with every value of A, in ascending order, shape (n m,).

    Raises:
        ValueError: a group is empty or holds a number that is not finite.
    """
    shifts: Floats = np.sort(np.subtract.outer(finite(b), finite(a)).ravel())
    return shifts


def walsh_averages(values: ArrayLike) -> Floats:
    """Return (d_i + d_j) / 2 for all i <= j, in ascending order, shape (n (n + 1) / 2,).

    Raises:
        ValueError: there is no value, or one is not finite.
    """
    d = finite(values)
    rows, columns = np.triu_indices(len(d))
    averages: Floats = np.sort((d[rows] + d[columns]) / 2)
    return averages


def rank_bounds(ordered: Floats, cumulative: Floats, alpha: float) -> tuple[float | None, float | None]:
    """Return a lower and an upper bound of the centre, each alone wrong with probability <= alpha.

    With k the largest number for which P(statistic <= k - 1) <= alpha, they are the k-th value from below and from
    above (Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 3.3 and 4.3). Ties make them safer.

    Args:
        ordered: Walsh averages or differences, in ascending order.
        cumulative: the distribution of the statistic of the test that is inverted, from 0 on.
        alpha: the risk of each bound.

    Returns:
        (low, high); None at both ends where even P(statistic = 0) is over alpha.
    """
    k = int(np.searchsorted(cumulative, alpha * (1 + ROUNDING), side="right"))
    return (None, None) if k < 1 else (float(ordered[k - 1]), float(ordered[-k]))


@lru_cache(maxsize=128)
def signed_rank_cdf(n: int) -> Floats:
    """Return P(T <= t) for t = 0 .. n (n + 1) / 2, T being the sum of the ranks 1 .. n that fair coins give a plus.

    Up to `EXACT` pairs by counting the subsets with each sum, rank after rank; the tail of the approximation is the
    heavier one for risks under 4 %: a bound is then as safe or safer.
    """
    size = n * (n + 1) // 2 + 1
    if n > EXACT:
        return _normal(size, n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24)
    counts = np.zeros(size, dtype=np.int64)
    counts[0] = 1
    for rank in range(1, n + 1):
        counts[rank:] += counts[:-rank]
    cumulative: Floats = np.cumsum(counts) / 2.0**n
    return cumulative


@lru_cache(maxsize=64)
def mann_whitney_cdf(n: int, m: int) -> Floats:
    """Return P(U <= u) for u = 0 .. n m, U being the Mann-Whitney statistic of groups of n and m alike.

    Exact if neither is over `EXACT`; the intervals of the approximation are as wide or wider.
    """
    if max(n, m) > EXACT:
        return _normal(n * m + 1, n * m / 2, n * m * (n + m + 1) / 12)
    # U is symmetric, and is the sum of n ranks less the smallest that it can be.
    return rank_sum_tail(tuple(range(1, n + m + 1)), n)[n * (n + 1) // 2 :][::-1]


def _normal(size: int, mean: float, variance: float) -> Floats:
    """Return the approximate distribution of a whole number, shape (size,), with continuity correction."""
    return normal_cdf((np.arange(size) + 0.5 - mean) / math.sqrt(variance))


@lru_cache(maxsize=256)
def rank_sum_tail(ranks: tuple[int, ...], size: int) -> Floats:
    """Return the share of all choices of `size` of these whole ranks whose sum is at least s, for s = 0 .. the largest.

    The choices are counted rank after rank, in floats: all are positive, so nothing cancels.
    """
    ways = np.zeros((size + 1, sum(sorted(ranks)[-size:]) + 1))
    ways[0, 0] = 1
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank]
    reached = np.cumsum(ways[size, ::-1])[::-1]
    share: Floats = reached / reached[0]
    return share
