"""A against B in two groups of processes that were not paired, as two stored runs give them.

All numbers are logarithms of times, one a process; B - A over 0 is slower. The one assumption is that processes are
alike: where A and B are the same, any of them could as well have been in the other group. A drift of the machine from
one run to the other breaks it, and nothing here can detect that; pairs (`bench.stats.paired`) are made to.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.estimates import detectable_by_t
from bench.stats.ranks import EXACT, ROUNDING, differences, finite, mann_whitney_cdf, rank_bounds, rank_sum_tail
from bench.stats.special import normal_cdf


def shift(a: ArrayLike, b: ArrayLike) -> float:
    """Return the Hodges-Lehmann estimate of B - A: the median of all differences (Hollander, Wolfe and Chicken, 4.2).

    Args:
        a: one number a process of A, shape (n,), n >= 1.
        b: one number a process of B, shape (m,), m >= 1.

    Raises:
        ValueError: a group is empty or holds a number that is not finite.
    """
    return float(np.median(differences(a, b)))


def shift_bounds(a: ArrayLike, b: ArrayLike, alpha: float) -> tuple[float | None, float | None]:
    """Return a lower and an upper bound of B - A, by inverting the one-sided Mann-Whitney test.

    Args:
        a: one number a process of A, shape (n,).
        b: one number a process of B, shape (m,).
        alpha: the risk of each bound.

    Returns:
        (low, high); None at both ends where there are too few processes, that is where 1 / C(n + m, n) > alpha.

    Raises:
        ValueError: a group is empty or holds a number that is not finite.
    """
    return rank_bounds(differences(a, b), mann_whitney_cdf(np.size(a), np.size(b)), alpha)


def slower_p(a: ArrayLike, b: ArrayLike) -> float:
    """Return the p value of the one-sided Mann-Whitney test that B is slower than A.

    Each value takes its middle rank, and p is the exact share of all ways to deal these ranks to the two groups that
    favour B as much; with more than `EXACT` processes in a group, the normal approximation with tie and continuity
    correction (Hollander, Wolfe and Chicken, 4.1).

    Args:
        a: one number a process of A, shape (n,).
        b: one number a process of B, shape (m,).

    Raises:
        ValueError: a group is empty or holds a number that is not finite.
    """
    one, other = finite(a), finite(b)
    n, m = len(one), len(other)
    total = n + m
    won = int(np.sign(np.subtract.outer(other, one)).sum()) + n * m  # twice: a win counts 2, a tie 1
    counts = np.unique(np.concatenate([one, other]), return_counts=True)[1]
    if max(n, m) > EXACT:
        variance = n * m / 12 * (total + 1 - float((counts**3 - counts).sum()) / (total * (total - 1)))
        over = won / 2 - n * m / 2 - 0.5
        return float(normal_cdf(-over / math.sqrt(variance))) if variance > 0 else 1.0
    doubled = np.repeat(2 * np.cumsum(counts) - counts + 1, counts)  # twice the middle rank: a whole number
    return float(rank_sum_tail(tuple(doubled.tolist()), m)[won + m * (m + 1)])  # twice B's sum of ranks


def can_show(n: int, m: int, alpha: float) -> bool:
    """Return whether groups of n and m processes can give a p or a bound at this risk: 1 / C(n + m, n) <= alpha."""
    return math.comb(n + m, n) * alpha * (1 + ROUNDING) >= 1


def processes_needed(alpha: float) -> int:
    """Return the fewest processes of each side that can show a slowdown, or give a bound, at this risk."""
    n = 1
    while not can_show(n, n, alpha):
        n += 1
    return n


def detectable_shift(a: ArrayLike, b: ArrayLike, alpha: float, power: float = 0.8) -> float | None:
    """Return the smallest slowdown that two such groups would show, from their pooled spread.

    Args:
        a: one number a process of A, shape (n,).
        b: one number a process of B, shape (m,).
        alpha: how often a difference may be seen where there is none.
        power: how often one of that size is to be seen.

    Returns:
        The slowdown; None where so few processes cannot show any.

    Raises:
        ValueError: a group is empty or holds a number that is not finite.
    """
    one, other = finite(a), finite(b)
    n, m = len(one), len(other)
    if n + m < 3 or not can_show(n, m, alpha):
        return None
    freedom = n + m - 2
    pooled = math.sqrt((n * float(one.var()) + m * float(other.var())) / freedom)
    return detectable_by_t(pooled * math.sqrt(1 / n + 1 / m), freedom, alpha, power)
