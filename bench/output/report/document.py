"""The report of a run, built once for all formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bench import __version__
from bench.analysis.card import speedup_card
from bench.output.report import figures, machine, methods, published, reading, result
from bench.output.report.model import Document
from bench.output.report.rows import Summary, summary_rows

if TYPE_CHECKING:
    from bench.output.figures import RunData


def build(data: RunData, drawn: Sequence[str], left_out: Mapping[str, str]) -> Document:
    """All that a report says.

    Args:
        data: the run.
        drawn: the figures that the format has pictures of, in their order.
        left_out: the others, and why.
    """
    manifest = data.manifest
    summary = Summary(summary_rows(data.summary))
    card = speedup_card(data.samples, data.processes)
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
        warnings=result.warnings(summary, manifest),
        sections=(
            result.section(summary, card, data.crossovers),
            figures.section(data, summary, drawn, left_out),
            machine.section(data, summary),
            reading.section(summary),
            published.section(summary, card),
            methods.section(data, summary),
            methods.again(data, drawn),
        ),
        stepbench=__version__,
    )
