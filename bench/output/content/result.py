"""The result of a run: one sentence, and a table for each workload."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bench.analysis.break_even import Payoff
from bench.analysis.card import CardCell
from bench.data.column import columns_of
from bench.data.schema import SummaryRow
from bench.data.store import SUMMARY
from bench.model.case import Mode, differing
from bench.model.step import STAGES
from bench.output.content import notes
from bench.output.content.cases import case_table
from bench.output.content.compiling import when_it_pays
from bench.output.content.passages import passages
from bench.output.content.summary import Summary, compiles, name_of
from bench.output.document import Block, Bullets, Cell, Head, Line, Section, Strong, Table, Words, table
from bench.output.names import spaced, variant_word, words_of
from bench.output.text import duration, factor, factor_interval

_COLUMNS = ("step", "step_interval", "on_device", "speedup", "speedup_interval", *STAGES)
_SPEEDUP_FIRST = ("speedup", "speedup_interval", "step", "step_interval", "on_device", *STAGES)
_PRECISION = ("precision_speedup", "precision_interval", "error")
"""Only where precisions are compared."""
_COMPILING = ("first_step", "compile_cold", "compile_warm")
"""Columns for workloads in which something compiles."""
_MORE = ("sync_tax", "peak_fraction", "per_second", "energy", "memory")


def run_blocks(
    summary: Summary,
    folder: str,
    card: Sequence[CardCell] = (),
    columns: Sequence[str] = (),
    payoffs: Sequence[Payoff] = (),
) -> list[Block]:
    """Return what `bench run` shows at its end.

    Args:
        summary: the run's rows.
        folder: how the user calls the run's folder.
        card: the cells of the speedup card, if the run has one.
        columns: names of the columns of its tables; the usual ones if empty.
        payoffs: when compiling pays, if something compiles.
    """
    blocks: list[Block] = []
    if summary.measured:
        machine, run = str(summary.manifest.machine.get("cpu")), f"run {summary.manifest.run_id}"
        blocks.append(("; ".join(part for part in (summary.shared, machine, run) if part),))
    blocks += [*tables(summary, columns), *([card_table(card)] if card else [])]
    return [*blocks, notes.below_the_tables(summary, folder, when_it_pays(summary, payoffs))]


def section(summary: Summary, shown: Iterable[Block], after: Iterable[Block]) -> Section:
    """Return the section of a report with the result.

    Args:
        summary: the run's rows.
        shown: its tables, below what all cases share and how they were measured.
        after: what follows the explanations of the tables.
    """
    said = f"All cases: {summary.shared}. " if summary.shared else ""
    explained = notes.explanations(summary)
    blocks = ((said, *notes.how_measured(summary)), *shown, *([Bullets(explained)] if explained else []), *after)
    return Section("result", "Result", blocks)


def tables(summary: Summary, columns: Sequence[str] = (), speedup_first: bool = False) -> list[Block]:
    """Return the tables of each workload: its steps, and single steps by variant where work varies.

    Args:
        summary: the run's rows.
        columns: names of the columns of steps, from `SHOWN`; the usual ones if empty.
        speedup_first: whether speedups stand before times among the usual ones: on a narrow screen the first columns
            are all that is in view.
    """
    usual = _SPEEDUP_FIRST if speedup_first else _COLUMNS
    found: list[Block] = []
    for name in summary.workloads:
        rows = [row for row in summary.measured if row.case.workload == name]
        compiling = _COMPILING if any(compiles(row) for row in rows) else ()
        shown = columns or (*usual, *(_PRECISION if "precision" in summary.differing else ()), *compiling, *_MORE)
        caption = (f"{name}: {summary.title(name)}",)
        found.append(case_table(f"result-{spaced(name)}", caption, summary, rows, shown, bool(columns)))
        found += _variant_table(summary, name, rows)
    return found


def _variant_table(summary: Summary, workload: str, rows: Iterable[SummaryRow]) -> list[Table]:
    cases = [(row, by_variant) for row in rows if (by_variant := summary.by_variant(row))]
    variants = sorted({variant for _, by_variant in cases for variant in by_variant})
    lines: list[Line] = []
    for row, by_variant in cases:
        cells: list[Cell | str] = [", ".join([row.case.implementation, *summary.telling(row)]), row.case.backend]
        for variant in variants:
            seconds = by_variant[variant].median_seconds if variant in by_variant else None
            source = f"variant {variant} median_seconds"
            cells.append(Cell(duration(seconds), (seconds,), source) if variant in by_variant else "-")
        lines.append(cells)
    heads = [Head("implementation", wraps=True), Head("backend")]
    heads += [Head(f"variant {each}", right=True, unit="s") for each in variants]
    caption = f"{workload}: single steps by variant: how much work the step did"
    return [table(f"variants-{spaced(workload)}", caption, heads, lines, SUMMARY)] if lines else []


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
        [*place, mode.value, *(_card_cell(inside.get((mode, count))) for count in threads)]
        for place, inside in found.items()
        for mode in Mode
        if any(mode is known for known, _ in inside)
    ]
    heads = [Head("contender", wraps=True), Head("over", wraps=True), Head("mode")]
    heads += [Head(variant_word("threads", count), right=True) for count in threads]
    caption = "Speedup card: what a speedup is depends on what it is over, in which mode, with how many threads"
    return table("card", caption, heads, rows)


def _card_cell(cell: CardCell | None) -> Cell:
    if cell is None:
        return Cell("-")
    value, ends = cell.speedup.value, (cell.speedup.low, cell.speedup.high)
    known = "" if cell.speedup.low is None else f"  [{factor_interval(*ends)}]"
    return Cell(f"{factor(value)}{known}", (value, *ends))


def best(summary: Summary) -> SummaryRow | None:
    """Return the case with the largest speedup; one that is surely over 1 comes before a larger one that is not."""
    sure = [row for row in summary.contenders if row.speedup_low is not None and row.speedup_low > 1]
    return max(sure or summary.contenders, key=lambda row: row.speedup or 0.0, default=None)


def answer(summary: Summary) -> Words:
    """Return the result in one sentence."""
    row = best(summary)
    told = row or min(summary.measured, key=lambda each: each.median_seconds or 0.0)
    known = told.speedup_low is not None and told.speedup_high is not None
    (text,) = passages(
        "answer.txt",
        best=row,
        name=name_of(told),
        time=duration(told.median_seconds),
        place=summary.place(told),
        over=told.baseline,
        speedup=Strong(factor(told.speedup)),
        interval=f"(95 % interval {factor_interval(told.speedup_low, told.speedup_high)})" if known else "",
        largest=told.speedup == max((other.speedup or 0.0 for other in summary.contenders), default=None),
        slower=all(other.speedup_high is not None and other.speedup_high < 1 for other in summary.contenders),
    )
    return text


def summary_json(rows: Sequence[SummaryRow]) -> list[dict[str, Any]]:
    """Return the rows of summary.csv for programs; unknown values are null."""
    sizes = dict.fromkeys(name for row in rows for name in row.case.problem.sizes.columns)
    return [{column.name: column.value_in(row) for column in columns_of(SummaryRow, sizes)} for row in rows]
