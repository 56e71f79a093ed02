"""How often something happens, from how often it has happened."""

from __future__ import annotations

import math
from collections.abc import Callable


def binomial_interval(happened: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval of a probability (Clopper and Pearson, Biometrika 26, 1934).

    Args:
        happened: in how many trials.
        trials: of how many; with none the interval is (0, 1).
        confidence: the coverage to keep at least.
    """
    if not trials:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if happened == 0 else _root(lambda p: 1 - _at_most(happened - 1, trials, p) - tail)
    high = 1.0 if happened == trials else _root(lambda p: tail - _at_most(happened, trials, p))
    return low, high


def _at_most(count: int, trials: int, p: float) -> float:
    """The chance of at most `count` in `trials`."""
    return math.fsum(math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(count + 1))


def _root(rising: Callable[[float], float]) -> float:
    """Where a rising function on (0, 1) crosses 0, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2
