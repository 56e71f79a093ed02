"""Whole steps under the ceilings that their devices were measured to have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.analysis.roofline import Ceilings, ceilings, step_work
from bench.analysis.scaling import main_axis, planes
from bench.data.run import case_of
from bench.errors import NothingToShowError
from bench.output.figures import _lines
from bench.output.figures._cast import Cast
from bench.output.figures._data import DEVICE_CONDITIONS, RunData
from bench.output.figures._frame import Frame, Texts, key_room
from bench.output.figures._look import Look
from bench.output.figures._rows import along, problem_line
from bench.output.figures._ticks import log_axis, log_limits, plain
from bench.output.names import spaced, variant_word
from bench.output.text import significant

TITLE = "Roofline: steps under measured ceilings"
READING = (
    "Further right, a step computes more for each byte that it must move; higher, it computes more per second. The "
    "level line is the fastest matrix product that was measured on the device, the slanted one the fastest copy."
)
SHOWS = ("gflops", "peak_fraction", "step")
_SMALL, _LARGE = 3.2, 6.5
"""Marks of sizes that others follow, and of the largest, in points at letters of 9 points."""


@dataclass(frozen=True, eq=False)
class RoofPanel:
    """The cases of one device, with its ceilings."""

    key: tuple[Any, ...]
    """Values of `DEVICE_CONDITIONS`."""
    rows: pd.DataFrame
    """Headline rows with their `intensity`, FLOP a byte."""
    best: Ceilings


def draw(data: RunData, look: Look) -> Figure:
    """Draw a mark a case, joining those of one contender in the order of sizes."""
    rows = data.headline
    known = rows["gflops"].notna()
    rows = rows[known].assign(intensity=[np.divide(*step_work(case_of(row))) for row in rows[known].to_dict("records")])
    groups: Any = rows.groupby(list(DEVICE_CONDITIONS), sort=False)
    limited = ((key, inside, ceilings(data.manifest.peaks, case_of(inside.iloc[0]))) for key, inside in groups)
    panels = [RoofPanel(tuple(key), inside, best) for key, inside, best in limited if best is not None]
    if not panels:
        raise NothingToShowError("no peak of a device that cases ran on was measured: `bench run` measures them anew.")
    shown = _lines.in_turn(panels, [panel.key[0] for panel in panels], _lines.most_panels(look))
    limited_rows = pd.concat([panel.rows for panel in panels])
    found = planes(rows)
    axis = main_axis(found) if found else None
    texts = Texts(
        TITLE,
        _subtitle(rows, panels, len(shown), axis),
        data.foot(limited_rows, "without counted operations or a peak"),
        _keys(pd.concat([panel.rows for panel in shown]), data.cast, look),
    )
    frame = _lines.panel_frame(look, texts, [2] * len(shown))
    across, up = _ends(shown)
    for place, panel in zip(frame.axes, shown, strict=True):
        notes = _ceilings(place, panel, across, frame)
        _marks(place, panel, data.cast, axis, frame.look)
        log_axis(place, "x", across, plain, frame.look)
        log_axis(place, "y", up, plain, frame.look)
        _lines.put_title(place, _title(panel, panels), notes, frame)
    _lines.label_axes(frame, "FLOP per compulsory byte", "GFLOP/s (log scale)", "GFLOP/s")
    return frame.figure


def _keys(rows: pd.DataFrame, cast: Cast, look: Look) -> list[Line2D]:
    """Return a key for each contender; where each has one mark, which others may cover, with its height."""
    groups: Any = rows.groupby(["implementation", "backend"], sort=False)["gflops"]
    alone = groups.size().max() == 1
    keys = []
    for (name, backend), gflops in groups:
        tail = f" ({backend})" + (f": {significant(gflops.iloc[0])} GFLOP/s" if alone else "")
        style = _mark(cast, name, backend, look) | {"ls": "none", "ms": 4.8 * look.line}
        keys.append(Line2D([], [], label=cast.fitting(name, key_room(look), look.points, tail), **style))
    return keys


def _subtitle(rows: pd.DataFrame, panels: list[RoofPanel], shown: int, axis: str | None) -> list[str]:
    words = [problem_line(rows), "ceilings: measured in this run"]
    if shown < len(panels):
        words.append(f"{shown} of {len(panels)} panels shown")
    absent = sorted(set(rows["device"]) - {panel.key[0] for panel in panels})
    if absent:
        words.append(f"no peak of {', '.join(absent)} was measured")
    if axis:
        ends = f"{rows[axis].min()} to {rows[axis].max()}"
        words.append(f"{spaced(axis)} {ends}, the largest with the larger, hollow mark")
    return [*words, "small problems lie in caches, so their marks may be above the slanted ceiling"]


def _title(panel: RoofPanel, panels: list[RoofPanel]) -> str:
    """Return the device, and the conditions that tell this panel from others."""
    known = zip(DEVICE_CONDITIONS, panel.key, zip(*(each.key for each in panels), strict=True), strict=True)
    (_, device, _), *others = known
    return ", ".join([device, *(variant_word(name, value) for name, value, every in others if len(set(every)) > 1)])


def _ends(shown: list[RoofPanel]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return both axes of all panels: they hold every mark, and where the ceilings meet with some of the slope."""
    meet = [panel.best.flops_per_second / panel.best.bytes_per_second for panel in shown]
    across = log_limits([*(panel.rows["intensity"] for panel in shown), *(each / 1.5 for each in meet), meet], span=3.0)
    highest = [1.25 * panel.best.products.gflops for panel in shown]
    return across, log_limits([*(panel.rows["gflops"] for panel in shown), highest])


