"""Small panels, one a case: how many, how many beside each other, and what stands over each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.output.figures._frame import Frame, panel_title
from bench.output.figures._look import Look, Width, clipped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = {Width.COLUMN: 8, Width.PAGE: 12, Width.SLIDE: 9}
"""Panels of one figure."""
AROUND_EM = 5.6
"""Room of a panel beside what its axes enclose: a title of two lines, and an axis with its numbers."""
_FACTS = 0.85
"""Size of the second line's letters, in ems."""
_BESIDE_EM = 6.0
"""Width of a panel beside what its axes enclose: numbers with units, and a gap."""


def columns_of(look: Look, panels: int) -> int:
    """Panels beside each other: each at least half a page wide, and a third of a slide."""
    if look.width is Width.SLIDE:
        return min(3, panels) if panels != 4 else 2
    return 2 if look.width is Width.PAGE and panels > 3 else 1


def inside_inches(look: Look, columns: int, beside: float = _BESIDE_EM) -> float:
    """About the width that a panel's axes enclose, so many ems lying beside them."""
    return look.inches / columns - look.em(beside)


def heading(axis: Axes, title: str, facts: str, frame: Frame, beside: float = _BESIDE_EM) -> None:
    """Two lines over a panel's left edge: what it shows, and what tells it from others; long ones are clipped."""
    look, room = frame.look, inside_inches(frame.look, frame.columns, beside)
    points = look.points * _FACTS
    panel_title(axis, title, frame, room / frame.panel_inches, above=0.85)
    axis.annotate(
        clipped(facts, room, points),
        (0, 1),
        xytext=(0, look.points * 0.4),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=points,
        color=look.theme.soft,
    )
