"""Time of forward, backward and update, stacked, with the whole step beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.data.schema import CASE_KEY, HOST
from bench.model.step import ALL_PHASES
from bench.output.figures import _style
from bench.output.text import duration

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.output.figures import RunData

TITLE = "Where the time of a training step goes"
_HATCH = "////"


def draw(data: RunData) -> Figure:
    """Stacked bars; a fused step's profiled shares are scaled to its whole step and hatched."""
    rows = _style.headline(data.summary)
    panels = _style.panels(rows)
    figure, axes = _style.new_figure([len(panel) for _, panel in panels], TITLE, data)
    _style.subtitle(figure, f"{_style.problem_line(rows)}; medians over processes")
    scale, unit = _unit(float(rows["median_seconds"].max()))
    several = rows.groupby("implementation")["backend"].nunique().max() > 1
    ends = np.nanmax(rows[["median_seconds", "high_seconds"]].to_numpy(dtype=float))
    profiled = False
    for axis, (name, panel) in zip(axes, panels, strict=True):
        profiled |= _panel(axis, data.summary, panel, several, scale)
        axis.set_title(name)
        axis.set_xlim(0, max(float(ends), _longest_stack(data.summary)) / scale * 1.04)
    axes[-1].set_xlabel(f"time of one step ({unit})")
    _legend(figure, profiled)
    return figure


def _unit(seconds: float) -> tuple[float, str]:
    return (1e-6, "µs") if seconds < 1e-3 else (1e-3, "ms") if seconds < 1 else (1.0, "s")


def _longest_stack(summary: pd.DataFrame) -> float:
    staged = summary[(summary["status"] == "ok") & (summary["method"] == "staged")]
    sums = staged[staged["clock"] == HOST].groupby(list(CASE_KEY))["median_seconds"].sum()
    return float(sums.max()) if len(sums) else 0.0


def _panel(axis: Axes, summary: pd.DataFrame, panel: pd.DataFrame, several: bool, scale: float) -> bool:
    """Draw one workload; True if it has a profiled case."""
    positions = np.arange(len(panel))[::-1]
    profiled = False
    for position, (_, row) in zip(positions, panel.iterrows(), strict=True):
        same = _style.same_case(summary, row) & (summary["clock"] == HOST)
        left = 0.0
        for phase in ALL_PHASES:
            found = summary[same & (summary["phase"] == phase)]
            if not len(found):
                continue
            part = found.iloc[0]
            from_profiler = part["method"] == "profiled"
            profiled |= from_profiler
            seconds = part["share"] * row["median_seconds"] if from_profiler else part["median_seconds"]
            axis.barh(
                position,
                seconds / scale,
                left=left,
                height=0.66,
                color=_style.PHASES[phase],
                hatch=_HATCH if from_profiler else "",
                edgecolor="white",
                lw=0.8,
            )
            left += seconds / scale
        whole = row["median_seconds"] / scale
        axis.plot(whole, position, marker="D", ms=4.5, mfc="white", mec="black", mew=1, zorder=5, ls="none")
        if np.isfinite(row["low_seconds"]):
            ends = [[whole - row["low_seconds"] / scale], [row["high_seconds"] / scale - whole]]
            axis.errorbar(whole, position, xerr=ends, fmt="none", ecolor="black", elinewidth=1.1, capsize=2.5, zorder=4)
        text = duration(float(row["median_seconds"]))
        axis.annotate(
            text, (1.01, position), xycoords=("axes fraction", "data"), va="center", fontsize=8, family="monospace"
        )
    axis.grid(axis="x", color="#DDDDDD", lw=0.6)
    axis.set_yticks(positions, [_style.label(row, several) for _, row in panel.iterrows()])
    axis.set_ylim(-0.6, len(panel) - 0.4)
    return profiled


def _legend(figure: Figure, profiled: bool) -> None:
    handles: list[Patch | Line2D] = [
        Patch(facecolor=colour, edgecolor="#333333", label=phase, lw=0.6) for phase, colour in _style.PHASES.items()
    ]
    if profiled:
        handles.append(Patch(facecolor="#888888", edgecolor="white", hatch=_HATCH, label="share by its profiler", lw=0))
    whole = Line2D(
        [], [], marker="D", mfc="white", mec="black", color="black", lw=1.1, label="whole step with 95 % interval"
    )
    _style.legend(figure, [*handles, whole])
