"""How often something happens, from how often it has happened."""

from __future__ import annotations


def binomial_interval(happened: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of a probability (Clopper and Pearson, Biometrika 26, 1934).

    Args:
        happened: the number of trials in which it did.
        trials: the number of all; with none the interval is (0, 1).
        confidence: the coverage to keep at least.
    """
    from scipy.special import betaincinv

    tail, missed = (1 - confidence) / 2, trials - happened
    low = float(betaincinv(happened, missed + 1, tail)) if happened else 0.0
    high = float(betaincinv(happened + 1, missed, 1 - tail)) if missed else 1.0
    return low, high
