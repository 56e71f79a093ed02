from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from bench.output.figures._times import padded, put_time_axis, time_ticks

SCALES = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


def seconds(label: str) -> float:
    number, unit = label.split(" ")
    return float(number) * SCALES[unit]


@given(st.floats(1e-8, 10.0), st.floats(1.02, 1e6), st.floats(1.0, 12.0))
def test_ticks_are_inside_say_what_they_are_and_have_room(low: float, factor: float, inches: float) -> None:
    limits = (low, low * factor)
    ticks, labels = time_ticks(limits, inches, lambda label: 0.1 * len(label))
    places = [math.log(tick / low) / math.log(factor) * inches for tick in ticks]
    assert len(ticks) == len(labels) == len(set(labels)) <= 8
    for tick, label in zip(ticks, labels, strict=True):
        assert low * (1 - 1e-9) <= tick <= limits[1] * (1 + 1e-9)
        assert seconds(label) == pytest.approx(tick, rel=1e-4)
    for (a, one), (b, other) in pairwise(zip(places, labels, strict=True)):
        assert b - a >= 0.05 * (len(one) + len(other)) - 1e-9


@pytest.mark.parametrize("low", [1.2e-7, 3.4e-4, 9.6e-4, 0.07, 2.3])
@pytest.mark.parametrize("factor", [1.01, 1.2, 2.0, 2.9, 3.1, 8.0, 50.0, 1e4])
def test_an_ordinary_axis_has_two_ticks_or_more(low: float, factor: float) -> None:
    ticks, _ = time_ticks((low, low * factor), 3.0, lambda label: 0.09 * len(label))
    assert len(ticks) >= 2


def test_ticks_are_round_numbers_with_units() -> None:
    _, labels = time_ticks((3.37e-4, 1.05e-3), 4.0, lambda label: 0.5)
    assert labels == ["400 µs", "600 µs", "800 µs", "1 ms"]
    _, labels = time_ticks((1e-5, 20.0), 2.0, lambda label: 0.4)
    assert labels == ["10 µs", "1 ms", "100 ms", "10 s"]
    _, labels = time_ticks((0.99e-3, 1.03e-3), 4.0, lambda label: 0.7)
    assert labels == ["990 µs", "1 ms", "1.01 ms", "1.02 ms", "1.03 ms"]


@pytest.mark.parametrize("which", ["x", "y"])
def test_the_axis_is_logarithmic_between_its_limits(which: str) -> None:
    axis = Figure().subplots()
    put_time_axis(axis, which, (1e-4, 1e-3), 3.0, lambda label: 0.4)
    scale, limits, line = (
        (axis.get_xscale(), axis.get_xlim(), axis.xaxis)
        if which == "x"
        else (axis.get_yscale(), axis.get_ylim(), axis.yaxis)
    )
    assert scale == "log"
    assert limits == (1e-4, 1e-3)
    axis.figure.draw_without_rendering()
    for tick in line.get_major_ticks():
        assert seconds(tick.label1.get_text()) == pytest.approx(tick.get_loc())
    assert len(line.get_minor_ticks()) == 0


@given(st.floats(1e-9, 100.0), st.floats(1.0, 1e5))
def test_padding_leaves_air_at_both_ends(low: float, factor: float) -> None:
    below, above = padded(low, low * factor)
    assert below < low <= low * factor < above
