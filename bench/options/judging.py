"""The options of commands that judge, and the way of `bench ab` and `bench gate` from two sides to an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from bench.errors import StorageError, UsageError, os_cure, outliving
from bench.options import (
    DEVICE,
    IMPLEMENTATION,
    LOAD,
    PROBLEM,
    SEED,
    SHARING,
    TIMEOUT,
    names_of,
    sizes_of,
    warn,
)
from bench.options.numeric import PAIRS_LIMIT, THREADS, Duration, Percent, Whole
from bench.options.paths import NEW_FOLDER, OUTPUT
from bench.output.outfile import write_output
from bench.output.streams import note, say, say_json

if TYPE_CHECKING:
    from bench.analysis.rule import Criteria
    from bench.model.sharing import Sharing
    from bench.run.contest import Comparison
    from bench.run.sides import Side
    from bench.run.terms import Terms

CRITERIA = (
    click.option("--alpha", type=Percent(), default="1%", show_default=True, help="Risk of any false REGRESSION."),
    click.option(
        "--margin", type=Percent(), default="1%", show_default=True, help="REGRESSION: surely slower than this."
    ),
    click.option(
        "--tolerance",
        type=Percent(),
        default="5%",
        show_default=True,
        help="PASS: surely not slower than this; a phase by what it adds to the step.",
    ),
)
"""What a verdict takes: `criteria_of` reads them."""
JUDGING = (
    *CRITERIA,
    click.option("--allow-inconclusive", is_flag=True, help="Exit with 0 if nothing is worse than INCONCLUSIVE."),
    click.option("--junit", type=OUTPUT, metavar="FILE.xml", help="Write the verdicts for a build server."),
)
"""Options of a command that judges once."""
PAIRS = (
    click.option(
        "--pairs",
        type=Whole(7, PAIRS_LIMIT),
        default=44,
        show_default=True,
        help="Most pairs of each case; it stops sooner where fewer decide.",
    ),
    click.option(
        "--jobs",
        type=THREADS,
        help="Pairs at once, each on a core of its own.  [default: one for each fast core; 1 with more threads]",
    ),
)
"""How much is measured of one comparison."""
COMPARING = (
    click.option("--budget", type=Duration(), default="5m", show_default=True, help="Time for all pairs."),
    *PAIRS,
    *JUDGING,
    click.option("--out", type=NEW_FOLDER, help="Folder for pairs.csv.  [default: results/ab-...]"),
    click.option("--json", "as_json", is_flag=True, help="The verdicts as JSON, on standard output."),
)
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable that names the file of a step's summary."""
SIDES = (
    IMPLEMENTATION,
    LOAD,
    DEVICE,
    *PROBLEM,
    click.option(
        "--threads",
        type=THREADS,
        default=1,
        show_default=True,
        help="CPU threads; with one, both sides share one core.",
    ),
    SEED,
    TIMEOUT,
    *SHARING,
)
"""Options that say what is compared on both sides."""


def criteria_of(**given: float) -> Criteria:
    """Return what the options `--alpha`, `--margin` and `--tolerance` set; the rest has its default.

    Raises:
        UsageError: no verdict could follow from them.
    """
    from bench.analysis.rule import Criteria

    try:
        return Criteria(**given)
    except ValueError as error:
        message = str(error)
        for name in given:
            message = message.replace(name, f"--{name}")
        raise UsageError(f"{message}.") from None


def terms_of(
    *,
    implementation: tuple[str, ...],
    device: str,
    dtype: str,
    threads: int,
    timeout: float | None,
    budget: float,
    pairs: int,
    jobs: int | None,
    alpha: float,
    margin: float,
    tolerance: float,
    out: Path | None,
    sizes: tuple[tuple[tuple[str, int], ...], ...],
    seed: int,
    sharing: Sharing,
    allow_new: bool = False,
    **more_sizes: int | None,
) -> Terms:
    """Read the options of `SIDES` and of a comparison."""
    from bench.model.problem import Dtype
    from bench.run.terms import Terms, Volume

    return Terms(
        names=names_of(implementation),
        devices=() if device == "all" else (device,),
        sizes=sizes_of(sizes, **more_sizes),
        dtype=Dtype(dtype),
        seed=seed,
        threads=threads,
        jobs=jobs,
        volume=Volume(pairs, budget),
        criteria=criteria_of(alpha=alpha, margin=margin, tolerance=tolerance),
        timeout=timeout,
        out=out,
        allow_new=allow_new,
        sharing=sharing,
    )


def decide(sides: tuple[Side, Side], **chosen: Any) -> Comparison:
    """Measure and judge two sides as the options say; see `terms_of`."""
    from bench.output.progress import Progress
    from bench.run.contest import compare_sides
    from bench.run.matching import match
    from bench.run.plan import check_devices

    terms = terms_of(**chosen)
    check_devices(terms.devices)
    cases = match(sides, terms)
    with Progress() as progress:
        return compare_sides(sides, cases, progress, terms)


@contextmanager
def revisions(a: str, b: str | None, load: tuple[Path, ...], timeout: float | None) -> Iterator[tuple[Side, Side]]:
    """Check out two revisions of the repository that the command runs in; None stands for the files as they are."""
    from bench.run.sides import of_revisions

    with of_revisions(a, b, load, Path.cwd(), timeout) as sides:
        yield sides


def finish(
    found: Comparison, *, as_json: bool, junit: Path | None, allow_inconclusive: bool, lines: bool = False
) -> NoReturn:
    """Show a comparison, write what was asked for, and exit with its status."""
    from bench.output.ci import junit as junit_xml
    from bench.output.ci import summary as markdown
    from bench.output.content.verdicts import log_lines, of_pairs, verdict_blocks
    from bench.output.render.terminal import show
    from bench.run.calibration import load as load_calibration
    from bench.run.contest import as_json as comparison_json

    calibration = load_calibration()
    judgement = of_pairs(found, calibration)
    if as_json:
        told: dict[str, Any] = comparison_json(found)
        told["calibration"] = None if calibration is None else calibration.model_dump()
        say_json(told)
    elif lines:
        for line in log_lines(judgement):
            say(line)
    else:
        show(verdict_blocks(judgement))
    if junit is not None:
        write_junit(junit, junit_xml(judgement, allow_inconclusive=allow_inconclusive))
    if lines and (summary := os.environ.get(STEP_SUMMARY)):
        with outliving(warn):
            _add_to(Path(summary), markdown(judgement))
    sys.exit(found.exit_code(allow_inconclusive))


def write_junit(path: Path, text: str) -> None:
    """Write verdicts for a build server, or warn that they cannot be written: they have been shown."""
    with outliving(warn):
        write_output(path, text)
        note(f"wrote {path}")


def _add_to(summary: Path, text: str) -> None:
    """Add a text to the summary of a step.

    Raises:
        StorageError: its file cannot be written.
    """
    try:
        with summary.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        cure = os_cure(error, "name another file")
        raise StorageError(f"{STEP_SUMMARY}: {summary} cannot be written ({error.strerror}): {cure}.") from error
