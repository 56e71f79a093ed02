"""What `run`, `sweep` and `verify` share: from options to cases, and from a finished run to the screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.errors import UsageError, outliving
from bench.options import COLUMNS, SHARING, names_of, sizes_of, warn
from bench.options.paths import NEW_FOLDER, READ
from bench.output.names import counted
from bench.output.streams import note, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.run.plan import Planned, Selection
    from bench.run.session import Outcome

KEEPING = (
    *SHARING,
    click.option(
        "--resume",
        "resumed",
        type=READ,
        metavar="RUN",
        help="Finish a run that was interrupted or killed; only --budget may be new, and --load and --on name "
        "again what it began with.",
    ),
    click.option("--out", type=NEW_FOLDER, help="Folder of the run.  [default: results/RUN-ID]"),
    click.option("--figures/--no-figures", default=True, show_default=True, help="Draw figures at the end."),
    COLUMNS,
    click.option("--json", "as_json", is_flag=True, help="The summary as JSON, on standard output."),
)
"""Options that say beside whom a run measures, where it is kept and what is shown of it."""
FIGURE_SECONDS = 7.0
"""Kept back from the budget for the summary and the figures."""


def selection(
    *,
    implementation: tuple[str, ...],
    workload: tuple[str, ...],
    select: str,
    device: str,
    load: tuple[Path, ...],
    dtype: str,
    threads: tuple[int, ...],
    spreads: tuple[int, ...],
    scaling: str,
    modes: tuple[str, ...],
    precisions: tuple[str, ...],
    sizes: tuple[tuple[tuple[str, int], ...], ...],
    seed: int,
    timeout: float | None = None,
    **more_sizes: int | None,
) -> Selection:
    """Read the options of `CHOOSING` and `MEASURING`; warn of more threads than there are CPUs.

    Raises:
        UsageError: a name is unknown, or nothing fits.
        DeviceAbsentError: the device is absent here.
        LoadError: a file cannot be used.
    """
    from bench.model.case import Mode
    from bench.model.precision import Precision
    from bench.model.problem import Dtype
    from bench.run.plan import Selection, check_devices, choose
    from bench.run.reading import read_all

    devices = () if device == "all" else (device,)
    registry = read_all(load, timeout)  # first: a loaded file may bring a device of its own
    check_devices(devices)
    threads = _shared_out(threads, max(spreads))
    warn_of_threads(threads)
    spread = spreads != (1,)
    chosen = choose(registry, names_of(implementation), names_of(workload), select == "all", spread)
    if spread and not any(item.spreads for item in chosen):
        raise UsageError(
            f"--devices {','.join(map(str, spreads))}: none of the chosen implementations can be spread over devices: "
            "name one that `bench list` shows to be."
        )
    return Selection(
        chosen,
        sizes_of(sizes, **more_sizes),
        Dtype(dtype),
        seed,
        threads,
        devices,
        tuple(Mode(name) for name in modes),
        tuple(Precision(name) for name in precisions),
        spreads,
        scaling == "weak",
    )


def _shared_out(threads: tuple[int, ...], devices: int) -> tuple[int, ...]:
    """Return the numbers of threads; if none is given, as many as leave CPUs of its own to each of several processes.

    Steps of one process take as many, so that they stand beside the others.
    """
    if devices == 1 or is_given("threads"):
        return threads
    each = max(1, threads[0] // devices)
    note(f"--threads {each}: each of {devices} processes has CPUs of its own.")
    return (each,)


def warn_of_threads(threads: Sequence[int]) -> None:
    """Say so if there are more threads than CPUs."""
    from bench.machine.environment import usable_cpus

    if (most := max(threads)) > (cpus := usable_cpus()):
        note(f"Warning: --threads {most}, but {counted(cpus, 'CPU')} may be used: they will wait for each other.")


def warn_of_modes(wanted: Selection, planned: Sequence[Planned]) -> None:
    """Say so if a mode is asked for that no planned case has: on a CPU nothing is transferred."""
    got = {item.case.mode for item in planned if not item.skipped}
    if got and (lost := [mode for mode in wanted.modes if mode not in got]):
        instead = ", ".join(dict.fromkeys(mode.on_host for mode in lost))
        text = f"on a CPU nothing is transferred, so {instead} is measured instead of {', '.join(lost)}."
        note(f"Warning: --modes: {text}")


def measuring_seconds(budget: float, figures: bool) -> float:
    """Return the part of a command's budget that is for measuring."""
    return budget - min(FIGURE_SECONDS if figures else 1.0, budget / 5)


def is_given(name: str) -> bool:
    """Say whether an option stands on the command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def refuse_beside_resume(*allowed: str) -> None:
    """Refuse options beside --resume that a resumed run takes from its files."""
    parameters = click.get_current_context().command.params
    others = ("resumed", "budget", "figures", "as_json", "columns", "sharing", *allowed)
    given = [item.opts[0] for item in parameters if item.name and item.name not in others and is_given(item.name)]
    if given:
        raise UsageError(
            f"--resume takes everything but --budget, --load and --on from the run: leave out {', '.join(given)}."
        )


def show_run(outcome: Outcome, figures: bool, as_json: bool, columns: tuple[str, ...] = ()) -> None:
    """Show the tables on standard output, the paths of what was written on standard error."""
    from bench.analysis.break_even import payoffs
    from bench.analysis.card import speedup_card
    from bench.data.run import StoredRun
    from bench.data.store import CROSSOVERS, MANIFEST, PROCESSES, SAMPLES, SUMMARY
    from bench.output.content.crossovers import Crossovers
    from bench.output.content.result import run_blocks, summary_json
    from bench.output.content.summary import Summary
    from bench.output.content.sweep import sweep_blocks
    from bench.output.render.terminal import show

    folder, run = outcome.folder, StoredRun(outcome.folder)
    summary = Summary(outcome.rows, outcome.manifest)
    if as_json:
        say_json(summary_json(outcome.rows))
    elif outcome.manifest.axes:
        show(sweep_blocks(summary, Crossovers(run.crossovers), str(folder), columns))
    else:
        files = (outcome.manifest, outcome.rows, run.samples, run.processes)
        show(run_blocks(summary, str(folder), speedup_card(*files), columns, payoffs(*files)))
    written = [folder / name for name in (SAMPLES, PROCESSES, SUMMARY, CROSSOVERS, MANIFEST)]
    written = [path for path in written if path.exists()]
    if figures and any(row.status == "ok" for row in outcome.rows):
        from bench.output.figures import draw_headlines

        with outliving(warn):
            written += draw_headlines(folder)
    for path in written:
        note(f"wrote {path}")
