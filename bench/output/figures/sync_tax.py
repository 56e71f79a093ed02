"""What timing the phases apart costs: their sum against the whole step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.errors import NothingToShowError
from bench.output.figures import _style
from bench.output.figures._frame import Frame, beside, new_frame, panel_title, whisker
from bench.output.figures._look import text_inches
from bench.output.text import percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.output.figures import Look, RunData

TITLE = "Sync tax: what timing the phases apart costs"
READING = (
    "A bar is by how much the three phases together, each timed apart, take longer than the whole step. Where its "
    "whisker, the 95 % interval, crosses 0, the run does not show that timing them apart costs anything."
)
SHOWS = ("sync_tax", "sync_tax_interval", "step", "forward", "backward", "update")
_MOST_NAMED = 4


def draw(data: RunData, look: Look) -> Figure:
    """Bars from 0, in percent of the whole step; a case whose phases were not timed apart is named and has none."""
    every = _style.headline(data.summary)
    rows = every[every["sync_tax"].notna()]
    if not len(rows):
        raise NothingToShowError(
            "no case has its phases timed apart: measure an implementation that has a stage for each."
        )
    panels, others = _style.shown(data, rows, look)
    counts = [len(panel) for _, panel in panels]
    frame = new_frame(
        look,
        TITLE,
        _style.remarks(*_remarks(every, rows), others),
        _style.footer(data),
        [_style.bars_em(count) for count in counts],
        columns=_style.columns_of(look, len(panels)),
        width_em=_style.PANEL_WIDTH_EM,
        denser=_style.DENSEST,
        keys=_keys(sorted(set(rows["backend"])), look),
    )
    limits, several = _limits(rows), _style.several_backends(rows)
    for number, (axis, (name, panel)) in enumerate(zip(frame.axes, panels, strict=True)):
        _panel(axis, panel, several, limits, frame)
        panel_title(axis, name, frame)
        axis.set_ylim(*_style.bars_limits(counts, number, frame.columns))
    for axis in frame.axes[-frame.columns :]:
        axis.set_xlabel("sum of the phases over the whole step, minus 1" if not frame.narrow else "sync tax")
    return frame.figure


def _remarks(every: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    found = [_style.problem_line(rows)] if _style.problem_line(rows) else []
    found.append("sum of forward, backward and update, each timed apart, over the whole step, minus 1")
    found.append("whiskers: 95 % interval over processes")
    without = every[every["sync_tax"].isna()]
    if len(without):
        several = _style.several_backends(every)
        names = list(
            dict.fromkeys(
                f"{row['implementation']} ({row['backend']})" if several else str(row["implementation"])
                for _, row in without.iterrows()
            )
        )
        more = len(names) - _MOST_NAMED
        told = ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        found.append(f"not timed apart, so without one: {told}")
    return found


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """The same axis for all panels, 0 on it, in percent."""
    ends = rows[["sync_tax", "sync_tax_low", "sync_tax_high"]].to_numpy(dtype=float) * 100
    low, high = min(0.0, float(np.nanmin(ends))), max(0.0, float(np.nanmax(ends)))
    air = max(high - low, 1.0) * 0.05
    return low - air, high + air


def _panel(axis: Axes, panel: pd.DataFrame, several: bool, limits: tuple[float, float], frame: Frame) -> None:
    look = frame.look
    theme, line = look.theme, look.points / 9
    positions = np.arange(len(panel))[::-1]
    for position, (_, row) in zip(positions, panel.iterrows(), strict=True):
        colour, hatch = theme.backend(row["backend"])
        tax, low, high = (float(row[name]) * 100 for name in ("sync_tax", "sync_tax_low", "sync_tax_high"))
        axis.barh(position, tax, height=0.66, color=colour, hatch=hatch, edgecolor=theme.edge, lw=0.6 * line)
        whisker(axis, position, tax, low, high, look)
        beside(axis, position, _value_text(row, frame), look)
    axis.axvline(0, color=theme.ink, lw=line)
    axis.set_xlim(*limits)
    texts = [_style.label(row, several, frame) for _, row in panel.iterrows()]
    beside_inches = max(text_inches(f"{_value_text(row, frame)}__", look.points) for _, row in panel.iterrows())
    inches = frame.panel_inches - max(text_inches(text, look.points) for text in texts) - beside_inches - look.em(2)
    most = int(inches / (text_inches("+8.8 %", look.points) + look.em(1)))
    axis.xaxis.set_major_locator(MaxNLocator(min(max(most, 2), 8), steps=[1, 2, 5, 10]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g} %" if value else "0 %"))
    axis.grid(axis="x")
    axis.set_yticks(positions, texts)


def _value_text(row: pd.Series[Any], frame: Frame) -> str:
    tax, low, high = (float(row[name]) for name in ("sync_tax", "sync_tax_low", "sync_tax_high"))
    if frame.narrow or math.isnan(low) or math.isnan(high):
        return percent(tax)
    return f"{percent(tax)}  [{low * 100:+.1f} … {percent(high)}]"


def _keys(backends: list[str], look: Look) -> list[Patch]:
    styles = [(backend, *look.theme.backend(backend)) for backend in backends]
    return [
        Patch(facecolor=colour, hatch=hatch, edgecolor=look.theme.edge, label=backend, lw=0.6)
        for backend, colour, hatch in styles
    ]
