"""`bench export`: a stored run in the format of another tool."""

from __future__ import annotations

from pathlib import Path

import click

from bench.options import IMPLEMENTATION, names_of
from bench.options.paths import OUTPUT, READ
from bench.output.export import Wanted, names
from bench.output.outfile import write_output
from bench.output.streams import note, pass_on


@click.command()
@click.argument("folder", metavar="RUN", type=READ)
@click.option("--to", "name", type=click.Choice(names()), required=True, help="The tool that is to read it.")
@IMPLEMENTATION
@click.option(
    "--phase",
    multiple=True,
    metavar="NAME",
    default=("step",),
    help="These times: step, forward, backward, update, first_step, or all, single depths included.  [default: step]",
)
@click.option(
    "--output",
    "--out",
    type=OUTPUT,
    metavar="FILE",
    help="Write there.  [default: standard output]",
)
def export(
    folder: Path, name: str, implementation: tuple[str, ...], phase: tuple[str, ...], output: Path | None
) -> None:
    """Write a stored run as another benchmark tool reads it, to compare it there or to keep its history.

    A benchmark's name holds everything that tells it from another one, so equal names of two runs mean equal work.
    Whole steps are written, which are what a dashboard should watch; --phase chooses others. Cases without a time, such
    as one that became wrong, are named on standard error.
    """
    from bench.output.export import export as export_run

    text = export_run(folder, name, Wanted(names_of(implementation), names_of(phase)), note)
    if output is None:
        pass_on(text)
    else:
        write_output(output, text)
        note(f"wrote {output}")
