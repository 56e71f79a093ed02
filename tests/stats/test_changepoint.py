from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from bench.stats import Floats
from bench.stats.changepoint import ALPHA, MIN_SEGMENT, change_points, fewest_values
from bench.stats.estimates import unpaired_ratio_estimate

NOISE = 0.03


def series(levels: list[tuple[int, float]], seed: int) -> Floats:
    """So many runs at each level, with 3 % noise."""
    means = np.concatenate([np.full(count, math.log(level)) for count, level in levels])
    return np.exp(means + np.random.default_rng(seed).normal(0, NOISE, len(means)))


def places(values: Floats, seed: int = 0) -> list[int]:
    return [found.index for found in change_points(values, seed=seed)]


def clearest_split(values: Floats) -> int:
    """The definition, term by term: the largest weighted energy distance between [0, t) and [t, k)."""
    logs = np.log(values)

    def mean_distance(pairs: list[tuple[float, float]]) -> float:
        return sum(abs(a - b) for a, b in pairs) / len(pairs)

    found = []
    for t in range(MIN_SEGMENT, len(logs)):
        for k in range(t + MIN_SEGMENT, len(logs) + 1):
            x, y = list(logs[:t]), list(logs[t:k])
            energy = 2 * mean_distance(list(itertools.product(x, y)))
            energy -= mean_distance(list(itertools.combinations(x, 2)))
            energy -= mean_distance(list(itertools.combinations(y, 2)))
            found.append((len(x) * len(y) / (len(x) + len(y)) * energy, t))
    return max(found)[1]


def test_the_first_change_is_where_the_definition_puts_it() -> None:
    checked = 0
    for seed in range(12):
        values = series([(6, 1.0), (7, 1.08)], seed)
        if len(found := places(values)) == 1:
            assert found == [clearest_split(values)]
            checked += 1
    assert checked >= 6


@pytest.mark.parametrize("length", [10, pytest.param(20, marks=pytest.mark.slow), 50])
def test_noise_is_called_a_change_no_more_often_than_promised(length: int) -> None:
    count = {10: 1000, 20: 600, 50: 100}[length]
    false = sum(bool(places(series([(length, 1.0)], seed))) for seed in range(count))
    assert false <= stats.binom.ppf(0.999, count, ALPHA)


def test_ten_percent_in_twenty_runs_is_found_where_it_is() -> None:
    found = [places(series([(10, 1.0), (10, 1.1)], seed)) for seed in range(40)]
    assert sum(len(item) == 1 for item in found) >= 36
    near = [item for item in found if len(item) == 1 and abs(item[0] - 10) <= 1]
    assert len(near) >= 34
    assert sum(item == [10] for item in near) >= 28


def test_the_ratio_covers_the_truth_and_is_that_of_the_neighbouring_segments() -> None:
    values = series([(12, 1.0), (12, 1.2), (12, 0.9)], 3)
    first, second = change_points(values)
    assert (first.index, second.index) == (12, 24)
    assert first.ratio == unpaired_ratio_estimate(values[12:24], values[:12])
    assert second.ratio == unpaired_ratio_estimate(values[24:], values[12:24])
    assert first.ratio.low < 1.2 < first.ratio.high
    assert second.ratio.low < 0.75 < second.ratio.high
    assert 0 < first.p_value <= ALPHA


def test_a_slowdown_that_was_mended_is_two_changes() -> None:
    found = [places(series([(15, 1.0), (8, 1.15), (17, 1.0)], seed)) for seed in range(10)]
    near = [item for item in found if len(item) == 2 and abs(item[0] - 15) <= 1 and abs(item[1] - 23) <= 1]
    assert len(near) >= 8


def test_one_odd_run_is_no_change_and_hides_none() -> None:
    for seed in range(5):
        quiet, slower = series([(20, 1.0)], seed), series([(12, 1.0), (12, 1.15)], seed)
        quiet[14] *= 1.6
        slower[5] *= 1.6
        assert places(quiet) == []
        assert any(abs(place - 12) <= 1 for place in places(slower))


def test_times_in_any_unit_change_at_the_same_place() -> None:
    values = series([(10, 1.0), (10, 1.2)], 1)
    assert places(values) == places(values * 1e-6) == [10]


def test_the_same_series_gives_the_same_answer_and_the_seed_matters_little() -> None:
    values = series([(10, 1.0), (10, 1.1)], 2)
    assert change_points(values) == change_points(values)
    assert places(values, seed=1) == places(values)


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 40, [1.0] * 4 + [2.0] * 5])
def test_what_cannot_hold_a_change_gives_none(values: list[float]) -> None:
    assert change_points(values) == ()


def test_equal_times_on_either_side_are_one_change() -> None:
    (found,) = change_points([1.0] * 8 + [2.0] * 8)
    assert (found.index, found.ratio.value) == (8, pytest.approx(2.0))


def test_the_fewest_runs_are_those_whose_best_split_can_be_rare_enough() -> None:
    assert fewest_values(0.01) == 10  # 2 / C(10, 5) = 1 / 126, and 2 / C(9, 4) = 1 / 63
    assert fewest_values(0.05) == 8
    (found,) = change_points([1.0, 1.01, 0.99, 1.02, 0.98, 2.0, 2.01, 1.99, 2.02, 1.98])
    assert found.index == 5
