"""Estimates and their intervals. The unit of observation is a process, never a sample inside one.

Samples of one process share its memory layout, its place in time and its neighbours; treating them as independent
gives intervals several times too narrow. So each process is reduced to one number first, and an interval says how
much that number varies from process to process.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
MIN_PROCESSES = 6
"""Fewer values than this cannot give a distribution-free 95 % interval of a median (1 - 2 / 2^5 < 0.95)."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; the ends are None where there are too few processes to give one."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def halfwidth(self) -> float | None:
        """Half the interval over the value, the relative precision; None without an interval."""
        if self.low is None or self.high is None or self.value == 0:
            return None
        return (self.high - self.low) / 2 / abs(self.value)


def _binomial_tail(n: int) -> NDArray[np.float64]:
    """P(Bin(n, 1/2) <= k) for k = 0 .. n."""
    counts = [math.comb(n, k) for k in range(n + 1)]
    return np.cumsum(np.array(counts, dtype=float)) / 2.0**n


def median_estimate(values: ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """The median of values from independent processes, with a distribution-free interval.

    The ends interpolate between two neighbouring order statistics so that the coverage is close to `confidence`
    for any n (Hettmansperger and Sheather, "Confidence intervals based on interpolated order statistics",
    Statistics & Probability Letters 4, 1986). It is what resampling processes converges to, without its uneven coverage
    at small n and without random numbers.

    Args:
        values: one number a process, shape (n,), n >= 1.
        confidence: the coverage aimed at.

    Returns:
        The median; with ends if n >= 6 at 95 %, that is if min and max cover `confidence`.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    median = float(np.median(ordered))
    # Coverage of [x(d), x(n+1-d)] for d = 1, 2, ...: it falls as d grows.
    depths = np.arange(1, n // 2 + 1)
    coverage = 1.0 - 2.0 * _binomial_tail(n)[depths - 1]
    enough = np.flatnonzero(coverage >= confidence)
    if not len(enough):
        return Estimate(median)
    d = int(depths[enough[-1]])
    wide = float(coverage[enough[-1]])
    if d + 1 > n // 2:
        return Estimate(median, float(ordered[d - 1]), float(ordered[n - d]))
    narrow = float(coverage[enough[-1] + 1])
    share = (wide - confidence) / (wide - narrow)
    inward = (n - d) * share / (d + (n - 2 * d) * share)
    low = (1 - inward) * ordered[d - 1] + inward * ordered[d]
    high = (1 - inward) * ordered[n - d] + inward * ordered[n - d - 1]
    return Estimate(median, float(low), float(high))


def ratio_estimate(numerators: ArrayLike, denominators: ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """numerator / denominator of values paired by round: the median of the rounds' ratios, with its interval.

    A drift of the machine falls on both sides of a round and cancels in its ratio.

    Args:
        numerators: one positive number a round, shape (n,).
        denominators: the same rounds' numbers, shape (n,).
        confidence: the coverage aimed at.
    """
    logs = np.log(np.asarray(numerators, dtype=float)) - np.log(np.asarray(denominators, dtype=float))
    return _exp(median_estimate(logs, confidence))


def unpaired_ratio_estimate(numerators: ArrayLike, denominators: ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """numerator / denominator of two independent groups of processes, as from two runs.

    The Hodges-Lehmann estimate of the shift between the logarithms, its interval by inverting the Mann-Whitney test
    with its exact distribution (Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 4.2 and 4.3).

    Args:
        numerators: one positive number a process, shape (n,).
        denominators: one positive number a process, shape (m,).
        confidence: the coverage to keep at least.

    Returns:
        The ratio; with ends if n and m are large enough (4 and 4 at 95 %).
    """
    a, b = np.log(np.asarray(numerators, dtype=float)), np.log(np.asarray(denominators, dtype=float))
    shifts = np.sort((a[:, None] - b[None, :]).ravel())
    value = float(np.median(shifts))
    cumulative = mann_whitney_cdf(len(a), len(b))
    # The interval [shift(k), shift(nm+1-k)] misses with probability 2 P(U <= k - 1).
    k = int(np.searchsorted(2.0 * cumulative, 1.0 - confidence, side="right"))
    if k < 1:
        return _exp(Estimate(value))
    return _exp(Estimate(value, float(shifts[k - 1]), float(shifts[len(shifts) - k])))


def _exp(logs: Estimate) -> Estimate:
    low, high = (None if end is None else math.exp(end) for end in (logs.low, logs.high))
    return Estimate(math.exp(logs.value), low, high)


@lru_cache(maxsize=64)
def mann_whitney_cdf(n: int, m: int) -> NDArray[np.float64]:
    """P(U <= u) for u = 0 .. n m, U being the Mann-Whitney statistic of groups of n and m from one distribution.

    The counts are the coefficients of the Gaussian binomial prod_i (1 - q^(m+i)) / (1 - q^i), i = 1 .. n; groups of
    more than 60 use the normal approximation with continuity correction, whose intervals are then as wide or wider.
    """
    size = n * m + 1
    if n > 60 or m > 60:
        mean, deviation = n * m / 2, math.sqrt(n * m * (n + m + 1) / 12)
        return np.array([0.5 * math.erfc((mean - u - 0.5) / deviation / math.sqrt(2)) for u in range(size)])
    counts = [0] * size
    counts[0] = 1
    for i in range(1, n + 1):
        for u in range(size - 1, m + i - 1, -1):
            counts[u] -= counts[u - m - i]
        for u in range(i, size):
            counts[u] += counts[u - i]
    total = math.comb(n + m, n)
    running, result = 0, []
    for count in counts:
        running += count
        result.append(running / total)
    return np.array(result)


@lru_cache(maxsize=256)
def student_t_quantile(probability: float, freedom: int) -> float:
    """The value that a t variable with `freedom` degrees of freedom stays below with `probability`.

    Bisection on the distribution function, whose tail is half of the regularised incomplete beta function
    I(freedom / (freedom + t^2); freedom / 2, 1/2) (Abramowitz and Stegun, 26.7.1).
    """
    if probability < 0.5:
        return -student_t_quantile(1 - probability, freedom)
    low, high = 0.0, 1.0
    while _student_t_upper_tail(high, freedom) > 1 - probability:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if _student_t_upper_tail(middle, freedom) > 1 - probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _student_t_upper_tail(t: float, freedom: int) -> float:
    return 0.5 * _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Regularised, by its continued fraction with Lentz's method (Press et al., "Numerical Recipes", 6.4)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    tiny = 1e-300
    fraction, c, d = 1.0, 1.0, 0.0
    for step in range(400):
        m = step // 2
        if step == 0:
            numerator = 1.0
        elif step % 2 == 0:
            numerator = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            numerator = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / max(1 + numerator * d, tiny, key=abs)
        c = max(1 + numerator / c, tiny, key=abs)
        fraction *= c * d
        if abs(1 - c * d) < 1e-15:
            break
    return front * (fraction - 1)


def detectable_slowdown(log_ratios: ArrayLike, alpha: float = 0.01, power: float = 0.8) -> float:
    """The smallest slowdown that so many pairs as these would find, from the spread of their log ratios.

    exp((t(1 - alpha) + t(power)) s / sqrt(n)) - 1, t with n - 1 degrees of freedom: the usual sample-size formula for
    a one-sided test on the mean.

    Args:
        log_ratios: ln(B / A) of n >= 2 pairs that are known to be the same.
        alpha: how often a difference may be seen where there is none.
        power: how often one of that size is to be seen.
    """
    values = np.asarray(log_ratios, dtype=float)
    n = len(values)
    reach = student_t_quantile(1 - alpha, n - 1) + student_t_quantile(power, n - 1)
    return math.expm1(reach * float(values.std(ddof=1)) / math.sqrt(n))
