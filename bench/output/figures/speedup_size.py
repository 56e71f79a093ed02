"""Speedup over the baseline against a size, and where one contender overtakes another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.analysis.baseline import Baseline
from bench.analysis.scaling import Plane, contender_of
from bench.data.crossing import Crossing
from bench.model.case import Contender
from bench.output.figures import _lines, _rows
from bench.output.figures._data import RunData
from bench.output.figures._frame import Frame, Texts
from bench.output.figures._lines import Scene
from bench.output.figures._look import Look, text_inches
from bench.output.figures._ticks import factors, log_axis, log_limits, times
from bench.output.names import counted, spaced
from bench.output.text import significant

TITLE = "Speedup over the baseline as the problem grows"
HEADLINE = 1
READING = (
    "Above the dotted 1x line a contender is faster than its baseline at that size, and twice as fast is as far from "
    "the line as half as fast. A coloured band is where a line may cross 1x, a ring where one line crosses another."
)
SHOWS = ("speedup", "speedup_interval", "step")
_COLUMNS = ("speedup", "speedup_low", "speedup_high")
_MOST_NOTES = {True: 3, False: 4}
"""Most crossovers that a panel names, by whether there are several panels."""
_LEAST_NAME_EM = 4.0
"""Room of a name for which an interval gives way."""


@dataclass(frozen=True)
class DrawnCrossover:
    """A row of crossovers.csv as a panel shows it."""

    upper: Contender
    """The contender that is faster above the size."""
    lower: Contender
    size: float
    low: float
    high: float
    ordered: bool
    """Whether it is known who is faster above."""
    one: Contender | None
    """The contender that meets its own baseline, whose line thus crosses 1x; None for any other pair."""

    @property
    def same_threads(self) -> bool:
        """Whether both lines are speedups over the same baseline, so that they cross in this figure too."""
        return self.upper.threads == self.lower.threads

    @property
    def has_interval(self) -> bool:
        """Whether both ends of the size's interval are known."""
        return math.isfinite(self.low) and math.isfinite(self.high)


def draw(data: RunData, look: Look) -> Figure:
    """Draw a line a contender, bands where it overtakes the baseline, and rings where it overtakes another line."""
    axis = _lines.swept_axis(data)
    scene = _lines.scene(_rows.contenders(data.headline), axis, data.cast, look)
    crossovers = [_crossovers(data, plane) for plane in scene.planes]
    named = [found[: _MOST_NOTES[len(scene.planes) > 1]] for found in crossovers]
    more = sum(map(len, crossovers)) - sum(map(len, named))
    every = [each for found in named for each in found]
    baselines = data.headline[data.headline["implementation"] == data.headline["baseline"]]
    subtitle = [
        *scene.shared(),
        "bars: 95 % interval over processes",
        "bands: 95 % interval of where a line crosses 1x" if any(each.one for each in every) else "",
        "rings: one line overtakes another" if any(each.same_threads and not each.one for each in every) else "",
        f"{counted(more, 'more crossover')} in crossovers.csv" if more else "",
    ]
    texts = Texts(
        TITLE,
        subtitle,
        data.foot(pd.concat([scene.every, baselines]), "without speedups at several sizes"),
        _lines.line_keys(scene, look),
    )
    frame = _lines.panel_frame(look, texts, [len(found) for found in named])
    brevity = _brevity(every, scene, frame)
    ends = log_limits([*(scene.rows[name] for name in _COLUMNS), (0.5, 2.0)])
    for panel, plane, found in zip(frame.axes, scene.planes, named, strict=True):
        panel.axhline(1, color=look.theme.ink, lw=frame.look.line, ls=":", zorder=1.5)
        _lines.draw_lines(panel, scene, plane, _COLUMNS, frame.look)
        _lines.size_axis(panel, scene.sizes, data.asked_sizes(axis), frame.look)
        log_axis(panel, "y", ends, times, frame.look, factors)
        notes = [_mark(panel, each, scene, plane, brevity, frame) for each in found]
        _lines.put_title(panel, scene.title(plane), notes, frame)
    over = f"speedup over {_rows.over(scene.rows, data.cast)}"
    _lines.label_axes(frame, spaced(axis), f"{over} (log scale)", over, "speedup")
    return frame.figure


def _crossovers(data: RunData, plane: Plane) -> list[DrawnCrossover]:
    """Return the crossovers of a panel: those of the baseline first, then what can be seen in it, each by size."""
    known = data.crossovers
    inside = known["axis"] == plane.axis
    inside &= (known["status"] == Crossing.FOUND.value) & known["size"].notna()
    for name, value in plane.common.items() if inside.any() else ():
        inside &= (known[name] == value).fillna(value=False)
    names = _rows.baselines(pd.concat([line.rows for line in plane.lines]))
    found, over = [], tuple(map(Baseline.parse, names))
    for row in known[inside].to_dict("records"):
        a, b = contender_of(row, "a_"), contender_of(row, "b_")
        upper, lower = (b, a) if row["faster_above"] == "b" else (a, b)
        pairs = ((a, b), (b, a)) if a.threads == b.threads else ()
        own = [one for one, other in pairs if any(each.fits(other, one) for each in over)]
        size, low, high = (float(row[name]) for name in ("size", "size_low", "size_high"))
        one = own[0] if len(own) == 1 else None
        found.append(DrawnCrossover(upper, lower, size, low, high, bool(row["faster_above"]), one))
    return sorted(found, key=lambda each: (each.one is None, not each.same_threads, each.size))


