from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.stats import Floats
from bench.stats.paired import (
    FLIPS,
    hodges_lehmann,
    odd_ones,
    pair_value,
    pairs_needed,
    sign_flip_test,
    signed_rank_bounds,
    spread_growth,
    step_down_families,
    unseen_share,
)
from bench.stats.ranks import signed_rank_cdf

repeatable = settings(derandomize=True, database=None, deadline=None, max_examples=60)
times = st.floats(1e-7, 1e2, allow_nan=False)
sides = st.lists(st.tuples(times, times), min_size=1, max_size=30)
values = st.lists(st.floats(-1, 1, allow_nan=False), min_size=1, max_size=30)


def most(count: int, probability: float) -> int:
    """The number of hits in `count` that is passed once in a thousand if each has `probability`."""
    return int(stats.binom.ppf(0.999, count, probability))


def fewest(count: int, probability: float) -> int:
    return int(stats.binom.ppf(0.001, count, probability))


# A pair's number and its centre


def test_a_pair_is_the_median_of_its_rounds_log_ratios() -> None:
    assert pair_value([1.0, 2.0, 4.0], [1.1, 2.1, 40.0]) == pytest.approx(math.log(1.1))
    assert pair_value([1.0, 1.0], [2.0, 8.0]) == pytest.approx(math.log(4))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([], []),
        ([1.0, 2.0], [1.0]),
        ([[1.0]], [[1.0]]),
        ([1.0, 0.0], [1.0, 1.0]),
        ([1.0, 1.0], [1.0, -1.0]),
        ([1.0, 1.0], [math.nan, 1.0]),
        ([math.inf, 1.0], [1.0, 1.0]),
    ],
)
def test_times_that_make_no_pair_are_refused(a: list[float], b: list[float]) -> None:
    with pytest.raises(ValueError, match=r"needed|one positive time a round"):
        pair_value(a, b)


@pytest.mark.parametrize("wrong", [[], [0.1, math.nan], [0.1, math.inf], np.zeros((2, 2, 2)), np.zeros((3, 0))])
def test_values_that_are_no_finite_numbers_are_refused(wrong: Floats) -> None:
    rng = np.random.default_rng(0)
    for function, *options in ((hodges_lehmann,), (signed_rank_bounds, 0.01), (sign_flip_test, rng)):
        with pytest.raises(ValueError, match="finite numbers are needed"):
            function(wrong, *options)


@repeatable
@given(sides, st.floats(1e-3, 1e3))
def test_swapping_a_and_b_negates_the_pair_and_the_unit_does_not_matter(
    pair: list[tuple[float, float]], factor: float
) -> None:
    a, b = np.array(pair).T
    assert pair_value(a, b) == -pair_value(b, a)
    assert pair_value(a * factor, b * factor) == pytest.approx(pair_value(a, b), abs=1e-12)


@repeatable
@given(values, st.sampled_from([0.5, 0.1, 0.01]), st.randoms(use_true_random=False))
def test_estimate_and_bounds_turn_with_the_sides_and_ignore_the_order(
    d: list[float], alpha: float, random: Random
) -> None:
    centre, (low, high) = hodges_lehmann(d), signed_rank_bounds(d, alpha)
    averages = [(d[i] + d[j]) / 2 for i in range(len(d)) for j in range(i, len(d))]
    assert centre == pytest.approx(float(np.median(averages)), abs=1e-15)
    turned = [-each for each in d]
    random.shuffle(turned)
    assert hodges_lehmann(turned) == -centre
    if low is None or high is None:
        assert signed_rank_bounds(turned, alpha) == (None, None)
        return
    assert signed_rank_bounds(turned, alpha) == (-high, -low)
    assert min(d) <= low <= centre <= high <= max(d)


# Odd pairs, and the spread of either side


def test_odd_pairs_are_far_over_the_others_and_over_a_number() -> None:
    d = np.append(np.linspace(-0.02, 0.02, 19), 0.4)
    assert odd_ones(d, 0.05).tolist() == [0.4]
    assert odd_ones(d, 0.5).size == odd_ones(-d, 0.05).size == 0
    assert odd_ones(np.linspace(-0.4, 0.4, 20), 0.05).size == 0  # over it, but not unlike the others


