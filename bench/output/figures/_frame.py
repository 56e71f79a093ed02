"""The frame that all figures share: texts, keys and panels, each with the room that its words take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from bench.output.figures._cast import Cast
from bench.output.figures._look import PAGE_INCHES, Look, Width, clipped, text_inches, wrapped

_TITLE, _SUBTITLE, _KEYS, _FOOT = 1.33, 0.95, 0.9, 0.72
"""Sizes of letters, in ems."""
_LINE = 1.28
"""Height of a line as a multiple of its letters' size."""
_PADDING = 0.6
_HANDLE = 2.0
"""Width of a key's sign, in letters of the keys; the gaps beside it and its words take as much again."""
LEGEND: dict[str, Any] = {"frameon": False, "handletextpad": 0.6, "borderaxespad": 0.0}
_MARGIN = 0.008
_TITLE_SHARE, _WIDER_SHARE = 0.59, {True: 0.84, False: 0.76}
"""Parts of a panel's width that its title may take beside the names, and over them if the panel is narrow or not."""
_WIDER = 1.25
"""About how much wider bold letters of a panel's title are."""
_LABEL_SHARE = 0.7
"""Part of a panel's width that the label of its horizontal axis may take."""
PANEL_EM = 4.6
"""Room of a panel beside what its axes enclose: title, axis with its numbers, and a gap."""

SMALL_MOST = {Width.COLUMN: 7, Width.PAGE: 12, Width.SLIDE: 9}
"""Most small panels of one figure."""
SMALL_AROUND_EM = 5.6
"""Room of a small panel beside what its axes enclose: a title of two lines, and an axis with its numbers."""
_FACTS = 0.85
"""Size of the letters in the second line over a small panel, in ems."""
_BESIDE_EM = 6.0
"""Width of a small panel beside what its axes enclose: numbers with units, and a gap."""


@dataclass(frozen=True)
class Texts:
    """The texts around the panels."""

    title: str
    subtitle: Sequence[str]
    """Facts that all panels share, part by part; empty parts are left out."""
    foot: str
    """What is not shown, machine, versions and run."""
    keys: Sequence[Artist] = ()
    """Handles with labels, for the legend under the subtitle."""


@dataclass(frozen=True)
class Grid:
    """The panels that a figure needs, measured in ems (multiples of the letters' size)."""

    heights: Sequence[float]
    """Height of what each panel's axes enclose."""
    columns: int = 1
    """Number of panels beside each other."""
    around: float = PANEL_EM
    """Height of a panel's title and axis."""
    least_width: float = 0.0
    """Width that a panel needs; letters of a slide become smaller for it."""
    denser: float = 1.0
    """Part of their height to which panels may shrink before the letters of a slide do."""
    least: float = 0.6
    """Part of their height to which panels may shrink to fit a page, whose letters cannot."""

    @property
    def rows(self) -> list[float]:
        """The height of each row of panels."""
        return [max(self.heights[at : at + self.columns]) for at in range(0, len(self.heights), self.columns)]


@dataclass(frozen=True)
class Frame:
    """A figure with panels to draw into."""

    figure: Figure
    axes: tuple[Axes, ...]
    """The panels, row by row; unused places of the grid are switched off and not among them."""
    look: Look
    """The look that was asked for, with the letters that fit."""
    columns: int = 1
    """Number of panels beside each other."""

    @property
    def panel_inches(self) -> float:
        """The width of a panel with its labels."""
        return self.look.inches / self.columns

    @property
    def narrow(self) -> bool:
        """Whether a panel has room for the essential only."""
        return self.look.narrow or self.columns > 1

    def label_x(self, text: str) -> None:
        """Label the horizontal axes below the lowest panels; a text that is too long for them is clipped."""
        fitting = clipped(text, self.panel_inches * _LABEL_SHARE, self.look.points)
        for axis in self.axes[-self.columns :]:
            axis.set_xlabel(fitting)


