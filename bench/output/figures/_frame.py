"""The frame that all figures share: title, subtitle, keys, panels, footer, each given the room that its words take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from bench.output.figures._look import Look, clipped, text_inches, wrapped

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_TITLE, _SUBTITLE, _KEYS, _FOOT = 1.33, 0.95, 0.9, 0.72
"""Sizes of letters, in ems."""
_LINE = 1.28
"""A line's height over its letters' size."""
_PADDING = 0.6
_HANDLE = 2.0
"""Width of a key's sign, in letters of the keys; as much as two letters lie between it, its words and the next key."""
_MARGIN = 0.008
_TITLE_SHARE, _WIDER_SHARE = 0.59, {True: 0.84, False: 0.76}
"""Parts of a panel's width that its title may take beside the names, and over them if the panel is narrow or not."""
PANEL_EM = 4.6
"""Room of a panel beside what its axes enclose: title, axis with its numbers, and a gap."""


@dataclass(frozen=True)
class Frame:
    """A figure that panels are to be drawn into."""

    figure: Figure
    axes: tuple[Axes, ...]
    """Row by row; places of the grid beyond the panels asked for are switched off and not among them."""
    look: Look
    """As asked for, with the letters that fit."""
    columns: int = 1
    """Panels beside each other."""

    @property
    def panel_inches(self) -> float:
        """The width of a panel with its labels."""
        return self.look.inches / self.columns

    @property
    def narrow(self) -> bool:
        """Whether a panel has room for the essential only."""
        return self.look.narrow or self.columns > 1


@dataclass(frozen=True)
class _Words:
    """The texts around the panels as lines, with the heights that they take in inches."""

    title: list[str]
    subtitle: list[str]
    foot: list[str]
    columns: int
    """Of the keys."""
    rows: int

    def head(self, look: Look) -> float:
        lines = len(self.title) * _TITLE + len(self.subtitle) * _SUBTITLE + self.rows * _KEYS
        return look.em(lines * _LINE + 2 * _PADDING)

    def tail(self, look: Look) -> float:
        return look.em(len(self.foot) * _FOOT * _LINE + _PADDING)


def new_frame(
    look: Look,
    title: str,
    subtitle: str,
    foot: str,
    panels: Sequence[float],
    *,
    keys: Sequence[Artist] = (),
    columns: int = 1,
    around: float = PANEL_EM,
    width_em: float = 0.0,
    denser: float = 1.0,
) -> Frame:
    """A figure with room for everything. The letters that fit become matplotlib's setting, for `rendered` to take back.

    Args:
        look: width, style.
        title: in large letters; folded if it is too long.
        subtitle: what all panels share: sizes, threads, what the whiskers are.
        foot: machine, versions, run.
        panels: the height of what each panel's axes enclose, in ems (multiples of the letters' size).
        keys: handles with labels, for a legend under the subtitle.
        columns: panels beside each other.
        around: height of a panel's title and axis, in ems.
        width_em: what a panel needs at least; letters of a slide become smaller for it.
        denser: to fit a slide, panels may be this part of their height; only then do letters become smaller.
    """
    rows = [max(panels[start : start + columns]) for start in range(0, len(panels), columns)]
    words = _arranged(look, title, subtitle, foot, keys)
    beside = around * len(rows) + (words.head(look) + words.tail(look)) / look.em(1)
    fitted = look.fitted(sum(rows) * denser + beside, width_em * columns)
    if fitted != look:
        look, words = fitted, _arranged(fitted, title, subtitle, foot, keys)
    if look.tallest is not None:
        room = look.tallest - words.head(look) - words.tail(look) - look.em(around * len(rows))
        part = min(1.0, max(denser, room / look.em(sum(rows))))
        rows = [row * part for row in rows]
    body = sum(rows) + around * len(rows)
    mpl.rcParams.update(cast("Any", look.rc()))
    height = words.head(look) + look.em(body) + words.tail(look)
    inside = (0.0, words.tail(look) / height, 1.0, look.em(body) / height)
    pad = look.em(0.45)
    engine = ConstrainedLayoutEngine(rect=inside, w_pad=pad, h_pad=pad)
    figure = Figure(figsize=(look.inches, height), layout=engine)
    _write(figure, look, words, height)
    if keys:
        _put_keys(figure, look, words, height, keys)
    grid = figure.subplots(len(rows), columns, height_ratios=rows, squeeze=False).ravel().tolist()
    for axis in grid[len(panels) :]:
        axis.set_axis_off()
    return Frame(figure, tuple(grid[: len(panels)]), look, columns)


