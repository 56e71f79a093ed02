from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bench.stats.steady import Trend, TwoKinds, trend, two_kinds, two_sided_p


@pytest.mark.parametrize("n", [8, 13, 30])
def test_the_trend_is_kendalls(n: int) -> None:
    values = np.random.default_rng(n).lognormal(0.0, 0.1, n) * np.linspace(1.0, 1.2, n)
    tau = stats.kendalltau(np.arange(n), values).statistic
    assert trend(values).z == pytest.approx(3 * tau * math.sqrt(n * (n - 1) / (2 * (2 * n + 5))))


def test_a_constant_series_has_no_trend_and_a_rising_one_a_sure_one() -> None:
    assert trend([2.0] * 20) == Trend(0.0, 0.0)
    rising = trend(np.linspace(1.0, 1.5, 20))
    assert two_sided_p(rising.z) < 1e-8
    assert rising.change == pytest.approx(1.5 / 1.0 * (1 - 2 / 57) / (1 + 2 / 38) - 1, abs=0.01)
    falling = trend(np.linspace(1.5, 1.0, 20))
    assert falling.z == -rising.z
    assert falling.change == pytest.approx(1 / (1 + rising.change) - 1)


@pytest.mark.parametrize("n", [8, 20])
def test_values_in_any_order_have_a_trend_as_seldom_as_it_says(n: int) -> None:
    rng = np.random.default_rng(n)
    p = np.array([two_sided_p(trend(rng.standard_t(3, n) * 0.01 + 1).z) for _ in range(4000)])
    assert 0.03 < np.mean(p < 0.05) < 0.07
    assert np.mean(p < 0.001) < 0.003


@pytest.mark.parametrize("values", [[], [1.0] * 3, [1.0, 1.0, 1.0, float("nan")]])
def test_what_has_no_trend_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"trend takes four|finite|value"):
        trend(values)


def test_two_kinds_are_told_with_their_shares() -> None:
    found = two_kinds([340.0, 250.0, 252.0, 343.0, 251.0, 249.0, 341.0, 250.0])
    assert found == TwoKinds((pytest.approx(250.0), pytest.approx(341.0)), (5, 3))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        [1.0] * 8,
        [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0],  # too few to say
        [1.0, 1.01, 1.02, 1.0, 1.01, 1.0, 1.02, 9.0],  # one that lies far out is no kind
        [1.0, 1.01, 1.0, 1.01, 1.04, 1.05, 1.04, 1.05],  # closer than anybody minds
        list(np.linspace(1.0, 2.0, 12)),
        [0.0] * 4 + [1.0] * 4,
    ],
)
def test_what_is_no_two_kinds(values: list[float]) -> None:
    assert two_kinds(values) is None


@pytest.mark.parametrize("n", [8, 12, 40])
def test_one_kind_seldom_looks_like_two(n: int) -> None:
    rng = np.random.default_rng(n)
    assert np.mean([two_kinds(rng.lognormal(0.0, 0.1, n)) is not None for _ in range(4000)]) < 0.01
