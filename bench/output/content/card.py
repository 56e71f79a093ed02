"""The speedup card: the same contenders against the same opponents, by mode and number of CPU threads."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.card import CardCell
from bench.model.case import Mode, differing
from bench.output.document import Cell, Head, Line, Table, table
from bench.output.names import variant_word, words_of
from bench.output.text import factor, factor_interval


def card_table(cells: Sequence[CardCell]) -> Table:
    """Return a table with one row for each contender, opponent and mode, one column for each number of threads."""
    cases = [cell.case for cell in cells]
    threads = sorted({case.threads for case in cases})
    apart = [name for name in differing(cases) if name not in ("mode", "threads")]
    order = list(dict.fromkeys(case.implementation for case in cases))
    found: dict[tuple[str, str], dict[tuple[Mode, int], CardCell]] = {}
    for cell in sorted(cells, key=lambda cell: (order.index(cell.case.implementation), cell.case.backend)):
        words = words_of({name: cell.case.columns.get(name) for name in apart})
        place = (", ".join([cell.case.label, *words]), cell.over.label)
        found.setdefault(place, {})[cell.case.mode, cell.case.threads] = cell
    rows: list[Line] = [
        [*place, mode.value, *(_cell(inside.get((mode, count))) for count in threads)]
        for place, inside in found.items()
        for mode in Mode
        if any(mode is known for known, _ in inside)
    ]
    heads = [Head("contender", wraps=True), Head("over", wraps=True), Head("mode")]
    heads += [Head(variant_word("threads", count), right=True) for count in threads]
    caption = "Speedup card: what a speedup is depends on what it is over, in which mode, with how many threads"
    return table("card", caption, heads, rows)


def _cell(cell: CardCell | None) -> Cell:
    if cell is None:
        return Cell("-")
    value, ends = cell.speedup.value, (cell.speedup.low, cell.speedup.high)
    known = "" if cell.speedup.low is None else f"  [{factor_interval(*ends)}]"
    return Cell(f"{factor(value)}{known}", (value, *ends))
