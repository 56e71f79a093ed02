from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from bench.output.figures import Look, Width
from bench.output.figures._log import columns_of, limits, roomy, size_label, ticks


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((0.4, 12.0), [0.5, 1, 2, 5, 10]),
        ((0.08, 12.0), [0.1, 0.3, 1, 3, 10]),
        ((0.008, 120.0), [0.01, 0.1, 1, 10, 100]),
        ((0.00008, 12000.0), [0.0001, 0.01, 1, 100, 10000]),
    ],
)
def test_ticks_are_round_and_few_and_1_is_among_them(ends: tuple[float, float], expected: list[float]) -> None:
    assert ticks(*ends, 5) == pytest.approx(expected)


@pytest.mark.parametrize("low", [1e-7, 0.013, 0.99, 7.3, 4e5])
@pytest.mark.parametrize("factor", [1.0, 1.01, 6.0, 1e3, 1e9])
def test_every_axis_has_at_least_two_ticks(low: float, factor: float) -> None:
    ends = limits([[low, low * factor]])
    for most in (5, 8):
        found = ticks(*ends, most)
        assert 2 <= len(found) <= most
        assert all(ends[0] <= tick <= ends[1] for tick in found)


def test_limits_hold_all_that_is_known_and_positive() -> None:
    low, high = limits([[1.0, math.nan, math.inf], [0.0, -3.0, 50.0]], around=[0.25])
    assert 0.1 < low < 0.25
    assert 50.0 < high < 100.0


def logs(sizes: list[int]) -> np.ndarray:
    return np.log(sizes) / math.log(sizes[-1] / sizes[0])


def test_all_sizes_are_written_where_they_have_room() -> None:
    sizes = [16, 64, 256, 1024]
    assert roomy(sizes, logs(sizes), 5.0, Look()) == sizes


def test_of_evenly_spread_sizes_every_so_many_are_written() -> None:
    sizes = [2**power for power in range(16)]
    found = roomy(sizes, logs(sizes), 2.5, Look(Width.COLUMN))
    assert 4 < len(found) < 16
    assert len({b // a for a, b in pairwise(found)}) == 1


def test_of_crowded_sizes_the_ends_are_written() -> None:
    sizes = [16, 1000, 1001, 1002, 1003, 1004, 1005, 1024]
    assert roomy(sizes, logs(sizes), 1.5, Look()) == [16, 1024]


@pytest.mark.parametrize(("panels", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3), (6, 3)])
def test_panels_stand_beside_each_other_on_a_slide(panels: int, columns: int) -> None:
    assert columns_of(Look(Width.SLIDE), panels) == columns
    assert columns_of(Look(Width.COLUMN), panels) == 1
    assert columns_of(Look(Width.PAGE), panels) == min(2, panels)


def test_sizes_have_units() -> None:
    assert size_label("d_in") == "d-in (features of an input, log scale)"
    assert size_label("batch", "") == "batch (rows)"
