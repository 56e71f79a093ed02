"""Common parts of figures of lines: which lines in which panels, the look of a line, notes under a panel's title."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bench.analysis.roofline import Ceilings
from bench.analysis.scaling import Plane, apart, main_axis, planes
from bench.errors import NothingToShowError
from bench.model.case import Contender
from bench.output.figures import _rows
from bench.output.figures._cast import Cast
from bench.output.figures._data import RunData
from bench.output.figures._frame import (
    LEGEND,
    PANEL_EM,
    Frame,
    Grid,
    Texts,
    columns_of,
    key_room,
    new_frame,
    panel_title,
)
from bench.output.figures._look import Look, Width, clipped, text_inches
from bench.output.figures._ticks import log_axis, measured
from bench.output.names import counted, variant_word, words_of
from bench.output.text import significant

_MOST_PANELS = {Width.COLUMN: 4, Width.PAGE: 6, Width.SLIDE: 6}
CEILINGS: tuple[Any, Any] = ((0, (3.2, 1.2)), (0, (1, 1.2)))
"""Styles of lines for limits by arithmetic and by memory."""
NOTE = 0.86
"""Size of a note's letters, in ems."""
_NOTE_LINE = NOTE * 1.24
"""Height of a note, in ems."""
_NOTE_HANDLE = 2.8
"""Width of a note's sign with the gaps beside it, in ems."""
_BESIDE_EM = 5.4
"""Width of a panel beside what its axes enclose: numbers and label of the vertical axis, and a gap."""
_TITLE_SHARE = 0.85
"""Part of a panel's width that its title may take."""
_THREADS: tuple[Any, ...] = ("-", "--", "-.", (0, (4, 1, 1, 1, 1, 1)))
_Item = TypeVar("_Item")


