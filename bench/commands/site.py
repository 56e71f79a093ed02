"""`bench site`: pages about all runs below a folder."""

from __future__ import annotations

from pathlib import Path

import click

from bench.options.paths import READ
from bench.output.streams import note


@click.command()
@click.argument("folder", default="results", type=READ)
@click.option(
    "--out",
    type=READ,
    default="site",
    show_default=True,
    metavar="DIR",
    help="Write the pages there: a new or empty folder, or an earlier site, of which pages of runs that are gone are "
    "removed.",
)
def site(folder: Path, out: Path) -> None:
    """Write pages about all runs below FOLDER: a list of them, the report of each, the history of each step over them,
    and their machines side by side.

    The pages need no network, no server and no scripts: open index.html, or put the folder on any web server. Built
    again, only those are written of which a file of a run changed, or stepbench itself. A run that cannot be read is
    passed over, and the list says why.
    """
    from bench.output.names import counted
    from bench.output.site.build import build
    from bench.output.site.names import INDEX

    built = build(folder, out, note)
    removed = f", {built.removed} removed" if built.removed else ""
    note(f"{out / INDEX}: {counted(built.runs, 'run')}, {counted(built.pages, 'page')}, {built.made} written{removed}")
