"""Panels with logarithmic axes: their grid, numbers that are read without an exponent, and notes under a title."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.output.figures._frame import PANEL_EM, Frame, new_frame
from bench.output.figures._look import Look, Width, text_inches
from bench.output.text import significant

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

NOTE = 0.86
"""Size of a note's letters, in ems."""
_NOTE_LINE = NOTE * 1.24
"""Height of a note, in ems."""
_NOTE_HANDLE = 2.8
"""Width of a note's sign with the gaps beside it, in ems."""
_BESIDE_EM = 5.4
"""Width of a panel beside what its axes enclose: numbers and label of the vertical axis, and a gap."""
_SPAN = 6.0
"""An axis covers at least this factor, so that two of its numbers lie on it."""
_COUNTED = {
    "batch": "rows",
    "d_in": "features of an input",
    "hidden": "units",
    "d_out": "features of an output",
}


def columns_of(look: Look, panels: int) -> int:
    """Panels beside each other."""
    if look.narrow or panels == 1:
        return 1
    return 3 if look.width is Width.SLIDE and panels in (3, 5, 6) else 2


def panel_frame(
    look: Look, title: str, subtitle: str, foot: str, notes: Sequence[int], keys: Sequence[Artist] = ()
) -> Frame:
    """A frame with one panel for each count of notes, so high that it looks well."""
    columns = columns_of(look, len(notes))
    heights = [_height_em(look, len(notes))] * len(notes)
    around = PANEL_EM + max(notes) * _NOTE_LINE
    return new_frame(look, title, subtitle, foot, heights, keys=keys, columns=columns, around=around)


def _height_em(look: Look, panels: int) -> float:
    """Of what a panel's axes enclose."""
    several_rows = panels > columns_of(look, panels)
    if look.width is Width.SLIDE:
        return 9.5 if several_rows else 13.0
    return 13.0 if several_rows else 17.0


def inside_inches(frame: Frame) -> float:
    """About how wide a panel's axes are."""
    return frame.panel_inches - frame.look.em(_BESIDE_EM)


def note_inches(frame: Frame) -> float:
    """The room of a note's words."""
    return inside_inches(frame) - frame.look.em(_NOTE_HANDLE)


def put_notes(axis: Axes, notes: Sequence[Artist], frame: Frame) -> float:
    """Signs with words between a panel and its title; gives the ems that they take, for `panel_title`."""
    if notes:
        axis.legend(
            handles=list(notes),
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            fontsize=frame.look.points * NOTE,
            frameon=False,
            handlelength=1.6,
            handletextpad=0.6,
            labelspacing=0.2,
            borderpad=0.2,
            borderaxespad=0.0,
        )
    return len(notes) * _NOTE_LINE


def limits(values: Iterable[Any], around: Collection[float] = (), margin: float = 0.06) -> tuple[float, float]:
    """Ends of an axis on which all these values lie, unknown ones left out, with some air.

    Args:
        values: numbers, or arrays of them; those that have no logarithm are left out.
        around: numbers that must lie on it too.
        margin: part of the axis that is left free at each end.
    """
    known = np.concatenate([np.asarray(each, dtype=float).ravel() for each in (*values, list(around))])
    logs = np.log(known[np.isfinite(known) & (known > 0)])
    low, high = float(logs.min()), float(logs.max())
    lacking = max(0.0, float(np.log(_SPAN)) - (high - low)) / 2
    air = (high - low + 2 * lacking) * margin
    return float(np.exp(low - lacking - air)), float(np.exp(high + lacking + air))


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two: 1, 2 and 5 of each decade, or powers of ten, or every so many of them."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    decades = range(first, last + 1)
    for mantissas in ((1, 2, 5), (1, 3), (1,)):
        found = [mantissa * 10.0**decade for decade in decades for mantissa in mantissas]
        found = [tick for tick in found if low <= tick <= high]
        if len(found) <= most:
            return found
    stride = -(-len(found) // most)
    return [tick for tick in found if round(np.log10(tick)) % stride == 0]


def number_axis(axis: Axes, which: str, ends: tuple[float, float], frame: Frame, unit: str = "") -> None:
    """A logarithmic axis with round numbers, `which` being `x` or `y`."""
    most = 5 if frame.narrow else 8
    at = ticks(*ends, most)
    labels = [significant(tick, 1) + unit for tick in at]
    if which == "x":
        axis.set_xscale("log")
        axis.set_xlim(*ends)
        axis.set_xticks(at, labels)
    else:
        axis.set_yscale("log")
        axis.set_ylim(*ends)
        axis.set_yticks(at, labels)
    axis.minorticks_off()
    axis.grid(visible=True)


def size_axis(axis: Axes, sizes: Sequence[int], asked: Collection[object], frame: Frame) -> None:
    """A logarithmic axis of sizes, whose numbers are sizes that were measured, as many as have room.

    Args:
        axis: the panel.
        sizes: all that were measured.
        asked: those that the run was asked for; refinement has added the others, which get no number.
        frame: what the panel is in.
    """
    low, high = sizes[0], sizes[-1]
    air = (high / low) ** 0.04
    axis.set_xscale("log")
    axis.set_xlim(low / air, high * air)
    wanted = [size for size in sizes if size in asked] or list(sizes)
    shown = roomy(wanted, np.log(wanted) / np.log(high / low), inside_inches(frame), frame.look)
    axis.set_xticks(shown, [str(size) for size in shown])
    axis.minorticks_off()
    axis.grid(visible=True)


def roomy(sizes: Sequence[int], places: Any, inches: float, look: Look) -> list[int]:
    """As many sizes as can be written beside each other: every so many of even steps, else the ends and what fits.

    Args:
        sizes: in order.
        places: where each stands, the axis having length 1.
        inches: how long the axis is.
        look: the size of letters.
    """
    widths = [text_inches(str(size), look.points) for size in sizes]

    def apart(one: int, other: int) -> bool:
        free = abs(places[one] - places[other]) * inches - (widths[one] + widths[other]) / 2
        return bool(free >= look.em(0.8))

    gaps = np.diff(places)
    even = len(gaps) > 0 and gaps.max() < 1.5 * gaps.min()
    for stride in range(1, len(sizes) if even else 1):
        regular = list(range(0, len(sizes), stride))
        if all(map(apart, regular, regular[1:])):
            return [sizes[this] for this in regular]
    kept: list[int] = []
    for this in (0, len(sizes) - 1, *range(1, len(sizes) - 1)):
        if all(apart(this, other) for other in kept):
            kept.append(this)
    return [sizes[this] for this in sorted(kept)]


def label_axes(frame: Frame, x: str, y: str) -> None:
    """Labels where they say it once: below the lowest panels and beside the leftmost, shortened if those are low."""
    room = frame.look.em(_height_em(frame.look, len(frame.axes)) + 2)
    if text_inches(y, frame.look.points) > room:
        y = y.replace(", log scale)", ")").removesuffix(" (log scale)")
    for axis in frame.axes[-frame.columns :]:
        axis.set_xlabel(x)
    for axis in frame.axes[:: frame.columns]:
        axis.set_ylabel(y)


def size_label(axis: str, how: str = ", log scale") -> str:
    """What an axis of sizes is called, with what it counts."""
    return f"{axis.replace('_', '-')} ({_COUNTED[axis]}{how})"
