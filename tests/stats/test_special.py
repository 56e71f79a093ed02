"""Every distribution against scipy's, which only tests have."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy import special as scipys

from bench.stats.special import (
    beta_cdf,
    beta_quantile,
    f_quantile,
    halves_cdf,
    normal_cdf,
    normal_quantile,
    t_cdf,
    t_quantile,
)

FREEDOM = (1, 2, 3, 5.7, 7, 43, 44, 1000, 1e5)
CHANCES = (1e-7, 0.001, 0.025, 0.4, 0.5, 0.6, 0.8, 0.975, 0.995, 1 - 1e-7)


@pytest.mark.parametrize(
    ("own", "theirs", "arguments", "precision"),
    [
        (t_quantile, scipys.stdtrit, product(FREEDOM, CHANCES), 1e-10),
        (t_cdf, scipys.stdtr, product(FREEDOM, (-30, -3, -0.1, -1e-6, 0, 0.5, 2, 40)), 1e-10),
        (beta_quantile, scipys.betaincinv, product((1, 3, 44, 999), (1, 2, 9, 500), CHANCES), 1e-9),
        (f_quantile, scipys.fdtri, product((1, 2, 16), (6, 24, 384), (0.5, 0.95, 0.999, 1 - 1e-9)), 1e-7),
        (normal_quantile, scipys.ndtri, product(CHANCES), 1e-12),
        (lambda x, a, b: beta_cdf(x, a, b), lambda x, a, b: scipys.betainc(a, b, x), product(
            (0.0, 1e-9, 0.3, 0.9, 1.0), (0.5, 3, 80), (0.5, 2, 300)), 1e-11),
    ],
    ids=["t quantile", "t", "beta quantile", "F quantile", "normal quantile", "beta"],
)  # fmt: skip
def test_a_distribution_is_scipys(
    own: Callable[..., float],
    theirs: Callable[..., float],
    arguments: product[tuple[float, ...]],
    precision: float,
) -> None:
    for given in arguments:
        assert own(*given) == pytest.approx(float(theirs(*given)), rel=precision, abs=1e-12), given


def test_the_normal_distribution_is_scipys_far_into_its_tail() -> None:
    z = np.linspace(-30, 8, 381)
    assert normal_cdf(z) == pytest.approx(scipys.ndtr(z), rel=1e-12)


@pytest.mark.parametrize("n", [1, 2, 7, 60, 2000])
def test_tosses_of_a_coin_are_counted(n: int) -> None:
    found = halves_cdf(n)
    assert found == pytest.approx(scipys.bdtr(np.arange(n + 1), n, 0.5), abs=1e-11)
    assert found[0] == 0.5**n
    assert found[-1] == 1


def test_both_tails_of_t_add_up() -> None:
    for freedom, t in product(FREEDOM, (0.0, 0.3, 2.0, 9.0)):
        assert t_cdf(freedom, t) + t_cdf(freedom, -t) == pytest.approx(1.0, abs=1e-15)
        assert math.copysign(1, t_quantile(freedom, 0.3)) == -1


def test_nothing_of_the_harness_imports_scipy(root: Path) -> None:
    importing = [path for path in (root / "bench").rglob("*.py") if "import scipy" in path.read_text(encoding="utf-8")]
    importing += [path for path in (root / "bench").rglob("*.py") if "from scipy" in path.read_text(encoding="utf-8")]
    assert importing == []
