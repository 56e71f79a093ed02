"""Speedup of each implementation over its workload's NumPy baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Patch

from bench.errors import NothingToShowError
from bench.output.figures import _style
from bench.output.figures._frame import Frame, beside, new_frame, panel_title, whisker
from bench.output.text import duration, factor, factor_interval, significant

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.output.figures import Look, RunData

TITLE = "Speedup of one training step over NumPy"
HEADLINE = 2
READING = (
    "A bar begins at the dashed 1x line: one to the right is faster than NumPy, one to the left slower, and twice "
    "as fast is as long as half as fast. Where a whisker, the 95 % interval, crosses the line, the run does not "
    "show which is faster."
)
SHOWS = ("speedup", "speedup_interval", "step")
_MOST_TICKS = {True: 4, False: 7}
"""By whether the figure is narrow."""


def draw(data: RunData, look: Look) -> Figure:
    """Bars from the 1x line on a logarithmic axis, so that twice as fast and half as fast are equally long."""
    rows = _style.headline(data.summary)
    rows = rows[rows["speedup"].notna()]
    contenders = rows[rows["implementation"] != rows["baseline"]]
    if not len(contenders):
        raise NothingToShowError("no case stands beside its workload's NumPy baseline, so there is no speedup to show.")
    panels, others = _style.shown(data, rows, look)
    bars = [(panel, panel[panel["implementation"] != panel["baseline"]], name) for name, panel in panels]
    bars = [item for item in bars if len(item[1])]
    frame = new_frame(
        look,
        TITLE,
        _style.remarks(_style.problem_line(rows), "whiskers: 95 % interval over processes", others),
        _style.footer(data),
        [_style.bars_em(len(inside)) for _, inside, _ in bars],
        columns=_style.columns_of(look, len(bars)),
        width_em=_style.PANEL_WIDTH_EM,
        denser=_style.DENSEST,
        keys=_keys(sorted(set(contenders["backend"])), look),
    )
    limits = _limits(contenders)
    several = _style.several_backends(contenders)
    counts = [len(inside) for _, inside, _ in bars]
    for number, (axis, (panel, inside, name)) in enumerate(zip(frame.axes, bars, strict=True)):
        _panel(axis, inside, several, limits, frame)
        panel_title(axis, f"{name}: 1x is {_baseline_text(panel, frame)}", frame)
        axis.set_ylim(*_style.bars_limits(counts, number, frame.columns))
    for axis in frame.axes[-frame.columns :]:
        axis.set_xlabel("speedup over NumPy (log scale)" + ("" if frame.narrow else "; right of 1x is faster"))
    return frame.figure


def _panel(axis: Axes, inside: pd.DataFrame, several: bool, limits: tuple[float, float], frame: Frame) -> None:
    look = frame.look
    theme, line = look.theme, look.points / 9
    positions = np.arange(len(inside))[::-1]
    for position, (_, row) in zip(positions, inside.iterrows(), strict=True):
        colour, hatch = theme.backend(row["backend"])
        speedup = row["speedup"]
        axis.barh(
            position, speedup - 1, left=1, height=0.66, color=colour, hatch=hatch, edgecolor=theme.edge, lw=0.6 * line
        )
        whisker(axis, position, speedup, row["speedup_low"], row["speedup_high"], look)
        beside(axis, position, _value_text(row, frame), look)
    axis.axvline(1, color=theme.ink, lw=line, ls="--")
    axis.set_xscale("log", base=2)
    axis.set_xlim(*limits)
    ticks = _octaves(*limits, _MOST_TICKS[frame.narrow])
    axis.set_xticks(ticks, [f"{f'{tick:g}' if tick >= 1 / 8 else significant(tick, 2)}x" for tick in ticks])
    axis.minorticks_off()
    axis.grid(axis="x")
    axis.set_yticks(positions, [_style.label(row, several, frame) for _, row in inside.iterrows()])


def _value_text(row: pd.Series[Any], frame: Frame) -> str:
    ends = (None if np.isnan(end) else float(end) for end in (row["speedup_low"], row["speedup_high"]))
    interval = factor_interval(*ends)
    speedup = factor(float(row["speedup"]))
    return speedup if frame.narrow or interval == "-" else f"{speedup:<7} [{interval}]"


def _octaves(low: float, high: float, most: int) -> list[float]:
    """Powers of two between the limits, 1 among them, so few that their labels have room."""
    first, last = round(np.log2(low)), round(np.log2(high))
    stride = max(1, -(-(last - first) // most))
    return [2.0**exponent for exponent in range(-(-first // stride) * stride, last + 1, stride)]


def _baseline_text(panel: pd.DataFrame, frame: Frame) -> str:
    found = panel[panel["implementation"] == panel["baseline"]]
    if not len(found):
        return str(panel["baseline"].iloc[0])
    row = found.iloc[0]
    seconds = duration(float(row["median_seconds"]))
    return seconds if frame.narrow else f"{row['implementation']} at {seconds} a step"


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """The same axis for all panels: everything fits, 1x has room on both sides, ends on whole octaves."""
    low = float(np.nanmin(rows[["speedup", "speedup_low"]].to_numpy(dtype=float)))
    high = float(np.nanmax(rows[["speedup", "speedup_high"]].to_numpy(dtype=float)))
    return 2.0 ** min(-1.0, np.floor(np.log2(low))), 2.0 ** max(1.0, np.ceil(np.log2(high)))


def _keys(backends: list[Any], look: Look) -> list[Patch]:
    styles = [(backend, *look.theme.backend(backend)) for backend in backends]
    return [
        Patch(facecolor=colour, hatch=hatch, edgecolor=look.theme.edge, label=backend, lw=look.points / 15)
        for backend, colour, hatch in styles
    ]
