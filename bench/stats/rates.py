"""How often something happens, from how often it has happened."""

from __future__ import annotations

from bench.stats.special import beta_quantile


def binomial_interval(happened: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of a probability (Clopper and Pearson, Biometrika 26, 1934).

    Args:
        happened: the number of trials in which it did.
        trials: the number of all; with none the interval is (0, 1).
        confidence: the coverage to keep at least.
    """
    tail, missed = (1 - confidence) / 2, trials - happened
    low = beta_quantile(happened, missed + 1, tail) if happened else 0.0
    high = beta_quantile(happened + 1, missed, 1 - tail) if missed else 1.0
    return low, high
