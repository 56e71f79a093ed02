"""The result: one sentence, what to be warned of, and the tables of speedups, conditions and crossovers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.analysis.card import CardCell
from bench.data.manifest import Manifest
from bench.data.schema import Method, SummaryRow
from bench.model.case import Mode
from bench.model.workload import WORKLOADS
from bench.output.report.crossovers import crossover_blocks
from bench.output.report.model import (
    Block,
    Bullets,
    Cell,
    Code,
    Column,
    Heading,
    Paragraph,
    Section,
    Strong,
    Table,
    Words,
    prose,
    ticked,
)
from bench.output.report.rows import Summary, key_of
from bench.output.report.tables import case_table, text_table
from bench.output.table import device_notes, ending, tax_notes
from bench.output.text import common_words, duration, factor, factor_interval, variant_word
from bench.stats.estimates import MIN_PROCESSES, Estimate

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("step", "step_interval", "on_device", "speedup", "speedup_interval", "forward", "backward", "update")
_MORE = ("sync_tax", "peak_fraction", "energy")
_MODES = [mode.value for mode in Mode]


def best(summary: Summary) -> SummaryRow | None:
    """The largest speedup; one that is surely over 1 comes before a larger one that is not."""
    sure = [row for row in summary.contenders if row.speedup_low is not None and row.speedup_low > 1]
    return max(sure or summary.contenders, key=lambda row: row.speedup or 0.0, default=None)


def answer(summary: Summary) -> Words:
    """The result in one sentence."""
    row = best(summary)
    if row is None:
        fastest = min(summary.measured, key=lambda row: row.median_seconds or 0.0)
        return prose(
            "No case stands beside its workload's NumPy baseline, so there is no speedup; the fastest step is that "
            "of {} with {} in {}.",
            name_of(fastest),
            duration(fastest.median_seconds),
            place_of(summary, fastest),
        )
    found, where = speedup_words(row), place_of(summary, row)
    if row.speedup_low is None or row.speedup_high is None:
        return prose(
            "The largest speedup over NumPy is {} by {} in {}, but there were too few processes for an interval: "
            "take it as a hint.",
            found,
            name_of(row),
            where,
        )
    if row.speedup_low > 1:
        return prose(
            "{} is {} as fast as NumPy{}, the largest speedup{}, in {}.",
            name_of(row),
            Strong(factor(row.speedup)),
            f" (95 % interval {factor_interval(row.speedup_low, row.speedup_high)})",
            "" if row.speedup == max(other.speedup or 0.0 for other in summary.contenders) else " that is sure",
            where,
        )
    if row.speedup_high < 1 and all(other.speedup_high and other.speedup_high < 1 for other in summary.contenders):
        return prose(
            "No implementation is faster than NumPy here: the closest, {}, reaches {} in {}.",
            name_of(row),
            found,
            where,
        )
    return prose(
        "No implementation is shown to be faster than NumPy: the largest speedup, of {}, is {} in {}.",
        name_of(row),
        found,
        where,
    )


def name_of(row: SummaryRow) -> Words:
    """How a sentence calls a case."""
    return (Strong(row.implementation), f" on {row.backend}")


def place_of(summary: Summary, row: SummaryRow) -> str:
    """The workload, and what else tells a case from the others of the run."""
    return ", ".join([row.workload, *(variant_word(name, getattr(row, name)) for name in summary.differing)])


def speedup_words(row: SummaryRow) -> Words:
    """A speedup with its interval."""
    interval = factor_interval(row.speedup_low, row.speedup_high)
    text = factor(row.speedup)
    return (Strong(text),) if interval == "-" else (Strong(text), f" (95 % interval {interval})")


def warnings(summary: Summary, manifest: Manifest) -> tuple[Words, ...]:
    """What a reader must know before anything is quoted."""
    found = []
    flagged = sum(row.flagged for row in summary.measured)
    samples = sum(row.samples for row in summary.measured)
    if flagged * 2 > samples:
        found.append(
            prose(
                "**Most samples were disturbed** ({} of {}): do not quote these numbers; `bench doctor` says what "
                "can be done.",
                str(flagged),
                str(samples),
            )
        )
    fewest = min(row.processes for row in summary.measured)
    if fewest < MIN_PROCESSES:
        found.append(
            prose(
                "**Some cases have no interval**: it needs {} processes, and the least measured case had {}. A "
                "number without one is no more than a hint.",
                str(MIN_PROCESSES),
                str(fewest),
            )
        )
    if manifest.ended_by == "budget":
        found += _imprecise(summary, manifest)
    elif manifest.ended_by in ("interrupted", "unfinished", "failures"):
        found.append(
            (Strong("The run did not come to its end. "), *ticked(ending(manifest, f"results/{manifest.run_id}")))
        )
    return tuple(found)


def _imprecise(summary: Summary, manifest: Manifest) -> list[Words]:
    """How far the budget's end left speedups from the precision that was asked for."""
    if manifest.rounds is not None:
        text = f"{manifest.rounds_done} of the {manifest.rounds} rounds asked for"
        return [prose("**The time budget ended the run** after {}.", text)]
    halves = [
        Estimate(row.speedup, row.speedup_low, row.speedup_high).halfwidth
        for row in summary.contenders
        if row.speedup is not None
    ]
    known = [half for half in halves if half is not None]
    wide = [half for half in known if half > manifest.target_precision]
    if not wide:
        return []
    return [
        prose(
            "**The time budget ended the run** before every speedup was known to the precision asked for, ± {}: {} "
            "of {} are not, and the least sure is known to ± {}.",
            f"{manifest.target_precision:.1%}".replace("%", " %"),
            str(len(wide)),
            str(len(halves)),
            f"{max(known):.1%}".replace("%", " %"),
        )
    ]


