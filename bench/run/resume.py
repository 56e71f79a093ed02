"""Taking up a run where it was left: its plan from the manifest, its progress from the files."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.analysis.compare import differences
from bench.analysis.whole import round_keys, whole_steps_by_turn
from bench.data.manifest import Manifest
from bench.data.run import StoredRun, cases_by_process
from bench.data.schema import Status
from bench.data.store import PROCESSES
from bench.errors import DataFormatError, UsageError, brief, visible
from bench.model.backends import BACKENDS
from bench.model.case import Case
from bench.model.imports import digest
from bench.model.registry import Registry
from bench.run.plan import Planned
from bench.run.runner import Done
from bench.stats.estimates import RoundKey, Turns, number_in


def check_same(manifest: Manifest, here: Manifest, folder: Path) -> None:
    """Refuse to go on with a run on another machine, with other packages or with other sources.

    Raises:
        UsageError: something differs; the message names it.
    """
    odd = list(map(brief, differences(manifest, here)))
    if odd:
        raise UsageError(f"{folder} cannot be resumed here, since this differs (then / now): {'; '.join(odd)}.")
    if manifest.git_revision != here.git_revision:
        then, now = brief(manifest.git_revision or "none"), here.git_revision or "none"
        raise UsageError(
            f"{folder} cannot be resumed: the harness changed since (revision then / now): {then} / {now}."
        )
    files = {name: found for name, found in manifest.sources.items() if "/" not in name}  # processes report modules
    changed = sorted(name for name, found in files.items() if here.sources.get(name) != found)
    if changed:
        raise UsageError(f"{folder} cannot be resumed: {', '.join(changed)} changed since it began; start a new run.")


def loaded(files: Sequence[Path]) -> dict[str, Any]:
    """Return what a manifest says of files of implementations that are named: where they are, and their digests."""
    paths = [path.resolve() for path in files]
    return {"load": list(map(str, paths)), "loaded": {str(path): digest(path) for path in paths if path.is_file()}}


def check_load(manifest: Manifest, load: Sequence[Path], command: Sequence[str]) -> None:
    """Refuse to load other files of implementations than a run began with: its folder may come from anybody.

    Args:
        manifest: the run's.
        load: the files that are named now.
        command: what goes on with it, without these files.

    Raises:
        UsageError: one is not named, is none of the run's, or changed since.
    """
    here = loaded(load)
    if {*here["load"]} != {*manifest.load}:
        why = "it began with other --load files, and a folder alone gets none loaded"
        raise UsageError(
            f"{command[-1]} cannot be resumed so: {why}; give `{resuming(command, manifest.load, manifest.launcher)}`."
        )
    changed = [path for path, mark in manifest.loaded.items() if here["loaded"].get(path, mark) != mark]
    if changed:
        raise UsageError(
            f"{command[-1]} cannot be resumed: {brief(changed[0])} changed since it began; start a new run."
        )


def check_launcher(manifest: Manifest, launcher: str, folder: Path) -> None:
    """Refuse to go on with a run elsewhere than where it began.

    Raises:
        UsageError: it is another launcher, or none is named.
    """
    if launcher != manifest.launcher:
        where = f"on {manifest.launcher}" if manifest.launcher else "on this machine, without --on"
        command = resuming(("run", "--resume", str(folder)), manifest.load, manifest.launcher)
        raise UsageError(f"{folder} was begun {where}, and goes on there only: give `{command}`.")


def resuming(command: Sequence[str], load: Iterable[str], launcher: str = "") -> str:
    """Return the whole command that goes on with a run or a search.

    Args:
        command: its words.
        load: the files that it began with.
        launcher: what starts its rounds, as `--on` has it.
    """
    files = [word for path in load for word in ("--load", path)]
    return visible(shlex.join(["bench", *command, *(["--on", launcher] if launcher else []), *files]))


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
    run = StoredRun(folder)
    processes, turns = run.processes, whole_steps_by_turn(run.samples, together=True)
    planned = {Case.from_columns(item.columns, manifest.seed) for item in manifest.cases if not item.skipped}
    measured = cases_by_process(processes)
    rounds: dict[Case, dict[RoundKey, Turns | None]] = {}
    rows: Counter[tuple[Case, int]] = Counter()
    keys = round_keys(processes)
    for row in processes.to_dict("records"):
        found = measured[int(row["process"])]
        case = replace(found, problem=replace(found.problem, seed=manifest.seed))
        if case not in planned:
            raise DataFormatError(f"{folder / PROCESSES} holds a case that is not in the run's plan: start a new run.")
        here, process = rounds.setdefault(case, {}), int(row["process"])
        key = keys[process]
        rows[case, number_in(key)] += 1
        if row["status"] != Status.OK.value:
            here[key] = None
        elif process in turns:  # samples that are lost are measured again
            here[key] = {**(here.get(key) or {}), **turns[process]}
    invalid = frozenset(int(number) for number in processes[processes["throttled"] != ""]["round"])
    following = 0 if not len(processes) else int(processes["process"].max()) + 1
    return Done(rounds, rows, invalid, following, float(processes["wall_seconds"].sum()))
