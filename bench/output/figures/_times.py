"""A logarithmic axis of time whose ticks are round numbers with units, however wide or narrow its range."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from bench.output.text import duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE = 3.0
"""Ticks are evenly spread on a range whose end is less than so many times its begin."""
_STEPS = (1.0, 2.0, 2.5, 5.0)
_MANTISSAS = (
    (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0),
    (1.0, 2.0, 3.0, 4.0, 6.0),
    (1.0, 2.0, 4.0, 6.0),
    (1.0, 2.0, 5.0),
    (1.0, 3.0),
    (1.0,),
)
_MOST = 8


def put_time_axis(
    axis: Axes, which: str, limits: tuple[float, float], inches: float, room: Callable[[str], float]
) -> None:
    """Make the axis `x` or `y` logarithmic, from the first limit to the second.

    Args:
        axis: what to change.
        which: `x` or `y`.
        limits: in seconds, both over 0.
        inches: about how long the axis will be.
        room: how many inches of it a tick with that label needs.
    """
    ticks, labels = time_ticks(limits, inches, room)
    if which == "x":
        axis.set_xscale("log")
        axis.set_xlim(*limits)
    else:
        axis.set_yscale("log")
        axis.set_ylim(*limits)
    line = axis.xaxis if which == "x" else axis.yaxis
    line.set_major_locator(FixedLocator(ticks))
    line.set_major_formatter(FixedFormatter(labels))
    line.set_minor_locator(NullLocator())


def padded(low: float, high: float, share: float = 0.04) -> tuple[float, float]:
    """Limits that leave this share of a logarithmic axis free at either end; never equal."""
    factor = max((high / low) ** share, 1.01)
    return low / factor, high * factor


def time_ticks(
    limits: tuple[float, float], inches: float, room: Callable[[str], float]
) -> tuple[list[float], list[str]]:
    """Ticks in seconds and their labels: as many as have room, of all ways to choose round numbers."""
    scale = inches / math.log(limits[1] / limits[0])
    best: tuple[list[float], list[str]] = ([], [])
    for ticks in _choices(*limits):
        labels = _labels(ticks)
        needs = [room(label) for label in labels]
        gaps = [math.log(after / before) * scale for before, after in pairwise(ticks)]
        fits = all(gap >= (a + b) / 2 for gap, a, b in zip(gaps, needs, needs[1:], strict=False))
        if fits and len(best[0]) < len(ticks) <= _MOST:
            best = ticks, labels
    return best


def _choices(low: float, high: float) -> Iterator[list[float]]:
    """Ways to choose ticks: evenly spread on a narrow range, by decades on a wide one."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    if high / low < _WIDE:
        size = math.floor(math.log10(high - low))
        for exponent in range(size - 1, size + 1):
            for step in _STEPS:
                width = step * 10.0**exponent
                yield [number * width for number in range(math.ceil(low / width), math.floor(high / width) + 1)]
        return
    for mantissas in _MANTISSAS:
        found = [mantissa * 10.0**exponent for exponent in range(first, last + 1) for mantissa in mantissas]
        yield [tick for tick in found if low <= tick <= high]
    for stride in range(2, last - first + 1):
        for start in range(first, first + stride):
            found = [10.0**exponent for exponent in range(start, last + 1, stride)]
            yield [tick for tick in found if low <= tick <= high]


def _labels(ticks: Sequence[float]) -> list[str]:
    """Each with no more digits than tell its value."""
    return [
        next(text for digits in (1, 2, 3, 4, 5, 6) if digits == 6 or _says(text := duration(tick, digits), tick))
        for tick in ticks
    ]


def _says(text: str, seconds: float) -> bool:
    number, unit = text.split(" ")
    scale = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[unit]
    return math.isclose(float(number) * scale, seconds, rel_tol=1e-6)
