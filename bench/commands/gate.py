"""`bench gate`: `bench ab` for continuous integration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bench.options import with_options
from bench.options.judging import COMPARING, SIDES, decide, finish, revisions


@click.command()
@click.option(
    "--base", required=True, metavar="REVISION", help="The revision that the files as they are must not fall behind."
)
@click.option("--allow-new", is_flag=True, help="What the revision did not have is named and does not count.")
@with_options(SIDES, COMPARING)
def gate(
    base: str,
    load: tuple[Path, ...],
    as_json: bool,
    junit: Path | None,
    allow_inconclusive: bool,
    **chosen: Any,
) -> None:
    """Fail if the files as they are got slower than a revision of their repository.

    One line a case. A Markdown summary is added to $GITHUB_STEP_SUMMARY where that is set. A case that is missing,
    wrong or failed on either side is never a pass, and INCONCLUSIVE is none without --allow-inconclusive. A new
    implementation is missing in the revision: --allow-new lets it be. Every PASS says which slowdown it could have
    seen.

    Exit status: 0 PASS, 1 REGRESSION, 3 INCONCLUSIVE, 4 INVALID, 2 wrong use.
    """
    with revisions(base, None, load, chosen["timeout"]) as sides:
        found = decide(sides, **chosen)
    finish(found, as_json=as_json, junit=junit, allow_inconclusive=allow_inconclusive, lines=True)
