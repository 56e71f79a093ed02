"""A document as one HTML file: no network, no scripts, figures inside, light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.output import figures
from bench.output.document import Cell, Document, FigureBlock
from bench.output.figures import Look, RunData, Style, Width
from bench.output.figures._look import DARK, LIGHT
from bench.output.render import TEMPLATES, environment
from bench.output.render.svg import foreign_colours, inline, variables

_WIDTHS = {"wide": Width.PAGE, "narrow": Width.COLUMN}


@dataclass(frozen=True)
class Drawing:
    """One picture of a figure, and the classes that say when it is shown."""

    classes: str
    content: bytes
    exchange: bool
    """Whether its colours follow the page; else there is another one for dark pages."""


def drawings(data: RunData, name: str) -> list[Drawing]:
    """Draw a figure for wide and for narrow screens, and for both styles if its colours cannot be exchanged.

    Raises:
        NothingToShowError: the run does not hold what it shows.
    """
    found = []
    for word, width in _WIDTHS.items():
        light = figures.picture(data, name, "svg", Look(width))
        if foreign_colours(light):
            found.append(Drawing(f"{word} in-light", light, exchange=False))
            dark = figures.picture(data, name, "svg", Look(width, Style.DARK))
            found.append(Drawing(f"{word} in-dark", dark, exchange=False))
        else:
            found.append(Drawing(word, light, exchange=True))
    return found


def render(document: Document, pictures: Mapping[str, Sequence[Drawing]]) -> str:
    """Return the whole file; `pictures` holds those of each figure of the document."""
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    style = style.replace("LIGHT_COLOURS", variables(LIGHT)).replace("DARK_COLOURS", variables(DARK))
    template = environment({"svg": _svg, "raw": _raw}, autoescape=True).get_template("report.html")
    return template.render(document=document, style=Markup(style), pictures=pictures)  # noqa: S704 - a file of ours


def _svg(drawing: Drawing, figure: FigureBlock) -> Markup:
    prefix = "-".join(["f", figure.name.replace("_", "-"), *drawing.classes.split()])
    return Markup(inline(drawing.content, prefix, figure.title, figure.alt, drawing.exchange))  # noqa: S704


def _raw(cell: Cell) -> str:
    """Return the numbers behind a cell as summary.csv writes them, separated by `;`, an unknown one as nothing."""
    return ";".join("" if value is None else str(value) for value in cell.raw)
