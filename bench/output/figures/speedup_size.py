"""Speedup over NumPy against a size, and where one contender overtakes another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from bench.analysis.scaling import Contender, Plane
from bench.data.schema import Crossing
from bench.errors import NothingToShowError
from bench.output.figures import _lines, _log, _style
from bench.output.figures._frame import Frame, panel_title
from bench.output.figures._lines import Scene
from bench.output.figures._look import clipped, text_inches
from bench.output.text import significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.output.figures import Look, RunData

TITLE = "Speedup over NumPy as the problem grows"
HEADLINE = 1
READING = (
    "Above the dotted 1x line a contender is faster than NumPy at that size, and twice as fast is as far from the line "
    "as half as fast. A coloured band is where a line may cross 1x, a ring where one line crosses another."
)
SHOWS = ("speedup", "speedup_interval", "step")
_COLUMNS = ("speedup", "speedup_low", "speedup_high")
_MOST_NOTES = {True: 3, False: 4}
"""Crossovers that a panel names, by whether there are several panels."""


@dataclass(frozen=True)
class _Crossover:
    """One row of crossovers.csv."""

    upper: Contender
    """Who is faster above the size."""
    lower: Contender
    size: float
    low: float
    high: float
    ordered: bool
    """Whether it is known who is faster above."""

    @property
    def one(self) -> Contender | None:
        """The contender that meets its own baseline, the one whose line crosses 1x; None for any other pair."""
        if self.same_threads and _lines.is_baseline(self.upper) != _lines.is_baseline(self.lower):
            return self.lower if _lines.is_baseline(self.upper) else self.upper
        return None

    @property
    def same_threads(self) -> bool:
        """Whether both lines are speedups over the same baseline, so that they cross in this figure too."""
        return self.upper.threads == self.lower.threads

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """Those with the baseline come first, then those that can be seen; smaller sizes first."""
        return self.one is None, not self.same_threads, self.size


def draw(data: RunData, look: Look) -> Figure:
    """A line a contender; bands where it overtakes the baseline, rings where it overtakes another line."""
    axis = _lines.swept_axis(data)
    rows = _style.headline(data.summary)
    scene = _lines.scene(rows[rows["speedup"].notna() & (rows["implementation"] != rows["baseline"])], axis)
    if scene is None:
        raise NothingToShowError(
            "no case stands beside its workload's NumPy baseline at several sizes: measure both with `bench sweep`."
        )
    crossovers = [_crossovers(data, plane) for plane in scene.planes]
    most = _MOST_NOTES[len(scene.planes) > 1]
    named = [found[:most] for found in crossovers]
    frame = _log.panel_frame(
        look,
        TITLE,
        _subtitle(scene, named, sum(map(len, crossovers)) - sum(map(len, named))),
        _style.footer(data),
        [len(found) for found in named],
        _lines.line_keys(scene, look),
    )
    ends = _log.limits((scene.rows[name] for name in _COLUMNS), around=(0.5, 2.0))
    asked = data.manifest.axes.get(axis, [])
    for panel, plane, found in zip(frame.axes, scene.planes, named, strict=True):
        _panel(panel, scene, plane, frame.look)
        _log.size_axis(panel, scene.sizes, asked, frame)
        _log.number_axis(panel, "y", ends, frame, "x")
        notes = [_mark(panel, each, scene, plane, frame) for each in found]
        panel_title(panel, scene.title(plane), frame, 0.85, _log.put_notes(panel, notes, frame))
    _log.label_axes(frame, _log.size_label(axis), "speedup over NumPy (log scale)")
    return frame.figure


def _subtitle(scene: Scene, named: list[list[_Crossover]], more: int) -> str:
    words = [*scene.shared(), "bars: 95 % interval over processes"]
    if any(each.one for found in named for each in found):
        words.append("bands: 95 % interval of where a line crosses 1x")
    if any(each.same_threads and not each.one for found in named for each in found):
        words.append("rings: one line overtakes another")
    if more:
        words.append(f"{more} more crossover{'' if more == 1 else 's'} in crossovers.csv")
    return "; ".join(word for word in words if word)


def _panel(axis: Axes, scene: Scene, plane: Plane, look: Look) -> None:
    axis.axhline(1, color=look.theme.ink, lw=look.points / 9, ls=":", zorder=1.5)
    for line in plane.lines:
        style = _lines.line_look(scene, line.contender, look)
        _lines.with_interval(axis, line.rows, (plane.axis, *_COLUMNS), style, look)


def _crossovers(data: RunData, plane: Plane) -> list[_Crossover]:
    """Those of a panel, the most telling first."""
    known = data.crossovers
    inside = (known["workload"] == plane.workload) & (known["axis"] == plane.axis)
    inside &= (known["status"] == Crossing.FOUND.value) & known["size"].notna()
    for name, value in plane.fixed.items():
        inside &= (known[name] == value).fillna(value=False)
    found = []
    for row in known[inside].to_dict("records"):
        a, b = (Contender(row[f"{s}_implementation"], row[f"{s}_backend"], int(row[f"{s}_threads"])) for s in "ab")
        above = str(row["faster_above"])
        upper, lower = (b, a) if above == "b" else (a, b)
        size, low, high = (float(row[name]) for name in ("size", "size_low", "size_high"))
        found.append(_Crossover(upper, lower, size, low, high, ordered=bool(above)))
    return sorted(found, key=lambda each: each.rank)


def _mark(axis: Axes, found: _Crossover, scene: Scene, plane: Plane, frame: Frame) -> Line2D:
    """Draw a crossover; gives its note."""
    look = frame.look
    line, theme = look.points / 9, look.theme
    words = _words(found, scene, frame)
    if found.one:
        style = _lines.line_look(scene, found.one, look) if _drawn(found.one, scene) else {"color": theme.soft}
        colour = style["color"]
        if math.isfinite(found.low) and math.isfinite(found.high):
            axis.axvspan(found.low, found.high, color=colour, alpha=0.16, lw=0, zorder=0.6)
        axis.axvline(found.size, color=colour, lw=0.9 * line, zorder=0.7)
        return Line2D([], [], label=words, color=colour, marker=style.get("marker", ""), ms=4.2 * line, lw=0.9 * line)
    ring: dict[str, Any] = {"marker": "o", "ms": 9 * line, "mfc": "none", "mec": theme.ink, "mew": line, "ls": "none"}
    height = _height(plane, found)
    if math.isnan(height):
        return Line2D([], [], label=words, ls="none")
    axis.plot(found.size, height, zorder=4, **ring)
    return Line2D([], [], label=words, **ring | {"ms": 6 * line})


def _drawn(who: Contender, scene: Scene) -> bool:
    return (who.implementation, who.backend) in scene.pairs and who.threads in scene.threads


def _height(plane: Plane, found: _Crossover) -> float:
    """Where the line of the one that overtakes is at the crossing; unknown if that cannot be seen here."""
    for line in plane.lines if found.same_threads else ():
        sizes = line.rows[plane.axis].to_numpy(dtype=float)
        if line.contender == found.upper and sizes[0] <= found.size <= sizes[-1]:
            logs = np.log(line.rows["speedup"].to_numpy(dtype=float))
            return float(np.exp(np.interp(np.log(found.size), np.log(sizes), logs)))
    return math.nan


def _words(found: _Crossover, scene: Scene, frame: Frame) -> str:
    """One line: who overtakes whom, at which size, with its interval; names give up letters where they must."""
    where = f"at {significant(found.size)}"
    if math.isfinite(found.low) and math.isfinite(found.high) and frame.columns < 3:
        where += f" [{significant(found.low)} … {significant(found.high)}]"
    many = len(scene.threads) > 1
    backends = _style.several_backends(scene.rows)
    upper, lower = found.upper, found.lower

    def tail(who: Contender, several_backends: bool, several_threads: bool) -> str:
        threads = f"{who.threads} thread{'' if who.threads == 1 else 's'}"
        words = [who.backend] * several_backends + [threads] * several_threads
        return f" ({', '.join(words)})" if words else ""

    verb = "overtakes" if found.ordered else "meets"
    if found.one:
        verb = verb if found.one == upper else "falls behind"
        parts = [found.one.implementation, f"{tail(found.one, backends, many)} {verb} {where}"]
    elif upper.implementation == lower.implementation:
        differs = (upper.backend != lower.backend, upper.threads != lower.threads)
        sides = [tail(who, *differs).strip(" ()") for who in (upper, lower)]
        parts = [upper.implementation, f": {sides[0]} {verb} {sides[1]} {where}"]
    else:
        parts = [upper.implementation, f"{tail(upper, backends, many)} {verb} "]
        parts += [lower.implementation, f"{tail(lower, backends, many)} {where}"]
    points = frame.look.points * _log.NOTE
    room = _log.note_inches(frame) - sum(text_inches(part, points) for part in parts[1::2])
    names = len(parts) // 2
    return "".join(clipped(part, room / names, points) if not n % 2 else part for n, part in enumerate(parts))
