"""A document as a fragment of LaTeX for `\\input`: booktabs tables, figures as PDF, sections."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from bench.output.document import Cell, Document, RowGroup, Strong, Table, Words, marked
from bench.output.render import environment

if TYPE_CHECKING:
    from jinja2 import Template

MOST_ROWS = 38
"""Rows of one table at most: more do not fit a page, and LaTeX breaks no float."""
MOST_LETTERS = 100
"""Letters beside each other in one table; a wider one is cut where its heads say so."""
LONG = 30
"""Longer texts, where a column may wrap, are broken into lines."""
LINE, LEAST = 84, 0.3
"""Letters that fit a line of an article, and the part of it that is left to such texts at least."""
_SPECIAL = {
    **{letter: f"\\{letter}" for letter in "{}$&%#_"},
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\ensuremath{\sim}",
    # These are other signs in TeX's first fonts, or begin an option.
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",
    "]": "{]}",
    # What stepbench itself writes.
    "µ": r"\stepbenchmu{}",
    "…": r"\ldots{}",
}
_MATHEMATICS = {"±": r"\pm", "\u00d7": r"\times", "→": r"\rightarrow", "≤": r"\leq", "≥": r"\geq", "°": r"^\circ"}
_SPECIAL |= {letter: f"\\ensuremath{{{name}}}" for letter, name in _MATHEMATICS.items()}
_TYPED = {"~": r"\textasciitilde{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}"}
"""Signs that must come out of a typewriter as they are typed."""
_LETTERS = set("ßæÆœŒøØłŁ\u2013\u2014\u2018\u2019\u201c\u201d")
_ACCENTS = {0x300, 0x301, 0x302, 0x303, 0x304, 0x306, 0x307, 0x308, 0x30A, 0x30B, 0x30C, 0x327}
"""Accents that LaTeX can put on a letter in each of its fonts."""


def render(document: Document, pictures: Mapping[str, str]) -> str:
    """Return the whole file.

    Args:
        document: the report.
        pictures: the file of each of its figures, as a path from the report's folder; no characters but letters,
            digits and `/._-`.
    """
    return _template().render(document=document, pictures=pictures)


@cache
def _template() -> Template:
    made = environment(
        {"text": escape, "cell": _cell, "words": words, "code": code, "parts": parts},
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
    )
    return made.get_template("report.tex")


def escape(text: str) -> str:
    """Return a text as LaTeX sets it, on one line; a character that its fonts may lack is named by its number."""
    found = "".join(map(_character, re.sub(r"\s+", " ", text)))
    return re.sub(r"([-'`,])(?=\1)", r"\1{}", found)  # TeX would join two of these into one


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if " " <= character <= "~" or character in _LETTERS:
        return character
    parts = unicodedata.normalize("NFD", character)
    if character < "\u0180" and len(parts) == 2 and ord(parts[1]) in _ACCENTS:
        return character
    return f"{{[}}U+{ord(character):04X}{{]}}"


def code(text: str) -> str:
    """Return a text in the letters of a typewriter, which may be broken after each sign and inside long words."""
    found, run = [], 0
    for letter in " ".join(text.split()):
        piece = _TYPED.get(letter) or _character(letter)
        run = run + 1 if piece.isalnum() else 0
        breaks = (run == 0 and piece != " ") or run == 8
        found.append(piece + r"\allowbreak{}" * breaks)
        run = 0 if breaks else run
    return f"\\texttt{{{''.join(found)}}}"


def words(items: Words) -> str:
    """Return a text with its marks."""
    return marked(items, escape, code, r"\textbf{{{}}}")


def _cell(cell: Cell) -> str:
    return words((Strong(cell.text) if cell.tone else cell.text,))


@dataclass(frozen=True)
class Part:
    """As much of a table as fits a page."""

    places: tuple[int, ...]
    """Those of its columns."""
    layout: tuple[str, ...]
    """Their letters for `tabular`."""
    groups: tuple[RowGroup, ...]


def parts(table: Table) -> list[Part]:
    """Return a table cut by columns, each part with those that name a row, and by rows; a cut group keeps its title."""
    return [
        Part(tuple(places), _layout(table, places), tuple(groups))
        for places in _columns_that_fit(table)
        for groups in _groups_that_fit(table.groups)
    ]


def _columns_that_fit(table: Table) -> list[list[int]]:
    """Return which columns stand together: all, or each run of them that the table may be cut into."""
    places = list(range(len(table.heads)))
    starts = [place for place in places if table.heads[place].begins]
    if not starts or sum(table.letters(place) + 2 for place in places) <= MOST_LETTERS:
        return [places]
    names = [place for place in places if not table.heads[place].right][:2]
    first, *others = [places[start:end] for start, end in pairwise([0, *starts, len(places)])]
    return [first, *([*names, *run] for run in others)]


def _groups_that_fit(groups: Sequence[RowGroup]) -> list[list[RowGroup]]:
    found: list[list[RowGroup]] = [[]]
    room = MOST_ROWS
    for group in groups:
        rows = group.rows
        while rows:
            if room < 2:
                found.append([])
                room = MOST_ROWS
            taken, rows = rows[: room - 1], rows[room - 1 :]
            found[-1].append(RowGroup(group.title, taken))
            room -= len(taken) + bool(group.title)
    return found


def _layout(table: Table, places: Sequence[int]) -> tuple[str, ...]:
    long = [place for place in places if table.heads[place].wraps and table.letters(place) > LONG]
    others = sum(table.letters(place) + 2 for place in places if place not in long)
    width = f"p{{{max(LEAST, 1 - others / LINE) / max(1, len(long)):.2f}\\linewidth}}"
    return tuple(width if place in long else "r" if table.heads[place].right else "l" for place in places)
