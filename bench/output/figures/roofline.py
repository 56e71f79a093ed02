"""Whole steps under the ceilings that their devices were measured to have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D

from bench.analysis.roofline import Ceilings, ceilings
from bench.analysis.scaling import main_axis, planes
from bench.data.schema import SIZES, STEP
from bench.errors import NothingToShowError
from bench.model.problem import Dtype, Problem
from bench.model.workload import WORKLOADS
from bench.output.figures import _lines, _log, _style
from bench.output.figures._frame import Frame, panel_title
from bench.output.figures._look import MARKERS, clipped
from bench.output.names import variant_word

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.output.figures import Look, RunData

TITLE = "Roofline: steps under measured ceilings"
READING = (
    "Further right, a step computes more for each byte that it must move; higher, it computes more a second. The level "
    "line is the fastest matrix product that was measured on the device, the slanted one the fastest copy."
)
SHOWS = ("gflops", "peak_fraction", "step")
_PANEL = ("device", "dtype", "threads", "mode", "precision")
"""What all cases of a panel share."""
_FILLS = ("full", "none", "bottom")
_SMALL, _LARGE = 4.0, 6.5
"""Marks of sizes that others follow, and of the largest, in points at letters of 9 points."""


@dataclass(frozen=True, eq=False)
class _Panel:
    """The cases of one device, with its ceilings."""

    key: tuple[Any, ...]
    """Values of `_PANEL`."""
    rows: pd.DataFrame
    """With their `intensity`, FLOP a byte."""
    best: Ceilings


def draw(data: RunData, look: Look) -> Figure:
    """A mark a case; those of one contender are joined in the order of sizes."""
    rows = _style.headline(data.summary)
    rows = rows[rows["gflops"].notna()]
    rows = rows.assign(intensity=[_intensity(row) for row in rows.to_dict("records")])
    panels = list(_panels(data, rows))
    if not panels:
        raise NothingToShowError("no peak of a device that cases ran on was measured: `bench run` measures them anew.")
    shown = _lines.in_turn(panels, [panel.key[0] for panel in panels], _lines.MOST_PANELS)
    axis = _growing(rows)
    frame = _log.panel_frame(
        look, TITLE, _subtitle(rows, panels, shown, axis), _style.footer(data), [2] * len(shown), _keys(shown, look)
    )
    ends = _ends(shown)
    for place, panel in zip(frame.axes, shown, strict=True):
        notes = _ceilings(place, panel, ends[0], frame)
        _marks(place, panel, _names(shown), axis, frame.look)
        _log.number_axis(place, "x", ends[0], frame)
        _log.number_axis(place, "y", ends[1], frame)
        panel_title(place, _title(panel, panels), frame, 0.85, _log.put_notes(place, notes, frame))
    _log.label_axes(frame, "FLOP per compulsory byte (log scale)", "GFLOP/s (log scale)")
    return frame.figure


def _intensity(row: dict[Any, Any]) -> float:
    problem = Problem(dtype=Dtype(row["dtype"]), **{name: int(row[name]) for name in SIZES})
    workload = WORKLOADS[row["workload"]]
    return (workload.flops(problem, STEP) or 0.0) / workload.bytes_moved(problem, STEP)


def _panels(data: RunData, rows: pd.DataFrame) -> Iterator[_Panel]:
    """Cases that share a device and its ceilings, if those were measured."""
    groups: Any = rows.groupby(list(_PANEL), sort=False)
    for key, inside in groups:
        device, dtype, threads, _, precision = key
        best = ceilings(data.manifest.peaks, device, dtype, precision, {int(threads)})
        if best is not None:
            yield _Panel(tuple(key), inside, best)


def _growing(rows: pd.DataFrame) -> str | None:
    """The size along which marks are joined; None if none varies."""
    found = planes(rows)
    return main_axis(found) if found else None


def _subtitle(rows: pd.DataFrame, panels: list[_Panel], shown: list[_Panel], axis: str | None) -> str:
    words = [_style.problem_line(rows), "ceilings: measured in this run"]
    if len(shown) < len(panels):
        words.append(f"{len(shown)} of {len(panels)} panels shown")
    absent = sorted(set(rows["device"]) - {panel.key[0] for panel in panels})
    if absent:
        words.append(f"no peak of {', '.join(absent)} was measured")
    if axis:
        words.append(f"{axis.replace('_', '-')} {rows[axis].min()} to {rows[axis].max()}, the larger mark the largest")
    words.append("small problems lie in caches, so that their marks may be above the slanted ceiling")
    return "; ".join(word for word in words if word)


def _title(panel: _Panel, panels: list[_Panel]) -> str:
    words = [str(panel.key[0])]
    for place, name in enumerate(_PANEL[1:], start=1):
        if len({each.key[place] for each in panels}) > 1:
            words.append(variant_word(name, panel.key[place]))
    return ", ".join(words)


def _ends(shown: list[_Panel]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Both axes' ends, the same for all panels: every mark, and where the two ceilings meet, with some of the slope."""
    meet = [panel.best.flops_per_second / panel.best.bytes_per_second for panel in shown]
    x = _log.limits((panel.rows["intensity"] for panel in shown), around=[*(each / 3 for each in meet), *meet])
    highest = [1.25 * panel.best.products.gflops for panel in shown]
    return x, _log.limits((panel.rows["gflops"] for panel in shown), around=highest)