def _mark(axis: Axes, found: DrawnCrossover, scene: Scene, plane: Plane, brevity: int, frame: Frame) -> Line2D:
    """Draw a crossover and return its note."""
    line, theme = frame.look.line, frame.look.theme
    words = _words(found, scene, frame, brevity)
    if found.one:
        drawn = found.one in scene.contenders
        style = _lines.line_look(scene, found.one, frame.look) if drawn else {"color": theme.soft}
        colour = style["color"]
        if found.has_interval:
            axis.axvspan(found.low, found.high, color=colour, alpha=0.16, lw=0, zorder=0.6)
        axis.axvline(found.size, color=colour, lw=0.9 * line, zorder=0.7)
        return Line2D([], [], label=words, color=colour, marker=style.get("marker", ""), ms=4.2 * line, lw=0.9 * line)
    ring: dict[str, Any] = {"marker": "o", "ms": 9 * line, "mfc": "none", "mec": theme.ink, "mew": line, "ls": "none"}
    height = _height(plane, found)
    if math.isnan(height):
        return Line2D([], [], label=words, ls="none")
    axis.plot(found.size, height, zorder=4, **ring)
    return Line2D([], [], label=words, **ring | {"ms": 6 * line})


def _height(plane: Plane, found: DrawnCrossover) -> float:
    """Return the height at the crossing of the line that overtakes; NaN if that cannot be seen here."""
    for line in plane.lines if found.same_threads else ():
        sizes = line.rows[plane.axis].to_numpy(dtype=float)
        if line.contender == found.upper and sizes[0] <= found.size <= sizes[-1]:
            logs = np.log(line.rows["speedup"].to_numpy(dtype=float))
            return float(np.exp(np.interp(np.log(found.size), np.log(sizes), logs)))
    return math.nan


def _words(found: DrawnCrossover, scene: Scene, frame: Frame, brevity: int) -> str:
    """Return one line: who overtakes whom, at which size, with its interval if there is room.

    Args:
        found: the crossover.
        scene: the panels.
        frame: the figure.
        brevity: how much is left out, the same in all notes of a figure; see `_brevity`.
    """
    points = frame.look.points * _lines.NOTE
    for parts in _versions(found, scene)[brevity:]:
        room = _lines.note_room(frame, parts[1::2]) / len(parts[::2])
        if _is_whole(parts, scene, frame):
            return "".join(part if n % 2 else scene.cast.name(part) for n, part in enumerate(parts))
        if room >= frame.look.em(_LEAST_NAME_EM):
            break
    return "".join(part if n % 2 else scene.cast.fitting(part, room, points) for n, part in enumerate(parts))


def _brevity(found: Iterable[DrawnCrossover], scene: Scene, frame: Frame) -> int:
    """Return which version of the words of all these crossovers is the longest that leaves their names whole."""
    every = [_versions(each, scene) for each in found]
    last = len(every[0]) - 2 if every else 0
    return next((at for at in range(last) if all(_is_whole(each[at], scene, frame) for each in every)), last)


def _versions(found: DrawnCrossover, scene: Scene) -> list[list[str]]:
    """Return the words of a crossover in full, then with less: baseline, name of the size, interval."""
    bare, size = f"at {significant(found.size)}", f"at {spaced(scene.axis)} {significant(found.size)}"
    interval = f" [{significant(found.low)} … {significant(found.high)}]" if found.has_interval else ""
    told = ((size + interval, True), (size + interval, False), (bare + interval, False), (bare, False))
    return [_parts(found, scene, where, over) for where, over in told]


def _is_whole(parts: Sequence[str], scene: Scene, frame: Frame) -> bool:
    """Tell whether there is room for the names in whole."""
    names = sum(text_inches(scene.cast.name(name), frame.look.points * _lines.NOTE) for name in parts[::2])
    return names <= _lines.note_room(frame, parts[1::2])


def _parts(found: DrawnCrossover, scene: Scene, where: str, over: bool = False) -> list[str]:
    """Return the words of a crossover: a name and what follows it, and the same for the other side if it has a name.

    Args:
        found: the crossover.
        scene: the panels.
        where: at which size.
        over: whether the baseline that a line crosses is named; that it is at 1x also tells it.
    """
    upper, lower = found.upper, found.lower
    verb = "overtakes" if found.ordered else "meets"
    if found.one:
        verb = verb if found.one == upper else "falls behind"
        other = lower if found.one == upper else upper
        told = [f"{scene.note(found.one)} {verb} ", other.implementation, f" {where}"]
        return [found.one.implementation, *(told if over else [f"{scene.note(found.one)} {verb} {where}"])]
    if upper.implementation == lower.implementation:
        differs = (upper.backend != lower.backend, upper.threads != lower.threads)
        sides = [scene.note(who, *differs).strip(" ()") for who in (upper, lower)]
        return [upper.implementation, f": {sides[0]} {verb} {sides[1]} {where}"]
    return [upper.implementation, f"{scene.note(upper)} {verb} ", lower.implementation, f"{scene.note(lower)} {where}"]
