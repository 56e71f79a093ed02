"""Common parts of figures of bars: which cases in which panels, and what stands beside each bar."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from bench.output.figures import _rows
from bench.output.figures._cast import Cast
from bench.output.figures._data import RunData
from bench.output.figures._frame import PANEL_EM, Frame, Grid, Texts, beside, new_frame, panel_title
from bench.output.figures._look import PAGE_INCHES, Look, Width, hatch_of, spread

_PANEL_WIDTH_EM = 33.0
"""Least width of a panel of bars: a name, the bar and its number."""
BAR_EM = 2.15
"""Room of one bar."""
DENSEST = 0.62
"""Part of their height to which bars may shrink to fit a slide; its lines of text stay apart."""
THICK = 0.66
"""Thickness of a bar as a part of its room."""
_MOST_ON_SLIDE, _MOST_DENSE_ON_SLIDE = 6, 8
MOST_BARS = {Width.COLUMN: 36, Width.PAGE: 36, Width.SLIDE: 20}
"""Most bars of a panel: as many as there is room for."""
_HEAD_EM = 12.0
"""About what title, subtitle, keys and footer take."""
NAME_SHARE = 0.36
"""Part of a panel's width that a name may take."""
Height = Callable[[int], float]
"""Gives the height, in ems, of what the axes of a panel of so many cases enclose."""


@dataclass(frozen=True)
class Shown:
    """The panels that a figure has room for."""

    panels: list[tuple[str, pd.DataFrame]]
    """Title and headline rows of each."""
    remark: str
    """The numbers of panels shown and found; empty if all are shown."""
    with_backend: bool
    """Whether names alone do not tell cases apart."""
    cast: Cast
    """What contenders are called and look like."""


@dataclass(frozen=True)
class Bar:
    """The value that a bar was drawn for."""

    value: float
    low: float
    high: float
    """Ends of the interval; NaN if unknown."""
    text: str
    """The words beside the bar."""


def bars_em(count: int) -> float:
    """Return the height of so many bars."""
    return (count + 0.2) * BAR_EM


def shown(
    data: RunData,
    rows: pd.DataFrame,
    look: Look,
    panel_em: Height = bars_em,
    most: int | None = None,
    least: float = DENSEST,
) -> Shown:
    """Choose panels for these headline rows, each from its fastest case on unless the author wants another order.

    A sweep shows the sizes that were asked for, not those that were added around crossovers. If panels are too many
    for a page, the first, the last and some between them of each workload are shown.

    Args:
        data: the run.
        rows: headline rows.
        look: the width.
        panel_em: the height of a panel.
        most: how many panels there are at most, if not only their height limits that.
        least: the part of their height to which panels may shrink to fit a page.
    """
    every = _rows.panels(rows)
    asked = [(title, data.by_time(panel)) for title, panel in _rows.panels(data.asked(rows)) or every]
    bars, most_bars = max(len(panel) for _, panel in asked), MOST_BARS[look.width]
    asked = [(title, panel[:most_bars]) for title, panel in asked]
    kinds = [list(kind) for _, kind in groupby(asked, key=lambda panel: panel[1]["workload"].iloc[0])]
    for quota in range(max(map(len, kinds)), 0, -1):
        asked = [kind[place] for kind in kinds for place in spread(len(kind), quota)]
        roomy = quota > 2 and _rows.varies_sizes(rows)
        if len(asked) <= (most or len(asked)) and fit(
            [panel_em(len(panel)) * (1.0 if roomy else least) for _, panel in asked], look, roomy
        ):
            break
    while len(asked) > 1 and not fit([panel_em(len(panel)) * least for _, panel in asked], look, roomy=False):
        asked.pop()
    remarks = [
        f"{len(asked)} of {len(every)} panels, the others are in summary.csv" if len(asked) < len(every) else "",
        f"the first {most_bars} of up to {bars} cases a panel" if bars > most_bars else "",
    ]
    remark = "; ".join(filter(None, remarks))
    return Shown(asked, remark, _rows.several_backends(rows), data.cast)


def fit(heights: Sequence[float], look: Look, roomy: bool) -> bool:
    """Tell whether panels of these heights fit the page, or so many of them the slide, whose letters may shrink."""
    grid = Grid(heights, columns_of(look, len(heights)), PANEL_EM)
    inches = (sum(grid.rows) + len(grid.rows) * PANEL_EM + _HEAD_EM) * look.least_em
    most = _MOST_ON_SLIDE if roomy else _MOST_DENSE_ON_SLIDE
    return inches <= (look.tallest or PAGE_INCHES) and (look.width is not Width.SLIDE or len(heights) <= most)


