"""The report of a run, built once for all formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bench import __version__
from bench.analysis.break_even import payoffs
from bench.analysis.card import speedup_card
from bench.data.run import summary_rows
from bench.output.content import figures, machine, methods, notes, result, sweep
from bench.output.content.compiling import when_it_pays
from bench.output.content.crossovers import Crossovers
from bench.output.content.passages import passages
from bench.output.content.summary import Summary
from bench.output.document import Block, Bullets, Document, Glossary, Section, plain
from bench.output.figures import headlines

if TYPE_CHECKING:
    from bench.output.figures import RunData


def build(data: RunData, drawn: Sequence[str], left_out: Mapping[str, str], columns: Sequence[str] = ()) -> Document:
    """Return all that a report says.

    Args:
        data: the run.
        drawn: the figures that the format has pictures of, in their order.
        left_out: the others, and why.
        columns: names of the columns of its tables of cases; the usual ones if empty.
    """
    manifest = data.manifest
    summary = Summary(summary_rows(data.summary), manifest)
    foremost = [name for name in drawn if name in headlines()]
    results = [figures.section("figures", "Figures", data, summary, foremost)] if foremost else []
    tables = result.tables(summary, columns, speedup_first=True)
    if manifest.axes:
        results += _sweep(data, summary, tables)
    else:
        told = _from_samples(data, summary) if data.has_samples else []
        results.append(result.section(summary, tables, told))
    others = [name for name in drawn if name not in foremost]
    if others or left_out:
        results.append(figures.section("more-figures", "More figures", data, summary, others, left_out))
    first, *terms = passages("reading.txt", has_device=summary.has_device)
    meanings = tuple((word, (text,)) for word, _, text in (plain(term).partition(": ") for term in terms))
    when = manifest.created.replace("T", " ").removesuffix("+00:00")
    return Document(
        title="How fast is one training step?",
        subject=f"run {manifest.run_id}",
        answer=result.answer(summary),
        facts=(
            ("Run", manifest.run_id),
            ("Measured", f"{when} UTC" if manifest.created.endswith("+00:00") else when),
            ("Machine", machine.one_line(data)),
        ),
        warnings=(
            *notes.quality(summary),
            *notes.shortfall(manifest, summary.contenders),
            *(() if data.has_samples else passages("notes.txt", "without_samples")),
        ),
        sections=(
            *results,
            machine.section(data, summary),
            Section("reading", "How to read this", (first, Glossary(meanings))),
            methods.section(data, summary),
            methods.again(data, drawn),
        ),
        stepbench=__version__,
    )


def _sweep(data: RunData, summary: Summary, tables: Sequence[Block]) -> list[Section]:
    """Return what a sweep's report says after its first figures: crossovers, then tables, the longest last."""
    crossovers = Crossovers(data.crossovers)
    found = [Section("crossovers", "Crossovers", (crossovers.sentences(),))] if crossovers.records else []
    found.append(result.section(summary, sweep.by_size(summary), ()))
    long = (*tables, *([crossovers.table()] if crossovers.records else []))
    return [*found, Section("cases", "All cases", long)]


def _from_samples(data: RunData, summary: Summary) -> list[Block]:
    """Return what a run's result says that the summary does not hold: its speedup card, and when compiling pays."""
    known = data.manifest, summary.rows, data.samples, data.processes
    card, after = speedup_card(*known), when_it_pays(summary, payoffs(*known))
    return [*([result.card_table(card)] if card else []), *([Bullets(after)] if after else [])]