def _ceilings(axis: Axes, panel: _Panel, ends: tuple[float, float], frame: Frame) -> list[Line2D]:
    """Draw both, each only where it is the lower; gives their notes."""
    look = frame.look
    peak, rate = panel.best.products.gflops, panel.best.copies.gigabytes_per_second
    meet = peak / rate
    lines = (
        ([meet, max(ends[1], meet)], [peak, peak]),
        ([min(ends[0], meet), meet], [min(ends[0], meet) * rate, peak]),
    )
    notes = []
    for (x, y), words, style in zip(lines, _lines.ceiling_words(panel.best, False), _lines.CEILINGS, strict=True):
        drawn: dict[str, Any] = {"color": look.theme.ink, "ls": style, "lw": 1.4 * look.points / 9}
        axis.plot(x, y, zorder=1.6, **drawn)
        label = clipped(f"measured: {words}", _log.note_inches(frame), look.points * _log.NOTE)
        notes.append(Line2D([], [], label=label, **drawn))
    return notes


def _names(shown: list[_Panel]) -> list[str]:
    """Implementations in the order in which they come."""
    return list(dict.fromkeys(str(name) for panel in shown for name in panel.rows["implementation"]))


def _mark(implementation: str, backend: str, names: list[str], look: Look) -> dict[str, Any]:
    """Colour for the backend, marker for the implementation: 27 that differ."""
    fills = list(product(_FILLS, MARKERS))
    fill, marker = fills[names.index(implementation) % len(fills)]
    theme, line = look.theme, look.points / 9
    colour = theme.backend(backend)[0]
    return {
        "marker": marker,
        "fillstyle": fill,
        "color": colour,
        "mec": theme.edge if fill == "full" else colour,
        "markerfacecoloralt": theme.paper,
        "mew": (0.5 if fill == "full" else 1.2) * line,
    }


def _marks(axis: Axes, panel: _Panel, names: list[str], growing: str | None, look: Look) -> None:
    """One line a contender and what else is fixed, its marks in the order of sizes, the last of several larger."""
    line = look.points / 9
    fixed = [name for name in ("implementation", "backend", "workload", *SIZES) if name != growing]
    groups: Any = panel.rows.groupby(fixed, sort=False)
    for (implementation, backend, *_), inside in groups:
        ordered = inside.sort_values(growing) if growing else inside
        style = _mark(str(implementation), str(backend), names, look)
        x, y = ordered["intensity"].to_numpy(dtype=float), ordered["gflops"].to_numpy(dtype=float)
        axis.plot(x, y, ms=(_SMALL if growing else _LARGE) * line, lw=0.7 * line, zorder=3, **style)
        if len(x) > 1:
            axis.plot(x[-1:], y[-1:], ms=_LARGE * line, ls="none", zorder=3, **style)


def _keys(shown: list[_Panel], look: Look) -> list[Artist]:
    names = _names(shown)
    cases = dict.fromkeys(
        (str(implementation), str(backend))
        for panel in shown
        for implementation, backend in zip(panel.rows["implementation"], panel.rows["backend"], strict=True)
    )
    return [
        Line2D(
            [],
            [],
            ls="none",
            ms=4.8 * look.points / 9,
            label=f"{implementation} ({backend})",
            **_mark(implementation, backend, names, look),
        )
        for implementation, backend in cases
    ]
