"""`bench report`: a stored run, or several side by side, as a page, as Markdown or as a part of a paper."""

from __future__ import annotations

from pathlib import Path

import click

from bench.errors import UsageError
from bench.options import BASELINE, COLUMNS
from bench.options.paths import OUTPUT_OR_DASH, READ
from bench.output.outfile import STANDARD_OUTPUT, write_output
from bench.output.report import FORMATS
from bench.output.streams import note, pass_on


@click.command()
@click.argument("runs", metavar="RUN ...", nargs=-1, required=True, type=READ)
@click.option("--to", "kind", type=click.Choice(list(FORMATS)), default="html", show_default=True, help="The format.")
@click.option(
    "--output",
    "--out",
    type=OUTPUT_OR_DASH,
    metavar="FILE",
    help="Write there; - for standard output.  [default: report.html, .md or .tex in RUN, of several runs in several]",
)
@BASELINE
@COLUMNS
def report(runs: tuple[Path, ...], kind: str, output: Path | None, baseline: str, columns: tuple[str, ...]) -> None:
    """Write a report of a run from its files: result, figures with their numbers, machine, methods.

    Of several runs, of any machines or versions and also imported ones, it shows times and speedups side by side, the
    facts of each machine and what differs; it judges nothing.

    HTML is one file that needs no network and no scripts. Markdown and LaTeX name pictures in the run's figures/
    folder, which are drawn there; of several runs in the one beside the report.
    """
    from bench.output.figures import data_of
    from bench.output.report import written

    if columns and len(runs) > 1:
        raise UsageError("--columns is for the report of one run: leave it out.")
    to_file = output if output != STANDARD_OUTPUT else None
    data = data_of(runs, to_file.parent if to_file and len(runs) > 1 else None, baseline)
    if output == STANDARD_OUTPUT:
        pass_on(written(data, kind, columns=columns))
        return
    path = output or data.folder / f"report.{FORMATS[kind]}"
    write_output(path, written(data, kind, path.parent, columns))
    note(f"wrote {path}")