def _ceilings(axis: Axes, panel: RoofPanel, ends: tuple[float, float], frame: Frame) -> list[Line2D]:
    """Draw both ceilings, each only where it is the lower one, and return their notes."""
    peak, rate = panel.best.products.gflops, panel.best.copies.gigabytes_per_second
    meet = peak / rate
    lines = ([meet, ends[1]], [peak, peak]), ([ends[0], meet], [ends[0] * rate, peak])
    notes = []
    for (x, y), words, style in zip(lines, _lines.ceiling_words(panel.best, False), _lines.CEILINGS, strict=True):
        drawn: dict[str, Any] = {"color": frame.look.theme.ink, "ls": style, "lw": 1.4 * frame.look.line}
        axis.plot(x, y, zorder=1.6, **drawn)
        notes.append(Line2D([], [], label=_lines.note_words(f"measured: {words}", frame), **drawn))
    return notes


def _mark(cast: Cast, implementation: str, backend: str, look: Look) -> dict[str, Any]:
    """Return the look of the marks of a contender."""
    return cast.mark(implementation, backend, look) | {"mec": look.theme.edge, "mew": 0.5 * look.line}


def _marks(axis: Axes, panel: RoofPanel, cast: Cast, growing: str | None, look: Look) -> None:
    """Draw one line a contender, its marks in the order of the growing size, the last of several larger."""
    for inside in along(panel.rows, growing):
        style = _mark(cast, inside["implementation"].iloc[0], inside["backend"].iloc[0], look)
        x, y = inside["intensity"].to_numpy(dtype=float), inside["gflops"].to_numpy(dtype=float)
        several: dict[str, Any] = (
            {"mec": "none", "ms": _SMALL * look.line} if len(x) > 1 else {"ms": _LARGE * look.line}
        )
        axis.plot(x, y, lw=0.9 * look.line, zorder=3, **style | several)
        if len(x) > 1:  # hollow, so that those which lie on one another can be seen
            hollow: dict[str, Any] = {"mfc": "none", "mec": style["color"], "mew": 1.3 * look.line, "ls": "none"}
            axis.plot(x[-1:], y[-1:], zorder=4, **style | hollow | {"ms": _LARGE * look.line})