def columns_of(look: Look, panels: int) -> int:
    """Return how many panels stand beside each other: two where a slide would get too high, else one."""
    return 2 if look.width is Width.SLIDE and panels > 2 else 1


def new_panels(
    look: Look,
    texts: Texts,
    counts: Sequence[int],
    denser: float = DENSEST,
    panel_em: Height = bars_em,
    least: float = DENSEST,
) -> Frame:
    """Make a frame with a panel for each count of cases, whose letters of a slide shrink only if denser panels fail."""
    heights = [panel_em(count) for count in counts]
    grid = Grid(heights, columns_of(look, len(counts)), least_width=_PANEL_WIDTH_EM, denser=denser, least=least)
    return new_frame(look, texts, grid)


def bar_figure(
    look: Look, texts: Texts, panels: Shown, draw: Callable[[Axes, float, pd.Series[Any], Frame], Bar]
) -> Frame:
    """Draw a bar a case, one below the other, with its name, its interval and its number.

    Args:
        look: width and style.
        texts: the words around the panels.
        panels: the cases.
        draw: draws the bar of one row at a height.
    """
    counts = [len(rows) for _, rows in panels.panels]
    frame = new_panels(look, texts, counts)
    for number, (axis, (title, rows)) in enumerate(zip(frame.axes, panels.panels, strict=True)):
        places = range(len(rows) - 1, -1, -1)
        for place, (_, row) in zip(places, rows.iterrows(), strict=True):
            bar = draw(axis, place, row, frame)
            whisker(axis, place, bar, frame.look)
            beside(axis, place, bar.text, frame.look)
        axis.set_yticks(places, [name_of(row, panels, frame) for _, row in rows.iterrows()])
        panel_title(axis, title, frame)
        # Panels beside each other are as high as the one with most bars, and bars equally thick in all panels.
        axis.set_ylim(counts[number] - 0.6 - most_beside(counts, number, frame.columns), counts[number] - 0.4)
    return frame


def most_beside(counts: Sequence[int], number: int, columns: int) -> int:
    """Return the largest count of the panels in the same row as this one."""
    first = number // columns * columns
    return max(counts[first : first + columns])


def backend_keys(backends: Iterable[str], look: Look) -> list[Patch]:
    """Return a key for the hatch of each backend, in the order of their names."""
    style: dict[str, Any] = {"facecolor": look.theme.paper, "edgecolor": look.theme.edge, "lw": 0.6 * look.line}
    return [Patch(label=name, hatch=hatch_of(name), **style) for name in sorted(set(backends))]


def name_of(row: pd.Series[Any], panels: Shown, frame: Frame) -> str:
    """Return what an axis calls a case; a long name is cut, the backend never."""
    backend = f" ({row['backend']})" if panels.with_backend else ""
    room = frame.panel_inches * NAME_SHARE
    return panels.cast.fitting(row["implementation"], room, frame.look.points, backend)


def whisker(axis: Axes, place: float, bar: Bar, look: Look) -> None:
    """Draw the interval of a bar, with an edge that keeps it apart from what it lies on, unless an end is unknown."""
    if math.isfinite(bar.low) and math.isfinite(bar.high):
        _, caps, lines = axis.errorbar(
            bar.value,
            place,
            xerr=[[bar.value - bar.low], [bar.high - bar.value]],
            fmt="none",
            ecolor=look.theme.ink,
            elinewidth=1.1 * look.line,
            capsize=2.5 * look.line,
            capthick=1.1 * look.line,
            zorder=4,
        )
        for part in (*caps, *lines):
            part.set_path_effects([withStroke(linewidth=3.2 * look.line, foreground=look.theme.paper)])


def with_interval(text: str, low: float, high: float, write: Callable[[float, float], str], frame: Frame) -> str:
    """Return a number with its interval, which gives way where it is unknown or a panel narrow."""
    return text if frame.narrow or math.isnan(low + high) else f"{text:<7} [{write(low, high)}]"


def speedup_ends(rows: pd.DataFrame) -> tuple[float, float]:
    """Return the axis of all panels: everything fits, 1x has room on both sides, and it ends on whole octaves."""
    low = float(np.nanmin(rows[["speedup", "speedup_low"]].to_numpy(dtype=float)))
    high = float(np.nanmax(rows[["speedup", "speedup_high"]].to_numpy(dtype=float)))
    return 2.0 ** min(-1.0, np.floor(np.log2(low))), 2.0 ** max(1.0, np.ceil(np.log2(high)))
