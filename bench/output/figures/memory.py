"""Peak memory of a step, and beside it what its process held before the step was built."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bench.errors import NothingToShowError
from bench.output.figures import _bars
from bench.output.figures._cast import Cast
from bench.output.figures._data import RunData
from bench.output.figures._frame import Frame, Texts
from bench.output.figures._look import Look
from bench.output.figures._rows import problem_line, varies_sizes
from bench.output.figures._ticks import FittingLocator, even_steps, plain, put_ticks
from bench.output.text import size

TITLE = "Memory that a training step takes"
READING = (
    "The filled bar is the peak while steps ran, beyond what the process held before the step was built; the outline "
    "after it is what it held then, mostly for the framework. Compare the filled bars: a process pays the outline once."
)
SHOWS = ("memory", "framework_memory", "reserved_memory", "peak_memory", "step", "speedup")
_STEP, _BEFORE = "step_peak_bytes", "framework_bytes"
_UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def draw(data: RunData, look: Look) -> Figure:
    """Draw the peak of each case's steps from 0, with what was held before behind it."""
    rows = data.headline
    rows = rows[rows[_STEP].notna()]
    if not len(rows):
        raise NothingToShowError("no process could tell the peak memory of its steps: measure on Linux, or on a GPU.")
    shown, apart = _bars.shown(data, rows, look), varies_sizes(rows)
    subtitle = [
        problem_line(rows),
        "the largest of all processes",
        "each panel has its own axis" if apart else "",
        shown.remark,
    ]
    before = Patch(label="held before the build", **_before_style(look))
    bars = pd.concat([panel for _, panel in shown.panels])
    foot = data.foot(rows, "without a peak")
    texts = Texts(TITLE, subtitle, foot, [*_bars.backend_keys(bars["backend"], look), before])
    most = float(_ends(bars).max())
    unit = next((name for name, count in _UNITS.items() if most < 1024 * count), "GiB")
    frame = _bars.bar_figure(look, texts, shown, partial(_bar, _UNITS[unit], data.cast))
    for axis, (_, panel) in zip(frame.axes, shown.panels, strict=True):
        axis.set_xlim(0, max(float(_ends(panel if apart else bars).max()) / _UNITS[unit], 1e-3) * 1.04)
        put_ticks(axis, "x", lambda value, _: plain(value), FittingLocator(frame.look, even_steps))
    frame.label_x(f"memory in {unit}")
    return frame.figure


def _ends(rows: pd.DataFrame) -> pd.Series[Any]:
    """Return where the bars end, in bytes."""
    return rows[_STEP].astype(float) + rows[_BEFORE].astype(float).fillna(0.0)


def _bar(unit: int, cast: Cast, axis: Axes, place: float, row: pd.Series[Any], frame: Frame) -> _bars.Bar:
    """Draw the peak of one case, and what was held before behind it."""
    step = float(row[_STEP])
    before = 0.0 if pd.isna(row[_BEFORE]) else float(row[_BEFORE])
    axis.barh(place, step / unit, _bars.THICK, **cast.bar(row["implementation"], row["backend"], frame.look))
    if before:
        axis.barh(place, before / unit, _bars.THICK, left=step / unit, **_before_style(frame.look))
    text = size(step) if frame.narrow or not before else f"{size(step)} + {size(before)}"
    return _bars.Bar((step + before) / unit, float("nan"), float("nan"), text)


def _before_style(look: Look) -> dict[str, Any]:
    """Return the look of what was held before the build."""
    return {"facecolor": look.theme.paper, "edgecolor": look.theme.edge, "lw": 0.6 * look.line}
