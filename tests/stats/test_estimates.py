from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.stats import Floats
from bench.stats.estimates import (
    MIN_PROCESSES,
    Estimate,
    detectable_slowdown,
    mean_estimate,
    mean_of_means,
    median_estimate,
    ratio_estimate,
    unpaired_ratio_estimate,
)

repeatable = settings(derandomize=True, database=None, deadline=None, max_examples=80)
times = st.floats(1e-7, 1e2, allow_nan=False)


@pytest.mark.parametrize("n", range(1, MIN_PROCESSES))
def test_fewer_than_six_processes_give_a_median_without_ends(n: int) -> None:
    assert median_estimate(np.arange(n) + 1.0) == Estimate((n + 1) / 2, None, None)


def test_the_ends_of_six_lie_between_the_outer_two_on_either_side() -> None:
    # Coverage of [x1, x6] is 1 - 2/64, of [x2, x5] 1 - 14/64; a tenth of the way from the first to the second is 0.95.
    inward = 5 * 0.1 / (1 + 4 * 0.1)
    found = median_estimate([6.0, 1.0, 4.0, 2.0, 5.0, 30.0])
    assert found.value == 4.5
    assert found.low == pytest.approx(1 + inward)
    assert found.high == pytest.approx(30 - 24 * inward)


@given(times, st.integers(MIN_PROCESSES, 40))
def test_equal_values_are_their_own_interval_to_the_last_bit(value: float, n: int) -> None:
    assert median_estimate([value] * n) == Estimate(value, value, value)


@pytest.mark.parametrize("n", [6, 7, 8, 11, 20, 41])
def test_the_interval_of_evenly_spaced_values_is_symmetric(n: int) -> None:
    found = median_estimate(np.arange(n, dtype=float))
    assert found.low is not None
    assert found.high is not None
    assert found.value - found.low == pytest.approx(found.high - found.value)
    assert 0 <= found.low < found.value < found.high <= n - 1


@pytest.mark.parametrize("n", [8, 13, 40])
def test_the_interval_lies_between_the_two_exact_ones_around_95_percent(n: int) -> None:
    values = np.sort(np.random.default_rng(n).normal(size=n))
    found = median_estimate(values)
    depth = int(stats.binom.ppf(0.025, n, 0.5))  # [x(depth), x(n+1-depth)] covers at least 95 %, one further in less
    assert stats.binom.cdf(depth - 1, n, 0.5) <= 0.025 < stats.binom.cdf(depth, n, 0.5)
    assert values[depth - 1] <= found.low < values[depth]
    assert values[n - depth - 1] < found.high <= values[n - depth]


