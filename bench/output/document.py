"""Blocks of a document in no format yet; the terminal, HTML, Markdown and LaTeX all render them.

`bench.output.content` writes them, each once; `bench.output.render` has a module for each format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

MOST_ROWS = 24
"""A table with more rows than this is folded."""

Raw = float | int | str | None
Tone = Literal["", "good", "warn", "bad"]


@dataclass(frozen=True)
class Code:
    """A command, a file or a column, as one types it."""

    text: str


@dataclass(frozen=True)
class Strong:
    """Words that must not be missed, or that a paragraph is about."""

    text: str


Inline = str | Code | Strong
Words = tuple[Inline, ...]
"""A text; by itself it is a paragraph. No piece of it is in any format, so nothing in it can break one."""
_MARKS = re.compile(r"(`[^`]*`|\*\*[^*]+\*\*|\{\})")


def prose(template: str, *values: object) -> Words:
    """Return a text of ours, with values in place of its `{}`.

    Args:
        template: marks `code` and **strong**; it never holds a word that somebody else chose.
        values: one for each `{}`; a piece or a text is taken as it is, anything else as `str` writes it.
    """
    found: list[Inline] = []
    rest = iter(values)
    for piece in _MARKS.split(template):
        if piece == "{}":
            value = next(rest)
            pieces = value if isinstance(value, tuple) else (value,)
            found += (piece if isinstance(piece, Code | Strong) else str(piece) for piece in pieces)
        elif piece.startswith("`"):
            found.append(Code(piece[1:-1]))
        elif piece.startswith("**"):
            found.append(Strong(piece[2:-2]))
        elif piece:
            found.append(piece)
    return tuple(found)


def ticked(text: str) -> Words:
    """Return a message of another part of stepbench, whose `code` stands in backticks, as a text."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:  # a stray backtick is taken as it is
        return (text,)
    return tuple(Code(piece) if number % 2 else piece for number, piece in enumerate(pieces) if piece)


def joined(parts: Iterable[Words], between: str = " ") -> Words:
    """Join texts into one; empty ones are left out."""
    found: list[Inline] = []
    for part in parts:
        if any(part):
            found += [between, *part] if found else part
    return tuple(found)


def marked(words: Words, text: Callable[[str], str], code: Callable[[str], str], strong: str) -> str:
    """Return a text in a format.

    Args:
        words: the text.
        text: escapes a plain piece.
        code: writes a piece as code.
        strong: what the format makes of a strong piece, with `{}` in its place.
    """
    found = []
    for word in words:
        if isinstance(word, Strong):
            inner = word.text.rstrip()  # no format takes a mark that ends after a space
            found.append(strong.format(text(inner)) + " " * (inner != word.text))
        else:
            found.append(code(word.text) if isinstance(word, Code) else text(word))
    return "".join(found)


def plain(words: Words) -> str:
    """Return a text as one would type it: code in backticks."""
    return marked(words, str, "`{}`".format, "{}")


@dataclass(frozen=True)
class Heading:
    """The title of what follows inside a section."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[Words, ...]


@dataclass(frozen=True)
class Glossary:
    """Words and what they mean."""

    items: tuple[tuple[str, Words], ...]


@dataclass(frozen=True)
class Commands:
    """Lines for a shell."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Head:
    """The head of a column of a table, and how its cells are set."""

    name: str
    right: bool = False
    """Whether it is a column of numbers, which are aligned to the right."""
    wraps: bool = False
    """Whether its texts may take several lines."""
    unit: str = ""
    """The unit of the raw values; the texts carry their own."""
    begins: bool = False
    """Whether a table that is too wide for a page is best cut before it."""
    spare: int = 0
    """How soon a narrow terminal leaves it out, the largest first; 0 if it always stays."""


@dataclass(frozen=True)
class Cell:
    """One cell: what a reader sees, and the number or numbers behind it, unrounded."""

    text: str
    raw: tuple[Raw, ...] = ()
    """None for an unknown value."""
    source: str = ""
    """Where the raw values stand: columns of summary.csv, after `phase.` if not of the whole step."""
    tone: Tone = ""
    """What a reader should think of it; shown by colour or weight."""
    target: str = ""
    """The page that it leads to, if it stands on a page beside others; see `Link`."""


@dataclass(frozen=True)
class Row:
    """One row; its first cell names it."""

    cells: tuple[Cell, ...]
    key: Mapping[str, str] = field(default_factory=dict)
    """The columns that identify its case in summary.csv; empty if it is not about a single case."""


