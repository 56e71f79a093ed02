"""Speedups of several runs, those of one case beside each other."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.errors import NothingToShowError
from bench.model.case import case_columns_among
from bench.output.figures import _bars, _rows
from bench.output.figures._frame import Frame, Texts
from bench.output.figures._look import Look
from bench.output.figures._several import RunsData, bar_look, panels_of, run_rows
from bench.output.figures._ticks import log_axis, octaves, times
from bench.output.text import factor, factor_interval

OF = "several runs"
TITLE = "Speedup of one training step over its baseline, run by run"
READING = (
    "Each bar is over the baseline of its own run, on the same machine; one to the right of the dashed 1x line is "
    "faster than that baseline. A bar may be longer in one run than in another because the baseline is slower there."
)


def draw(data: RunsData, look: Look) -> Figure:
    """Draw bars from the 1x line on a logarithmic axis, those of one case together and a colour for each run."""
    rows = _rows.contenders(data.rows)
    if not len(rows):
        raise NothingToShowError("no run has a speedup of a case that another run has too.")
    panels, remark = panels_of(rows, look)
    shown = pd.concat([panel for _, panel in panels])
    subtitle = [_rows.problem_line(rows), "whiskers: 95 % interval over processes", remark]
    others = _cases(data.rows) - _cases(rows) - _cases(data.rows[data.rows["implementation"] == data.rows["baseline"]])
    foot = data.foot(len(others), "without a speedup")
    frame = run_rows(data, Texts(TITLE, subtitle, foot, data.keys(shown, look, filled=True)), panels, look, _bar)
    for axis in frame.axes:
        axis.axvline(1, color=look.theme.ink, lw=frame.look.line, ls="--")
        log_axis(axis, "x", _bars.speedup_ends(shown), times, frame.look, octaves)
    same = "" if frame.narrow else " of the same run"
    frame.label_x(f"speedup over {_rows.over(rows, data.cast)}{same} (log scale)")
    return frame.figure


def _cases(rows: pd.DataFrame) -> set[tuple[Any, ...]]:
    return set(rows[case_columns_among(rows.columns)].itertuples(index=False, name=None))


def _bar(axis: Axes, place: float, row: pd.Series[Any], frame: Frame) -> _bars.Bar:
    speedup, low, high = (float(row[name]) for name in ("speedup", "speedup_low", "speedup_high"))
    axis.barh(place, speedup - 1, _bars.THICK, left=1, **bar_look(row["run"], frame.look))
    return _bars.Bar(speedup, low, high, _bars.with_interval(factor(speedup), low, high, factor_interval, frame))
