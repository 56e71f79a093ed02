"""Times of several runs, those of one case beside each other."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from bench.errors import NothingToShowError
from bench.model.case import Case
from bench.output.figures import _bars, _rows
from bench.output.figures._frame import Frame, Texts
from bench.output.figures._look import Look
from bench.output.figures._several import RunsData, line_look, panels_of, run_rows
from bench.output.figures._ticks import log_axis, log_limits
from bench.output.text import duration, duration_interval

OF = "several runs"
TITLE = "Time of one training step, run beside run"
READING = (
    "Further left is faster. Runs may be apart for any reason that tells them apart, and between machines nothing is "
    "judged."
)
_SPAN = 4.0


def draw(data: RunsData, look: Look) -> Figure:
    """Draw dots on a logarithmic axis, since machines may be many times apart, with a colour for each run."""
    if not len(data.rows):
        raise NothingToShowError("no run has a time.")
    panels, remark = panels_of(data.rows, look)
    shown = pd.concat([panel for _, panel in panels])
    subtitle = [_rows.problem_line(data.rows), "median and 95 % interval", "further left is faster", remark]
    ours = all(isinstance(case, Case) for case in data.several.cases)
    title = TITLE if ours else "Time of each benchmark, run beside run"
    frame = run_rows(data, Texts(title, subtitle, data.foot(), data.keys(shown, look)), panels, look, _dot)
    for axis in frame.axes:
        known = [shown[name] for name in ("median_seconds", "low_seconds", "high_seconds")]
        log_axis(axis, "x", log_limits(known, _SPAN), EngFormatter("s"), frame.look)
    frame.label_x("time of one step (log scale)" if ours else "time (log scale)")
    return frame.figure


def _dot(axis: Axes, place: float, row: pd.Series[Any], frame: Frame) -> _bars.Bar:
    seconds, low, high = (float(row[name]) for name in ("median_seconds", "low_seconds", "high_seconds"))
    style = line_look(row["run"], frame.look)
    axis.plot([seconds], [place], ls="none", zorder=5, **{**style, "ms": 1.4 * style["ms"]})
    return _bars.Bar(seconds, low, high, _bars.with_interval(duration(seconds), low, high, duration_interval, frame))
