"""Blocks for a terminal: lines and tables without rules, as wide as the console that prints them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TextIO

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.output import document as doc
from bench.output.text import one_line, visible

_PLAIN_WIDTH = 140
_GAP = 2
_LEAST_WRAPPED = 24
"""Letters that a column of wrapping texts is given before other columns are left out for it."""
_STYLES = {"": "", "good": "green", "warn": "yellow", "bad": "bold red"}


def console(stream: TextIO | None = None) -> Console:
    """Return a console on standard output or `stream`: as wide as a terminal, wide and plain in a pipe.

    Rich obeys NO_COLOR and TERM=dumb.
    """
    stream = stream or sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _PLAIN_WIDTH, highlight=False)


def show(blocks: Iterable[doc.Block]) -> None:
    """Print blocks on standard output. A line that must stay whole may be longer than the terminal is wide."""
    screen = console()
    screen.print(render(blocks, screen.width), crop=False)


def render(blocks: Iterable[doc.Block], width: int) -> Group:
    """Return blocks with an empty line between them, for a console that is so many letters wide."""
    found: list[RenderableType] = []
    close = True
    for block in blocks:
        found += [*([] if close else [Text()]), *_lines(block, width)]
        close = isinstance(block, doc.Heading)
    return Group(*found)


def _lines(block: doc.Block, width: int) -> Iterator[RenderableType]:
    """Yield what shows a block."""
    match block:
        case tuple():
            yield _text(block)
        case doc.Heading(text):
            yield Text(one_line(text), style="bold")
        case doc.Bullets(items):
            yield from map(_text, items)
        case doc.Glossary(items):
            room = max(cell_len(name) for name, _ in items)
            for name, words in items:
                yield _whole_line(name.ljust(room + _GAP) + doc.plain(words))
        case doc.Commands(lines):
            yield from map(_whole_line, lines)
        case doc.Table():
            yield from _table(block, width)
        case doc.FigureBlock():
            yield Text(one_line(block.title), style="bold")
            yield Text(one_line(block.alt))


def _text(words: doc.Words) -> Text:
    found = Text()
    for word in words:
        if isinstance(word, doc.Strong):
            found.append(one_line(word.text), style="bold")
        else:
            found.append(one_line(f"`{word.text}`" if isinstance(word, doc.Code) else word))
    return found


def _whole_line(line: str) -> Text:
    """Return a line that is never broken, so that it can be copied."""
    return Text(visible(line), no_wrap=True, overflow="ignore")


def _table(table: doc.Table, width: int) -> Iterator[RenderableType]:
    """Yield a table, each group under its own title; the end of a long one that stands in a file is left out."""
    places = _fitting(table, width)
    room = doc.MOST_ROWS if table.file else len(table.rows)
    for number, group in enumerate(table.groups):
        if number and room <= 0:
            break
        if number:
            yield Text()
        if title := doc.joined([table.caption, (group.title,)], ", "):
            yield Text(_text(title).plain, style="bold")
        yield _rows(table, group.rows[: max(room, 0)], places)
        room -= len(group.rows)
    if table.file and table.folded:
        yield Text(f"{len(table.rows) - doc.MOST_ROWS} more rows are in {table.file}.")


def _fitting(table: doc.Table, width: int) -> list[int]:
    """Return the places of the columns to show: the most dispensable ones go until the others fit."""
    places = list(range(len(table.heads)))
    letters = [table.letters(place, cell_len) for place in places]
    least = [min(each, _LEAST_WRAPPED) if head.wraps else each for each, head in zip(letters, table.heads, strict=True)]
    while True:
        most = max(table.heads[place].spare for place in places)
        needed = sum(least[place] + _GAP for place in places) - _GAP
        if needed <= width or not most:
            return places
        places = [place for place in places if table.heads[place].spare < most]


def _rows(table: doc.Table, rows: Sequence[doc.Row], places: Sequence[int]) -> Table:
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for head in (table.heads[place] for place in places):
        side: Literal["left", "right"] = "right" if head.right else "left"
        made.add_column(Text(one_line(head.name)), justify=side, no_wrap=not head.wraps, overflow="fold")
    for row in rows:
        cells = [row.cells[place] for place in places]
        made.add_row(*(Text(one_line(cell.text).strip(), style=_STYLES[cell.tone]) for cell in cells))
    return made
