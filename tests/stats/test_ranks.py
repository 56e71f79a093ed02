from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.stats import ranks
from bench.stats.rates import binomial_interval


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_the_signed_rank_distribution_is_that_of_all_subsets_of_ranks(n: int) -> None:
    sums = [sum(rank for rank in range(1, n + 1) if subset >> rank - 1 & 1) for subset in range(2**n)]
    expected = np.cumsum(np.bincount(sums, minlength=n * (n + 1) // 2 + 1)) / 2**n
    assert ranks.signed_rank_cdf(n) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("n", [10, 25, 50])
def test_the_signed_rank_distribution_is_scipys(n: int) -> None:
    draw = np.random.default_rng(n)
    for _ in range(10):
        test = stats.wilcoxon(draw.normal(0.2, 1.0, n), alternative="less", method="exact")
        assert ranks.signed_rank_cdf(n)[int(test.statistic)] == pytest.approx(test.pvalue, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (3, 4), (6, 6), (8, 7), (5, 20), (12, 60)])
def test_the_mann_whitney_distribution_is_scipys(n: int, m: int) -> None:
    cumulative, draw = ranks.mann_whitney_cdf(n, m), np.random.default_rng([n, m])
    for _ in range(25):
        order = draw.permutation(n + m).astype(float)
        test = stats.mannwhitneyu(order[:n], order[n:], alternative="less", method="exact")
        assert cumulative[int(test.statistic)] == pytest.approx(test.pvalue, abs=1e-12)
    assert cumulative == pytest.approx(ranks.mann_whitney_cdf(m, n), abs=1e-12)


@pytest.mark.parametrize(
    ("cumulative", "size", "first"),
    [
        (ranks.signed_rank_cdf(60), 60 * 61 // 2 + 1, 2.0**-60),
        (ranks.mann_whitney_cdf(4, 9), 37, 1 / 715),
        (ranks.mann_whitney_cdf(60, 60), 3601, None),
        (ranks.mann_whitney_cdf(70, 30), 2101, None),
    ],
)
def test_a_distribution_is_symmetric_and_ends_at_one(cumulative: ranks.Floats, size: int, first: float | None) -> None:
    assert cumulative.shape == (size,)
    assert cumulative[0] == pytest.approx(first or 0.0, abs=1e-12, rel=1e-12)
    assert cumulative[-1] == pytest.approx(1.0, abs=1e-9)
    assert (cumulative[:-1] + cumulative[-2::-1]) == pytest.approx(1.0, abs=1e-12)
    assert (np.diff(cumulative) >= 0).all()


def test_the_signed_rank_approximation_errs_on_the_safe_side_and_by_little(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = ranks.signed_rank_cdf(60)
    monkeypatch.setattr(ranks, "EXACT", 59)
    rough = ranks.signed_rank_cdf.__wrapped__(60)
    tail = exact < 0.04
    assert (rough[tail] >= exact[tail]).all()
    assert rough[exact > 0.009] == pytest.approx(exact[exact > 0.009], rel=0.05)


@pytest.mark.parametrize(("n", "m"), [(61, 61), (61, 12), (4, 70), (100, 10)])
def test_large_groups_keep_their_coverage_under_the_approximation(
    n: int, m: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rough = ranks.mann_whitney_cdf(n, m)
    monkeypatch.setattr(ranks, "EXACT", 100)
    exact = ranks.mann_whitney_cdf.__wrapped__(n, m)
    k = int(np.searchsorted(2.0 * rough, 0.05, side="right"))
    assert 0.95 <= 1 - 2 * exact[k - 1] <= 0.956
    assert 0 < np.abs(rough - exact).max() < 0.01


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_interval_of_a_rate_is_scipys(confidence: float) -> None:
    for trials in (1, 7, 40):
        for happened in range(trials + 1):
            expected = stats.binomtest(happened, trials).proportion_ci(confidence, "exact")
            assert binomial_interval(happened, trials, confidence) == pytest.approx(tuple(expected), abs=1e-12)
    assert binomial_interval(0, 0) == (0.0, 1.0)
