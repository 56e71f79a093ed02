"""Time of forward, backward and update, stacked, with the whole step beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.data.schema import CASE_KEY, HOST, SIZES, Method
from bench.model.step import ALL_PHASES
from bench.output.figures import _style
from bench.output.figures._frame import Frame, beside, new_frame, panel_title, whisker
from bench.output.text import duration, time_unit

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.output.figures import Look, RunData

TITLE = "Where the time of a training step goes"
HEADLINE = 3
READING = (
    "A bar is the phases of one step after another, each timed apart, the diamond the whole step timed on its own: "
    "where the bar is longer, stopping between the phases took the rest. A hatched bar is a fused step, divided as "
    "its profiler says."
)
SHOWS = ("step", "step_interval", "forward", "backward", "update")
_HATCH = "////"


def draw(data: RunData, look: Look) -> Figure:
    """Stacked bars; a fused step's profiled shares are scaled to its whole step and hatched."""
    rows = _style.headline(data.summary)
    panels, others = _style.shown(data, rows, look)
    apart = "each panel has its own axis" if any(rows[name].nunique() > 1 for name in SIZES) else ""
    profiled = bool((data.summary["method"] == Method.PROFILED.value).any())
    frame = new_frame(
        look,
        TITLE,
        _style.remarks(_style.problem_line(rows), "medians over processes", apart, others),
        _style.footer(data),
        [_style.bars_em(len(panel)) for _, panel in panels],
        columns=_style.columns_of(look, len(panels)),
        width_em=_style.PANEL_WIDTH_EM,
        denser=_style.DENSEST,
        keys=_keys(profiled, look),
    )
    several = _style.several_backends(rows)
    counts = [len(panel) for _, panel in panels]
    for number, (axis, (name, panel)) in enumerate(zip(frame.axes, panels, strict=True)):
        longest = _longest(panel if apart else rows, data.summary)
        scale, unit = time_unit(longest)
        _panel(axis, data.summary, panel, several, scale, frame)
        panel_title(axis, name, frame)
        axis.set_ylim(*_style.bars_limits(counts, number, frame.columns))
        axis.set_xlim(0, longest / scale * 1.04)
        axis.locator_params(axis="x", nbins=(4 if apart else 5) if frame.narrow else 8)
        if apart:
            axis.xaxis.set_major_formatter(f"{{x:g}} {unit}")
    for axis in frame.axes[-frame.columns :]:
        axis.set_xlabel("time of one step" if apart else f"time of one step ({unit})")
    return frame.figure


def _longest(rows: pd.DataFrame, summary: pd.DataFrame) -> float:
    """The longest of all steps, ends of intervals and stacks of these cases, in seconds."""
    ends = np.nanmax(rows[["median_seconds", "high_seconds"]].to_numpy(dtype=float))
    staged = summary[(summary["status"] == "ok") & (summary["method"] == Method.STAGED.value)]
    sums = staged[staged["clock"] == HOST].groupby(list(CASE_KEY))["median_seconds"].sum()
    stacks = sums[sums.index.isin(list(rows[list(CASE_KEY)].itertuples(index=False, name=None)))]
    return max(float(ends), float(stacks.max()) if len(stacks) else 0.0)


def _panel(axis: Axes, summary: pd.DataFrame, panel: pd.DataFrame, several: bool, scale: float, frame: Frame) -> None:
    look = frame.look
    theme, line = look.theme, look.points / 9
    positions = np.arange(len(panel))[::-1]
    for position, (_, row) in zip(positions, panel.iterrows(), strict=True):
        _stack(axis, position, summary[_style.same_case(summary, row) & (summary["clock"] == HOST)], row, scale, look)
        whole = row["median_seconds"] / scale
        diamond: dict[str, Any] = {"marker": "D", "ms": 4.5 * line, "mfc": theme.paper, "mec": theme.ink, "mew": line}
        axis.plot(whole, position, zorder=5, ls="none", **diamond)
        whisker(axis, position, whole, row["low_seconds"] / scale, row["high_seconds"] / scale, look)
        beside(axis, position, duration(float(row["median_seconds"])), look)
    axis.grid(axis="x")
    axis.set_yticks(positions, [_style.label(row, several, frame) for _, row in panel.iterrows()])


def _stack(axis: Axes, position: float, rows: pd.DataFrame, whole: pd.Series[Any], scale: float, look: Look) -> None:
    """The phases of one case, one after the other; nothing for those that it has no time of."""
    left = 0.0
    for phase in ALL_PHASES:
        found = rows[rows["phase"] == phase]
        if not len(found):
            continue
        part = found.iloc[0]
        from_profiler = part["method"] == Method.PROFILED.value
        seconds = part["share"] * whole["median_seconds"] if from_profiler else part["median_seconds"]
        axis.barh(
            position,
            seconds / scale,
            left=left,
            height=0.66,
            color=look.theme.phases[phase],
            hatch=_HATCH if from_profiler else "",
            edgecolor=look.theme.paper,
            lw=0.8 * look.points / 9,
        )
        left += seconds / scale


def _keys(profiled: bool, look: Look) -> list[Patch | Line2D]:
    theme, line = look.theme, look.points / 9
    keys: list[Patch | Line2D] = [
        Patch(facecolor=colour, edgecolor=theme.edge, label=phase, lw=0.6 * line)
        for phase, colour in theme.phases.items()
    ]
    if profiled:
        keys.append(Patch(facecolor=theme.soft, edgecolor=theme.paper, hatch=_HATCH, label="share by profiler", lw=0))
    diamond: dict[str, Any] = {"marker": "D", "ms": 5 * line, "mfc": theme.paper, "mec": theme.ink, "mew": line}
    return [*keys, Line2D([], [], label="whole step with 95 % interval", color=theme.ink, lw=1.1 * line, **diamond)]
