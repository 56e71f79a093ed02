"""Looking at pairs more than once: when, at which risk of each look, and what all looks say together.

A comparison is planned with a number of looks, each at all pairs so far. A p or a bound of a look errs as if it were
the only one; so if each look spends its own part of alpha, all of them together err with probability alpha at most,
and stopping at one can only lose errors (Bonferroni over looks).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from bench.stats import Floats
from bench.stats.estimates import detectable_by_t
from bench.stats.paired import FLIPS, pairs_needed
from bench.stats.ranks import ROUNDING, finite
from bench.stats.special import t_quantile

FIRST, NEXT = 8, 6
"""Pairs up to the first look, and from there to the second; each later distance is two more than the one before."""
FIRST_SHARE = 0.4
"""The part of alpha that the first look may spend: 8 pairs give a 99 % bound with no less, for 2^-8 is 0.39 %."""
DOUBT = 0.1
"""The p at which what looks fine is looked at again: an unchanged family goes on with at most this probability."""


def planned_looks(most: int, alpha: float) -> tuple[int, ...]:
    """Return after how many pairs to look: 8, 14, 22, 32, 44, 58, and so on to `most`.

    The first look comes later where a smaller alpha needs more pairs for a bound. The last one takes in what would be
    too few for a look of their own.

    Args:
        most: pairs at the last look, 1 or more.
        alpha: the risk that all looks share.
    """
    looks: list[int] = []
    size = max(FIRST, pairs_needed(FIRST_SHARE * alpha))
    while not looks or looks[-1] < most:
        look = size + (looks[-1] if looks else 0)
        size = size + 2 if looks else NEXT
        looks.append(look if most - look >= NEXT else most)
    return tuple(looks)


def risk_shares(looks: int) -> Floats:
    """Return what part of alpha each look may spend, shape (looks,).

    The first what a bound takes, the last half of the rest, those between the other half; a single look spends all.
    Which parts does not matter for the risk of all together, only that they are settled before the first pair and add
    up to 1 (Bonferroni over looks).
    """
    if looks < 3:
        return np.array([FIRST_SHARE, 1 - FIRST_SHARE] if looks == 2 else [1.0])
    half = (1 - FIRST_SHARE) / 2
    return np.array([FIRST_SHARE, *[half / (looks - 2)] * (looks - 2), half])


def sequential_p(p: ArrayLike, looks: int) -> Floats:
    """Return one p for all looks so far, which does not depend on when one stops: the least of p / the look's part.

    Where A and B are the same it is ever at most u with probability at most u, over all planned looks together: it is
    the smallest alpha at which a look would have rejected (Liu and Anderson, "On adaptive extensions of group
    sequential trials for clinical investigations", Journal of the American Statistical Association 103, 2008). So it
    can be corrected for several families as any p is, whichever look each of them left at.

    Args:
        p: those of the looks so far, shape (looks so far, ...).
        looks: how many were planned.

    Raises:
        ValueError: there is no look, there are more than planned, or a p is not between 0 and 1.
    """
    found = np.asarray(p, dtype=float)
    if not found.ndim or not 0 < len(found) <= looks or not ((found >= 0) & (found <= 1)).all():
        raise ValueError(f"p values between 0 and 1 are needed for one to {looks} looks, not {found.tolist()}")
    shares = risk_shares(looks)[: len(found)].reshape(-1, *[1] * (found.ndim - 1))
    least: Floats = np.minimum(1.0, (found / shares).min(axis=0))
    return least


def mean_bound(values: ArrayLike, alpha: float) -> float:
    """Return Student's upper bound of the mean, wrong with probability alpha for normal values.

    The bounds of the centre do not move when one pair in ten is twice as slow; the mean and its spread do.

    Args:
        values: log ratios, one a pair, shape (n,); infinite for n = 1.
        alpha: the risk of the bound.

    Raises:
        ValueError: there is no value, or one is not finite.
    """
    d = finite(values)
    if len(d) < 2:
        return math.inf
    return float(d.mean() + t_quantile(len(d) - 1, 1 - alpha) * d.std(ddof=1) / math.sqrt(len(d)))


def detectable_by_looks(
    values: ArrayLike, looks: Sequence[int], alpha: float, families: int, power: float, margin: float
) -> float | None:
    """Return the smallest slowdown that all planned looks would find, from the spread of the pairs so far.

    It has to do three things: be doubted at the first look, where most families leave; have a p at the last one that
    holds for all families; and be surely over the margin there. Each by the sample-size formula of a t test, at a power
    so much higher that two of them may fail.

    Args:
        values: log ratios, one a pair, shape (n,).
        looks: after how many pairs a look was planned, in ascending order.
        alpha: the risk over all looks and families.
        families: how many are decided together.
        power: how often a slowdown of the size returned is to be found.
        margin: what a slowdown must surely exceed, such as 0.01.

    Returns:
        The slowdown; None where so few pairs cannot show any.
    """
    d = finite(values)
    risk, most = alpha * float(risk_shares(len(looks))[-1]), looks[-1]
    if len(d) < 2 or max(2.0**-most, 1 / (FLIPS + 1)) * families > risk * (1 + ROUNDING):
        return None
    sd, power = float(d.std(ddof=1)), (1 + power) / 2

    def reach(pairs: int, level: float) -> float:
        return detectable_by_t(sd / math.sqrt(pairs), pairs - 1, level, power)

    doubted = reach(looks[0], DOUBT) if len(looks) > 1 else 0.0
    return max(doubted, reach(most, risk / families), (1 + margin) * (1 + reach(most, risk)) - 1)
