"""Time of one step against a size in several runs: one panel a contender, one line a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from bench.analysis.scaling import main_axis, planes
from bench.errors import NothingToShowError
from bench.model.case import case_columns_among, settings_among
from bench.output.figures import _lines, _rows
from bench.output.figures._frame import Texts
from bench.output.figures._look import Look
from bench.output.figures._several import RunsData, line_look
from bench.output.figures._ticks import log_axis, log_limits
from bench.output.names import spaced, words_of

OF = "several runs"
TITLE = "Time of one step as the problem grows, run beside run"
READING = "Each panel is one contender and each line one run of it; lower is faster."
_COLUMNS = ("median_seconds", "low_seconds", "high_seconds")


@dataclass(frozen=True, eq=False)
class _Panel:
    """One contender in all runs."""

    title: str
    workload: str
    rows: pd.DataFrame


def draw(data: RunsData, look: Look) -> Figure:
    """Draw a line a run, with the interval of each time."""
    found = [plane for _, inside in data.rows.groupby("run") for plane in planes(inside)]
    if not found:
        raise NothingToShowError("no run has one case at several sizes: measure them with `bench sweep`.")
    axis = main_axis(found)
    every = _panels(data, axis)
    panels = _lines.in_turn(every, [panel.workload for panel in every], _lines.most_panels(look))
    shown = pd.concat([panel.rows for panel in panels])
    left_out = f"{len(panels)} of {len(every)} panels shown" if len(panels) < len(every) else ""
    subtitle = [_rows.problem_line(shown), "bars: 95 % interval over processes", left_out]
    frame = _lines.panel_frame(look, Texts(TITLE, subtitle, data.foot(), data.keys(shown, look)), [0] * len(panels))
    sizes = sorted(set(shown[axis]))
    limits = log_limits([shown[name] for name in _COLUMNS])
    for panel, each in zip(frame.axes, panels, strict=True):
        runs: Any = each.rows.groupby("run")
        for run, line in runs:
            x, y, low, high = (line.sort_values(axis)[name].to_numpy(dtype=float) for name in (axis, *_COLUMNS))
            errors, width = np.vstack([y - low, high - y]).clip(min=0), 0.9 * frame.look.line
            style = line_look(int(run), frame.look)
            panel.errorbar(x, y, yerr=errors, elinewidth=width, capsize=2 * width, capthick=width, **style)
        _lines.size_axis(panel, sizes, sizes, frame.look)
        log_axis(panel, "y", limits, EngFormatter("s"), frame.look)
        _lines.put_title(panel, each.title, [], frame)
    _lines.label_axes(frame, spaced(axis), "time of one step (log scale)", "time of one step")
    return frame.figure


def _panels(data: RunsData, axis: str) -> list[_Panel]:
    """Return a panel for each contender that some run has at several sizes, in the order of the rows."""
    rows = data.rows
    rest = [name for name in case_columns_among(rows.columns) if name != axis]
    groups: Any = rows.groupby(rest, sort=False)
    inside = [group for _, group in groups if group[axis].nunique() > 1]
    apart = [name for name in settings_among(rest) if len({group[name].iloc[0] for group in inside}) > 1]
    several = _rows.several_backends(rows)
    found = []
    for group in inside:
        row = group.iloc[0]
        backend = f" ({row['backend']})" if several else ""
        words = words_of({name: row[name] for name in apart})
        title = ", ".join([f"{data.cast.name(row['implementation'])}{backend}", str(row["workload"]), *words])
        found.append(_Panel(title, str(row["workload"]), group))
    return found
