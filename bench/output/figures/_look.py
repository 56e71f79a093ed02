"""The look of a figure, from widths and colours to the bytes of its file.

Colours survive colour-blindness and grey print. Every size in a figure is a multiple of the look's font size (an em),
so that one drawing suits a column and a slide.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bench.output.provenance import Provenance, metadata
from bench.output.text import readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS_PER_INCH = 72
_DPI = 200
PAGE_INCHES = 9.0
"""Height of the text of a page, which no figure may exceed."""


class Width(StrEnum):
    """The place that a figure is made for: a column or a page of a paper, or a slide."""

    COLUMN = "column"
    PAGE = "page"
    SLIDE = "slide"


class Style(StrEnum):
    """Dark ink on light paper, or light ink on dark paper."""

    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True)
class Theme:
    """Colours by role. Within a theme equal colours have equal roles, so that a web page can exchange them by role."""

    paper: str
    ink: str
    """Text, axes, whiskers."""
    soft: str
    """Text of less weight."""
    faint: str
    """Grid lines."""
    edge: str
    """Outlines of filled shapes."""
    alarm: str
    """Whatever should catch the eye: a change, a flag."""
    phases: Mapping[str, str]
    """Three steps of lightness, whose order survives in grey."""
    baseline: str
    """A grey: what others are compared with."""
    series: tuple[str, ...]
    """Colours that colour-blind readers can tell apart: Okabe and Ito, "Color Universal Design", 2008, without black
    and yellow."""
    colormap: str
    """Name of a colour map of matplotlib with even steps of lightness."""

    def mark(self, number: int | None) -> dict[str, Any]:
        """Return the colour and the marker of the contender with this number, of which the first 63 differ.

        None stands for the baseline.
        """
        if number is None:
            return {"color": self.baseline, "marker": MARKERS[0]}
        return {"color": self.series[number % len(self.series)], "marker": MARKERS[number % len(MARKERS)]}


_SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1")
LIGHT = Theme(
    paper="#FFFFFF",
    ink="#111111",
    soft="#555555",
    faint="#DDDDDD",
    edge="#333333",
    alarm="#B22222",
    phases={"forward": "#0B3C6F", "backward": "#3E8FC4", "update": "#C5DEF0"},
    baseline="#7A7A7A",
    series=_SERIES,
    colormap="RdBu",
)
DARK = Theme(
    paper="#15181C",
    ink="#F2F2F2",
    soft="#B4B8BD",
    faint="#3B4046",
    edge="#D5D8DB",
    alarm="#FF8A80",
    phases={"forward": "#2A6DB0", "backward": "#66A5D8", "update": "#B4D6F0"},
    baseline="#A8A8A8",
    series=("#4BA3DB", "#F08A4B", "#2CC295", "#E09CC3", "#F0B73D", "#8ACBF2", "#B79BD6"),
    colormap="RdBu",
)
THEMES = {Style.LIGHT: LIGHT, Style.DARK: DARK}
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_HATCHES = {"numpy": "\\\\\\\\", "torch-cpu": "", "torch-cuda": "....", "tf-graph": "////"}
_OTHER_HATCH = "xxxx"


def hatch_of(backend: str) -> str:
    """Return what tells the bars of a backend from others; colours tell contenders apart."""
    return _HATCHES.get(backend, _OTHER_HATCH)


@dataclass(frozen=True)
class _Format:
    """The inches and the size of letters that a width stands for."""

    inches: float
    points: float
    smallest: float
    tallest: float | None


_FORMATS = {
    # A column of a two-column paper (IEEE: 88.9 mm), the width of a page, a slide of 16:9.
    Width.COLUMN: _Format(3.5, 7.0, 7.0, None),
    Width.PAGE: _Format(7.2, 9.0, 9.0, None),
    Width.SLIDE: _Format(13.33, 18.0, 11.0, 7.5),
}


@dataclass(frozen=True)
class Look:
    """The appearance that `--width` and `--style` ask for."""

    width: Width = Width.PAGE
    style: Style = Style.LIGHT
    shrunk: float = 1.0
    """Factor by which letters are smaller than usual, so that the figure fits a slide."""
    titled: bool = True
    """Whether the title stands in the picture; in a paper the caption says it."""

    @property
    def theme(self) -> Theme:
        """The colours."""
        return THEMES[self.style]

    @property
    def inches(self) -> float:
        """The figure's width."""
        return _FORMATS[self.width].inches

    @property
    def points(self) -> float:
        """The size of ordinary letters."""
        return _FORMATS[self.width].points * self.shrunk

    @property
    def line(self) -> float:
        """The factor for widths of lines and sizes of markers, which are given for letters of 9 points."""
        return self.points / 9

    @property
    def narrow(self) -> bool:
        """Whether there is room for the essential only."""
        return self.width is Width.COLUMN

    @property
    def options(self) -> list[str]:
        """The options of `bench plot` that ask for it."""
        untitled = [] if self.titled else ["--no-title"]
        return ["--width", self.width.value, "--style", self.style.value, *untitled]

    @property
    def stem(self) -> str:
        """The end of a file's name that tells this look from the usual one; empty for that one."""
        words = [] if self.width is Width.PAGE else [f"-{self.width.value}"]
        return "".join([*words, *(["-dark"] if self.style is Style.DARK else [])])

    def em(self, count: float) -> float:
        """Return a multiple of the letters' size in inches."""
        return count * self.points / _POINTS_PER_INCH

    @property
    def least_em(self) -> float:
        """An em in inches of the smallest letters that there may be."""
        return _FORMATS[self.width].smallest / _POINTS_PER_INCH

    @property
    def tallest(self) -> float | None:
        """The height of a slide in inches; None where a figure may be as high as it needs."""
        return _FORMATS[self.width].tallest

    def fitted(self, height_em: float, width_em: float = 0.0) -> Look:
        """Return this look, with smaller letters if a figure of so many ems would not fit a slide."""
        made_for = _FORMATS[self.width]
        if made_for.tallest is None:
            return self
        part = min(made_for.tallest / self.em(height_em), made_for.inches / max(self.em(width_em), 1e-9))
        if part >= 1:
            return self
        return replace(self, shrunk=max(made_for.smallest / made_for.points, self.shrunk * part))

    def rc(self) -> dict[str, Any]:
        """Return the settings of matplotlib that differ from its defaults."""
        theme, points = self.theme, self.points
        ink = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
        ticks = {"size": 0.39, "width": 0.0897, "pad": 0.39}
        return (
            dict.fromkeys(ink, theme.ink)
            | {f"{axis}tick.major.{part}": points * share for axis in "xy" for part, share in ticks.items()}
            | {
                "figure.facecolor": theme.paper,
                "axes.facecolor": theme.paper,
                "font.size": points,
                "axes.titleweight": "bold",
                "axes.titlelocation": "left",
                "axes.labelpad": points * 0.44,
                "axes.linewidth": points * 0.09,
                "lines.linewidth": points * 0.15,
                "grid.color": theme.faint,
                "grid.linewidth": points * 0.066,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.axisbelow": True,
                "hatch.linewidth": points * 0.066,
                "text.hinting": "none",  # pixels would make a line of a png up to 5 % longer than its metrics say
                "text.parse_math": False,
                "svg.fonttype": "none",
                "svg.hashsalt": "stepbench",
                "pdf.fonttype": 42,
            }
        )


