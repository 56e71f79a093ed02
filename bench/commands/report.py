"""`bench report`: a stored run as a page, as Markdown or as a part of a paper."""

from __future__ import annotations

from pathlib import Path

import click

from bench.options import BASELINE, COLUMNS
from bench.options.paths import OUTPUT_OR_DASH, READ
from bench.output.outfile import STANDARD_OUTPUT, write_output
from bench.output.report import FORMATS
from bench.output.streams import note, pass_on


@click.command()
@click.argument("folder", metavar="RUN", type=READ)
@click.option("--to", "kind", type=click.Choice(list(FORMATS)), default="html", show_default=True, help="The format.")
@click.option(
    "--output",
    "--out",
    type=OUTPUT_OR_DASH,
    metavar="FILE",
    help="Write there; - for standard output.  [default: RUN/report.html, .md or .tex]",
)
@BASELINE
@COLUMNS
def report(folder: Path, kind: str, output: Path | None, baseline: str, columns: tuple[str, ...]) -> None:
    """Write a report of a run from its files: result, figures with their numbers, machine, methods.

    HTML is one file that needs no network and no scripts. Markdown and LaTeX name pictures in the run's figures/
    folder, which are drawn there.
    """
    from bench.output.report import report as report_of

    if output == STANDARD_OUTPUT:
        pass_on(report_of(folder, kind, baseline=baseline, columns=columns))
        return
    path = output or folder / f"report.{FORMATS[kind]}"
    write_output(path, report_of(folder, kind, path.parent, baseline, columns))
    note(f"wrote {path}")
