"""A document as one HTML file: no network, no scripts, figures inside, light and dark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from bench.output.document import Cell, Document, FigureBlock, rewritten
from bench.output.figures import Look, Style, Width
from bench.output.figures._look import DARK, LIGHT
from bench.output.render import TEMPLATES, environment
from bench.output.render.svg import foreign_colours, inline, variables
from bench.output.text import readable

if TYPE_CHECKING:
    from jinja2 import Template


def drawings(draw: Callable[[Look], bytes]) -> dict[str, bytes]:
    """Draw a figure for wide and for narrow screens, and for both styles if its colours cannot be exchanged.

    Args:
        draw: returns the figure in a look, as the content of an svg file.

    Returns:
        The pictures by the classes that say when each is shown.

    Raises:
        NothingToShowError: there is nothing that it could show.
    """
    found = {}
    for word, width in (("wide", Width.PAGE), ("narrow", Width.COLUMN)):
        light = draw(Look(width))
        if foreign_colours(light):
            found[f"{word} in-light"] = light
            found[f"{word} in-dark"] = draw(Look(width, Style.DARK))
        else:
            found[word] = light
    return found


def render(document: Document, pictures: Mapping[str, Mapping[str, bytes]]) -> str:
    """Return the whole file; `pictures` holds the `drawings` of each figure of the document."""
    return _template().render(document=rewritten(document, readable), pictures=pictures)


@cache
def _template() -> Template:
    """Return the template, read once for all pages."""
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    style = style.replace("LIGHT_COLOURS", variables(LIGHT)).replace("DARK_COLOURS", variables(DARK))
    made = environment({"svg": _svg, "raw": _raw, "breaks": _breaks}, autoescape=True)
    made.globals["style"] = Markup(style)  # noqa: S704 - a file of ours
    return made.get_template("report.html")


def _svg(content: bytes, classes: str, figure: FigureBlock) -> Markup:
    prefix = "-".join(["f", figure.name.replace("_", "-"), *classes.split()])
    exchange = " in-" not in classes
    return Markup(inline(content, prefix, figure.title, figure.alt, exchange))  # noqa: S704


def _breaks(text: str) -> Markup:
    """Return a text that a narrow cell may fold after an underscore, and so not inside a word."""
    return Markup("_<wbr>").join(escape(part) for part in text.split("_"))


def _raw(cell: Cell) -> str:
    """Return the numbers behind a cell as summary.csv writes them, separated by `;`, an unknown one as nothing."""
    return ";".join("" if value is None else str(value) for value in cell.raw)