@dataclass(frozen=True)
class RowGroup:
    """Rows that belong together."""

    title: str
    """What they have in common; empty if the table has only one group."""
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Table:
    """A table."""

    name: str
    """Letters, digits and hyphens; no two tables of a document have the same."""
    caption: Words
    heads: tuple[Head, ...]
    groups: tuple[RowGroup, ...]
    file: str = ""
    """The file of the run that holds all rows; a terminal shows only the first of many. Empty: it shows all."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all groups."""
        return tuple(row for group in self.groups for row in group.rows)

    @property
    def folded(self) -> bool:
        """Whether it is so long that a page shows it only when asked."""
        return len(self.rows) > MOST_ROWS

    def letters(self, place: int, size: Callable[[str], int] = len) -> int:
        """Return the width of the column at `place`, in letters."""
        return max(size(text) for text in (self.heads[place].name, *(row.cells[place].text for row in self.rows)))


Line = Sequence[Cell | str]
"""The cells of a row, those that are nothing but texts given as such."""


def numbers(*names: str, spare: int = 0) -> list[Head]:
    """Return the heads of columns of numbers."""
    return [Head(name, right=True, spare=spare) for name in names]


def grouped(
    name: str,
    caption: Words | str,
    heads: Iterable[Head | str],
    groups: Iterable[tuple[str, Iterable[Row | Line]]],
    file: str = "",
) -> Table:
    """Return a table of groups, each with its title; caption, heads and cells may be given as texts."""
    words = (caption,) if isinstance(caption, str) else caption
    found = tuple(item if isinstance(item, Head) else Head(item) for item in heads)
    return Table(name, words, found, tuple(RowGroup(title, tuple(map(row, rows))) for title, rows in groups), file)


def table(name: str, caption: Words | str, heads: Iterable[Head | str], rows: Iterable[Line], file: str = "") -> Table:
    """Return a table of one group; caption, heads and cells may be given as texts."""
    return grouped(name, caption, heads, [("", rows)], file)


def by_columns(name: str, caption: Words | str, columns: Iterable[tuple[Head, Sequence[Cell | str]]]) -> Table:
    """Return a table of one group that is given by its columns; one in which nothing stands is left out."""
    kept = [(head, cells) for head, cells in columns if any(cells)]
    return table(name, caption, [head for head, _ in kept], zip(*(cells for _, cells in kept), strict=True))


def row(line: Row | Line) -> Row:
    """Return a row; one that is given by its cells is about no single case."""
    if isinstance(line, Row):
        return line
    return Row(tuple(item if isinstance(item, Cell) else Cell(item) for item in line))


@dataclass(frozen=True)
class FigureBlock:
    """A figure with its words and the numbers that it shows; the picture itself belongs to a format."""

    name: str
    """The name of its module."""
    title: str
    alt: str
    """What it shows, for readers who cannot see it."""
    caption: Words
    reading: Words
    """How to read it."""
    table: Table | None
    """Its numbers; None if they stand beside it anyway."""


Block = Words | Heading | Bullets | Glossary | Commands | Table | FigureBlock


def rewritten(item: Any, change: Callable[[str], str]) -> Any:
    """Return a block, or a part of one, with each of its texts changed."""
    if isinstance(item, str):
        return change(item)
    if isinstance(item, tuple):
        return tuple(rewritten(each, change) for each in item)
    if isinstance(item, Mapping):
        return {name: rewritten(value, change) for name, value in item.items()}
    if is_dataclass(item) and not isinstance(item, type):
        return replace(item, **{each.name: rewritten(getattr(item, each.name), change) for each in fields(item)})
    return item


@dataclass(frozen=True)
class Section:
    """A part of a report."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Link:
    """A way from a page to another one."""

    text: str
    target: str
    """The other page, as its path from this one; empty for the page itself."""


@dataclass(frozen=True)
class Document:
    """A whole report, or another page."""

    title: str
    subject: str
    """What its numbers are of, such as `run 20260102-030405-6`."""
    answer: Words
    """One sentence."""
    facts: tuple[tuple[str, str], ...]
    """Such as run, time and machine, each with its name."""
    warnings: tuple[Words, ...]
    """What a reader must know before quoting anything."""
    sections: tuple[Section, ...]
    stepbench: str
    """The version that wrote it."""
    links: tuple[Link, ...] = ()
    """The pages beside it, if it is one of many."""
