"""`bench export`: a stored run in the format of another tool."""

from __future__ import annotations

from pathlib import Path

import click

from bench.output.export import names


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--to", "name", type=click.Choice(names()), required=True, help="The tool that is to read it.")
@click.option(
    "--output",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write there.  [default: standard output]",
)
def export(folder: Path, name: str, output: Path | None) -> None:
    """Write a stored run as another benchmark tool reads it, to compare it there or to keep its history.

    A benchmark's name holds everything that tells it from another one, so equal names of two runs mean equal work.
    Cases without a time, such as one that became wrong, are named on standard error.
    """
    from bench.data.store import write_atomically
    from bench.output.export import export as export_run

    text = export_run(folder, name, lambda what: click.echo(what, err=True))
    if output is None:
        click.echo(text, nl=False)
    else:
        write_atomically(output, text)
        click.echo(f"wrote {output}", err=True)
