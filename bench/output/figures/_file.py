"""From a figure to the bytes of its file."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import matplotlib as mpl

from bench.output.provenance import metadata

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bench.output.figures._look import Look
    from bench.output.provenance import Provenance

_DPI = 200
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""A name in a run may hold any character; XML may not."""


def rendered(draw: Callable[[], Figure], kind: str, look: Look, provenance: Provenance) -> bytes:
    """Draw and save under the look's settings; the same figure gives the same bytes, and no date is among them."""
    content = io.BytesIO()
    with mpl.rc_context(cast("Any", look.rc())), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name's rare letter: a box, which everybody sees
        figure = draw()
        _settle(figure)
        figure.savefig(content, format=kind, dpi=_DPI, metadata=metadata(provenance, kind))
    if kind == "svg":
        return _NOT_IN_XML.sub("\ufffd", content.getvalue().decode()).encode()
    return content.getvalue()


def _settle(figure: Figure) -> None:
    """Lay out once and for all. The solver's last bits depend on addresses in memory: they are rounded away."""
    figure.set_dpi(_DPI)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = (round(float(part), 9) for part in axes.get_position(original=True).bounds)
        axes.set_position((left, bottom, width, height))