def section(summary: Summary, card: Sequence[CardCell], crossovers: pd.DataFrame) -> Section:
    """Tables of all that was measured."""
    blocks: list[Block] = [Paragraph(_introduction(summary))]
    for workload in WORKLOADS:
        rows = [row for row in summary.measured if row.workload == workload]
        if rows:
            blocks.append(_workload_table(summary, workload, rows))
            blocks += _depth_tables(summary, workload)
    blocks += _notes(summary)
    if card:
        blocks += [Heading("Speedup card"), Paragraph(_CARD), _card_table(card)]
    if len(crossovers):
        blocks += [Heading("Crossovers"), *crossover_blocks(crossovers)]
    return Section("result", "Result", tuple(blocks))


def _introduction(summary: Summary) -> Words:
    said = common_words(summary.shared())
    fewest = min(row.processes for row in summary.measured)
    most = max(row.processes for row in summary.measured)
    each = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    processes = "process" if each == "1" else "processes"
    return prose(
        "{}Each case was measured in {} fresh {}; a time is the median over them. A speedup is over the NumPy "
        "implementation of the same workload, from the rounds that both ran in, and over 1x is faster.",
        f"All cases: {said}. " if said else "",
        each,
        processes,
    )


def _workload_table(summary: Summary, name: str, rows: Sequence[SummaryRow]) -> Table:
    caption = prose("{}: one training step ({})", Code(name), WORKLOADS[name].title)
    return case_table(f"result-{name.replace('_', '-')}", caption, summary, rows, (*_COLUMNS, *_MORE), several=False)


def _depth_tables(summary: Summary, workload: str) -> list[Table]:
    """Single steps by depth, for a workload whose depth varies."""
    rows = [row for row in summary.rows if row.workload == workload and row.depth is not None]
    if not rows:
        return []
    depths = sorted({row.depth for row in rows if row.depth is not None})
    lines = []
    for case in summary.measured:
        times = {row.depth: row for row in summary.by_case.get(key_of(case), []) if row.depth is not None}
        if case.workload != workload or not times:
            continue
        more = [variant_word(name, getattr(case, name)) for name in summary.differing]
        cells = [
            Cell(duration(times[depth].median_seconds), (times[depth].median_seconds,), f"depth {depth} median_seconds")
            if depth in times
            else Cell("-")
            for depth in depths
        ]
        lines.append([", ".join([case.implementation, *more]), case.backend, *cells])
    names: list[Column | str] = ["implementation", "backend"]
    heads = [*names, *(Column(f"depth {depth}", right=True, unit="s") for depth in depths)]
    caption = prose("{}: single steps by how often the middle layer is applied", Code(workload))
    return [text_table(f"depths-{workload.replace('_', '-')}", caption, heads, lines)]


def _notes(summary: Summary) -> list[Block]:
    """What the tables need to be read right."""
    notes = []
    if any(row.method is Method.PROFILED for row in summary.rows):
        notes.append(
            prose(
                "~ marks a share and no time: the step is fused, and its framework's own profiler says how it divides."
            )
        )
    lonely = {row.workload for row in summary.measured if row.speedup is None}
    notes += [
        prose("{} has cases without a speedup: their baseline {} was not measured.", name, WORKLOADS[name].baseline)
        for name in WORKLOADS
        if name in lonely
    ]
    notes += [ticked(line) for line in (*device_notes(summary.rows), *tax_notes(summary.measured))]
    return [Bullets(tuple(notes))] if notes else []


_CARD = prose(
    "The same contender against the same opponents, mode by mode and by number of CPU threads: what a speedup is "
    "depends on what it is measured against."
)


def _card_table(cells: Sequence[CardCell]) -> Table:
    threads = sorted({cell.threads for cell in cells})
    found = {(cell.implementation, cell.backend, cell.over, cell.mode, cell.threads): cell for cell in cells}
    order = list(dict.fromkeys(cell.implementation for cell in cells))
    names = dict.fromkeys((cell.implementation, cell.backend, cell.over, cell.mode) for cell in cells)
    rows = [
        (f"{name[0]} on {name[1]}", *name[2:], *(_card_cell(found.get((*name, count))) for count in threads))
        for name in sorted(names, key=lambda name: (order.index(name[0]), *name[1:3], _MODES.index(name[3])))
    ]
    heads: list[Column | str] = [Column("contender", wraps=True), Column("over", wraps=True), "mode"]
    heads += [Column(variant_word("threads", count), right=True) for count in threads]
    return text_table("card", prose("Speedups by mode and threads"), heads, rows)


def _card_cell(cell: CardCell | None) -> Cell:
    if cell is None:
        return Cell("-")
    found = cell.speedup
    interval = factor_interval(found.low, found.high)
    text = factor(found.value) + ("" if interval == "-" else f" [{interval}]")
    return Cell(text, (found.value, found.low, found.high))
