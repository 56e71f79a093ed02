"""`bench bisect`: which commit made it slower?"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.errors import StepbenchError, UsageError
from bench.options import with_options
from bench.options.judging import CRITERIA, PAIRS, SIDES, terms_of
from bench.options.numeric import Duration
from bench.options.paths import NEW_FOLDER, READ
from bench.options.planning import is_given, refuse_beside_resume
from bench.output.streams import say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.run.bisect import Search

SEARCHING = (
    click.option(
        "--budget", type=Duration(), default="5m", show_default=True, help="Time for the pairs of each commit."
    ),
    *PAIRS,
    *CRITERIA,
    click.option(
        "--resume",
        "resumed",
        type=READ,
        metavar="FOLDER",
        help="Go on with a search that was interrupted or killed; only --budget may be new, and --load names again "
        "what it began with.",
    ),
    click.option("--out", type=NEW_FOLDER, help="Folder of the search.  [default: results/bisect-...]"),
    click.option("--json", "as_json", is_flag=True, help="The search as JSON, on standard output."),
)


@click.command()
@click.argument("good", required=False)
@click.argument("bad", required=False)
@with_options(SIDES, SEARCHING)
def bisect(
    good: str | None,
    bad: str | None,
    load: tuple[Path, ...],
    resumed: Path | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Find the first commit after GOOD, up to and including BAD, that is slower than GOOD.

    \b
      bench bisect v1.0 main -i my_step                  about log2 of the commits in between are tested
      bench bisect v1.0 main --load my_step.py           a file of the repository, as each commit has it
      bench bisect --resume results/bisect-...           go on with a search that was interrupted

    Every commit is compared with GOOD as `bench ab` does it: REGRESSION is slow, PASS is not. One that is missing,
    wrong or fails, or stays INCONCLUSIVE with --pairs and --budget, is passed over and named. BAD is tested first: if
    it is no REGRESSION there is nothing to search for. Of a merge only the first parent's history is followed.

    --alpha is the chance of any wrong verdict in the whole search; each commit is tested at a part of it. Once BAD is
    known, the tolerance is at most what BAD is surely slower by: no commit that is as slow as BAD may PASS.

    Exit status: 0 the first slow commit was found; 3 it was not, since BAD is not surely slower than GOOD or several
    commits are left; 4 GOOD and BAD cannot be compared (missing, wrong or failed); 2 wrong use; 130 interrupted, and
    what was decided is kept.
    """
    from bench.output.content.bisect import bisection_json, progress_line, search_blocks
    from bench.output.progress import Progress
    from bench.output.render.terminal import show
    from bench.run.bisect import begin, comparing
    from bench.run.bisect import bisect as find
    from bench.run.resume import resuming

    if resumed is not None:
        refuse_beside_resume("load")
        search, folder = _read(resumed, load, chosen["budget"] if is_given("budget") else None), resumed
        search.terms = replace(search.terms, sharing=chosen["sharing"])
    elif good is None or bad is None:
        raise UsageError("GOOD and BAD are missing: name two revisions between which it got slower, or --resume.")
    else:
        search, folder = begin(good, bad, load, terms_of(**chosen), ("bench", *sys.argv[1:]))
    with Progress() as progress:
        try:
            found = find(
                *(search, folder, comparing(progress)),
                tell=lambda *told: progress.note(progress_line(*told)),
                unwritten=progress.unwritten,
            )
        except (KeyboardInterrupt, StepbenchError):
            if folder.exists():
                again = resuming(("bisect", "--resume", str(folder)), search.manifest.load)
                progress.note(f"What was decided is kept: go on with `{again}`.")
            raise
    if as_json:
        say_json(bisection_json(found))
    else:
        show(search_blocks(found))
    sys.exit(found.exit_code)


def _read(folder: Path, load: Sequence[Path], budget: float | None) -> Search:
    """Read a search that is to go on, with a new budget if there is one."""
    from bench.run.bisect import read

    search = read(folder, load)
    if budget is not None:
        search.terms = replace(search.terms, volume=replace(search.terms.volume, budget_seconds=budget))
    return search