def test_a_spread_grew_only_where_b_s_is_larger_and_not_by_what_both_share() -> None:
    rng = np.random.default_rng(5)
    drift, a, b = 0.05 * rng.normal(size=30), 0.01 * rng.normal(size=30), 0.1 * rng.normal(size=30)
    assert spread_growth(drift + a, drift + b, 0.01) == pytest.approx(
        ((drift + a).std(ddof=1), (drift + b).std(ddof=1))
    )
    assert spread_growth(drift + b, drift + a, 0.01) is None
    still = np.zeros(30)
    assert spread_growth(still, b, 0.01) == pytest.approx((0.0, b.std(ddof=1)))
    assert (
        spread_growth(b, still, 0.01) is spread_growth(still, still, 0.01) is spread_growth(a[:2], b[:2], 0.01) is None
    )


def test_a_spread_that_did_not_grow_is_seldom_said_to() -> None:
    count, rng = 2000, np.random.default_rng(6)
    seen = (spread_growth(*(0.02 * rng.normal(size=(2, 14)) + rng.normal(size=14)), 0.05) for _ in range(count))
    assert fewest(count, 0.05) <= sum(each is not None for each in seen) <= most(count, 0.05)


def test_what_strikes_a_share_of_all_processes_is_in_none_of_the_pairs_with_probability_alpha() -> None:
    for pairs, alpha in ((8, 0.01), (44, 0.05)):
        assert (1 - unseen_share(pairs, alpha)) ** pairs == pytest.approx(alpha)


# The bounds


@pytest.mark.parametrize("n", [8, 13, 30])
@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_a_bound_is_where_the_test_of_scipy_begins_to_reject(n: int, alpha: float) -> None:
    d = np.random.default_rng([n, 3]).normal(0.02, 0.05, n)
    low, high = signed_rank_bounds(d, alpha)

    def p(centre: float, alternative: str) -> float:
        return float(stats.wilcoxon(d - centre, alternative=alternative, method="exact").pvalue)

    assert p(low - 1e-9, "greater") <= alpha < p(low + 1e-9, "greater")
    assert p(high + 1e-9, "less") <= alpha < p(high - 1e-9, "less")


@pytest.mark.parametrize(("alpha", "needed"), [(0.01, 7), (0.05, 5), (1 / 64, 6), (0.005, 8)])
def test_too_few_pairs_give_no_bound(alpha: float, needed: int) -> None:
    d = np.arange(1.0, needed + 1)
    assert pairs_needed(alpha) == pairs_needed(4 * alpha, families=4) == needed
    assert signed_rank_bounds(d[:-1], alpha) == (None, None)
    low, high = signed_rank_bounds(d, alpha)
    assert (low, high) == (1.0, needed)


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.normal(0.0, 0.02, shape)


def _heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return 0.01 * rng.standard_t(1.5, shape)


def _skewed_sides(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Times with a long upper tail on both sides: each side is skewed, their difference is not."""
    return np.log1p(rng.exponential(0.05, shape)) - np.log1p(rng.exponential(0.05, shape))


def _rounded(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Many ties and zeros, as from a coarse clock."""
    return np.round(rng.normal(0.0, 2.0, shape)) / 100


Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]


@pytest.mark.parametrize("n", [8, 12, 20, 30])
@pytest.mark.parametrize("draw", [_normal, _heavy, _skewed_sides])
def test_a_bound_fails_as_often_as_its_exact_risk(n: int, draw: Draw) -> None:
    cumulative, alpha, count = signed_rank_cdf(n), 0.05, 1500
    risk = cumulative[np.searchsorted(cumulative, alpha, side="right") - 1]
    assert 0.03 < risk <= alpha
    found = [signed_rank_bounds(d, alpha) for d in draw(np.random.default_rng([n, 11]), (count, n))]
    for misses in (sum(low > 0 for low, _ in found), sum(high < 0 for _, high in found)):
        assert fewest(count, risk) <= misses <= most(count, risk)


@pytest.mark.parametrize("n", [8, 20])
def test_ties_only_make_bounds_safer(n: int) -> None:
    found = [signed_rank_bounds(d, 0.05) for d in _rounded(np.random.default_rng(n), (1000, n))]
    assert sum(not low <= 0 <= high for low, high in found) <= most(1000, 0.1)


# The randomised test


