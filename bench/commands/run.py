"""`bench run`: measure implementations at one size of the problem."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from bench.model.sharing import Sharing
from bench.options import BASELINE, CHOOSING, COLD, MEASURING, with_options
from bench.options.cluster import CLUSTER, cluster_of
from bench.options.numeric import ROUNDS, Duration, Percent
from bench.options.planning import (
    KEEPING,
    is_given,
    measuring_seconds,
    refuse_beside_resume,
    selection,
    show_run,
    warn_of_modes,
)


@click.command()
@with_options(CHOOSING, MEASURING, (BASELINE, COLD))
@click.option("--budget", type=Duration(), default="60s", show_default=True, help="Time for the whole command.")
@click.option("--rounds", type=ROUNDS, help="Number of rounds over all cases, if the budget allows.")
@click.option(
    "--within",
    type=Percent(),
    default="2%",
    show_default=True,
    help="Stop when every speedup's interval is within ± this.",
)
@with_options(CLUSTER, KEEPING)
def run(
    budget: float,
    rounds: int | None,
    within: float,
    baseline: str,
    cold: int,
    resumed: Path | None,
    out: Path | None,
    figures: bool,
    as_json: bool,
    columns: tuple[str, ...],
    timeout: float | None,
    seed: int,
    sharing: Sharing,
    **chosen: Any,
) -> None:
    """Measure implementations, each in fresh processes, and write CSVs and figures.

    Every case is compared with the truth in float64, before it is timed and after; one that is wrong is not shown.

    At the end the headline figures are drawn; `bench plot RUN` draws all of them, `bench report RUN` puts everything
    into one HTML file.
    """
    from bench.output.progress import Progress
    from bench.run.plan import plan_cases
    from bench.run.session import resume
    from bench.run.session import run as measure
    from bench.run.terms import RunTerms

    seconds = measuring_seconds(budget, figures)
    cluster = cluster_of(chosen)
    with Progress() as progress:
        if resumed is not None:
            refuse_beside_resume("load", "on", "nodes", "slurm")
            outcome = resume(
                resumed, progress, seconds if is_given("budget") else None, chosen["load"], sharing, cluster
            )
        else:
            wanted = selection(seed=seed, timeout=timeout, **chosen)
            planned = plan_cases(wanted)
            warn_of_modes(wanted, planned)
            command = ("bench", *sys.argv[1:])
            terms = RunTerms(
                *(seconds, rounds, within, timeout, seed, command, out, chosen["load"], baseline),
                cold=cold,
                sharing=sharing,
                cluster=cluster,
            )
            outcome = measure(planned, terms, progress)
    show_run(outcome, figures, as_json, columns)
    sys.exit(outcome.exit_code)
