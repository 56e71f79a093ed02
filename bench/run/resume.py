"""Taking up a run where it was left: its plan from the manifest, its progress from the files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.analysis.compare import differences
from bench.analysis.whole import whole_steps_by_turn
from bench.data.manifest import Manifest
from bench.data.run import cases_by_process
from bench.data.schema import Status
from bench.data.store import PROCESSES, read_processes, read_samples
from bench.errors import DataFormatError, UsageError
from bench.model.backends import BACKENDS
from bench.model.case import Case
from bench.model.registry import Registry
from bench.run.plan import Planned
from bench.run.runner import Done
from bench.stats.estimates import Turns


def check_same(manifest: Manifest, here: Manifest, folder: Path) -> None:
    """Refuse to go on with a run on another machine, with other packages or with other sources.

    Raises:
        UsageError: something differs; the message names it.
    """
    odd = differences(manifest, here)
    if odd:
        raise UsageError(f"{folder} cannot be resumed here, since this differs (then / now): {'; '.join(odd)}.")
    if manifest.git_revision != here.git_revision:
        then, now = manifest.git_revision or "none", here.git_revision or "none"
        raise UsageError(
            f"{folder} cannot be resumed: the harness changed since (revision then / now): {then} / {now}."
        )
    files = {name: found for name, found in manifest.sources.items() if "/" not in name}  # processes report modules
    changed = sorted(name for name, found in files.items() if here.sources.get(name) != found)
    if changed:
        raise UsageError(f"{folder} cannot be resumed: {', '.join(changed)} changed since it began; start a new run.")


def planned_of(manifest: Manifest, registry: Registry) -> tuple[Planned, ...]:
    """Make the run's cases as they were planned.

    Raises:
        UsageError: an implementation is gone.
        DataFormatError: a case makes no sense, or its backend is gone.
    """
    found = []
    try:
        for item in manifest.cases:
            case = Case.from_columns(item.columns, manifest.seed)
            if case.backend not in BACKENDS:
                raise KeyError(case.backend)
            found.append(Planned(case, registry[case.implementation], item.skipped, item.added))
        return tuple(found)
    except (KeyError, ValueError) as error:
        raise DataFormatError(
            f"The manifest of run {manifest.run_id} has a case that makes no sense: {error}."
        ) from error


def done_so_far(folder: Path, manifest: Manifest) -> Done:
    """Read what is on disk; `repair` must have been there before."""
    processes = read_processes(folder)
    turns = whole_steps_by_turn(read_samples(folder), together=True)
    planned = {Case.from_columns(item.columns, manifest.seed) for item in manifest.cases if not item.skipped}
    measured = cases_by_process(processes)
    rounds: dict[Case, dict[int, Turns | None]] = {}
    for row in processes.to_dict("records"):
        found = measured[int(row["process"])]
        case = replace(found, problem=replace(found.problem, seed=manifest.seed))
        if case not in planned:
            raise DataFormatError(f"{folder / PROCESSES} holds a case that is not in the run's plan: start a new run.")
        here, number = rounds.setdefault(case, {}), int(row["round"])
        if row["status"] != Status.OK.value:
            here[number] = None
        elif int(row["process"]) in turns:  # samples that are lost are measured again
            here[number] = {**(here.get(number) or {}), **turns[int(row["process"])]}
    invalid = frozenset(int(number) for number in processes[processes["throttled"] != ""]["round"])
    following = 0 if not len(processes) else int(processes["process"].max()) + 1
    return Done(rounds, invalid, following, float(processes["wall_seconds"].sum()))
