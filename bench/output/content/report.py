"""The report of a run, built once for all formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bench import __version__
from bench.analysis.card import speedup_card
from bench.output.content import figures, machine, methods, notes, reading, result, sweep
from bench.output.content.crossovers import Crossovers
from bench.output.content.summary import Summary, summary_rows
from bench.output.document import Document, Section

if TYPE_CHECKING:
    from bench.output.figures import RunData


def build(data: RunData, drawn: Sequence[str], left_out: Mapping[str, str]) -> Document:
    """Return all that a report says.

    Args:
        data: the run.
        drawn: the figures that the format has pictures of, in their order.
        left_out: the others, and why.
    """
    manifest = data.manifest
    summary = Summary(summary_rows(data.summary), manifest)
    when = manifest.created.replace("T", " ").removesuffix("+00:00")
    return Document(
        title="How fast is one training step?",
        run_id=manifest.run_id,
        answer=result.answer(summary),
        facts=(
            ("Run", manifest.run_id),
            ("Measured", f"{when} UTC" if manifest.created.endswith("+00:00") else when),
            ("Machine", machine.one_line(data)),
        ),
        warnings=(*notes.quality(summary), *notes.shortfall(manifest, summary.contenders)),
        sections=(
            *_numbers(data, summary, figures.section(data, summary, drawn, left_out)),
            machine.section(data, summary),
            reading.section(summary),
            methods.section(data, summary),
            methods.again(data, drawn),
        ),
        stepbench=__version__,
    )


def _numbers(data: RunData, summary: Summary, pictures: Section) -> list[Section]:
    """Return the result and the figures; the long tables of a sweep come after both."""
    if data.manifest.axes:
        crossovers = Crossovers(data.crossovers)
        return [sweep.section(summary, crossovers), pictures, sweep.all_cases(summary, crossovers)]
    return [result.section(summary, speedup_card(data.manifest, summary.rows, data.samples, data.processes)), pictures]
