"""A against B in two groups of processes that were not paired, as two stored runs give them.

All numbers are logarithms of times, one a process; B - A over 0 is slower. The one assumption is that processes are
alike: where A and B are the same, any of them could as well have been in the other group. A drift of the machine from
one run to the other breaks it, and nothing here can see that; pairs (`bench.stats.paired`) are made to.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from bench.errors import UsageError
from bench.stats.estimates import mann_whitney_cdf, student_t_quantile
from bench.stats.paired import Floats

_EXACT_PROCESSES = 60
"""Above this in either group, ties are left to the normal approximation, as `mann_whitney_cdf` does without them."""

_ROUNDING = 1e-9
"""Slack when a probability is held against a risk that it may equal."""

_quantile = lru_cache(maxsize=256)(student_t_quantile)


def _group(values: ArrayLike) -> Floats:
    found = np.asarray(values, dtype=float)
    if found.ndim != 1 or not found.size or not np.isfinite(found).all():
        raise UsageError(f"The values {found.tolist()} cannot be judged: give one finite logarithm a process.")
    return found


def _shifts(a: ArrayLike, b: ArrayLike) -> Floats:
    """b - a of every process of B with every one of A, in ascending order, shape (n m,)."""
    shifts: Floats = np.sort((_group(b)[:, None] - _group(a)[None, :]).ravel())
    return shifts


def shift(a: ArrayLike, b: ArrayLike) -> float:
    """The Hodges-Lehmann estimate of B - A: the median of all differences (Hollander, Wolfe and Chicken, 4.2).

    Args:
        a: one number a process of A, shape (n,), n >= 1.
        b: one number a process of B, shape (m,), m >= 1.

    Raises:
        UsageError: a group is empty or holds a number that is not finite.
    """
    return float(np.median(_shifts(a, b)))


def shift_bounds(a: ArrayLike, b: ArrayLike, alpha: float) -> tuple[float | None, float | None]:
    """A lower and an upper bound of B - A, each alone wrong with probability <= alpha.

    Inverts the one-sided Mann-Whitney test: with k the largest number for which P(U <= k - 1) <= alpha, the bounds are
    the k-th difference from below and from above (Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods",
    4.3). Ties make them safer.

    Args:
        a: one number a process of A, shape (n,).
        b: one number a process of B, shape (m,).
        alpha: the risk of each bound.

    Returns:
        (low, high); None at both ends where there are too few processes, that is where 1 / C(n + m, n) > alpha.

    Raises:
        UsageError: a group is empty or holds a number that is not finite.
    """
    shifts = _shifts(a, b)
    k = int(np.searchsorted(mann_whitney_cdf(np.size(a), np.size(b)), alpha * (1 + _ROUNDING), side="right"))
    return (None, None) if k < 1 else (float(shifts[k - 1]), float(shifts[len(shifts) - k]))


def slower_p(a: ArrayLike, b: ArrayLike) -> float:
    """The p value of the one-sided Mann-Whitney test that B is slower than A.

    Without ties, from the exact distribution. With ties each value takes its middle rank, and p is the exact share of
    all ways to deal these ranks to the two groups that favour B as much; with more than 60 processes in a group, the
    normal approximation with tie and continuity correction (Hollander, Wolfe and Chicken, 4.1).

    Args:
        a: one number a process of A, shape (n,).
        b: one number a process of B, shape (m,).

    Raises:
        UsageError: a group is empty or holds a number that is not finite.
    """
    one, other = _group(a), _group(b)
    n, m = len(one), len(other)
    over, equal = (other[:, None] > one[None, :]).sum(), (other[:, None] == one[None, :]).sum()
    everyone, counts = np.unique(np.concatenate([one, other]), return_counts=True)
    if len(everyone) == n + m:
        return float(mann_whitney_cdf(n, m)[n * m - int(over)])
    if max(n, m) > _EXACT_PROCESSES:
        total = n + m
        variance = n * m / 12 * (total + 1 - float((counts**3 - counts).sum()) / (total * (total - 1)))
        above = float(over + equal / 2) - n * m / 2 - 0.5
        return 0.5 * math.erfc(above / math.sqrt(2 * variance)) if variance > 0 else 1.0
    last = np.cumsum(counts)
    doubled = np.repeat(2 * last - counts + 1, counts)  # twice the middle rank: a whole number
    least = int(2 * over + equal) + m * (m + 1)  # twice B's sum of ranks
    return _dealt_at_least(tuple(map(int, doubled)), m, least)


@lru_cache(maxsize=256)
def _dealt_at_least(ranks: tuple[int, ...], size: int, least: int) -> float:
    """Which share of the choices of `size` of these whole numbers has a sum of at least `least`."""
    ways = np.zeros((size + 1, sum(sorted(ranks)[-size:]) + 1))
    ways[0, 0] = 1
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank].copy()
    return float(ways[size, least:].sum() / ways[size].sum())


def can_show(n: int, m: int, alpha: float) -> bool:
    """Whether groups of n and m processes can give a p or a bound at this risk at all: 1 / C(n + m, n) <= alpha."""
    return math.comb(n + m, n) * alpha * (1 + _ROUNDING) >= 1


def processes_needed(alpha: float) -> int:
    """The fewest processes of each side that can show a slowdown, or give a bound, at this risk."""
    n = 1
    while not can_show(n, n, alpha):
        n += 1
    return n


def detectable_shift(a: ArrayLike, b: ArrayLike, alpha: float, power: float = 0.8) -> float | None:
    """The smallest slowdown that two such groups would show, from their own spread.

    exp((t(1 - alpha) + t(power)) s sqrt(1 / n + 1 / m)) - 1 with the pooled deviation s and n + m - 2 degrees of
    freedom: the usual sample-size formula of the one-sided two-sample test.

    Args:
        a: one number a process of A, shape (n,).
        b: one number a process of B, shape (m,).
        alpha: how often a difference may be seen where there is none.
        power: how often one of that size is to be seen.

    Returns:
        The slowdown; None where so few processes cannot show any.
    """
    one, other = _group(a), _group(b)
    n, m = len(one), len(other)
    if n + m < 3 or not can_show(n, m, alpha):
        return None
    freedom = n + m - 2
    pooled = math.sqrt((n * float(one.var()) + m * float(other.var())) / freedom)
    reach = _quantile(1 - alpha, freedom) + _quantile(power, freedom)
    return math.expm1(reach * pooled * math.sqrt(1 / n + 1 / m))