def _all_flips_p(d: Floats) -> float:
    """The exact p by going through every pattern of signs, ranks as scipy has them."""
    ranks = stats.rankdata(np.abs(d)) * np.sign(d)
    sums = [float(np.dot(signs, ranks)) for signs in itertools.product((-1, 1), repeat=len(d))]
    return float(np.mean(np.array(sums) >= ranks.sum() - 1e-9))


@pytest.mark.parametrize(
    "d",
    [
        [0.1, 0.2, -0.05, 0.3, 0.25, 0.12, -0.01, 0.4],
        [0.1, 0.1, -0.1, 0.2, 0.2, 0.0, 0.0, 0.3],
        [-0.3, -0.1, -0.2, 0.05, -0.4],
        [0.2, 0.2, 0.2, 0.2, 0.2, 0.2],
    ],
)
def test_p_is_the_share_of_all_sign_patterns_that_reach_as_far(d: list[float]) -> None:
    exact = _all_flips_p(np.array(d))
    found = float(sign_flip_test(d, np.random.default_rng(4)).p[0])
    assert abs(found - exact) <= 4 * math.sqrt(exact * (1 - exact) / FLIPS) + 1 / FLIPS


def test_p_agrees_with_the_exact_test_of_scipy() -> None:
    rng = np.random.default_rng(8)
    d = rng.normal(0.01, 0.02, (25, 6))
    exact = [stats.wilcoxon(column, alternative="greater", method="exact").pvalue for column in d.T]
    assert sign_flip_test(d, rng).p == pytest.approx(exact, abs=0.015)


def test_the_smallest_p_is_one_over_all_flips_and_identical_sides_give_one() -> None:
    d = np.column_stack([np.full(40, 0.1), np.zeros(40), np.full(40, -0.1)])
    found = sign_flip_test(d, np.random.default_rng(0))
    assert found.p.tolist() == [1 / (FLIPS + 1), 1.0, 1.0]
    assert found.adjusted.tolist() == [1 / (FLIPS + 1), 1.0, 1.0]


@pytest.mark.parametrize("draw", [_normal, _heavy, _skewed_sides, _rounded])
def test_the_test_has_the_size_that_it_says(draw: Draw) -> None:
    count, n, rng = 5000, 20, np.random.default_rng(21)
    p = np.array([sign_flip_test(d, rng, 199).p[0] for d in draw(rng, (count, n))])
    for alpha in (0.01, 0.05, 0.5):
        assert (p <= alpha).sum() <= most(count, alpha)
    if draw is not _rounded:  # without ties it is as sharp as 2^20 sign patterns allow
        for alpha in (0.01, 0.05, 0.5):
            assert (p <= alpha).sum() >= fewest(count, alpha)


# Several hypotheses


def _correlated(rng: np.random.Generator, n: int, columns: int, share: float) -> Floats:
    common = math.sqrt(share) * rng.normal(size=(n, 1))
    return 0.02 * (common + math.sqrt(1 - share) * rng.normal(size=(n, columns)))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_max_t_keeps_the_chance_of_any_false_claim_and_spends_it(share: float) -> None:
    count, alpha, rng = 1200, 0.05, np.random.default_rng(31)
    tests = [sign_flip_test(_correlated(rng, 15, 8, share), rng, 199) for _ in range(count)]
    claims = sum(test.adjusted.min() <= alpha for test in tests)
    assert fewest(count, alpha) <= claims <= most(count, alpha)


def test_max_t_keeps_it_beside_columns_that_are_really_slower() -> None:
    count, alpha, rng = 1200, 0.05, np.random.default_rng(32)
    shift = np.array([0.0, 0.05, 0.0, 0.05, 0.0, 0.0])
    tests = [sign_flip_test(_correlated(rng, 15, 6, 0.3) + shift, rng, 199) for _ in range(count)]
    false = sum(test.adjusted[shift == 0].min() <= alpha for test in tests)
    true = sum(test.adjusted[shift > 0].max() <= alpha for test in tests)
    assert fewest(count, alpha) <= false <= most(count, alpha)  # step-down: what was found no longer costs
    assert true > 0.95 * count


def test_columns_that_say_the_same_cost_nothing() -> None:
    d = _normal(np.random.default_rng(6), (12, 1)) + 0.01
    alone, together = (sign_flip_test(each, np.random.default_rng(7)) for each in (d, np.repeat(d, 8, axis=1)))
    assert together.adjusted == pytest.approx(np.repeat(alone.p, 8), abs=0)