def test_a_wider_confidence_gives_a_wider_interval() -> None:
    values = np.random.default_rng(0).normal(size=30)
    narrow, wide = median_estimate(values, 0.8), median_estimate(values, 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high
    assert wide.value == narrow.value


def _normal(rng: np.random.Generator, n: int) -> Floats:
    return rng.normal(5.0, 1.0, n)


def _lognormal(rng: np.random.Generator, n: int) -> Floats:
    return rng.lognormal(math.log(5.0), 1.0, n)


def _hierarchical(rng: np.random.Generator, n: int) -> Floats:
    """Medians of eleven samples in each of n processes that differ among themselves."""
    return np.median(rng.normal(5.0, 1.0, (n, 1)) + rng.normal(0.0, 0.5, (n, 11)), axis=1)


@pytest.mark.parametrize("n", [8, 12, 20, 40])
@pytest.mark.parametrize("draw", [_normal, _lognormal, _hierarchical])
def test_the_interval_covers_the_true_median_as_often_as_it_says(
    draw: Callable[[np.random.Generator, int], Floats], n: int
) -> None:
    rng = np.random.default_rng([n, 7])
    found = [median_estimate(draw(rng, n)) for _ in range(2000)]
    covered = np.mean([each.low <= 5.0 <= each.high for each in found])
    assert 0.92 <= covered <= 0.98


def test_taking_samples_for_processes_would_cover_far_too_rarely() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(300):
        samples = rng.normal(5.0, 1.0, (8, 1)) + rng.normal(0.0, 0.5, (8, 11))
        pooled = median_estimate(samples.ravel())
        hits += pooled.low <= 5.0 <= pooled.high
    assert hits / 300 < 0.8


@repeatable
@given(st.lists(times, min_size=1, max_size=40), st.integers(-20, 20), st.randoms(use_true_random=False))
def test_an_interval_holds_the_median_in_any_unit_and_order(values: list[float], exponent: int, random: Random) -> None:
    found = median_estimate(values)
    assert found.value == pytest.approx(float(np.median(values)))
    assert (found.low is None) == (found.high is None) == (len(values) < MIN_PROCESSES)
    random.shuffle(values)
    assert median_estimate(values) == found
    if found.low is None:
        return
    slack = 1e-12 * found.value
    assert min(values) - slack <= found.low <= found.value + slack
    assert found.value - slack <= found.high <= max(values) + slack
    factor = 2.0**exponent  # scaling by a power of two is exact
    other = median_estimate(np.array(values) * factor)
    assert (other.value, other.low, other.high) == (found.value * factor, found.low * factor, found.high * factor)


def test_halfwidth_is_relative_and_unknown_without_an_interval() -> None:
    assert Estimate(10.0, 9.0, 12.0).halfwidth == pytest.approx(0.15)
    assert Estimate(-10.0, -12.0, -9.0).halfwidth == pytest.approx(0.15)
    assert Estimate(10.0).halfwidth is None
    assert Estimate(0.0, -1.0, 1.0).halfwidth is None


def test_a_drift_common_to_both_sides_of_each_round_cancels() -> None:
    rng = np.random.default_rng(3)
    base = rng.lognormal(0.0, 0.1, 12)
    mine = base * 0.5 * rng.lognormal(0.0, 0.01, 12)
    drift = 2.0 ** np.arange(12)
    still, drifting = ratio_estimate(base, mine), ratio_estimate(base * drift, mine * drift)
    assert drifting.value == pytest.approx(still.value, rel=1e-12)
    assert drifting.low == pytest.approx(still.low, rel=1e-12)
    assert drifting.high == pytest.approx(still.high, rel=1e-12)


def test_a_constant_ratio_is_found_exactly_whatever_the_times() -> None:
    base = np.random.default_rng(4).lognormal(0.0, 2.0, 9)
    found = ratio_estimate(base, base / 4)
    assert (found.value, found.low, found.high) == pytest.approx((4.0, 4.0, 4.0), rel=1e-12)


def test_a_paired_ratio_is_the_median_of_ratios_and_not_the_ratio_of_medians() -> None:
    found = ratio_estimate([1.0, 2.0, 30.0], [1.0, 1.0, 10.0])
    assert found.value == pytest.approx(2.0)
    assert found.low is None


@repeatable
@given(st.lists(times, min_size=1, max_size=25), st.lists(times, min_size=1, max_size=12))
def test_swapping_the_sides_of_a_ratio_inverts_it(a: list[float], b: list[float]) -> None:
    common = min(len(a), len(b))
    for ratio, x, y in ((ratio_estimate, a[:common], b[:common]), (unpaired_ratio_estimate, a, b)):
        one, other = ratio(x, y), ratio(y, x)
        assert one.value * other.value == pytest.approx(1.0, rel=1e-9)
        assert (one.low is None) == (other.high is None)
        if one.low is not None:
            assert one.low * other.high == pytest.approx(1.0, rel=1e-9)
            assert one.low <= one.value * (1 + 1e-9)
            assert one.value <= one.high * (1 + 1e-9)


@pytest.mark.parametrize(("n", "m"), [(4, 4), (6, 9), (10, 8)])
def test_an_unpaired_ratio_inverts_the_mann_whitney_test(n: int, m: int) -> None:
    rng = np.random.default_rng([n, m, 1])
    a, b = rng.lognormal(0.3, 0.2, n), rng.lognormal(0.0, 0.2, m)
    found = unpaired_ratio_estimate(a, b)
    shifts = sorted(math.log(x / y) for x in a for y in b)
    assert found.value == pytest.approx(math.exp(float(np.median(shifts))))

    def p_value(log_ratio: float) -> float:
        return float(stats.mannwhitneyu(np.log(a) - log_ratio, np.log(b), method="exact").pvalue)

    low, high, little = math.log(found.low), math.log(found.high), 1e-9
    assert p_value(low - little) <= 0.05 < p_value(low + little)
    assert p_value(high + little) <= 0.05 < p_value(high - little)


@pytest.mark.parametrize(("n", "m", "has_ends"), [(4, 4, True), (3, 5, True), (3, 4, False), (1, 30, False)])
def test_an_unpaired_interval_needs_enough_processes_on_both_sides(n: int, m: int, has_ends: bool) -> None:
    found = unpaired_ratio_estimate(np.arange(n) + 1.0, np.arange(m) + 1.5)
    assert (found.low is not None) == has_ends
    assert (found.high is not None) == has_ends


@pytest.mark.parametrize(("n", "m"), [(6, 6), (8, 12), (20, 20)])
@pytest.mark.parametrize("draw", [_lognormal, _hierarchical])
def test_an_unpaired_interval_covers_at_least_as_often_as_it_says(
    draw: Callable[[np.random.Generator, int], Floats], n: int, m: int
) -> None:
    rng = np.random.default_rng([n, m, 2])
    found = [unpaired_ratio_estimate(1.25 * np.abs(draw(rng, n)), np.abs(draw(rng, m))) for _ in range(1500)]
    covered = np.mean([each.low <= 1.25 <= each.high for each in found])
    assert covered >= 0.94


def test_equal_groups_have_a_ratio_of_one() -> None:
    values = [1.0, 1.1, 0.9, 1.05, 1.2, 0.95]
    found = unpaired_ratio_estimate(values, values)
    assert found.value == pytest.approx(1.0)
    assert found.low < 1.0 < found.high


@pytest.mark.parametrize("n", [2, 3, 10, 200])
@pytest.mark.parametrize(("alpha", "power"), [(0.01, 0.8), (0.05, 0.5), (0.0005, 0.2)])
def test_what_is_detectable_follows_the_formula_of_the_t_test(n: int, alpha: float, power: float) -> None:
    logs = np.random.default_rng(n).normal(0, 0.01, n)
    reach = stats.t.ppf([1 - alpha, power], n - 1).sum() * logs.std(ddof=1) / math.sqrt(n)
    assert detectable_slowdown(logs, alpha, power) == pytest.approx(math.expm1(reach), rel=1e-9)


def test_the_detectable_slowdown_is_found_with_the_power_it_promises() -> None:
    """Simulated pairs, slower by just that much, against a one-sided t test at the same level."""
    rng = np.random.default_rng(1)
    pairs, spread, trials = 12, 0.05, 4000
    noise = rng.normal(0, spread, (trials, pairs))
    unit = np.array([-1.0, 1.0] * (pairs // 2))
    planted = np.log1p(detectable_slowdown(unit / unit.std(ddof=1) * spread))
    values = noise + planted
    t = values.mean(axis=1) / (values.std(axis=1, ddof=1) / np.sqrt(pairs))
    found = float((t > stats.t.ppf(0.99, pairs - 1)).mean())
    assert 0.75 < found < 0.87


# --- means of groups ----------------------------------------------------------------------------------------------


def test_the_mean_of_one_group_is_that_of_its_values() -> None:
    values = [0.1, 0.3, 0.2, 0.5, 0.4, 0.25, 0.35]
    one, other = mean_of_means([values]), mean_estimate(values)
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


def test_two_groups_have_the_interval_of_welch() -> None:
    a, b = [0.1, 0.3, 0.2, 0.5, 0.4, 0.2], [2.0, 2.5, 1.0, 3.0, 2.2, 1.9, 4.0, 0.5]
    found = mean_of_means([a, np.negative(b)])  # half of a difference, which scipy knows
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low / 2, expected.high / 2))


def test_a_group_counts_as_much_as_any_other_however_many_values_it_has() -> None:
    assert mean_of_means([[1.0] * 6, [3.0] * 60]) == Estimate(2.0, 2.0, 2.0)


def test_a_group_of_few_leaves_the_mean_without_ends() -> None:
    assert mean_of_means([[1.0, 2.0] * 5, [3.0] * 5]) == Estimate(2.25)


def test_the_mean_of_means_is_covered_as_often_as_it_says() -> None:
    random, truth, inside = np.random.default_rng(0), np.array([0.5, -0.2, 0.1]), 0
    for _ in range(1000):
        groups = [random.normal(mean, 0.02 * 4**index, 6 + 3 * index) for index, mean in enumerate(truth)]
        found = mean_of_means(groups)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= truth.mean() <= found.high
    assert 0.935 <= inside / 1000 <= 0.965
