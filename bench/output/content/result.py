"""The result of a run: one sentence, and a table for each workload."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bench.data.schema import SummaryRow, columns_of
from bench.data.store import SUMMARY
from bench.model.step import STAGES
from bench.output.content import notes
from bench.output.content.card import card_table
from bench.output.content.cases import case_table
from bench.output.content.passages import passages
from bench.output.content.summary import Summary, name_of
from bench.output.document import Block, Bullets, Cell, Head, Line, Section, Strong, Table, Words, table
from bench.output.names import spaced
from bench.output.text import duration, factor, factor_interval

if TYPE_CHECKING:
    from bench.analysis.card import CardCell

_COLUMNS = ("step", "step_interval", "on_device", "speedup", "speedup_interval", *STAGES)
_PRECISION = ("precision_speedup", "precision_interval", "error")
"""Only where precisions are compared."""
_MORE = ("sync_tax", "peak_fraction", "per_second", "energy")


def run_blocks(summary: Summary, folder: str, card: Sequence[CardCell] = ()) -> list[Block]:
    """Return what `bench run` shows at its end.

    Args:
        summary: the run's rows.
        folder: how the user calls the run's folder.
        card: the cells of the speedup card, if the run has one.
    """
    blocks: list[Block] = []
    if summary.measured:
        machine, run = str(summary.manifest.machine.get("cpu")), f"run {summary.manifest.run_id}"
        blocks.append(("; ".join(part for part in (summary.shared, machine, run) if part),))
    blocks += [*tables(summary), *([card_table(card)] if card else [])]
    return [*blocks, notes.below_the_tables(summary, folder)]


def section(summary: Summary, card: Sequence[CardCell]) -> Section:
    """Return the section of a report with all that was measured."""
    blocks: list[Block] = [introduction(summary), *tables(summary)]
    if found := notes.explanations(summary):
        blocks.append(Bullets(tuple(found)))
    blocks += [card_table(card)] if card else []
    return Section("result", "Result", tuple(blocks))


def introduction(summary: Summary) -> Words:
    """Return what all cases share, and how they were measured."""
    said = f"All cases: {summary.shared}. " if summary.shared else ""
    return (said, *notes.how_measured(summary))


def tables(summary: Summary) -> list[Block]:
    """Return the tables of each workload: its steps, and single steps by variant where work varies."""
    found: list[Block] = []
    shown = (*_COLUMNS, *(_PRECISION if "precision" in summary.differing else ()), *_MORE)
    for name in summary.workloads:
        rows = [row for row in summary.measured if row.case.workload == name]
        caption = (f"{name}: {summary.title(name)}",)
        found.append(case_table(f"result-{spaced(name)}", caption, summary, rows, shown))
        found += _variant_table(summary, name, rows)
    return found


def _variant_table(summary: Summary, workload: str, rows: Iterable[SummaryRow]) -> list[Table]:
    cases = [(row, by_variant) for row in rows if (by_variant := summary.by_variant(row))]
    variants = sorted({variant for _, by_variant in cases for variant in by_variant})
    lines: list[Line] = []
    for row, by_variant in cases:
        name = ", ".join([row.case.implementation, *summary.telling(row)])
        lines.append([name, row.case.backend, *(_variant(by_variant, each) for each in variants)])
    heads = [Head("implementation", wraps=True), Head("backend")]
    heads += [Head(f"variant {each}", right=True, unit="s") for each in variants]
    caption = f"{workload}: single steps by variant: how much work the step did"
    return [table(f"variants-{spaced(workload)}", caption, heads, lines, SUMMARY)] if lines else []


def _variant(by_variant: dict[int, SummaryRow], variant: int) -> Cell:
    if variant not in by_variant:
        return Cell("-")
    seconds = by_variant[variant].median_seconds
    return Cell(duration(seconds), (seconds,), f"variant {variant} median_seconds")


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
