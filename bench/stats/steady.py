"""Is it one number at all? A trend inside a process, and processes that come in two kinds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.ranks import finite
from bench.stats.special import normal_cdf

FEWEST_TURNS = 8
"""Fewer values than this have no trend that a test could be sure of."""
FEWEST_PROCESSES = 8


@dataclass(frozen=True)
class Trend:
    """What a series of values does as it goes on."""

    z: float
    """Kendall's rank correlation with time over its standard deviation, positive for a rise: nearly normal where
    values come in any order."""
    change: float
    """The median of the last quarter of the values over that of the first, minus 1."""


def trend(values: ArrayLike) -> Trend:
    """Test a series for a trend, by Mann's test ("Nonparametric tests against trend", Econometrica 13, 1945).

    Args:
        values: positive numbers in the order of time, shape (n,), n >= 4.

    Raises:
        ValueError: there are fewer, or one is not finite.
    """
    series = finite(values)
    n = len(series)
    if n < 4:
        raise ValueError(f"a trend takes four values, not {n}")
    early, late = np.triu_indices(n, 1)
    rises = float(np.sign(series[late] - series[early]).sum())
    first, last = (float(np.median(each)) for each in (series[: n // 4], series[-(n // 4) :]))
    return Trend(rises / math.sqrt(n * (n - 1) * (2 * n + 5) / 18), last / first - 1)


def two_sided_p(z: float) -> float:
    """Return the chance of as large a normal deviate, up or down."""
    return 2 * float(normal_cdf(-abs(z)))


@dataclass(frozen=True)
class TwoKinds:
    """Two groups of processes."""

    seconds: tuple[float, float]
    """The median of each, the smaller one first."""
    counts: tuple[int, int]


def two_kinds(values: ArrayLike, least: float = 0.05) -> TwoKinds | None:
    """Find out whether processes come in two kinds; None if they do not, or if nobody could tell.

    They do if the widest gap between neighbours, on a logarithmic scale, is more than twice either group's own range,
    and at least two are on each side. Of 8 to 40 values from one normal distribution fewer than 1 % look so.

    Args:
        values: positive numbers, one a process, shape (n,).
        least: the part by which the groups must lie apart.

    Raises:
        ValueError: there is no value, or one is not finite.
    """
    ordered = np.sort(finite(values))
    if len(ordered) < FEWEST_PROCESSES or ordered[0] <= 0:
        return None
    logs = np.log(ordered)
    place = 1 + int(np.argmax(np.diff(logs)))
    low, high = logs[:place], logs[place:]
    gap = high[0] - low[-1]
    if min(len(low), len(high)) < 2 or gap <= max(math.log1p(least), 2 * np.ptp(low), 2 * np.ptp(high)):
        return None
    return TwoKinds((math.exp(np.median(low)), math.exp(np.median(high))), (len(low), len(high)))
