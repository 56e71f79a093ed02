"""A report as a fragment of LaTeX for `\\input`: booktabs tables, figures as PDF, sections."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from bench.output.report.model import Code, Document, Group, Inline, Link, Row, Strong, Table, Words

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")
MOST_ROWS = 38
"""Of one table: more do not fit a page, and a float is not broken by LaTeX."""
MOST_LETTERS = 100
"""Beside each other in one table; a wider one is cut where its columns say so."""
LONG = 30
"""Longer texts, where a column may wrap, are broken into lines."""
LINE, LEAST = 84, 0.3
"""Letters that fit a line of an article, and the part of it that is left to such texts at least."""
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\ensuremath{\sim}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "`": r"\`{}",
    "[": "{[}",
    "]": "{]}",
    "µ": r"\stepbenchmu{}",
    "μ": r"\stepbenchmu{}",
    "…": r"\ldots{}",
    "\u2013": "--",
    "\u2014": "---",
    "\u2018": "`",
    "\u2019": "'",
    "\u201c": "``",
    "\u201d": "''",
    "\u00a0": "~",
    "\u2009": r"\,",
    "\u202f": r"\,",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "\u0131": r"\i{}",
    "©": r"\copyright{}",
    "§": r"\S{}",
    "¶": r"\P{}",
    "£": r"\pounds{}",
}
_MATHEMATICS = {
    "±": r"\pm",
    "\u00d7": r"\times",
    "÷": r"\div",
    "·": r"\cdot",
    "•": r"\bullet",
    "\u2212": "-",
    "→": r"\rightarrow",
    "←": r"\leftarrow",
    "↔": r"\leftrightarrow",
    "⇒": r"\Rightarrow",
    "≤": r"\leq",
    "≥": r"\geq",
    "≠": r"\neq",
    "≈": r"\approx",
    "∞": r"\infty",
    "√": r"\surd",
    "∑": r"\sum",
    "°": r"^\circ",
    "¹": "^1",
    "²": "^2",
    "³": "^3",
    "«": r"\ll",
    "»": r"\gg",
}
_GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda _ nu xi _ pi rho _ sigma tau upsilon"
_MATHEMATICS |= {
    chr(0x3B1 + place): f"\\{name}" for place, name in enumerate(f"{_GREEK} phi chi psi omega".split()) if name != "_"
}
_TYPED = {"~": r"\textasciitilde{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}"}
"""What must come out of a typewriter as it is typed."""
_ACCENTS = {0x300: "`", 0x301: "'", 0x302: "^", 0x303: "~", 0x304: "=", 0x306: "u", 0x307: ".", 0x308: '"'}
_ACCENTS |= {0x30A: "r", 0x30B: "H", 0x30C: "v", 0x327: "c"}


def render(document: Document, pictures: Mapping[str, str]) -> str:
    """The whole file.

    Args:
        document: the report.
        pictures: the file of each of its figures, as a path from the report's folder; no characters but letters,
            digits and `/._-`.
    """
    return _environment().get_template("report.tex").render(document=document, pictures=pictures)


def escape(text: str) -> str:
    """A text as LaTeX sets it, on one line; a character that its usual fonts lack is named by its number."""
    return "".join(map(_character, _parted(" ".join(str(text).split()))))


def _parted(text: str) -> Iterator[str]:
    """Characters, with an empty group between two that TeX would join."""
    before = ""
    for character in text:
        if character == before and character in "-',<>":
            yield ""
        yield character
        before = character


def _character(character: str) -> str:
    if not character:
        return "{}"
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character in _MATHEMATICS:
        return f"\\ensuremath{{{_MATHEMATICS[character]}}}"
    if " " <= character <= "~":
        return character
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and ord(parts[1]) in _ACCENTS:
        return f"\\{_ACCENTS[ord(parts[1])]}{{{parts[0]}}}"
    return f"{{[}}U+{ord(character):04X}{{]}}"


def code(text: str) -> str:
    """A text in the letters of a typewriter, which may be broken after each sign and inside long words."""
    found, run = [], 0
    for letter in _parted(" ".join(str(text).split())):
        piece = _TYPED.get(letter) or _character(letter)
        found.append(piece)
        run = run + 1 if len(piece) == 1 and piece.isalnum() else 0
        if (run == 0 and piece not in ("", " ", "{}")) or run == 8:
            found.append(r"\allowbreak{}")
            run = 0
    return f"\\texttt{{{''.join(found)}}}"


def words(items: Words) -> str:
    """A text with its marks."""
    return "".join(map(_piece, items))


def _piece(item: Inline) -> str:
    if isinstance(item, Code):
        return code(item.text)
    if isinstance(item, Strong):
        return f"\\textbf{{{escape(item.text)}}}" + (" " if item.text.endswith(" ") else "")
    if isinstance(item, Link):
        return f"{escape(item.text)} ({code(item.target)})"
    before, after = " " * item[:1].isspace(), " " * (item[-1:].isspace() and len(item) > 1)
    return before + escape(item) + after


@dataclass(frozen=True)
class Part:
    """As much of a table as fits a page."""

    layout: str
    """The argument of `tabular`."""
    columns: tuple[str, ...]
    groups: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]
    """Titles with rows of cells, all of them escaped."""


def parts(table: Table) -> list[Part]:
    """A table cut by columns, each part with those that name a row, and by rows; a cut group keeps its title."""
    return [
        _part(table, columns, groups)
        for columns in _columns_that_fit(table)
        for groups in _groups_that_fit(table.groups)
    ]


def _letters(table: Table, column: int) -> int:
    """How wide a column is, in letters."""
    return max(len(text) for text in (table.columns[column].name, *(row.cells[column].text for row in table.rows)))


def _columns_that_fit(table: Table) -> list[list[int]]:
    """Which columns stand together: all, or each run of them that the table may be cut into."""
    places = list(range(len(table.columns)))
    starts = [place for place in places if table.columns[place].begins]
    if not starts or sum(_letters(table, place) + 2 for place in places) <= MOST_LETTERS:
        return [places]
    names = [place for place in places if not table.columns[place].right][:2]
    first, *others = [places[start:end] for start, end in pairwise([0, *starts, len(places)])]
    return [first, *([*names, *run] for run in others)]


def _groups_that_fit(groups: Sequence[Group]) -> list[list[Group]]:
    found: list[list[Group]] = [[]]
    room = MOST_ROWS
    for group in groups:
        rows = group.rows
        while rows:
            if room < 2:
                found.append([])
                room = MOST_ROWS
            taken = rows[: room - 1]
            found[-1].append(Group(group.title, taken))
            room -= len(taken) + bool(group.title)
            rows = rows[len(taken) :]
    return found


def _part(table: Table, columns: Sequence[int], groups: Sequence[Group]) -> Part:
    long = [place for place in columns if table.columns[place].wraps and _letters(table, place) > LONG]
    others = sum(_letters(table, place) + 2 for place in columns if place not in long)
    width = f"p{{{max(LEAST, 1 - others / LINE) / max(1, len(long)):.2f}\\linewidth}}"
    layout = "".join(width if place in long else "r" if table.columns[place].right else "l" for place in columns)

    def cell(row: Row, place: int) -> str:
        return ("\\raggedright " if place in long else "") + escape(row.cells[place].text)

    return Part(
        layout,
        tuple(escape(table.columns[place].name) for place in columns),
        tuple(
            (escape(group.title), tuple(tuple(cell(row, place) for place in columns) for row in group.rows))
            for group in groups
        ),
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(  # noqa: S701 - not HTML: `escape` is LaTeX's
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"text": escape, "words": words, "code": code, "parts": parts}
    return made
