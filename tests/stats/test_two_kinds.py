"""Speedups over rounds: turns that cancel what disturbs both sides, and processes that come in two kinds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.stats.estimates import (
    Estimate,
    mean_estimate,
    median_estimate,
    round_log_ratio,
    round_log_ratios,
    speedup_estimate,
)

KINDS_APART = math.log(1.35)


def draw(rng: np.random.Generator, n: int, share: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Log ratios of rounds that belong to one of two kinds, 35 % apart, and differ by 1 % otherwise."""
    return rng.normal(0.0, 0.01, n) + KINDS_APART * (rng.random(n) < share)


def test_only_turns_that_both_took_count_and_their_median_does() -> None:
    a, b = {0: 2.0, 1: 6.0, 2: 80.0, 3: 1e9}, {0: 1.0, 1: 2.0, 2: 20.0, 4: 1e-9}
    assert round_log_ratio(a, b) == pytest.approx(math.log(3))


def test_without_common_turns_it_is_the_ratio_of_medians() -> None:
    assert round_log_ratio({0: 2.0, 1: 4.0, 2: 9.0}, {3: 1.0, 4: 2.0, 5: 7.0}) == pytest.approx(math.log(2))


@pytest.mark.parametrize(("a", "b"), [({0: 0.0}, {0: 1.0}), ({0: 1.0}, {1: 0.0}), ({}, {0: 1.0})])
def test_a_clock_that_saw_no_time_pass_gives_no_ratio(a: dict[int, float], b: dict[int, float]) -> None:
    assert round_log_ratio(a, b) is None
    assert round_log_ratios({7: a, 8: {0: 2.0}}, {7: b, 8: {0: 1.0}, 9: {}}) == {8: pytest.approx(math.log(2))}
    assert speedup_estimate({7: a}, {7: b}) is None


def test_what_disturbs_turns_cancels() -> None:
    rng = np.random.default_rng(1)
    base, mine = {}, {}
    for number in range(8):
        drift = rng.lognormal(0.0, 0.5, 20)
        base[number], mine[number] = dict(enumerate(3.0 * drift)), dict(enumerate(1.5 * drift))
    found = speedup_estimate(base, mine)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))


def test_students_interval() -> None:
    found = mean_estimate([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    half = 2.570581835636314 * math.sqrt(3.5 / 6)  # t of 5 degrees of freedom at 0.975
    assert (found.value, found.low, found.high) == pytest.approx((3.5, 3.5 - half, 3.5 + half))
    assert mean_estimate([1.0, 2.0]) == Estimate(1.5)


@pytest.mark.parametrize(("share", "n", "least"), [(0.5, 8, 0.92), (0.5, 20, 0.93), (0.3, 12, 0.90), (0.3, 20, 0.93)])
def test_the_interval_covers_the_mean_of_two_kinds(share: float, n: int, least: float) -> None:
    """A kind that is too rare to be seen in so many rounds no interval can know of."""
    rng = np.random.default_rng([n, round(100 * share)])
    truth = share * KINDS_APART
    found = [mean_estimate(draw(rng, n, share)) for _ in range(3000)]
    covered = np.mean([each.low <= truth <= each.high for each in found])  # type: ignore[operator]
    assert least <= covered <= 0.985


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_two_runs_of_the_same_agree_where_medians_jump(share: float) -> None:
    """Two runs of twelve rounds: how far apart they are, over what their intervals allow."""
    rng = np.random.default_rng(5)

    def apart(estimate: object) -> float:
        pairs = [[estimate(draw(rng, 12, share)) for _ in range(2)] for _ in range(2000)]  # type: ignore[operator]
        return float(np.mean([abs(a.value - b.value) > 0.15 for a, b in pairs]))

    assert apart(mean_estimate) < 0.02
    assert (apart(median_estimate) > 0.3) == (share == 0.5)