@dataclass(frozen=True, eq=False)
class Scene:
    """The panels of a figure, and what all of them need to agree about."""

    axis: str
    """The size along the horizontal axis."""
    planes: tuple[Plane, ...]
    """The planes that are shown, one a panel."""
    found: tuple[Plane, ...]
    """All planes that there are."""
    rows: pd.DataFrame
    """Rows of the lines that are shown."""
    every: pd.DataFrame
    """Rows of the lines of all planes."""
    cast: Cast
    """What contenders are called and look like."""

    @cached_property
    def contenders(self) -> list[Contender]:
        """The contenders of all lines, in order."""
        return [line.contender for plane in self.planes for line in plane.lines]

    @cached_property
    def baselines(self) -> list[Contender]:
        """The contenders whose line is 1x itself."""
        lines = [line for plane in self.planes for line in plane.lines]
        return [line.contender for line in lines if (line.rows["implementation"] == line.rows["baseline"]).any()]

    @cached_property
    def pairs(self) -> dict[tuple[str, str], Contender]:
        """Implementation and backend of each line that is not a baseline, in order, with a contender of it."""
        return {(who.implementation, who.backend): who for who in self.contenders if who not in self.baselines}

    @cached_property
    def threads(self) -> list[int]:
        """The numbers of threads of all lines, in order."""
        return sorted({who.threads for who in self.contenders})

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of all panels, in order."""
        return tuple(sorted({size for plane in self.planes for size in plane.sizes}))

    def title(self, plane: Plane) -> str:
        """Return what a panel is called."""
        return ", ".join([plane.workload, *words_of(apart(plane, self.found))])

    def shared(self) -> list[str]:
        """Return what the subtitle says about all panels."""
        shown, found = len(self.planes), len(self.found)
        inside = [plane for plane in self.found if any(plane.common == each.common for each in self.planes)]
        lines, every = (sum(len(plane.lines) for plane in planes) for planes in (self.planes, inside))
        return [
            _rows.problem_line(self.rows),
            f"{shown} of {found} panels shown" if shown < found else "",
            f"{lines} of {every} lines shown" if lines < every else "",
        ]

    def note(self, who: Contender, backend: bool | None = None, threads: bool | None = None) -> str:
        """Return in parentheses what tells a contender apart beside its implementation, by default in this scene."""
        backend = _rows.several_backends(self.rows) if backend is None else backend
        threads = len(self.threads) > 1 if threads is None else threads
        words = [who.backend] * backend + [counted(who.threads, "thread")] * threads
        return f" ({', '.join(words)})" if words else ""


def swept_axis(data: RunData) -> str:
    """Return the size that a run varies most.

    Raises:
        NothingToShowError: it varies none.
    """
    found = planes(data.headline)
    if not found:
        raise NothingToShowError("every case has one size only: measure several with `bench sweep`.")
    return main_axis(found)


def scene(rows: pd.DataFrame, axis: str, cast: Cast, look: Look, most_lines: int | None = None) -> Scene:
    """Return the panels in which rows lie along an axis, as many as fit.

    Args:
        rows: headline rows.
        axis: the size.
        cast: what contenders are called and look like.
        look: the width.
        most_lines: how many lines all panels together have room for, if that is limited.

    Raises:
        NothingToShowError: no contender was measured at several sizes.
    """
    found = tuple(plane for plane in planes(rows) if plane.axis == axis)
    if not found:
        raise NothingToShowError(
            "no case stands beside its workload's baseline at several sizes: measure both with `bench sweep`."
        )
    most = most_panels(look)
    if most_lines is not None:
        most = max(1, min(most, most_lines // max(len(plane.lines) for plane in found)))
    shown = tuple(in_turn(found, [plane.workload for plane in found], most))
    shown = tuple(replace(plane, lines=plane.lines[:most_lines]) for plane in shown)
    inside, every = (pd.concat([line.rows for plane in some for line in plane.lines]) for some in (shown, found))
    return Scene(axis, shown, found, inside, every, cast)


def most_panels(look: Look) -> int:
    """Return how many panels there are at most."""
    return _MOST_PANELS[look.width]


def in_turn(items: Sequence[_Item], kinds: Sequence[object], most: int) -> list[_Item]:
    """Return at most so many items, in their order: each kind gives its first before another gives its second."""
    turns = sorted((list(kinds[:place]).count(kind), place) for place, kind in enumerate(kinds))
    return [items[place] for place in sorted(place for _, place in turns[:most])]


# Lines


def line_look(scene: Scene, who: Contender, look: Look) -> dict[str, Any]:
    """Return how a contender's line looks: colour and marker for what computes, the line's style for its threads."""
    style: dict[str, Any] = _thread_look(scene, who.threads, look)
    style |= scene.cast.mark(who.implementation, who.backend, look)
    if who in scene.baselines:
        return style | {"ms": 4.0 * look.line, "mfc": look.theme.paper, "mew": look.line}
    return style | {"ms": 4.2 * look.line, "mec": "none"}


def _thread_look(scene: Scene, threads: int, look: Look) -> dict[str, Any]:
    return {"ls": _THREADS[scene.threads.index(threads) % len(_THREADS)], "lw": 1.3 * look.line}


def line_keys(scene: Scene, look: Look) -> list[Artist]:
    """Return a key for each thing that computes, and for each number of threads if there are several."""
    several = _rows.several_backends(scene.rows)
    named = {who.implementation for who in scene.baselines}

    def label(who: Contender) -> str:
        tail = f" ({who.backend})" if several else ""
        return scene.cast.fitting(who.implementation, key_room(look), look.points, tail)

    labelled = {"baseline" if len(named) > 1 else label(who): who for who in reversed(scene.baselines)}
    labelled |= {label(who): who for who in scene.pairs.values()}
    keys: list[Artist] = [
        Line2D([], [], label=label, **line_look(scene, who, look) | {"ls": "-"}) for label, who in labelled.items()
    ]
    for count in scene.threads if len(scene.threads) > 1 else ():
        style = _thread_look(scene, count, look)
        keys.append(Line2D([], [], label=variant_word("threads", count), color=look.theme.ink, **style))
    return keys


def draw_lines(axis: Axes, scene: Scene, plane: Plane, columns: Sequence[str], look: Look) -> None:
    """Draw the lines of a panel through a column, with the interval of two others where that is known."""
    width = 0.9 * look.line
    for line in plane.lines:
        x, y, low, high = (line.rows[name].to_numpy(dtype=float) for name in (plane.axis, *columns))
        errors = np.vstack([y - low, high - y]).clip(min=0)
        style = line_look(scene, line.contender, look)
        axis.errorbar(x, y, yerr=errors, elinewidth=width, capsize=2 * width, capthick=width, **style)


def ceiling_words(best: Ceilings, several_threads: bool) -> list[str]:
    """Return what products and copies reached at most, and which backend reached it."""
    rates = f"{significant(best.products.gflops)} GFLOP/s", f"{significant(best.copies.gigabytes_per_second)} GB/s"
    makers = [
        ", ".join([peak.backend, *([variant_word("threads", peak.threads)] if several_threads else [])])
        for peak in (best.products, best.copies)
    ]
    return [f"{rate} ({maker})" for rate, maker in zip(rates, makers, strict=True)]


# Panels with logarithmic axes


def panel_frame(look: Look, texts: Texts, notes: Sequence[int]) -> Frame:
    """Make a frame with a panel of pleasant height for each count of notes."""
    panels = len(notes)
    around = PANEL_EM + max(notes) * _NOTE_LINE
    return new_frame(look, texts, Grid([_height_em(look, panels)] * panels, columns_of(look, panels), around))


def _height_em(look: Look, panels: int) -> float:
    """Return the height of what a panel's axes enclose."""
    several_rows = panels > columns_of(look, panels)
    if look.width is Width.SLIDE:
        return 9.5 if several_rows else 13.0
    return 13.0 if several_rows else 17.0


