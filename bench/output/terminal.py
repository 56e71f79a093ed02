"""A console that suits whoever looks: wide and plain in a pipe, Rich's own rules on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Literal, TextIO

from rich.console import Console
from rich.table import Table

_PLAIN_WIDTH = 140


def console(stream: TextIO | None = None) -> Console:
    """A console on standard output or `stream`; Rich obeys NO_COLOR and TERM=dumb."""
    stream = stream or sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _PLAIN_WIDTH, highlight=False)


def plain_table(*columns: str, right: Iterable[str] = (), wrap: Iterable[str] = ("implementation",)) -> Table:
    """A table without lines; numbers to the right, only the columns in `wrap` may take several lines.

    Cells that hold somebody's words must be `Text`: Rich reads square brackets and colons in a `str` as markup.
    """
    right, wrap = set(right), set(wrap)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        side: Literal["left", "right"] = "right" if column in right else "left"
        table.add_column(column, justify=side, no_wrap=column not in wrap, overflow="fold")
    return table
