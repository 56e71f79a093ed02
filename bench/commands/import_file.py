"""`bench import`: what another tool measured, beside the runs of stepbench."""

from __future__ import annotations

from pathlib import Path

import click

from bench.options.paths import READ
from bench.output.streams import note, say


@click.command("import")
@click.argument("file", metavar="FILE", type=READ)
@click.option("--name", default="", metavar="NAME", help="Call the run so.  [default: the file's name and the date]")
@click.option(
    "--into", type=READ, default="results", show_default=True, metavar="FOLDER", help="The folder that holds the runs."
)
@click.option(
    "--date",
    default="",
    metavar="ISO",
    help="When it was measured, such as 2026-01-31T12:00.  [default: what the file says, else when it last changed]",
)
def import_file(file: Path, name: str, into: Path, date: str) -> None:
    """Read the benchmarks of another tool: a JSON file of pytest-benchmark, pyperf or github-action-benchmark.

    They stand in `bench history`, `bench compare --across`, and beside others in `bench plot` and `bench report`, each
    marked with what measured it; never a verdict is given of them, nor a change looked for. An interval is shown where
    the file holds the values for it: over processes for pyperf, over the rounds of one process for pytest-benchmark,
    which says less, and none for github-action-benchmark.

    \b
      bench import .benchmarks/Linux-CPython-3.11-64bit/0001_x.json
      bench import pyperf.json --name before
      bench import gh-pages/dev/bench/data.js           one run for each commit that it holds
    """
    from bench.analysis.importing import imported
    from bench.data.store import check_empty, write_foreign

    found = imported(file, name, date)
    folders = [into / run.run_id for run in found.runs]
    for folder in folders:  # before any is written
        check_empty(folder)
    for folder, run in zip(folders, found.runs, strict=True):
        write_foreign(folder, run)
        say(folder)
    for what in found.left_out:
        note(f"left out: {what}")
    if found.undated:
        note(
            f"{file} does not say when it was measured: the run has the date of its last change; --date gives another."
        )
