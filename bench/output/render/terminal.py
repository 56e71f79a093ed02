"""Blocks for a terminal: lines and tables without rules, as wide as the console that prints them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TextIO

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.errors import visible
from bench.output import document as doc
from bench.output.text import one_line, spoken

_PLAIN_WIDTH = 140
_GAP = 2
_WRAPPED, _LEAST_WRAPPED = 24, 16
"""Letters that a column of wrapping texts is given before others are left out for it, and before rows are stacked."""
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
    encoding = sys.stdout.encoding or "utf-8"
    blocks = [doc.rewritten(block, lambda text: spoken(text, encoding)) for block in blocks]  # before they are aligned
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
        rows = group.rows[: max(room, 0)]
        if _letters(table, places, _LEAST_WRAPPED) <= width:
            yield _rows(table, rows, places)
        else:
            yield from _stacked(table, rows, places)
        room -= len(group.rows)
    if table.file and table.folded:
        yield Text(f"{len(table.rows) - doc.MOST_ROWS} more rows are in {table.file}.")


def _letters(table: doc.Table, places: Sequence[int], wrapped: int) -> int:
    """Return how many letters columns take side by side, those that may wrap at most `wrapped` each."""
    found = _GAP * (len(places) - 1)
    for place in places:
        letters = table.letters(place, cell_len)
        found += min(letters, wrapped) if table.heads[place].wraps else letters
    return found


def _fitting(table: doc.Table, width: int) -> list[int]:
    """Return the places of the columns to show: the most dispensable ones go until the others fit."""
    places = list(range(len(table.heads)))
    while True:
        most = max(table.heads[place].spare for place in places)
        if _letters(table, places, _WRAPPED) <= width or not most:
            return places
        places = [place for place in places if table.heads[place].spare < most]


def _stacked(table: doc.Table, rows: Sequence[doc.Row], places: Sequence[int]) -> Iterator[Text]:
    """Yield rows for a screen too narrow for the columns: a line for each cell that says anything, after its head."""
    for row in rows:
        for number, place in enumerate(places):
            cell = row.cells[place]
            if text := one_line(cell.text).strip():
                line = Text("  " if number else "", overflow="fold")
                line.append(f"{one_line(table.heads[place].name)}: " if table.heads[place].name else "")
                yield line.append(text, style=_STYLES[cell.tone])


def _rows(table: doc.Table, rows: Sequence[doc.Row], places: Sequence[int]) -> Table:
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for head in (table.heads[place] for place in places):
        side: Literal["left", "right"] = "right" if head.right else "left"
        made.add_column(Text(one_line(head.name)), justify=side, no_wrap=not head.wraps, overflow="fold")
    for row in rows:
        cells = [row.cells[place] for place in places]
        made.add_row(*(Text(one_line(cell.text).strip(), style=_STYLES[cell.tone]) for cell in cells))
    return made
