"""`bench explain`: where a figure's file comes from, told by the file itself."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bench.options.paths import READ
from bench.output.streams import say_json


@click.command()
@click.argument("figure", metavar="FIGURE", type=READ)
@click.option(
    "--run",
    type=READ,
    metavar="RUN",
    help="Folder of its run, or file of its calibration.  [default: found beside FIGURE, or where these are kept]",
)
@click.option("--check", is_flag=True, help="Exit 1 unless the figure shows the files as they are.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, on standard output.")
def explain(figure: Path, run: Path | None, check: bool, as_json: bool) -> None:
    """Say which run a figure shows, how to draw it again, and whether its data changed since.

    FIGURE is a .png, .svg or .pdf file that `bench plot` drew; it may have been copied or renamed. Nothing in it is
    executed.

    \b
      bench explain paper/speedup.pdf
      bench explain paper/speedup.pdf --check || echo draw it again

    With --check it exits 1 if the run's files changed since, or if that cannot be told because the run is not found.
    """
    from bench.output.explanation import Freshness, explanation_blocks, explanation_json
    from bench.output.explanation import explain as explain_file
    from bench.output.render.terminal import show

    found = explain_file(figure, run)
    if as_json:
        say_json(explanation_json(found))
    else:
        show(explanation_blocks(found))
    sys.exit(1 if check and found.freshness is not Freshness.SAME else 0)
