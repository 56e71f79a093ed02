"""A report as data: what it says, in no format yet. It is built once, so that all formats say the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

Raw = float | int | str | None


@dataclass(frozen=True)
class Code:
    """A command, a file or a column, as one types it."""

    kind: ClassVar = "code"
    text: str


@dataclass(frozen=True)
class Strong:
    """What must not be missed, or what a paragraph is about."""

    kind: ClassVar = "strong"
    text: str


@dataclass(frozen=True)
class Link:
    """An address of ours: what it is, and where."""

    kind: ClassVar = "link"
    text: str
    target: str


Inline = str | Code | Strong | Link
Words = tuple[Inline, ...]
"""A text; no piece of it is in any format, so nothing in it can break one."""
_MARKS = re.compile(r"(`[^`]*`|\*\*[^*]+\*\*|\{\})")


def prose(template: str, *values: Inline | Words) -> Words:
    """A text of ours with values in the places of its `{}`; `code` and **strong** are marked in the template only.

    Args:
        template: never holds a word that somebody else chose.
        values: one a `{}`, taken as they are.
    """
    found: list[Inline] = []
    rest = iter(values)
    for piece in _MARKS.split(template):
        if piece == "{}":
            value = next(rest)
            found += value if isinstance(value, tuple) else (value,)
        elif piece.startswith("`"):
            found.append(Code(piece[1:-1]))
        elif piece.startswith("**"):
            found.append(Strong(piece[2:-2]))
        elif piece:
            found.append(piece)
    return tuple(found)


def ticked(text: str) -> Words:
    """A line of another part of stepbench, whose `code` stands in backticks; a stray backtick is taken as it is."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return (text,)
    return tuple(Code(piece) if number % 2 else piece for number, piece in enumerate(pieces) if piece)


def joined(parts: list[Words], between: str = " ") -> Words:
    """Texts as one."""
    found: list[Inline] = []
    for part in parts:
        found += [between, *part] if found else part
    return tuple(found)


def plain(words: Words) -> str:
    """A text without its marks."""
    return "".join(word if isinstance(word, str) else word.text for word in words)


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    kind: ClassVar = "paragraph"
    words: Words


@dataclass(frozen=True)
class Heading:
    """The title of what follows inside a section."""

    kind: ClassVar = "heading"
    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    kind: ClassVar = "bullets"
    items: tuple[Words, ...]


@dataclass(frozen=True)
class Terms:
    """Words and what they mean."""

    kind: ClassVar = "terms"
    items: tuple[tuple[str, Words], ...]


@dataclass(frozen=True)
class Commands:
    """Lines for a shell."""

    kind: ClassVar = "commands"
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    right: bool = False
    """Whether it is a column of numbers, which stand at its right."""
    wraps: bool = False
    """Whether its texts are sentences, which may take several lines."""
    unit: str = ""
    """Of the raw values; the texts carry their own."""
    begins: bool = False
    """Whether a table that is too wide for a page is best cut before it."""


@dataclass(frozen=True)
class Cell:
    """One cell: what a reader sees, and the number or numbers behind it, unrounded."""

    text: str
    raw: tuple[Raw, ...] = ()
    """None for an unknown value."""
    source: str = ""
    """Where the raw values stand: columns of summary.csv, after `phase.` if not of the whole step."""


@dataclass(frozen=True)
class Row:
    """One row; its first cell names it."""

    cells: tuple[Cell, ...]
    key: Mapping[str, str] = field(default_factory=dict)
    """The columns that identify its case in summary.csv; empty if it is of no case."""


@dataclass(frozen=True)
class Group:
    """Rows that belong together."""

    title: str
    """What they have in common; empty if the table has one group only."""
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Table:
    """A table."""

    kind: ClassVar = "table"
    name: str
    """Letters, digits and hyphens; no two tables of a document have the same."""
    caption: Words
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all groups."""
        return tuple(row for group in self.groups for row in group.rows)


@dataclass(frozen=True)
class FigureBlock:
    """A figure with its words and the numbers that it shows; the picture itself belongs to a format."""

    kind: ClassVar = "figure"
    name: str
    """That of its module."""
    title: str
    alt: str
    """What it shows, for who does not see it."""
    caption: Words
    reading: Words
    """How to read it."""
    table: Table


Block = Paragraph | Heading | Bullets | Terms | Commands | Table | FigureBlock


@dataclass(frozen=True)
class Section:
    """A part of a report."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: str
    run_id: str
    answer: Words
    """One sentence."""
    facts: tuple[tuple[str, str], ...]
    """Run, time, machine: each with its name."""
    warnings: tuple[Words, ...]
    """What a reader must know before quoting anything."""
    sections: tuple[Section, ...]
    stepbench: str
    """The version that wrote the report."""
