"""Numbers along an axis: matplotlib's locators and formatters, with as many ticks as their labels have room for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.ticker import EngFormatter, FixedLocator, Formatter, Locator, LogLocator, MaxNLocator

from bench.output.figures._look import Look, text_inches

Label = Formatter | Callable[[float, Any], str]

Choices = Callable[[float, float], Iterable[Locator]]
"""Gives the locators that an axis between two ends may choose from, the densest first."""

_GAP_EM, _LINE_EM = 1.0, 1.5
"""Least gap between labels beside each other, and least distance of labels above each other."""
_WIDE = 5.0
"""Ratio of the ends from which on an axis always holds two numbers out of 1, 2 and 5 times a power of ten."""
_FEW_OCTAVES = 12.0
_STEPS = [1.0, 2.0, 2.5, 5.0, 10.0]


class FittingLocator(Locator):
    """Takes the first of several locators whose labels have room, else the first and the last tick of the densest."""

    def __init__(self, look: Look, choices: Choices, within: tuple[float, float] = (-math.inf, math.inf)) -> None:
        """Keep the size of letters, the choices, and the part of the axis that may have ticks."""
        self._look, self._choices, self._within = look, choices, within

    def __call__(self) -> list[float]:
        """Return the ticks of this locator's axis."""
        return self.tick_values(*self._axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        """Return the ticks of an axis between these ends."""
        low, high = sorted((float(vmin), float(vmax)))
        first, last = max(low, self._within[0]), min(high, self._within[1])
        ends: list[float] | None = None
        for each in self._choices(low, high):
            ticks = [float(tick) for tick in each.tick_values(low, high) if first <= tick <= last]
            if len(ticks) > 1 and self._fit(ticks):
                return ticks
            ends = [*ticks[:1], *ticks[1:][-1:]] if ends is None else ends
        ends = ends or []
        return ends if len(ends) > 1 and self._fit(ends) else ends[-1:]

    @property
    def _axis(self) -> Axis:
        assert isinstance(self.axis, Axis)  # noqa: S101 - matplotlib asks for ticks once the locator has its axis
        return self.axis

    def _fit(self, ticks: Sequence[float]) -> bool:
        """Tell whether the labels of these ticks stand apart."""
        axis, look, across = self._axis, self._look, isinstance(self._axis, XAxis)
        low, high, *places = axis.get_transform().transform(np.array([*axis.get_view_interval(), *ticks], dtype=float))
        box, dpi = axis.axes.bbox, axis.axes.get_figure(root=True).dpi  # type: ignore[union-attr]
        inches = np.array(places) / abs(high - low) * (box.width if across else box.height) / dpi
        if not across:
            return bool((np.diff(inches) >= look.em(_LINE_EM)).all())
        labels = axis.get_major_formatter().format_ticks(list(ticks))
        halves = np.array([max(text_inches(line, look.points) for line in text.split("\n")) / 2 for text in labels])
        return bool((np.diff(inches) >= halves[1:] + halves[:-1] + look.em(_GAP_EM)).all())


def even_steps(low: float, high: float) -> Iterable[Locator]:
    """Give locators of round numbers at even distances."""
    return [MaxNLocator(count, steps=_STEPS) for count in range(8, 0, -1)]


def decades(low: float, high: float) -> Iterable[Locator]:
    """Give locators of round numbers on a logarithmic axis; at even distances if it is short."""
    short = high / low < _WIDE
    mantissas = [(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)] if short else [(1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)]
    inside = [LogLocator(10.0, subs, numticks=99) for subs in mantissas]
    outside = [] if short else [LogLocator(10.0**stride, numticks=99) for stride in range(2, 10)]
    return [*(even_steps(low, high) if short else ()), *inside, *outside]


def octaves(low: float, high: float) -> Iterable[Locator]:
    """Give locators of powers of two for a logarithmic axis, or of decades where these would be long or many."""
    return [*([LogLocator(2.0, numticks=99)] if low > 1 / 8 else []), *decades(low, high)]


def factors(low: float, high: float) -> Iterable[Locator]:
    """Give locators for speedups: powers of two, and numbers between them on an axis that holds few of those."""
    mantissas = [(1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)]
    between = mantissas if high / low < _FEW_OCTAVES else []
    return [*(LogLocator(10.0, subs, numticks=99) for subs in between), *octaves(low, high)]


def measured(sizes: Sequence[int]) -> Choices:
    """Give locators of sizes that were measured: all, or every so many if they are evenly spread on a log scale."""
    gaps = np.diff(np.log(sizes))
    strides = range(1, len(sizes) if max(gaps, default=0) < 1.5 * min(gaps, default=0) else 2)
    return lambda low, high: [FixedLocator(sizes[::stride]) for stride in strides]


class TimeFormatter(Formatter):
    """Labels seconds on a linear axis, all in the unit that suits the longest; `EngFormatter` is for log axes."""

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Return the labels of all ticks."""
        longest = max(map(abs, values), default=0.0)
        exponent = 3 * math.floor(math.log10(longest * (1 + 1e-9)) / 3) if longest else 0
        return [f"{value / 10.0**exponent:.6g} {EngFormatter.ENG_PREFIXES[exponent]}s" for value in values]


def plain(value: float, place: Any = None) -> str:
    """Return a number with at most three significant digits and no exponent."""
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


def times(value: float, place: Any = None) -> str:
    """Return a factor, such as 0.5x; one below a tenth as a fraction where that is shorter, such as 1/16x."""
    text = plain(value)
    fraction = f"1/{plain(1 / value)}" if 0 < value < 0.1 else text
    return f"{min(text, fraction, key=len)}x"


def log_axis(
    axes: Axes, which: str, ends: tuple[float, float], label: Label, look: Look, choices: Choices = decades
) -> None:
    """Make the axis `x` or `y` logarithmic from one end to the other, with labelled ticks and a grid."""
    axes.set(**{f"{which}scale": "log", f"{which}lim": ends})
    put_ticks(axes, which, label, FittingLocator(look, choices))
    axes.minorticks_off()


def put_ticks(axes: Axes, which: str, label: Label, locator: Locator) -> None:
    """Give the axis `x` or `y` ticks with labels, and a grid."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(locator)
    axis.set_major_formatter(label)
    axis.grid(visible=True)


def log_limits(values: Iterable[Any], span: float = 6.0, margin: float = 0.06) -> tuple[float, float]:
    """Return the ends of a logarithmic axis that holds all these values, with some air.

    Args:
        values: numbers, or arrays of them; unknown ones and those without a logarithm are left out.
        span: the factor that the axis covers at least.
        margin: the part of the axis that is left free at each end.
    """
    known = np.concatenate([np.asarray(each, dtype=float).ravel() for each in values])
    logs = np.log(known[np.isfinite(known) & (known > 0)])
    low, high = float(logs.min()), float(logs.max())
    lacking = max(0.0, math.log(span) - (high - low)) / 2
    air = (high - low + 2 * lacking) * margin
    return math.exp(low - lacking - air), math.exp(high + lacking + air)
