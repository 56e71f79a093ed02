"""The distributions that estimates and tests rest on: normal, Student's, beta and F, from the incomplete beta function.

scipy has them all, and weighs more than everything else that the harness needs together: a machine without a network
gets along without it. The tests hold each function to scipy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from bench.stats import Floats

_TINY = 1e-300
_PRECISION = 1e-16
_MOST_TERMS = 100_000
_erfc = np.vectorize(math.erfc, otypes=[float])


def normal_cdf(z: ArrayLike) -> Floats:
    """Return the chance that a standard normal value is at most z, for each z."""
    chances: Floats = _erfc(-np.asarray(z, dtype=float) / math.sqrt(2)) / 2
    return chances


def normal_quantile(p: float) -> float:
    """Return the z that a standard normal value is at most with chance p, 0 < p < 1."""
    return NormalDist().inv_cdf(p)


@lru_cache(maxsize=1024)
def halves_cdf(n: int) -> Floats:
    """Return the chance of at most k heads in n tosses of a coin, for k = 0 .. n, exact up to the last rounding."""
    all_ways, ways, chosen, below = 2**n, 0, 1, []
    for k in range(n + 1):
        ways += chosen
        below.append(ways / all_ways)
        chosen = chosen * (n - k) // (k + 1)
    return np.array(below)


def beta_cdf(x: float, a: float, b: float) -> float:
    """Return the chance that a beta value is at most x: the regularised incomplete beta function.

    By its continued fraction (NIST Digital Library of Mathematical Functions, 8.17.22), which converges fast below the
    mean; above it, by the symmetry of 8.17.4.

    Args:
        x: from 0 to 1.
        a: the first parameter, positive.
        b: the second one.
    """
    return _beta_below(x, 1 - x, a, b)


def _beta_below(x: float, rest: float, a: float, b: float) -> float:
    """Return the chance of a beta value below x, `rest` being 1 - x without the rounding of a difference."""
    if x <= 0 or rest <= 0:
        return float(rest <= 0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_below(rest, x, b, a)
    log_front = a * math.log(x) + b * math.log(rest) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log_front) / a / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction 1 + d1 / (1 + d2 / (1 + ...)) by the recurrence of Lentz, front to back."""
    value = upper = 1.0
    lower = 0.0
    for number in range(1, _MOST_TERMS):
        m = number // 2
        if number % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / (1 + term * lower or _TINY)
        upper = 1 + term / upper or _TINY
        change = upper * lower
        value *= change
        if abs(change - 1) <= _PRECISION:
            break
    return value


@lru_cache(maxsize=4096)
def beta_quantile(a: float, b: float, p: float) -> float:
    """Return the x that a beta value is at most with chance p."""
    return _root(lambda x: beta_cdf(x, a, b) - p, 0.0, 1.0)


def t_cdf(freedom: float, t: float) -> float:
    """Return the chance that Student's t is at most t."""
    total = freedom + t * t
    tail = _beta_below(freedom / total, t * t / total, freedom / 2, 0.5) / 2
    return 1 - tail if t > 0 else tail


@lru_cache(maxsize=4096)
def t_quantile(freedom: float, p: float) -> float:
    """Return the t that Student's t is at most with chance p, 0 < p < 1."""
    tail, high = min(p, 1 - p), 1.0
    while t_cdf(freedom, -high) > tail:
        high *= 2
    t = _root(lambda t: tail - t_cdf(freedom, -t), 0.0, high)
    return t if p > 0.5 else -t


@lru_cache(maxsize=4096)
def f_quantile(numerator: float, denominator: float, p: float) -> float:
    """Return the value that an F value with these degrees of freedom is at most with chance p, 0 < p < 1."""
    # The smaller of x and 1 - x is found, since the other one keeps fewer of its digits.
    x = beta_quantile(numerator / 2, denominator / 2, p)
    rest = beta_quantile(denominator / 2, numerator / 2, 1 - p)
    return denominator * (x / (1 - x) if x < rest else (1 - rest) / rest) / numerator


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function meets 0, by halving until no number lies between the ends."""
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2
