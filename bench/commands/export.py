"""`bench export`: a stored run in the format of another tool."""

from __future__ import annotations

from pathlib import Path

import click

from bench.options import IMPLEMENTATION, names_of
from bench.options.paths import OUTPUT, READ
from bench.output.export import Metric, Wanted, names
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
    "--metric",
    type=click.Choice(["time", "speedup", "throughput"]),
    help="What is told of each, where the format can hold it: rows of the batch per second is a throughput, and a "
    "speedup needs a baseline.  [default: time; for bencher the speedup as well]",
)
@click.option(
    "--output",
    "--out",
    type=OUTPUT,
    metavar="FILE",
    help="Write there.  [default: standard output]",
)
def export(
    folder: Path,
    name: str,
    implementation: tuple[str, ...],
    phase: tuple[str, ...],
    metric: str | None,
    output: Path | None,
) -> None:
    """Write a stored run as another benchmark tool reads it, to compare it there or to keep its history.

    A benchmark's name holds everything that tells it from another one, so equal names of two runs mean equal work.
    Whole steps are written, which are what a dashboard should watch; --phase chooses others. Cases without a time, such
    as one that became wrong, are named on standard error. Times are of one machine, which every format but bencher's
    names; where machines change, follow speedups.
    """
    from bench.output.export import export as export_run

    wanted = Wanted(names_of(implementation), names_of(phase), None if metric is None else Metric(metric))
    text = export_run(folder, name, wanted, note)
    if output is None:
        pass_on(text)
    else:
        write_output(output, text)
        note(f"wrote {output}")