@dataclass(frozen=True)
class _Folded:
    """The texts around the panels as lines."""

    title: list[str]
    subtitle: list[str]
    foot: list[str]
    key_columns: int
    head: float
    """The height of everything above the panels in inches."""
    tail: float
    """The height of everything below the panels in inches."""

    @classmethod
    def of(cls, texts: Texts, look: Look) -> _Folded:
        """Fold the texts for a look."""
        room = look.inches * (1 - 2 * _MARGIN)
        columns = _key_columns(look, [str(key.get_label()) for key in texts.keys], room)
        shared = "; ".join(filter(None, texts.subtitle))
        title = wrapped(texts.title, room, look.points * _TITLE, bold=True) if look.titled else []
        subtitle = wrapped(shared, room, look.points * _SUBTITLE) if shared else []
        foot = wrapped(texts.foot, room, look.points * _FOOT)
        lines = len(title) * _TITLE + len(subtitle) * _SUBTITLE + -(-len(texts.keys) // columns) * _KEYS
        head, tail = look.em(lines * _LINE + 2 * _PADDING), look.em(len(foot) * _FOOT * _LINE + _PADDING)
        return cls(title, subtitle, foot, columns, head, tail)


def new_frame(look: Look, texts: Texts, grid: Grid) -> Frame:
    """Make a figure with room for everything.

    The letters that fit become matplotlib's settings; `rendered` restores these.
    """
    rows, around = grid.rows, grid.around * len(grid.rows)
    folded = _Folded.of(texts, look)
    beside = around + (folded.head + folded.tail) / look.em(1)
    fitted = look.fitted(sum(rows) * grid.denser + beside, grid.least_width * grid.columns)
    if fitted != look:
        look, folded = fitted, _Folded.of(texts, fitted)
    head, tail = folded.head, folded.tail
    part = ((look.tallest or PAGE_INCHES) - head - tail - look.em(around)) / look.em(sum(rows))
    rows = [row * min(1.0, max(grid.denser if look.tallest else grid.least, part)) for row in rows]
    body = look.em(sum(rows) + around)
    mpl.rcParams.update(cast("Any", look.rc()))
    height = head + body + tail
    pad = look.em(0.45)
    engine = ConstrainedLayoutEngine(rect=(0.0, tail / height, 1.0, body / height), w_pad=pad, h_pad=pad)
    figure = Figure(figsize=(look.inches, height), layout=engine)
    top = _write(figure, folded.title, height - look.em(_PADDING * 0.6), look.points * _TITLE, fontweight="bold")
    top = _write(figure, folded.subtitle, top, look.points * _SUBTITLE)
    if texts.keys:
        _put_keys(figure, look, texts.keys, folded.key_columns, top - look.em(_PADDING * 0.4))
    _write(figure, folded.foot, tail - look.em(_PADDING * 0.3), look.points * _FOOT, color=look.theme.soft)
    places = figure.subplots(len(rows), grid.columns, height_ratios=rows, squeeze=False).ravel().tolist()
    count = len(grid.heights)
    for axis in places[count:]:
        axis.set_axis_off()
    return Frame(figure, tuple(places[:count]), look, grid.columns)


def columns_of(look: Look, panels: int) -> int:
    """Return how many panels stand beside each other."""
    if look.narrow or panels == 1:
        return 1
    return 3 if look.width is Width.SLIDE and panels not in {2, 4} else 2


def _key_columns(look: Look, labels: Sequence[str], room: float) -> int:
    """Return how many keys stand beside each other, in the fewest rows that fit.

    matplotlib fills column by column, the first ones fullest.
    """
    points = look.points * _KEYS
    beside = 2 * _HANDLE * points / 72
    widths = [text_inches(label, points) + beside for label in labels]
    for rows in range(1, len(labels) + 1):
        columns = -(-len(labels) // rows)
        below = np.array_split(np.asarray(widths), columns)
        if sum(float(column.max()) for column in below) <= room:
            return columns
    return 1


def _write(figure: Figure, lines: Sequence[str], top: float, points: float, **style: Any) -> float:
    """Write lines below a height in inches, and return the height below them."""
    for line in lines:
        top -= points / 72 * _LINE
        figure.text(_MARGIN, (top + points / 72 * 0.3) / figure.get_figheight(), line, fontsize=points, **style)
    return top


def key_room(look: Look) -> float:
    """Return how many inches the words of a key may take that has a row to itself."""
    return look.inches * (1 - 2 * _MARGIN) - 2 * _HANDLE * look.points * _KEYS / 72


def _put_keys(figure: Figure, look: Look, keys: Sequence[Artist], columns: int, top: float) -> None:
    """Put the legend below a height in inches, clipping labels that are wider than the figure."""
    points = look.points * _KEYS
    legend = figure.legend(
        handles=list(keys),
        labels=[clipped(str(key.get_label()), key_room(look), points) for key in keys],
        loc="upper left",
        bbox_to_anchor=(_MARGIN, top / figure.get_figheight()),
        ncols=columns,
        fontsize=points,
        handlelength=_HANDLE,
        columnspacing=1.2,
        labelspacing=0.25,
        borderpad=0.0,
        **LEGEND,
    )
    legend.set_in_layout(False)


def panel_title(axis: Axes, text: str, frame: Frame, share: float | None = None, above: float = 0.0) -> None:
    """Write a panel's title over its left edge, clipped if it is too long.

    Args:
        axis: the panel.
        text: the title.
        frame: the figure that holds the panel.
        share: the part of the panel's width that the title may take. By default as much as `beside` and the names of
            bars leave; a longer title then ends over the right edge instead.
        above: ems to keep free between panel and title.
    """
    look, points = frame.look, frame.look.points * (1.0 if frame.narrow else 1.1)
    room = frame.panel_inches * (share or _TITLE_SHARE)
    place: dict[str, Any] = {}
    if share is None and text_inches(text, points, bold=True) > room:
        place, room = {"ha": "right", "x": 1.0}, frame.panel_inches * _WIDER_SHARE[frame.narrow]
    axis.set_title(clipped(text, room, points, bold=True), fontsize=points, pad=look.points * (0.7 + above), **place)


def beside(axis: Axes, position: float, text: str, look: Look) -> None:
    """Write a number to the right of a panel, level with a bar, in letters of equal width."""
    axis.annotate(
        text,
        (1.01, position),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=look.points * 0.88,
        family="monospace",
    )


# Small panels, one a case


def small_columns(look: Look, panels: int) -> int:
    """Return how many small panels stand beside each other: each at least half a page or a third of a slide wide."""
    return 1 if look.width is Width.PAGE and panels <= 3 else columns_of(look, panels)


def small_inches(look: Look, columns: int) -> float:
    """Return about the width that a small panel's axes enclose."""
    return look.inches / columns - look.em(_BESIDE_EM)


def small_heading(axis: Axes, implementation: str, facts: Sequence[str], cast: Cast, frame: Frame) -> None:
    """Write two lines over a small panel's left edge: an implementation, and the facts that tell it from others."""
    look, room = frame.look, small_inches(frame.look, frame.columns)
    points = look.points * _FACTS
    title = cast.fitting(implementation, room, look.points * _WIDER)
    panel_title(axis, title, frame, room / frame.panel_inches, above=0.85)
    axis.annotate(
        clipped("; ".join(facts), room, points),
        (0, 1),
        xytext=(0, look.points * 0.4),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=points,
        color=look.theme.soft,
    )