def note_room(frame: Frame, words: Sequence[str] = ()) -> float:
    """Return how many inches of a note are left beside these words."""
    room = frame.panel_inches - frame.look.em(_BESIDE_EM + _NOTE_HANDLE)
    return room - sum(text_inches(each, frame.look.points * NOTE) for each in words)


def note_words(text: str, frame: Frame, inches: float | None = None) -> str:
    """Return a text clipped to the room of a note, or to so many inches in its letters."""
    return clipped(text, note_room(frame) if inches is None else inches, frame.look.points * NOTE)


def put_title(axis: Axes, title: str, notes: Sequence[Artist], frame: Frame) -> None:
    """Write a panel's title, and below it notes: signs with words."""
    if notes:
        axis.legend(
            handles=list(notes),
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            fontsize=frame.look.points * NOTE,
            handlelength=1.6,
            labelspacing=0.2,
            borderpad=0.2,
            **LEGEND,
        )
    panel_title(axis, title, frame, _TITLE_SHARE, len(notes) * _NOTE_LINE)


def size_axis(axis: Axes, sizes: Sequence[int], asked: Sequence[object], look: Look) -> None:
    """Make a logarithmic axis of sizes, numbered with sizes that were measured.

    Args:
        axis: the panel.
        sizes: all that were measured.
        asked: those that the run was asked for; refinement has added the others, which get no number.
        look: the size of letters.
    """
    air = (sizes[-1] / sizes[0]) ** 0.04
    wanted = [size for size in sizes if size in asked] or sizes
    log_axis(axis, "x", (sizes[0] / air, sizes[-1] * air), lambda size, _: f"{size:.0f}", look, measured(wanted))


def label_axes(frame: Frame, x: str, *y: str) -> None:
    """Label the lowest axes, and the leftmost as `label_y` does."""
    frame.label_x(f"{x} (log scale)")
    label_y(frame, *y)


def label_y(frame: Frame, *y: str) -> None:
    """Label the leftmost axes with the first of several texts that is no longer than they are."""
    room = frame.look.em(_height_em(frame.look, len(frame.axes)) + 2)
    text = next((text for text in y if text_inches(text, frame.look.points) <= room), y[-1])
    for axis in frame.axes[:: frame.columns]:
        axis.set_ylabel(text)
