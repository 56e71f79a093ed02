"""The speedup card for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from bench.analysis.card import CardCell
from bench.model.case import Mode
from bench.output.terminal import plain_table
from bench.output.text import factor, factor_interval

_MODES = [mode.value for mode in Mode]


def card_table(cells: Sequence[CardCell]) -> Table:
    """One row a contender, opponent and mode; one column a number of CPU threads."""
    threads = sorted({cell.threads for cell in cells})
    names = [f"{count} CPU thread{'' if count == 1 else 's'}" for count in threads]
    table = plain_table("contender", "over", "mode", *names, right=names, wrap=["contender", "over"])
    found = {(cell.implementation, cell.backend, cell.over, cell.mode, cell.threads): cell for cell in cells}
    names_seen = list(dict.fromkeys(cell.implementation for cell in cells))
    rows = dict.fromkeys((cell.implementation, cell.backend, cell.over, cell.mode) for cell in cells)
    for row in sorted(rows, key=lambda row: (names_seen.index(row[0]), *row[1:3], _MODES.index(row[3]))):
        implementation, backend, over, mode = row
        table.add_row(f"{implementation} on {backend}", over, mode, *(_text(found.get((*row, n))) for n in threads))
    return table


def _text(cell: CardCell | None) -> str:
    if cell is None:
        return "-"
    interval = factor_interval(cell.speedup.low, cell.speedup.high)
    return factor(cell.speedup.value) + ("" if interval == "-" else f"  [{interval}]")
