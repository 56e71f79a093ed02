"""Time of forward, backward and update, stacked, with the whole step beside them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.data.schema import Method
from bench.model.step import STAGES
from bench.output.figures import _bars
from bench.output.figures._data import RunData
from bench.output.figures._frame import Frame, Texts
from bench.output.figures._look import Look
from bench.output.figures._rows import problem_line, varies_sizes
from bench.output.figures._ticks import FittingLocator, TimeFormatter, even_steps, put_ticks
from bench.output.text import duration

TITLE = "Where the time of a training step goes"
HEADLINE = 3
READING = (
    "A bar is the phases of one step after another, each timed apart, the diamond the whole step timed on its own: "
    "where the bar is longer, stopping between the phases took the rest. A hatched bar is a fused step, divided as "
    "its profiler says."
)
SHOWS = ("step", "step_interval", *STAGES)
_HATCH = "////"


def draw(data: RunData, look: Look) -> Figure:
    """Draw stacked bars; a fused step's profiled shares are scaled to its whole step and hatched."""
    rows = data.headline
    shown = _bars.shown(data, rows, look)
    apart = varies_sizes(rows)
    subtitle = [
        problem_line(rows),
        "medians over processes",
        "each panel has its own axis" if apart else "",
        shown.remark,
    ]
    texts = Texts(TITLE, subtitle, data.foot(rows), _keys(data, look))
    bars = pd.concat([panel for _, panel in shown.panels])
    frame = _bars.bar_figure(look, texts, shown, partial(_bar, data))
    for axis, (_, panel) in zip(frame.axes, shown.panels, strict=True):
        inside = panel if apart else bars
        ends = float(np.nanmax(inside[["median_seconds", "high_seconds"]].to_numpy(dtype=float)))
        stacks = (sum(seconds for _, seconds, _ in _stack(data, row)) for _, row in inside.iterrows())
        axis.set_xlim(0, max(ends, *stacks) * 1.04)
        put_ticks(axis, "x", TimeFormatter(), FittingLocator(frame.look, even_steps))
    frame.label_x("time of one step")
    return frame.figure


def _stack(data: RunData, whole: pd.Series[Any]) -> list[tuple[str, float, bool]]:
    """Return the phases that a case has a time of: name, seconds, and whether a profiler told them."""
    found = []
    told = data.parts[whole.name][["phase", "method", "share", "median_seconds"]]
    parts = {row["phase"]: row for row in told.to_dict("records")}
    for phase in STAGES:
        if phase in parts:
            part = parts[phase]
            profiled = part["method"] == Method.PROFILED.value
            seconds = part["share"] * whole["median_seconds"] if profiled else part["median_seconds"]
            found.append((phase, float(seconds), profiled))
    return found


def _bar(data: RunData, axis: Axes, place: float, row: pd.Series[Any], frame: Frame) -> _bars.Bar:
    """Draw the phases of one case one after the other, and its whole step."""
    look, left = frame.look, 0.0
    for phase, seconds, profiled in _stack(data, row):
        style: dict[str, Any] = {"facecolor": _colour(look, phase), "hatch": _HATCH if profiled else ""}
        axis.barh(place, seconds, _bars.THICK, left, edgecolor=look.theme.paper, lw=0.8 * look.line, **style)
        left += seconds
    whole, low, high = (float(row[name]) for name in ("median_seconds", "low_seconds", "high_seconds"))
    axis.plot(whole, place, zorder=5, ls="none", **_diamond(look, 4.5))
    return _bars.Bar(whole, low, high, duration(whole))


def _colour(look: Look, phase: str) -> Any:
    """Return the colour of a phase; two that are fused are in between, loading is the paper's shade."""
    known = [to_rgb(look.theme.phases[part]) for part in phase.split("+") if part in look.theme.phases]
    return tuple(np.mean(known, axis=0)) if known else look.theme.soft


def _diamond(look: Look, size: float) -> dict[str, Any]:
    """Return the look of a whole step's mark."""
    theme, line = look.theme, look.line
    return {"marker": "D", "ms": size * line, "mfc": theme.paper, "mec": theme.ink, "mew": line}


def _keys(data: RunData, look: Look) -> list[Patch | Line2D]:
    """Return a key for each phase, for profiled shares if there are any, and for the whole step."""
    theme, line = look.theme, look.line
    keys: list[Patch | Line2D] = [
        Patch(facecolor=_colour(look, phase), edgecolor=theme.edge, label=phase, lw=0.6 * line)
        for phase in STAGES
        if phase in theme.phases or (data.summary["phase"] == phase).any()
    ]
    if (data.summary["method"] == Method.PROFILED.value).any():
        keys.append(Patch(facecolor=theme.soft, edgecolor=theme.paper, hatch=_HATCH, label="share by profiler", lw=0))
    whole = Line2D([], [], label="whole step with 95 % interval", color=theme.ink, lw=1.1 * line, **_diamond(look, 5))
    return [*keys, whole]