@pytest.mark.parametrize("coarse", [False, True])
def test_step_down_is_what_its_definition_says(coarse: bool) -> None:
    d = _correlated(np.random.default_rng(10), 10, 5, 0.4) + np.array([0.0, 0.02, 0.01, 0.005, 0.015])
    if coarse:  # ties and zeros, and so another scale in each column
        d = np.round(d / [0.005, 0.01, 0.02, 0.03, 0.04])
    ranks = stats.rankdata(np.abs(d), axis=0) * np.sign(d)
    signs = 2.0 * np.random.default_rng(3).integers(0, 2, size=(499, 10), dtype=np.int8) - 1.0
    deviation = np.sqrt((ranks**2).sum(axis=0))
    assert (len(set(deviation)) > 3) is coarse
    null, seen, expected, highest = signs @ ranks / deviation, ranks.sum(axis=0) / deviation, np.zeros(5), 0.0
    left = list(np.argsort(-seen))
    while left:
        highest = max(highest, (1 + (null[:, left].max(axis=1) >= seen[left[0]] - 1e-12).sum()) / 500)
        expected[left.pop(0)] = highest
    assert sign_flip_test(d, np.random.default_rng(3), 499).adjusted == pytest.approx(expected, abs=1e-15)


@repeatable
@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 2**32), st.booleans())
def test_a_correction_never_helps_and_does_not_depend_on_the_order(n: int, k: int, seed: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    d = (_rounded if coarse else _normal)(rng, (n, k))
    found = sign_flip_test(d, np.random.default_rng(1), 199)
    assert (found.adjusted >= found.p).all()
    assert (found.p >= 1 / 200).all()
    assert (found.adjusted <= 1).all()
    order = rng.permutation(k)
    again = sign_flip_test(d[:, order], np.random.default_rng(1), 199)  # the same seed, so the very same p
    assert (again.p == found.p[order]).all()
    assert (again.adjusted == found.adjusted[order]).all()


def _holm(p: list[float]) -> list[float]:
    order = np.argsort(p)
    result, highest = [0.0] * len(p), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - place) * p[index]))
        result[index] = highest
    return result


@repeatable
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_families_of_one_are_corrected_as_holm_did(p: list[float]) -> None:
    found = step_down_families([[each] for each in p])
    assert [each for (each,) in found] == pytest.approx(_holm(p))


@pytest.mark.parametrize(
    ("adjusted", "expected"),
    [
        ([], []),
        ([[0.03, 0.01, 0.4], []], [[0.03, 0.01, 0.4], []]),  # an empty family does not count
        ([[0.001, 0.02], [0.01]], [[0.002, 0.02], [0.02]]),  # only its last hypothesis takes a family out of the factor
        ([[0.001, 0.008], [0.01]], [[0.002, 0.016], [0.016]]),
        ([[0.001, 0.5], [0.02, 0.9]], [[0.002, 1.0], [0.04, 1.0]]),
    ],
)
def test_a_family_counts_until_its_last_hypothesis(adjusted: list[list[float]], expected: list[list[float]]) -> None:
    assert step_down_families(adjusted) == expected


def test_the_chance_of_any_false_claim_holds_across_families_in_which_some_are_slower() -> None:
    # Lowering the factor when a family's first hypothesis falls would claim in 1 - 0.975 x 0.95 of these runs.
    count, alpha, rng = 2500, 0.05, np.random.default_rng(41)
    shift, false = np.array([0.1, 0.0, 0.0]), 0
    for _ in range(count):
        one = sign_flip_test(_correlated(rng, 15, 3, 0.0) + shift, rng, 199).adjusted.tolist()
        other = sign_flip_test(_correlated(rng, 15, 3, 0.0), rng, 199).adjusted.tolist()
        (_, *rest), whole = step_down_families([one, other])
        false += min(*rest, *whole) <= alpha
    assert false <= most(count, alpha)
    assert false >= fewest(count, 1 - 0.975**2)


def test_the_chance_of_any_false_claim_holds_across_many_families() -> None:
    count, alpha, rng = 500, 0.05, np.random.default_rng(42)
    false = 0
    for _ in range(count):
        families = [sign_flip_test(_correlated(rng, 15, 4, 0.6), rng, 199).adjusted.tolist() for _ in range(5)]
        false += min(map(min, step_down_families(families))) <= alpha
    assert fewest(count, 1 - 0.99**5) <= false <= most(count, alpha)
