from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from bench.stats.unpaired import can_show, detectable_shift, processes_needed, shift, shift_bounds, slower_p

SIZES = [(5, 7), (8, 8), (12, 3), (1, 1), (20, 30)]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_without_ties_p_is_that_of_the_exact_distribution(n: int, m: int) -> None:
    a, b = rng(n).normal(size=n), rng(m).normal(0.5, size=m)
    expected = stats.mannwhitneyu(b, a, alternative="greater", method="exact").pvalue
    assert slower_p(a, b) == pytest.approx(expected)
    assert slower_p(a, b + 100) == pytest.approx(1 / math.comb(n + m, n))
    assert slower_p(a, b - 100) == 1.0


@pytest.mark.parametrize(("n", "m"), [(5, 7), (7, 5), (6, 6), (1, 4), (4, 1)])
def test_with_ties_p_is_the_share_of_all_ways_to_deal_the_middle_ranks(n: int, m: int) -> None:
    draw = rng(10 * n + m)
    for _ in range(10):
        a, b = draw.integers(0, 4, n).astype(float), draw.integers(0, 5, m).astype(float)
        ranks = stats.rankdata(np.concatenate([a, b]))
        ways = [sum(chosen) for chosen in combinations(ranks, m)]
        assert slower_p(a, b) == pytest.approx(np.mean(np.array(ways) >= ranks[n:].sum() - 1e-9))


def test_many_processes_with_ties_take_the_corrected_normal_approximation() -> None:
    draw = rng(4)
    a, b = draw.integers(0, 30, 70).astype(float), draw.integers(0, 33, 65).astype(float)
    expected = stats.mannwhitneyu(b, a, alternative="greater", method="asymptotic").pvalue
    assert slower_p(a, b) == pytest.approx(expected)
    assert slower_p(np.ones(70), np.ones(70)) == slower_p(np.ones(6), np.ones(6)) == 1.0
    a, b = draw.integers(0, 300, 60).astype(float), draw.integers(0, 330, 60).astype(float)
    expected = stats.mannwhitneyu(b, a, alternative="greater", method="asymptotic").pvalue
    assert slower_p(a, b) == pytest.approx(expected, rel=0.02)


def test_the_shift_is_the_median_of_all_differences() -> None:
    a, b = rng(1).normal(size=7), rng(2).normal(size=6)
    assert shift(a, b) == pytest.approx(np.median([y - x for x in a for y in b]))
    assert shift(a, b) == pytest.approx(-shift(b, a))
    assert shift(a, a + 0.25) > 0
    assert shift([1.0] * 6, [1.0] * 6) == 0.0


@pytest.mark.parametrize(("n", "m"), [(5, 5), (6, 9), (12, 8)])
@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_bounds_are_where_the_test_turns(n: int, m: int, alpha: float) -> None:
    a, b = rng(n).normal(size=n), rng(m).normal(0.3, size=m)
    low, high = shift_bounds(a, b, alpha)
    assert low is not None
    assert high is not None
    assert low <= shift(a, b) <= high
    slack = 1e-9
    assert slower_p(a + low - slack, b) <= alpha < slower_p(a + low + slack, b)
    assert slower_p(b, a + high + slack) <= alpha < slower_p(b, a + high - slack)


def test_bounds_miss_no_more_often_than_alpha() -> None:
    draw, count, under, over = rng(7), 2000, 0, 0
    for _ in range(count):
        low, high = shift_bounds(draw.standard_t(3, 7), draw.standard_t(3, 6) + 0.4, 0.05)
        under += low is not None and low > 0.4
        over += high is not None and high < 0.4
    for missed in (under, over):
        assert 0.02 * count <= missed <= stats.binom.ppf(0.999, count, 0.05)


def test_too_few_processes_give_no_bound_and_it_is_known_how_many_do() -> None:
    assert [processes_needed(alpha) for alpha in (0.05, 0.01, 1e-4)] == [3, 5, 8]
    for n in range(1, 8):
        enough = n >= 5
        assert can_show(n, n, 0.01) is enough
        assert (shift_bounds(rng().normal(size=n), rng(1).normal(size=n), 0.01)[0] is not None) is enough
    assert can_show(3, 3, 1 / 20)  # 20 ways to choose 3 of 6: just enough


def test_what_is_detectable_follows_the_two_sample_formula_and_holds() -> None:
    a, b = rng(1).normal(0, 0.02, 9), rng(2).normal(0, 0.03, 12)
    pooled = math.sqrt((8 * a.var(ddof=1) + 11 * b.var(ddof=1)) / 19)
    reach = stats.t.ppf([0.99, 0.8], 19).sum() * pooled * math.sqrt(1 / 9 + 1 / 12)
    assert detectable_shift(a, b, 0.01) == pytest.approx(math.expm1(reach))
    assert detectable_shift(a[:4], b[:4], 0.01) is None
    draw, count = rng(3), 600
    size = stats.t.ppf([0.99, 0.8], 22).sum() * 0.02 * math.sqrt(2 / 12)
    seen = sum(slower_p(draw.normal(0, 0.02, 12), draw.normal(size, 0.02, 12)) <= 0.01 for _ in range(count))
    assert 0.7 <= seen / count <= 0.87


@pytest.mark.parametrize("bad", [[], [1.0, math.nan], [math.inf], [[1.0, 2.0]]])
def test_what_is_no_group_of_numbers_is_refused(bad: list[float]) -> None:
    for pair in ((bad, [1.0]), ([1.0], bad)):
        for function, *options in ((slower_p,), (shift,), (shift_bounds, 0.05), (detectable_shift, 0.05)):
            with pytest.raises(ValueError, match="finite numbers are needed"):
                function(*pair, *options)
