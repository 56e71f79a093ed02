"""The speedup card: the same contenders against the same opponents, by mode and number of CPU threads."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.card import CardCell
from bench.model.case import Mode
from bench.output.document import Cell, Head, Line, Table, table
from bench.output.names import variant_word
from bench.output.text import factor, factor_interval

_MODES = [mode.value for mode in Mode]


def card_table(cells: Sequence[CardCell]) -> Table:
    """Return a table with one row for each contender, opponent and mode, one column for each number of threads."""
    threads = sorted({cell.threads for cell in cells})
    found = {(cell.implementation, cell.backend, cell.over, cell.mode, cell.threads): cell for cell in cells}
    order = list(dict.fromkeys(cell.implementation for cell in cells))
    names = dict.fromkeys((cell.implementation, cell.backend, cell.over, cell.mode) for cell in cells)
    rows: list[Line] = [
        [f"{name[0]} on {name[1]}", *name[2:], *(_cell(found.get((*name, count))) for count in threads)]
        for name in sorted(names, key=lambda name: (order.index(name[0]), *name[1:3], _MODES.index(name[3])))
    ]
    heads = [Head("contender", wraps=True), Head("over", wraps=True), Head("mode")]
    heads += [Head(variant_word("threads", count), right=True) for count in threads]
    caption = "Speedup card: what a speedup is depends on what it is over, in which mode, with how many threads"
    return table("card", (caption,), heads, rows)


def _cell(cell: CardCell | None) -> Cell:
    if cell is None:
        return Cell("-")
    value, ends = cell.speedup.value, (cell.speedup.low, cell.speedup.high)
    interval = factor_interval(*ends)
    return Cell(factor(value) + ("" if interval == "-" else f"  [{interval}]"), (value, *ends))
