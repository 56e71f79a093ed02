"""Speedup of each implementation over its workload's baseline."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.errors import NothingToShowError
from bench.output.figures import _bars, _rows
from bench.output.figures._cast import Cast
from bench.output.figures._data import RunData
from bench.output.figures._frame import Frame, Texts
from bench.output.figures._look import Look
from bench.output.figures._ticks import log_axis, octaves, times
from bench.output.text import duration, factor, factor_interval

TITLE = "Speedup of one training step over its baseline"
HEADLINE = 2
READING = (
    "A bar begins at the dashed 1x line: one to the right is faster than the baseline, one to the left slower, and "
    "twice as fast is as long as half as fast. Where a whisker, the 95 % interval, crosses the line, the run does not "
    "show which is faster."
)
SHOWS = ("speedup", "speedup_interval", "step")


def draw(data: RunData, look: Look) -> Figure:
    """Draw bars from the 1x line on a logarithmic axis, so that twice and half as fast are equally long."""
    rows = data.headline[data.headline["speedup"].notna()]
    contenders = _rows.contenders(rows)
    if not len(contenders):
        raise NothingToShowError("no case stands beside its workload's baseline, so there is no speedup to show.")
    shown = _bars.shown(data, rows, look)
    compared = [(name, panel, _rows.contenders(panel)) for name, panel in shown.panels]
    compared = [item for item in compared if len(item[2])]
    narrow = look.narrow or _bars.columns_of(look, len(compared)) > 1
    titled = [(f"{name}: 1x is {_baseline_text(panel, narrow, data.cast)}", bars) for name, panel, bars in compared]
    bars = pd.concat([bars for _, bars in titled])
    texts = Texts(
        TITLE,
        [_rows.problem_line(rows), "whiskers: 95 % interval over processes", shown.remark],
        data.foot(rows, "without a speedup"),
        _bars.backend_keys(bars["backend"], look),
    )
    frame = _bars.bar_figure(look, texts, replace(shown, panels=titled), partial(_bar, data.cast))
    for axis in frame.axes:
        axis.axvline(1, color=look.theme.ink, lw=frame.look.line, ls="--")
        log_axis(axis, "x", _bars.speedup_ends(bars), times, frame.look, octaves)
    frame.label_x(
        f"speedup over {_rows.over(rows, data.cast)} (log scale)" + ("" if frame.narrow else "; right of 1x is faster")
    )
    return frame.figure


def _bar(cast: Cast, axis: Axes, place: float, row: pd.Series[Any], frame: Frame) -> _bars.Bar:
    speedup, low, high = (float(row[name]) for name in ("speedup", "speedup_low", "speedup_high"))
    axis.barh(place, speedup - 1, _bars.THICK, left=1, **cast.bar(row["implementation"], row["backend"], frame.look))
    return _bars.Bar(speedup, low, high, _bars.with_interval(factor(speedup), low, high, factor_interval, frame))


def _baseline_text(panel: pd.DataFrame, narrow: bool, cast: Cast) -> str:
    """Return the time that stands for 1x, or the baseline's name if it has none here."""
    found = panel[panel["implementation"] == panel["baseline"]]
    if not len(found):
        return cast.over(panel["baseline"].iloc[0])
    row = found.iloc[0]
    seconds = duration(float(row["median_seconds"]))
    return seconds if narrow else f"{cast.name(row['implementation'])} at {seconds} a step"
