"""A report as Markdown, as GitHub shows it: tables, and links to pictures beside the run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from bench.output.report.model import Code, Document, Inline, Link, Strong, Words

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")
_MARKUP = re.compile(r"([\\`*_{}\[\]#|~$!])")
_AT_START = re.compile(r"^(\d*)([.)](?=\s)|[-+](?=\s)|[-=]+\s*$)")
"""What would begin a list, a rule or a heading, where a line begins."""


def render(document: Document, pictures: Mapping[str, str]) -> str:
    """The whole file.

    Args:
        document: the report.
        pictures: the file of each of its figures, as a path from the report's folder.
    """
    return _environment().get_template("report.md").render(document=document, pictures=pictures)


def escape(text: str) -> str:
    """A text that Markdown takes for nothing else inside a line."""
    text = " ".join(str(text).split())
    return _MARKUP.sub(r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def code(text: str) -> str:
    """A text in backticks, more of them than it holds itself; a pipe in it would end a table's cell."""
    text = " ".join(str(text).split())
    longest = max((len(found) for found in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if text[:1] == "`" or text[-1:] == "`" or not text else ""
    return f"{fence}{space}{text}{space}{fence}"


def words(items: Words) -> str:
    """A text with its marks, at the beginning of a line or inside one."""
    return _AT_START.sub(r"\1\\\2", "".join(map(_piece, items)))


def _piece(item: Inline) -> str:
    if isinstance(item, Code):
        return code(item.text)
    if isinstance(item, Strong):
        return f"**{escape(item.text)}**" + (" " if item.text.endswith(" ") else "")
    if isinstance(item, Link):
        return f"[{escape(item.text)}](<{item.target}>)"
    return _inner(item)


def _inner(text: str) -> str:
    """A piece of a line, with the spaces at its ends, which part it from its neighbours."""
    before, after = " " * text[:1].isspace(), " " * (text[-1:].isspace() and len(text) > 1)
    return before + escape(text) + after


def fenced(lines: tuple[str, ...]) -> str:
    """Commands as a block, its fence longer than any in it."""
    text = "\n".join(" ".join(line.splitlines()) for line in lines)
    longest = max((len(found) for found in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{text}\n{fence}"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(  # noqa: S701 - not HTML: `escape` is Markdown's
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, str) else str(value),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"text": escape, "words": words, "fenced": fenced, "path": lambda path: quote(path, safe="/._-~")}
    return made
