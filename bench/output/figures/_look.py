"""How a figure looks: widths, light and dark, colours that survive colour-blindness and grey print.

Every size in a figure is a multiple of the look's font size (an em), so one drawing suits a column and a slide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

POINTS_PER_INCH = 72


class Width(StrEnum):
    """What a figure is made for."""

    COLUMN = "column"
    PAGE = "page"
    SLIDE = "slide"


class Style(StrEnum):
    """Dark ink on light paper, or the other way round."""

    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True)
class Theme:
    """Colours by role. In one theme equal colours play equal roles, so that a web page can exchange them by role."""

    paper: str
    ink: str
    """Text, axes, whiskers."""
    soft: str
    """Text of less weight."""
    faint: str
    """Grid lines."""
    edge: str
    """The outline of what is filled."""
    alarm: str
    """What should catch the eye: a change, a flag."""
    phases: Mapping[str, str]
    """Three steps of lightness, so that their order holds in grey too."""
    series: tuple[str, ...]
    """Told apart by colour-blind readers: Okabe and Ito, "Color Universal Design", 2008, less black and yellow."""
    backends: Mapping[str, tuple[str, str]]
    """Colour, and a hatch that tells backends apart where colour cannot."""
    other_backend: tuple[str, str]
    colormap: str
    """Of matplotlib, even in lightness."""

    def backend(self, name: str) -> tuple[str, str]:
        """Colour and hatch."""
        return self.backends.get(name, self.other_backend)


_SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#7A7A7A")
_BACKENDS = {
    "numpy": ("#999999", ""),
    "torch-cpu": ("#56B4E9", ""),
    "torch-cuda": ("#D55E00", "...."),
    "tf-graph": ("#E69F00", "////"),
}
LIGHT = Theme(
    paper="#FFFFFF",
    ink="#111111",
    soft="#555555",
    faint="#DDDDDD",
    edge="#333333",
    alarm="#B22222",
    phases={"forward": "#0B3C6F", "backward": "#3E8FC4", "update": "#C5DEF0"},
    series=_SERIES,
    backends=_BACKENDS,
    other_backend=("#009E73", "xxxx"),
    colormap="RdBu",
)
DARK = Theme(
    paper="#15181C",
    ink="#F2F2F2",
    soft="#B4B8BD",
    faint="#3B4046",
    edge="#D5D8DB",
    alarm="#FF8A80",
    phases={"forward": "#2A6DB0", "backward": "#74B3E3", "update": "#DCECF8"},
    series=("#4BA3DB", "#F08A4B", "#2CC295", "#E09CC3", "#F0B73D", "#8ACBF2", "#B79BD6", "#A8A8A8"),
    backends=_BACKENDS
    | {"torch-cpu": ("#8ACBF2", ""), "torch-cuda": ("#F08A4B", "...."), "tf-graph": ("#F0B73D", "////")},
    other_backend=("#2CC295", "xxxx"),
    colormap="RdBu",
)
THEMES = {Style.LIGHT: LIGHT, Style.DARK: DARK}
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")


@dataclass(frozen=True)
class _Format:
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
    """What `--width` and `--style` ask for."""

    width: Width = Width.PAGE
    style: Style = Style.LIGHT
    shrunk: float = 1.0
    """By how much letters are smaller than they could be, so that the figure fits a slide's height."""

    @property
    def theme(self) -> Theme:
        """Its colours."""
        return THEMES[self.style]

    @property
    def inches(self) -> float:
        """The figure's width."""
        return _FORMATS[self.width].inches

    @property
    def points(self) -> float:
        """Size of ordinary letters."""
        return _FORMATS[self.width].points * self.shrunk

    @property
    def narrow(self) -> bool:
        """Whether there is room for the essential only."""
        return self.width is Width.COLUMN

    @property
    def stem(self) -> str:
        """What tells a file of this look from one of the usual look; empty for that one."""
        words = [] if self.width is Width.PAGE else [f"-{self.width.value}"]
        return "".join([*words, *(["-dark"] if self.style is Style.DARK else [])])

    def em(self, count: float) -> float:
        """So many times the size of a letter, in inches."""
        return count * self.points / POINTS_PER_INCH

    @property
    def tallest(self) -> float | None:
        """The height of a slide in inches; None: a figure may be as high as it needs."""
        return _FORMATS[self.width].tallest

    def fitted(self, height_em: float, width_em: float = 0.0) -> Look:
        """This look, its letters smaller if a figure of so many ems would not fit a slide."""
        made_for = _FORMATS[self.width]
        if made_for.tallest is None:
            return self
        part = min(made_for.tallest / self.em(height_em), made_for.inches / max(self.em(width_em), 1e-9))
        if part >= 1:
            return self
        return Look(self.width, self.style, max(made_for.smallest / made_for.points, self.shrunk * part))

    def rc(self) -> dict[str, Any]:
        """matplotlib's settings."""
        theme, points = self.theme, self.points
        ink = ("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color")
        return dict.fromkeys(ink, theme.ink) | {
            "figure.facecolor": theme.paper,
            "savefig.facecolor": theme.paper,
            "axes.facecolor": theme.paper,
            "legend.facecolor": theme.paper,
            "legend.labelcolor": theme.ink,
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans", "Bitstream Vera Sans", "Verdana", "Arial"],
            "font.monospace": ["DejaVu Sans Mono", "Bitstream Vera Sans Mono", "Menlo", "Consolas"],
            "font.size": points,
            "axes.titlesize": points * 1.1,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.titlepad": points * 0.67,
            "axes.labelsize": points,
            "axes.labelpad": points * 0.44,
            "xtick.labelsize": points,
            "ytick.labelsize": points,
            **{
                f"{axis}tick.{which}.{part}": points * share
                for axis in "xy"
                for which, size in (("major", 0.39), ("minor", 0.22))
                for part, share in (("size", size), ("width", size * 0.23), ("pad", 0.39))
            },
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


@lru_cache(maxsize=4096)
def text_inches(text: str, points: float, bold: bool = False) -> float:
    """How wide a line of text is, by the metrics of the font that is drawn with."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=points, weight="bold" if bold else "normal")
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / POINTS_PER_INCH


def wrapped(text: str, inches: float, points: float, bold: bool = False) -> list[str]:
    """Lines of at most so many inches; a word that is longer has a line of its own, clipped in its middle.

    A number and its per cent sign stay together, and what a no-break space joins.
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
    """A text, letters of its middle replaced by an ellipsis if it is wider than so many inches."""
    if text_inches(text, points, bold) <= inches:
        return text
    for kept in range(len(text) - 1, 1, -1):
        shorter = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
        if text_inches(shorter, points, bold) <= inches:
            return shorter
    return text[:1] + "…"
