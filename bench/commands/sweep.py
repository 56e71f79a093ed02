"""`bench sweep`: measure implementations over sizes, and find where one overtakes another."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.errors import UsageError
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
    warn_of_threads,
)
from bench.output.streams import note

if TYPE_CHECKING:
    from bench.model.axis import Axis
    from bench.run.plan import Planned, Selection
    from bench.run.watcher import Watcher


@dataclass(frozen=True)
class Preset:
    """Options that stand for themselves where the command line does not give them."""

    axes: tuple[str, ...]
    budget: float
    workload: tuple[str, ...] = ()


PRESETS = {
    "small": Preset(("hidden=32:2048:x4",), 150.0, ("mlp_sgd",)),
    "paper": Preset(("hidden=32:8192:x2", "threads=1,all"), 3600.0),
}
_SECONDS_A_PROCESS = 0.6
"""What a process costs at the least, to say beforehand that a budget cannot be enough."""


@click.command()
@click.option(
    "--axis",
    "axes",
    multiple=True,
    metavar="NAME=VALUES",
    help="What varies: any size of a workload, as in hidden=64:4096:x2 or batch=16,64,256; threads=1,all or "
    "dtype=float32,float64. batch=64:fit finds the largest that fits in memory. Repeat for all combinations.",
)
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    help="small: hidden=32:2048:x4 of mlp_sgd in 150 s; paper: hidden=32:8192:x2 of all workloads with one thread and "
    "all, in an hour. Options that you give override it.",
)
@with_options(CHOOSING, MEASURING, (BASELINE, COLD))
@click.option("--budget", type=Duration(), default="5m", show_default=True, help="Time for the whole command.")
@click.option("--rounds", type=ROUNDS, help="Number of rounds over the grid, without refinement, if the budget allows.")
@click.option(
    "--within",
    type=Percent(),
    default="5%",
    show_default=True,
    help="Stop when crossovers are known and every speedup's interval is within ± this.",
)
@click.option(
    "--crossover-within",
    type=Percent(),
    default="10%",
    show_default=True,
    help="Measure around a crossover until its interval is within ± this.",
)
@click.option("--refine/--no-refine", default=True, show_default=True, help="Measure sizes around crossovers.")
@with_options(CLUSTER, KEEPING)
def sweep(
    axes: tuple[str, ...],
    preset: str | None,
    budget: float,
    rounds: int | None,
    within: float,
    crossover_within: float,
    refine: bool,
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
    """Measure implementations over sizes, and find the size at which one overtakes another.

    \b
      bench sweep --axis hidden=64:4096:x2                    the tutorial's programs at seven sizes
      bench sweep --axis hidden=64:4096:x2 --axis threads=1,2 the same with one thread and with two
      bench sweep --preset small                              a first look, in two and a half minutes

    The engine is that of `bench run`; implementations take turns at each size. Six rounds over the grid come first;
    then sizes around each crossover (NumPy against torch, eager against graph, one thread against two) until it is
    known to --crossover-within; then the widest intervals. A size that does not fit in memory keeps a row that says so.
    """
    from bench.output.progress import Progress
    from bench.run import session
    from bench.run.terms import RunTerms

    cluster = cluster_of(chosen)
    with Progress() as progress:
        if resumed is not None:
            refuse_beside_resume("load", "on", "nodes", "slurm")
            new = measuring_seconds(budget, figures) if is_given("budget") else None
            outcome = session.resume(resumed, progress, new, chosen["load"], sharing, cluster)
        else:
            budget = _take_preset(preset, budget, chosen)
            wanted = selection(seed=seed, timeout=timeout, **chosen)  # first: a loaded file may bring sizes of its own
            axes, fits = _fitted(axes, wanted, progress, timeout)
            found = _axes(axes, preset, wanted)
            planned = _planned(wanted, found, budget)
            terms = RunTerms(
                *(measuring_seconds(budget, figures), rounds, within, timeout, seed, ("bench", *sys.argv[1:])),
                *(out, chosen["load"], baseline, found, fits),
                crossover_within=crossover_within if refine and rounds is None else None,
                cold=cold,
                sharing=sharing,
                cluster=cluster,
            )
            outcome = session.run(planned, terms, progress)
    show_run(outcome, figures, as_json, columns)
    sys.exit(outcome.exit_code)


def _take_preset(name: str | None, budget: float, chosen: dict[str, Any]) -> float:
    """Choose the workload of a preset, if none is given, and give its budget, or the one that is given."""
    if name is None:
        return budget
    if not is_given("workload") and not is_given("implementation"):
        chosen["workload"] = PRESETS[name].workload
    return budget if is_given("budget") else PRESETS[name].budget


def _fitted(
    texts: tuple[str, ...], wanted: Selection, watcher: Watcher, timeout: float | None
) -> tuple[tuple[str, ...], dict[str, dict[str, int | None]]]:
    """Find the ends of axes such as batch=64:fit, and write these out: up to what all can have while others are alive.

    Raises:
        UsageError: the first value fits for nobody.
    """
    from bench.machine.environment import usable_cpus
    from bench.model.axis import fit_of, parse_axis
    from bench.run.fit import Fit, measurable, values
    from bench.run.session import largest_that_fit

    written, fits = [], dict[str, dict[str, int | None]]()
    for text in texts:
        if (asked := fit_of(text)) is None:
            written.append(text)
            continue
        name, start, factor = asked

        def tell(fit: Fit, name: str = name) -> None:
            said = fit.reason if fit.largest is None else f"the largest {name} that fits is {fit.largest:,}"
            note(f"{fit.implementation} on {fit.backend}: {said}")

        found = largest_that_fit(wanted, name, start, watcher, timeout, tell)
        fits[name] = {f"{fit.implementation}@{fit.backend}": fit.largest for fit in found}
        known = [fit.largest for fit in found if fit.largest is not None]
        if not known:
            raise UsageError(f"--axis {text}: no chosen implementation fits in memory at {start}: start lower.")
        others = [parse_axis(other, usable_cpus) for other in texts if fit_of(other) is None]
        threads = next((axis.values for axis in others if axis.name == "threads"), wanted.threads)
        conditions = len(threads) * len(wanted.modes) * len(wanted.precisions)
        most = measurable(min(known), start, len(known) * conditions)
        note(f"measuring up to {name} {most:,}, since processes are alive together")
        written.append(f"{name}={','.join(map(str, values(start, most, factor)))}")
    return tuple(written), fits


def _axes(texts: tuple[str, ...], preset: str | None, wanted: Selection) -> tuple[Axis, ...]:
    """Parse the axes asked for; those of a preset are among them unless given otherwise. Warn of too many threads.

    Raises:
        UsageError: there is none, one is given twice, or as an option as well.
    """
    from bench.machine.environment import usable_cpus
    from bench.model.axis import parse_axis

    found: dict[str, Axis] = {}
    for text in texts:
        axis = parse_axis(text, usable_cpus)
        if axis.name in found:
            raise UsageError(f"--axis {axis.name} is given twice: put all its values into one.")
        if axis.name in wanted.sizes or is_given(axis.name):
            raise UsageError(
                f"--axis {axis.name} and an option that sets it exclude each other: leave out one of them."
            )
        found[axis.name] = axis
    for text in PRESETS[preset].axes if preset is not None else ():
        axis = parse_axis(text, usable_cpus)
        if axis.name not in found and axis.name not in wanted.sizes and not is_given(axis.name):
            found[axis.name] = axis
    if not found:
        raise UsageError("Nothing varies: give --axis, as in --axis hidden=64:4096:x2, or --preset small.")
    if "threads" in found:
        warn_of_threads([int(count) for count in found["threads"].values])
    return tuple(found.values())


def _planned(wanted: Selection, axes: tuple[Axis, ...], budget: float) -> tuple[Planned, ...]:
    """Plan the cases; say beforehand if not even six rounds of them can fit, since no interval can be given then."""
    from bench.run.ledger import MIN_ROUNDS
    from bench.run.plan import plan_sweep

    planned = plan_sweep(wanted, axes)
    warn_of_modes(wanted, planned)
    live = sum(1 for item in planned if not item.skipped)
    least = live * MIN_ROUNDS * _SECONDS_A_PROCESS
    if least > budget:
        note(
            f"Warning: {live} cases take at least {least / 60:.0f} min for the {MIN_ROUNDS} rounds that intervals "
            f"need, and --budget is {budget / 60:.1f} min: raise it, or choose fewer values."
        )
    return planned
