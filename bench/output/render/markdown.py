"""Blocks as Markdown, as GitHub shows it: tables, and links to pictures beside the run."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bench.errors import visible
from bench.output.document import Block, Bullets, Cell, Document, RowGroup, Table, Words, marked, row
from bench.output.render import environment
from bench.output.text import one_line

if TYPE_CHECKING:
    from jinja2 import Template

_MARKUP = re.compile(r"([\\`*_{}\[\]#|~$!])")
_AT_START = re.compile(r"^(\d*)([.)](?=\s)|[-+](?=\s)|[-=]+\s*$)")
"""Signs that would begin a list, a rule or a heading, where a line begins."""


def render(document: Document, pictures: Mapping[str, str]) -> str:
    """Return the whole file.

    Args:
        document: the report.
        pictures: the file of each of its figures, as a path from the report's folder.
    """
    return _template("report.md").render(document=document, pictures=pictures)


def fragment(blocks: Iterable[Block], most_bytes: int | None = None) -> str:
    """Return blocks without pictures, to be put into another text.

    Args:
        blocks: what to write.
        most_bytes: the largest size; rows of tables and items of lists that exceed it are left out and counted.
    """
    written: Any = _template("blocks.md").module
    blocks = list(blocks)
    if most_bytes is not None:
        rest = "\n".join(written.block(_shortened(block, [0])) for block in blocks)
        room = [most_bytes - len(rest.encode())]
        blocks = [_shortened(block, room) for block in blocks]
    return "\n".join(map(written.block, blocks))


def _shortened(block: Block, room: list[int]) -> Block:
    """Return a block with as many rows or items as fit into `room[0]` bytes, which they are taken from."""
    if isinstance(block, Bullets):
        kept = _fitting(map(words, block.items), room)
        more = len(block.items) - kept
        return Bullets((*block.items[:kept], *([(_more(more),)] if more else [])))
    if not isinstance(block, Table):
        return block
    kept = _fitting((" | ".join(map(_cell, each.cells)) for each in block.rows), room)
    more = len(block.rows) - kept
    left = [row(["", _more(more), *[""] * (len(block.heads) - 2)])] if more else []
    return dataclasses.replace(block, groups=(RowGroup("", (*block.rows[:kept], *left)),))


def _more(count: int) -> str:
    return f"{count} more, left out for their length"


def _fitting(lines: Iterable[str], room: list[int]) -> int:
    """Return how many lines fit."""
    kept = 0
    for line in lines:
        needed = len(line.encode()) + 6
        if needed > room[0]:
            break
        room[0] -= needed
        kept += 1
    return kept


def escape(text: str) -> str:
    """Return a text that Markdown takes for nothing else inside a line."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\1", text)


def code(text: str) -> str:
    """Return a text in backticks, more of them than it holds itself."""
    text = one_line(text).strip()
    fence = _fence(text, 1)
    space = " " if text[:1] == "`" or text[-1:] == "`" or not text else ""
    return f"{fence}{space}{text}{space}{fence}"


def words(items: Words) -> str:
    """Return a text with its marks, for the beginning of a line or the inside of one."""
    return _AT_START.sub(r"\1\\\2", marked(items, escape, code, "**{}**"))


def fenced(lines: Iterable[str]) -> str:
    """Return commands as a block."""
    text = "\n".join(visible(" ".join(line.splitlines())) for line in lines)
    fence = _fence(text, 3)
    return f"{fence}sh\n{text}\n{fence}"


def _fence(text: str, least: int) -> str:
    """Return backticks, more than a text has side by side."""
    return "`" * max(least, *(len(found) + 1 for found in re.findall(r"`+", text)), 0)


def _cell(cell: Cell) -> str:
    return f"**{escape(cell.text)}**" if cell.tone else escape(cell.text)


@cache
def _template(name: str) -> Template:
    filters = {"text": escape, "cell": _cell, "words": words, "fenced": fenced, "path": quote}
    return environment(filters).get_template(name)