def text_inches(text: str, points: float, bold: bool = False) -> float:
    """Return the width of a line of text, by the metrics of the font that figures are drawn with."""
    return _hundred_points_wide(text, bold) * (points / 100) / _POINTS_PER_INCH


@lru_cache(maxsize=16384)
def _hundred_points_wide(text: str, bold: bool) -> float:
    """Return the width in points of a line in letters of a hundred points, in proportion to which all others are."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=100, weight="bold" if bold else "normal")
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width)


def wrapped(text: str, inches: float, points: float, bold: bool = False) -> list[str]:
    """Fold a text into lines of at most so many inches; a longer word gets a line to itself and is clipped.

    A number stays with its per cent sign, and words joined by a no-break space stay together.
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in re.split(r" (?!%)", paragraph):
            longer = f"{line} {word}" if line else word
            if line and text_inches(longer, points, bold) > inches:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return [clipped(line.replace("\u00a0", " "), inches, points, bold) for line in lines]


def clipped(text: str, inches: float, points: float, bold: bool = False) -> str:
    """Return a text with its middle replaced by an ellipsis if it is wider than so many inches."""
    if text_inches(text, points, bold) <= inches:
        return text
    found = text[:1] + "…"
    for kept in range(2, len(text)):  # from short to long: a text may be a word of thousands of letters
        longer = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
        if text_inches(longer, points, bold) > inches:
            break
        found = longer
    return found


def contrast(one: Any, other: Any) -> float:
    """Return the contrast of two colours as matplotlib takes them: from 1 to 21, by WCAG 2.2."""
    from matplotlib.colors import to_rgb

    parts = np.array([to_rgb(one), to_rgb(other)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    dark, light = sorted(linear @ (0.2126, 0.7152, 0.0722))
    return float((light + 0.05) / (dark + 0.05))


def spread(count: int, most: int) -> list[int]:
    """Return at most so many of the places 0 .. count - 1: the last, the first, and some evenly between them."""
    if count <= most:
        return list(range(count))
    if most == 1:
        return [count - 1]
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]


def rendered(draw: Callable[[], Figure], kind: str, look: Look, provenance: Provenance) -> bytes:
    """Draw and save under the look's settings; the same figure gives the same bytes, which hold no date."""
    import matplotlib as mpl
    from matplotlib.backend_bases import get_registered_canvas_class

    content = io.BytesIO()
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a rare letter of a name becomes a box, which is visible
        mpl.rcdefaults()  # whatever the user's own matplotlibrc says
        mpl.rcParams.update(cast("Any", look.rc()))
        figure = draw()
        # Laid out once and for all, rounding away the solver's last bits, which depend on addresses in memory.
        figure.set_dpi(_DPI)
        if (engine := figure.get_layout_engine()) is not None:
            engine.execute(figure)
        figure.set_layout_engine("none")
        for axes in figure.axes:
            left, bottom, width, height = (round(float(part), 9) for part in axes.get_position(original=True).bounds)
            axes.set_position((left, bottom, width, height))
        # Not `savefig`: it draws a figure twice that has had a layout.
        canvas = get_registered_canvas_class(kind)(figure)
        getattr(canvas, f"print_{kind}")(content, metadata=metadata(provenance, kind))
    if kind == "svg":
        lines = content.getvalue().decode().split("\n")
        return "\n".join(line if line.isprintable() else readable(line) for line in lines).encode()
    return content.getvalue()