def _arranged(look: Look, title: str, subtitle: str, foot: str, keys: Sequence[Artist]) -> _Words:
    room = look.inches * (1 - 2 * _MARGIN)
    columns = _key_columns(look, [str(key.get_label()) for key in keys], room)
    return _Words(
        wrapped(title, room, look.points * _TITLE, bold=True),
        wrapped(subtitle, room, look.points * _SUBTITLE) if subtitle else [],
        wrapped(foot, room, look.points * _FOOT),
        columns,
        -(-len(keys) // columns) if keys else 0,
    )


def _key_columns(look: Look, labels: Sequence[str], room: float) -> int:
    """As many keys beside each other as fit, in as few rows; matplotlib fills column by column, the first fullest."""
    points = look.points * _KEYS
    beside = 2 * _HANDLE * points / 72
    widths = [text_inches(label, points) + beside for label in labels]
    for rows in range(1, len(labels) + 1):
        columns = -(-len(labels) // rows)
        below = np.array_split(np.asarray(widths), columns)
        if sum(float(column.max()) for column in below) <= room:
            return columns
    return 1


def _write(figure: Figure, look: Look, words: _Words, height: float) -> None:
    top = height - look.em(_PADDING * 0.6)
    for lines, size, weight, colour in (
        (words.title, _TITLE, "bold", look.theme.ink),
        (words.subtitle, _SUBTITLE, "normal", look.theme.ink),
    ):
        for line in lines:
            top -= look.em(size * _LINE)
            place = (top + look.em(size * 0.3)) / height
            figure.text(_MARGIN, place, line, fontsize=look.points * size, fontweight=weight, color=colour)
    bottom = words.tail(look) - look.em(_PADDING * 0.3)
    for line in words.foot:
        bottom -= look.em(_FOOT * _LINE)
        place = (bottom + look.em(_FOOT * 0.3)) / height
        figure.text(_MARGIN, place, line, fontsize=look.points * _FOOT, color=look.theme.soft)


def _put_keys(figure: Figure, look: Look, words: _Words, height: float, keys: Sequence[Artist]) -> None:
    above = len(words.title) * _TITLE + len(words.subtitle) * _SUBTITLE
    top = height - look.em(above * _LINE + _PADDING)
    points = look.points * _KEYS
    room = look.inches * (1 - 2 * _MARGIN) - 2 * _HANDLE * points / 72
    legend = figure.legend(
        handles=list(keys),
        labels=[clipped(str(key.get_label()), room, points) for key in keys],
        loc="upper left",
        bbox_to_anchor=(_MARGIN, top / height),
        ncols=words.columns,
        frameon=False,
        fontsize=points,
        handlelength=_HANDLE,
        handletextpad=0.6,
        columnspacing=1.2,
        labelspacing=0.25,
        borderpad=0.0,
        borderaxespad=0.0,
    )
    legend.set_in_layout(False)


def panel_title(axis: Axes, text: str, frame: Frame, share: float | None = None, above: float = 0.0) -> None:
    """A panel's title over its left edge; it ends over the right one instead if it is too long, and then is clipped.

    Args:
        axis: the panel.
        text: the title.
        frame: what the panel is in.
        share: the part of the panel's width that the title may take to the right of its left edge, and no more to the
            left of it; by default what `beside` and the names of bars leave.
        above: ems that are kept free between panel and title.
    """
    look, points = frame.look, frame.look.points * (1.0 if frame.narrow else 1.1)
    room = frame.panel_inches * (share or _TITLE_SHARE)
    place: dict[str, Any] = {}
    if share is None and text_inches(text, points, bold=True) > room:
        place, room = {"ha": "right", "x": 1.0}, frame.panel_inches * _WIDER_SHARE[frame.narrow]
    axis.set_title(clipped(text, room, points, bold=True), fontsize=points, pad=look.points * (0.7 + above), **place)


def beside(axis: Axes, position: float, text: str, look: Look) -> None:
    """A number to the right of a bar, outside the panel; equal letters stand below one another."""
    axis.annotate(
        text,
        (1.01, position),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=look.points * 0.88,
        family="monospace",
    )


def whisker(axis: Axes, position: float, value: float, low: float, high: float, look: Look) -> None:
    """The interval of a bar that lies; nothing where an end is unknown."""
    if math.isfinite(low) and math.isfinite(high):
        line = look.points / 9
        axis.errorbar(
            value,
            position,
            xerr=[[value - low], [high - value]],
            fmt="none",
            ecolor=look.theme.ink,
            elinewidth=1.1 * line,
            capsize=2.5 * line,
            capthick=1.1 * line,
            zorder=4,
        )
