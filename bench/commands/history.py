"""`bench history`: the runs of one machine, in order, and where a time changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.errors import UsageError, nearest
from bench.options import IMPLEMENTATION, names_of
from bench.options.paths import OUTPUT, READ
from bench.output.outfile import write_output
from bench.output.streams import note, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.history import AnyFiles, History

_KINDS = ("png", "svg", "pdf")


@click.command()
@click.argument("folder", default="results", type=READ)
@IMPLEMENTATION
@click.option("--backend", "-b", metavar="NAME", help="Only this backend, for example torch-cpu.")
@click.option(
    "--phase",
    type=click.Choice(["step", "forward", "backward", "update"]),
    default="step",
    show_default=True,
    help="Which time to follow.",
)
@click.option(
    "--machine",
    type=click.Choice(["current", "all"]),
    default="current",
    show_default=True,
    help="Runs of this machine, or of every machine apart.",
)
@click.option("--figure", type=OUTPUT, metavar="FILE.png|svg|pdf", help="Draw it into this file.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, on standard output.")
def history(
    folder: Path,
    implementation: tuple[str, ...],
    backend: str | None,
    phase: str,
    machine: str,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Show how a step's time went over the runs below FOLDER, and where it changed.

    A series is one case on one machine. New package versions, variables that change results or speed, and how many CPUs
    could be used are shown beside the run that had them first. Runs that `bench import` read are shown apart, marked
    with what measured them, and no change is looked for in them.
    """
    if figure is not None and figure.suffix[1:] not in _KINDS:
        raise UsageError(f"--figure is {str(figure)!r}: give a file that ends in .png, .svg or .pdf.")
    from bench.analysis.runs import runs_below

    own, foreign, _ = runs_below(folder, lambda each: note(f"Passed over: {each.reason}"))
    runs = _of_machine([*own, *foreign], folder, machine)
    names = names_of(implementation)
    _check(names, backend, runs)

    from bench.analysis.history import ForeignFiles, RunFiles, foreign_histories, histories
    from bench.output.content.history import history_blocks, history_json
    from bench.output.render.terminal import show

    every = histories([run for run in runs if isinstance(run, RunFiles)], phase, names, backend)
    if phase == "step":
        every += foreign_histories([run for run in runs if isinstance(run, ForeignFiles)], names, backend)
    found = tuple(item for item in every if item.series)
    if not found:
        raise UsageError(f"No run below {folder} has a {phase} time of what you chose: choose other cases or a phase.")
    if as_json:
        say_json(history_json(found))
    else:
        for item in found:
            show(history_blocks(item, phase))
    if figure is not None:
        words = ["bench", "history", folder.name if folder.is_absolute() else str(folder)]
        for option, value in (("-i", ",".join(names)), ("--backend", backend), ("--phase", phase)):
            words += [option, value] if value else []
        _draw(found, figure, phase, runs, [*words, "--machine", machine, "--figure", figure.name])


def _of_machine(runs: list[AnyFiles], folder: Path, machine: str) -> list[AnyFiles]:
    if machine == "all":
        return runs
    from bench.machine.environment import machine_facts
    from bench.machine.identity import distinct, machine_of

    here = machine_of(machine_facts())
    found = [run for run in runs if run.machine == here]
    if not found:
        raise UsageError(f"No run below {folder} is of this machine ({here}): add --machine all to see the others.")
    others = len(distinct([here, *(run.machine for run in runs)])) - 1
    if others:
        some = "1 other machine is" if others == 1 else f"{others} other machines are"
        note(f"Runs of {some} left out: --machine all shows them.")
    return found


def _check(names: Sequence[str], backend: str | None, runs: Sequence[AnyFiles]) -> None:
    """Refuse a name that no run knows."""
    for option, wanted, column in (
        ("-i", names, "implementation"),
        ("--backend", [backend] if backend is not None else [], "backend"),
    ):
        known = {name for run in runs for name in run.values_of(column)}
        for name in wanted:
            if name not in known:
                raise UsageError(f"{option} {name}: these runs have no such {column}; {nearest(name, known)}")


def _draw(found: Sequence[History], path: Path, phase: str, runs: Sequence[AnyFiles], words: Sequence[str]) -> None:
    from bench.output.figures.history import most_panels, render

    write_output(path, render(found, path.suffix[1:], phase, runs, words))
    count, most = sum(len(item.series) for item in found), most_panels()
    if count > most:
        note(f"The figure shows {most} of {count} series, those with a change first: choose others with -i.")
    note(f"wrote {path}")
