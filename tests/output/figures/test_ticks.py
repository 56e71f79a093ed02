"""Ticks: round, with units, as many as have room."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from bench.output.figures import Look
from bench.output.figures._look import text_inches
from bench.output.figures._ticks import (
    FittingLocator,
    TimeFormatter,
    decades,
    even_steps,
    factors,
    log_axis,
    log_limits,
    measured,
    octaves,
    plain,
    put_ticks,
    times,
)

SCALES = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


def seconds(label: str) -> float:
    number, unit = label.split(" ")
    return float(number) * SCALES[unit]


def ticks(
    ends: tuple[float, float], label: Any, choices: Any, inches: float = 4.0, which: str = "x"
) -> dict[str, float]:
    """The ticks of an axis of so many inches: place by label."""
    with mpl.rc_context(Look().rc()):
        figure = Figure(figsize=(inches, inches))
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        log_axis(axes, which, ends, label, Look(), choices)
        axis = axes.xaxis if which == "x" else axes.yaxis
        assert axis.get_scale() == "log"
        assert axis.get_view_interval() == pytest.approx(ends)
        assert not len(axis.get_minorticklocs())
        places = axis.get_majorticklocs()
        return dict(zip(axis.get_major_formatter().format_ticks(places), map(float, places), strict=True))


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (1 / 16, "1/16x"),
        (1 / 32, "1/32x"),
        (0.05, "0.05x"),
        (0.01, "0.01x"),
        (0.125, "0.125x"),
        (0.5, "0.5x"),
        (16, "16x"),
    ],
)
def test_a_factor_below_a_tenth_is_a_fraction_where_that_is_shorter(value: float, label: str) -> None:
    assert times(value) == label


@pytest.mark.parametrize(
    ("ends", "labels"),
    [
        ((0.38, 1.35), "0.4x 0.5x 0.7x 1x 1.5x 2x"),
        ((0.9, 3.4), "0.5x 0.7x 1x 1.5x 2x 3x"),
        ((0.2, 30.0), "0.25x 0.5x 1x 2x 4x 8x 16x 32x"),
    ],
)
def test_a_speedup_axis_is_also_labelled_outside_half_and_twice(ends: tuple[float, float], labels: str) -> None:
    assert list(ticks(log_limits([ends, (0.5, 2.0)]), times, factors, 2.5, "y")) == labels.split()


@given(st.floats(1e-8, 10.0), st.floats(1.02, 1e6), st.floats(1.0, 12.0))
def test_times_are_inside_say_what_they_are_and_have_room(low: float, factor: float, inches: float) -> None:
    found = ticks((low, low * factor), EngFormatter("s"), decades, inches)
    for label, place in found.items():
        assert low * (1 - 1e-9) <= place <= low * factor * (1 + 1e-9)
        if place < 1000:
            assert seconds(label) == pytest.approx(place, rel=1e-4)
    for (one, before), (other, after) in pairwise(found.items()):
        needs = (text_inches(one, 9.0) + text_inches(other, 9.0)) / 2
        assert math.log(after / before) / math.log(factor) * inches > needs


@pytest.mark.parametrize("which", ["x", "y"])
@pytest.mark.parametrize("choices", [decades, octaves])
@pytest.mark.parametrize("low", [1.2e-7, 3.4e-4, 0.013, 0.99, 7.3, 4e5])
@pytest.mark.parametrize("factor", [1.01, 1.2, 2.9, 4.9, 5.1, 50.0, 1e9])
def test_every_axis_has_two_ticks_or_more(low: float, factor: float, choices: Any, which: str) -> None:
    assert len(ticks((low, low * factor), plain, choices, 2.0, which)) >= 2


@pytest.mark.parametrize(
    ("ends", "inches", "expected"),
    [
        ((3.37e-4, 1.05e-3), 4.0, ["400 µs", "600 µs", "800 µs", "1 ms"]),
        ((0.99e-3, 1.03e-3), 4.0, ["990 µs", "1 ms", "1.01 ms", "1.02 ms", "1.03 ms"]),
        ((4e-5, 2e-3), 4.0, ["50 µs", "100 µs", "200 µs", "500 µs", "1 ms", "2 ms"]),
        ((3e-5, 2e-2), 4.0, ["30 µs", "100 µs", "300 µs", "1 ms", "3 ms", "10 ms"]),
        ((1e-5, 20.0), 2.0, ["100 µs", "10 ms", "1 s"]),
    ],
)
def test_times_have_units(ends: tuple[float, float], inches: float, expected: list[str]) -> None:
    assert list(ticks(ends, EngFormatter("s"), decades, inches)) == expected


@pytest.mark.parametrize(
    ("ends", "inches", "expected"),
    [
        ((0.25, 4.0), 4.0, "0.25x 0.5x 1x 2x 4x"),
        ((0.08, 12.0), 4.0, "0.1x 0.2x 0.5x 1x 2x 5x 10x"),
        ((0.3, 2000.0), 2.5, "1x 10x 100x 1000x"),
        ((0.00008, 12000.0), 2.0, "0.001x 1x 1000x"),
    ],
)
def test_speedups_are_plain_numbers_with_1x_among_them(ends: tuple[float, float], inches: float, expected: str) -> None:
    assert list(ticks(ends, times, octaves, inches)) == expected.split()


@pytest.mark.parametrize(("value", "text"), [(1e-6, "0.000001"), (0.30000000000000004, "0.3"), (2e6, "2000000")])
def test_numbers_have_no_exponent(value: float, text: str) -> None:
    assert plain(value) == text


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.0, 5e-5, 1e-4], ["0 µs", "50 µs", "100 µs"]),
        ([0.0, 5e-4, 1e-3], ["0 ms", "0.5 ms", "1 ms"]),
        ([0.9996, 1.0], ["0.9996 s", "1 s"]),
        ([0.0], ["0 s"]),
        ([], []),
    ],
)
def test_a_linear_axis_has_one_unit(values: list[float], labels: list[str]) -> None:
    assert TimeFormatter().format_ticks(values) == labels


@pytest.mark.parametrize(
    ("known", "inches", "expected"),
    [
        ([16, 64, 256, 1024], 5.0, [16, 64, 256, 1024]),
        ([2**power for power in range(16)], 3.0, [2**power for power in range(0, 16, 3)]),
        ([16, 1000, 1001, 1002, 1003, 1004, 1005, 1024], 1.5, [16, 1024]),
    ],
)
def test_sizes_are_written_all_or_every_so_many_or_the_ends(
    known: list[int], inches: float, expected: list[int]
) -> None:
    found = ticks((known[0] / 1.1, known[-1] * 1.1), lambda size, _: f"{size:.0f}", measured(known), inches)
    assert list(map(int, found)) == expected


@pytest.mark.parametrize(("within", "expected"), [((-1.0, 11.0), [0, 2, 4, 6, 8, 10]), ((3.0, 9.0), [4, 6, 8])])
def test_ticks_keep_to_their_part_of_a_linear_axis(within: tuple[float, float], expected: list[float]) -> None:
    axes = Figure().subplots()
    axes.set_xlim(-1, 11)
    put_ticks(axes, "x", plain, FittingLocator(Look(), even_steps, within))
    assert list(axes.get_xticks()) == expected


@given(st.floats(1e-9, 100.0), st.floats(1.0, 1e5), st.sampled_from([1.1, 6.0]))
def test_limits_leave_air_at_both_ends_and_cover_the_span(low: float, factor: float, span: float) -> None:
    below, above = log_limits([[low], (low * factor,), [math.nan, math.inf, 0.0, -3.0]], span)
    assert below < low <= low * factor < above
    assert above / below > span
