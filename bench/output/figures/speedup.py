"""Speedup of each implementation over its workload's NumPy baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Patch

from bench.output.figures import _style
from bench.output.text import duration, factor, factor_interval, significant

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.output.figures import RunData

TITLE = "Speedup of one training step over NumPy"
_MOST_TICKS = 7


def draw(data: RunData) -> Figure:
    """Bars from the 1x line on a logarithmic axis, so that twice as fast and half as fast are equally long."""
    rows = _style.headline(data.summary)
    rows = rows[rows["speedup"].notna()]
    panels = _style.panels(rows)
    bars = [(name, panel, panel[panel["implementation"] != panel["baseline"]]) for name, panel in panels]
    bars = [item for item in bars if len(item[2])]
    if not bars:
        return _nothing_to_compare(data)
    figure, axes = _style.new_figure([len(contenders) for _, _, contenders in bars], TITLE, data)
    _style.subtitle(figure, f"{_style.problem_line(rows)}; whiskers: 95 % interval over processes")
    contenders = rows[rows["implementation"] != rows["baseline"]]
    limits = _limits(contenders)
    several = contenders.groupby("implementation")["backend"].nunique().max() > 1
    for axis, (name, panel, inside) in zip(axes, bars, strict=True):
        _panel(axis, name, panel, inside, several, limits)
    axes[-1].set_xlabel("speedup over NumPy (log scale; right of 1x is faster)")
    _legend(figure, sorted(set(contenders["backend"])))
    return figure


def _panel(
    axis: Axes, name: str, panel: pd.DataFrame, inside: pd.DataFrame, several: bool, limits: tuple[float, float]
) -> None:
    positions = np.arange(len(inside))[::-1]
    for position, (_, row) in zip(positions, inside.iterrows(), strict=True):
        colour, hatch = _style.backend_style(row["backend"])
        speedup = row["speedup"]
        axis.barh(position, speedup - 1, left=1, height=0.66, color=colour, hatch=hatch, edgecolor="#333333", lw=0.6)
        if np.isfinite(row["speedup_low"]):
            ends = [[speedup - row["speedup_low"]], [row["speedup_high"] - speedup]]
            axis.errorbar(speedup, position, xerr=ends, fmt="none", ecolor="black", elinewidth=1.1, capsize=2.5)
        interval = factor_interval(
            *(None if np.isnan(end) else end for end in (row["speedup_low"], row["speedup_high"]))
        )
        text = factor(speedup) if interval == "-" else f"{factor(speedup)}  [{interval}]"
        axis.annotate(
            text, (1.01, position), xycoords=("axes fraction", "data"), va="center", fontsize=8, family="monospace"
        )
    axis.axvline(1, color="black", lw=1, ls="--")
    axis.set_xscale("log", base=2)
    axis.set_xlim(*limits)
    ticks = _octaves(*limits)
    axis.set_xticks(ticks, [f"{f'{tick:g}' if tick >= 1 / 8 else significant(tick, 2)}x" for tick in ticks])
    axis.minorticks_off()
    axis.grid(axis="x", color="#DDDDDD", lw=0.6)
    axis.set_yticks(positions, [_style.label(row, several) for _, row in inside.iterrows()])
    axis.set_ylim(-0.6, len(inside) - 0.4)
    axis.set_title(f"{name}: 1x is {_baseline_text(panel)}")


def _octaves(low: float, high: float) -> list[float]:
    """Powers of two between the limits, 1 among them, so few that their labels have room."""
    first, last = round(np.log2(low)), round(np.log2(high))
    stride = max(1, -(-(last - first) // _MOST_TICKS))
    return [2.0**exponent for exponent in range(-(-first // stride) * stride, last + 1, stride)]


def _baseline_text(panel: pd.DataFrame) -> str:
    found = panel[panel["implementation"] == panel["baseline"]]
    if not len(found):
        return str(panel["baseline"].iloc[0])
    row = found.iloc[0]
    return f"{row['implementation']} at {duration(float(row['median_seconds']))} a step"


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """The same axis for all panels: everything fits, 1x has room on both sides, ends on whole octaves."""
    low = float(np.nanmin(rows[["speedup", "speedup_low"]].to_numpy(dtype=float)))
    high = float(np.nanmax(rows[["speedup", "speedup_high"]].to_numpy(dtype=float)))
    return 2.0 ** min(-1.0, np.floor(np.log2(low))), 2.0 ** max(1.0, np.ceil(np.log2(high)))


def _legend(figure: Figure, backends: list[Any]) -> None:
    handles = []
    for backend in backends:
        colour, hatch = _style.backend_style(backend)
        handles.append(Patch(facecolor=colour, hatch=hatch, edgecolor="#333333", label=backend, lw=0.6))
    _style.legend(figure, handles)


def _nothing_to_compare(data: RunData) -> Figure:
    figure, (axis,) = _style.new_figure([2], TITLE, data)
    axis.set_axis_off()
    text = "This run holds no case beside its workload's NumPy baseline, so there is no speedup to show."
    axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes)
    return figure
