"""Planned looks, the risk of each, and what they say together."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.stats.estimates import detectable_slowdown
from bench.stats.looks import (
    DOUBT,
    detectable_by_looks,
    mean_bound,
    planned_looks,
    risk_shares,
    sequential_p,
)
from bench.stats.paired import pairs_needed, sign_flip_test

repeatable = settings(derandomize=True, database=None, deadline=None, max_examples=60)
LOOKS = (8, 14, 22, 32, 44)


def most(count: int, probability: float) -> int:
    """The number of hits in `count` that is passed once in a thousand if each has `probability`."""
    return int(stats.binom.ppf(0.999, count, probability))


# The plan


@pytest.mark.parametrize(
    ("pairs", "looks"),
    [
        (7, (7,)),
        (8, (8,)),
        (13, (13,)),  # five more would be too few for a stage of their own
        (14, (8, 14)),
        (20, (8, 14, 20)),
        (44, LOOKS),
        (47, (8, 14, 22, 32, 47)),
        (60, (*LOOKS, 60)),
        (92, (*LOOKS, 58, 74, 92)),
    ],
)
def test_looks_end_with_the_pairs_that_are_allowed(pairs: int, looks: tuple[int, ...]) -> None:
    assert planned_looks(pairs, 0.01) == looks


@repeatable
@given(st.integers(1, 400), st.sampled_from([0.2, 0.05, 0.01, 0.001, 1e-6]))
def test_the_first_look_can_give_a_bound_and_no_stage_is_too_small_to_say_anything(pairs: int, alpha: float) -> None:
    looks = planned_looks(pairs, alpha)
    shares = risk_shares(len(looks))
    assert looks[-1] == pairs
    assert shares.sum() == pytest.approx(1.0, abs=1e-12)
    if len(looks) > 1:
        assert min(np.diff(looks)) >= 6
        assert looks[0] == max(8, pairs_needed(alpha * shares[0]))


# Looks together


@pytest.mark.parametrize("p", [[], 0.5, [0.5, 1.1], [-0.1], [math.nan], [0.5] * 6])
def test_what_is_no_p_of_a_look_is_refused(p: object) -> None:
    with pytest.raises(ValueError, match="needed for one to 5 looks"):
        sequential_p(p, 5)  # type: ignore[arg-type]


@repeatable
@given(st.lists(st.floats(0, 1), min_size=5, max_size=5), st.integers(0, 4), st.floats(0, 1))
def test_a_smaller_p_never_makes_all_larger_and_no_look_takes_back(p: list[float], look: int, factor: float) -> None:
    smaller = [each * factor if index == look else each for index, each in enumerate(p)]
    running = [float(sequential_p(p[:n], 5)) for n in range(1, 6)]
    assert running == sorted(running, reverse=True)
    assert sequential_p(smaller, 5) <= running[-1]
    assert sequential_p(np.column_stack([p, smaller]), 5).tolist() == [running[-1], sequential_p(smaller, 5)]
    assert float(sequential_p(p[:1], 1)) == p[0]


def test_over_all_looks_a_false_claim_is_no_more_frequent_than_alpha() -> None:
    """Each look sees what those before it saw, as the sum of ever more normal values does."""
    count, draw = 20_000, np.random.default_rng(1)
    sums = np.cumsum(draw.normal(size=(44, count)), axis=0)[np.array(LOOKS) - 1]
    p = stats.norm.sf(sums / np.sqrt(LOOKS)[:, None])
    for alpha in (0.01, 0.05, 0.2):
        claims = (sequential_p(p, 5) <= alpha).sum()
        assert 0.5 * alpha * count <= claims <= most(count, alpha)


def test_few_pairs_show_what_all_of_them_agree_on() -> None:
    p = [sign_flip_test(np.full(look, 0.1), np.random.default_rng(0)).p[0] for look in LOOKS]
    assert p[:2] == [2.0**-8, 2.0**-14]  # all flips are gone through
    assert sequential_p(p[:1], 5) == pytest.approx(2**-8 / 0.4)  # one case at the first look
    assert sequential_p(p[:2], 5) <= 0.01 / 12  # twelve at the second


# The mean


def test_the_bound_of_the_mean_is_that_of_a_t_test() -> None:
    values = np.random.default_rng(2).normal(0.01, 0.02, 14)
    bound = mean_bound(values, 0.004)
    assert stats.ttest_1samp(values, bound, alternative="less").pvalue == pytest.approx(0.004)
    assert mean_bound([0.1], 0.01) == math.inf


# What can be seen


def test_a_slowdown_of_the_size_called_detectable_needs_the_spread_the_looks_and_the_margin() -> None:
    values = np.random.default_rng(3).normal(0, 0.02, 8)

    def reach(looks: tuple[int, ...] = LOOKS, families: int = 12, margin: float = 0.01, factor: float = 1.0) -> float:
        found = detectable_by_looks(factor * values, looks, 0.01, families, 0.8, margin)
        assert found is not None
        return found

    assert reach() < reach(margin=0.02)
    assert reach(factor=2) > 1.5 * reach()
    assert reach((8,), 1, 0.0) > reach((44,), 1, 0.0)
    assert reach((44,), 100, 0.0) > reach((44,), 1, 0.0)
    # What is not doubted at the first look is missed.
    assert reach((8, 44), 1, 0.0) == pytest.approx(detectable_slowdown(values, DOUBT, 0.9))
    assert detectable_by_looks(values, (8,), 0.01, 12, 0.8, 0.01) is None
    assert detectable_by_looks([0.1], LOOKS, 0.01, 1, 0.8, 0.01) is None
