"""After how many steps a dearer start has paid for itself by cheaper steps, with an interval: Fieller's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.estimates import CONFIDENCE, MIN_PROCESSES
from bench.stats.special import normal_quantile, t_quantile


@dataclass(frozen=True)
class Mean:
    """The mean of independent values, and how far it may be off."""

    value: float
    error: float | None
    """Its standard error; None of a single value."""
    count: int

    @classmethod
    def of(cls, values: ArrayLike) -> Mean:
        """Take the mean of at least one value."""
        known = np.asarray(values, dtype=float)
        count = len(known)
        error = float(known.std(ddof=1)) / math.sqrt(count) if count > 1 else None
        return cls(float(known.mean()), error, count)


@dataclass(frozen=True)
class BreakEven:
    """Steps after which a dearer start has paid."""

    steps: float
    """0 if the start is not dearer, infinite if steps are not cheaper."""
    low: float | None = None
    high: float | None = None
    """Ends of the interval, the upper one infinite where it may never pay; None where there are too few values."""


def quantile(parts: Sequence[tuple[float, int]], confidence: float = CONFIDENCE) -> float:
    """Return a two-sided quantile for a sum of independent means: the mean of Student's, weighted by their variances.

    It is that of Cochran and Cox ("Experimental Designs", 1957, 4.14). With two values behind the part that decides,
    one with Satterthwaite's degrees of freedom covers 92 % where 95 % are aimed at; this covers a little more.

    Args:
        parts: of each mean the variance that it adds to the sum, and how many values are behind it.
        confidence: the coverage aimed at.
    """
    upper = (1 + confidence) / 2
    total = sum(variance for variance, _ in parts)
    if total == 0:  # all of them are exact
        return normal_quantile(upper)
    return sum(variance / total * t_quantile(count - 1, upper) for variance, count in parts)


def break_even(start: Mean, other_start: Mean, saved: Mean, confidence: float = CONFIDENCE) -> BreakEven:
    """Return after how many steps a start has paid that costs more than another.

    A number of steps is inside the interval if the difference of the two total times after as many steps may be 0: its
    standard error grows with the number, as Fieller has it ("Some problems in interval estimation", JRSS B 16, 1954),
    so that there is no division by a saving that may be 0.

    Args:
        start: seconds before the first steady step.
        other_start: the same of what it is compared with.
        saved: seconds that each step takes less than one of the other, from rounds that both ran in.
        confidence: the coverage aimed at.

    Returns:
        Without an interval if a start is known from one process only, or the saving from fewer than six rounds.
    """
    extra, saving = start.value - other_start.value, saved.value
    steps = math.inf if saving <= 0 else max(0.0, extra / saving)
    if start.error is None or other_start.error is None or saved.error is None or saved.count < MIN_PROCESSES:
        return BreakEven(steps)
    at = steps if math.isfinite(steps) else 0.0
    parts = [(start.error**2, start.count), (other_start.error**2, other_start.count)]
    t = quantile([*parts, ((at * saved.error) ** 2, saved.count)], confidence)
    return BreakEven(steps, *_ends(extra, saving, t * math.hypot(start.error, other_start.error), t * saved.error))


def _ends(extra: float, saving: float, extra_half: float, saving_half: float) -> tuple[float, float]:
    """Return the least and the largest n >= 0 with (extra - n saving)^2 <= extra_half^2 + n^2 saving_half^2."""
    a, b, c = saving**2 - saving_half**2, extra * saving, extra**2 - extra_half**2
    never = (math.inf, math.inf) if extra > 0 else (0.0, 0.0)
    inside = b * b - a * c
    if a > 0:
        low, high = ((b + sign * math.sqrt(max(0.0, inside))) / a for sign in (-1, 1))
        return (max(0.0, low), high) if high >= 0 else never
    if a == 0 and b == 0:  # neither saves anything, for all that is known
        return (0.0, math.inf) if c <= 0 else never
    if c <= 0 or inside <= 0:
        return 0.0, math.inf
    root = math.sqrt(inside)
    ends = [c / (2 * b)] if a == 0 else [(b - root) / a, (b + root) / a]
    return max(0.0, *ends), math.inf
