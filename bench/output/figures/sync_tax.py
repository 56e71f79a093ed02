"""The cost of timing the phases apart: their sum against the whole step."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.errors import NothingToShowError
from bench.output.figures import _bars
from bench.output.figures._cast import Cast
from bench.output.figures._data import RunData
from bench.output.figures._frame import Frame, Texts
from bench.output.figures._look import Look
from bench.output.figures._rows import problem_line
from bench.output.figures._ticks import FittingLocator, even_steps, plain, put_ticks
from bench.output.text import percent

TITLE = "Sync tax: what timing the phases apart costs"
READING = (
    "A bar is how much longer the three phases, each timed apart, take together than the whole step. Where its "
    "whisker, the 95 % interval, crosses 0, the run does not show that timing them apart costs anything."
)
SHOWS = ("sync_tax", "sync_tax_interval", "step", "forward", "backward", "update")
_COLUMNS = ["sync_tax", "sync_tax_low", "sync_tax_high"]


def draw(data: RunData, look: Look) -> Figure:
    """Draw bars from 0, in percent of the whole step; a case whose phases were not timed apart is only named."""
    every = data.headline
    rows = every[every["sync_tax"].notna()]
    if not len(rows):
        raise NothingToShowError(
            "no case has its phases timed apart: measure an implementation that has a stage for each."
        )
    shown = _bars.shown(data, rows, look)
    subtitle = [
        problem_line(rows),
        "sum of forward, backward and update, each timed apart, over the whole step, minus 1",
        "whiskers: 95 % interval over processes",
        shown.remark,
    ]
    bars = pd.concat([panel for _, panel in shown.panels])
    foot = data.foot(rows, "with phases not timed apart")
    texts = Texts(TITLE, subtitle, foot, _bars.backend_keys(bars["backend"], look))
    frame = _bars.bar_figure(look, texts, shown, partial(_bar, data.cast))
    for axis in frame.axes:
        axis.axvline(0, color=look.theme.ink, lw=frame.look.line)
        axis.set_xlim(*_ends(bars))
        ticks = FittingLocator(frame.look, even_steps)
        put_ticks(axis, "x", lambda value, _: f"{'+' if value > 0 else ''}{plain(value)} %", ticks)
    frame.label_x("sum of the phases over the whole step, minus 1" if not frame.narrow else "sync tax")
    return frame.figure


def _ends(rows: pd.DataFrame) -> tuple[float, float]:
    """Return the axis of all panels in percent, with 0 on it."""
    ends = rows[_COLUMNS].to_numpy(dtype=float) * 100
    low, high = min(0.0, float(np.nanmin(ends))), max(0.0, float(np.nanmax(ends)))
    air = max(high - low, 1.0) * 0.05
    return low - air, high + air


def _bar(cast: Cast, axis: Axes, place: float, row: pd.Series[Any], frame: Frame) -> _bars.Bar:
    tax, low, high = (float(row[name]) for name in _COLUMNS)
    axis.barh(place, tax * 100, _bars.THICK, **cast.bar(row["implementation"], row["backend"], frame.look))
    text = _bars.with_interval(percent(tax), low, high, lambda *_: f"{low * 100:+.1f} … {percent(high)}", frame)
    return _bars.Bar(tax * 100, low * 100, high * 100, text)
