"""After how many steps a dearer start has paid: exact on exact values, and covered on simulated ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.stats.break_even import BreakEven, Mean, break_even, quantile

EXACT = Mean(1.0, 0.0, 6)


def test_exact_values_cross_where_arithmetic_says() -> None:
    assert break_even(Mean(11.0, 0.0, 6), EXACT, Mean(0.02, 0.0, 6)) == BreakEven(*[pytest.approx(500.0)] * 3)


@pytest.mark.parametrize(
    ("start", "saved", "expected"),
    [
        (11.0, -0.02, BreakEven(math.inf, math.inf, math.inf)),
        (0.5, 0.02, BreakEven(0.0, 0.0, 0.0)),
        (11.0, 0.0, BreakEven(math.inf, math.inf, math.inf)),
        (1.0, 0.0, BreakEven(math.inf, 0.0, math.inf)),
    ],
)
def test_what_saves_nothing_never_pays_and_what_costs_nothing_pays_at_once(
    start: float, saved: float, expected: BreakEven
) -> None:
    assert break_even(Mean(start, 0.0, 6), EXACT, Mean(saved, 0.0, 6)) == expected


def test_a_saving_that_may_be_none_has_no_upper_end() -> None:
    found = break_even(Mean(11.0, 0.1, 6), EXACT, Mean(0.02, 0.02, 6))
    assert found.steps == pytest.approx(500)
    assert found.low == pytest.approx(140, rel=0.02)  # 10 / (0.02 + 2.57 x 0.02)
    assert found.high == math.inf


@pytest.mark.parametrize(
    ("start", "other", "saved"),
    [
        (Mean.of([11.0]), EXACT, Mean(0.02, 0.001, 6)),
        (Mean(11.0, 0.1, 6), Mean.of([1.0]), Mean(0.02, 0.001, 6)),
        (Mean(11.0, 0.1, 6), EXACT, Mean(0.02, 0.001, 5)),
        (Mean(11.0, 0.1, 6), EXACT, Mean.of([0.02])),
    ],
)
def test_too_few_processes_give_no_interval(start: Mean, other: Mean, saved: Mean) -> None:
    assert break_even(start, other, saved) == BreakEven(pytest.approx(500), None, None)


def test_the_quantile_is_students_of_the_part_that_decides() -> None:
    assert quantile([(1.0, 3)]) == pytest.approx(4.303, abs=1e-3)
    assert quantile([(1.0, 3), (1e-9, 50)]) == pytest.approx(4.303, abs=1e-3)
    assert quantile([(1.0, 6), (1.0, 6)]) == pytest.approx(2.571, abs=1e-3)
    assert quantile([(3.0, 2), (1.0, 6)]) == pytest.approx(0.75 * 12.706 + 0.25 * 2.571, abs=1e-3)
    assert quantile([(0.0, 6)]) == pytest.approx(1.960, abs=1e-3)


@pytest.mark.parametrize(
    ("cold", "rounds", "spread", "spread_saved"),
    [(2, 6, 0.05, 0.05), (3, 6, 0.05, 0.05), (6, 6, 0.1, 0.02), (3, 8, 0.02, 0.3), (6, 12, 0.05, 0.1)],
)
def test_the_interval_covers_the_truth_as_often_as_it_says(
    cold: int, rounds: int, spread: float, spread_saved: float
) -> None:
    chance = np.random.default_rng(cold * 100 + rounds)
    covered = []
    for _ in range(2000):
        start = Mean.of(chance.normal(40, 40 * spread, cold))
        other = Mean.of(chance.normal(0.1, 0.01, rounds))
        saved = Mean.of(chance.normal(0.02, 0.02 * spread_saved, rounds))
        found = break_even(start, other, saved)
        assert found.low is not None
        assert found.high is not None
        covered.append(found.low <= 39.9 / 0.02 <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.99
