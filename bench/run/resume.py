"""Taking up a run where it was left: its plan from the manifest, its progress from the files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.analysis.compare import differences
from bench.analysis.whole import whole_step_medians
from bench.data.schema import CASE_KEY, SIZES, Manifest, PlannedCase, Status
from bench.data.store import PROCESSES, read_processes, read_samples
from bench.errors import DataFormatError, UsageError
from bench.model.backends import BACKENDS
from bench.model.case import Case, Mode
from bench.model.device import Precision
from bench.model.problem import Dtype, Problem
from bench.model.registry import Registry
from bench.run.plan import Planned
from bench.run.runner import Done


def source_hashes(planned: Iterable[Planned]) -> dict[str, str]:
    """SHA-256 of each implementation's file, and of each backend's that was loaded, by name.

    What comes from an installed module is known by its package.
    """
    hashes = {}
    for item in [each for one in planned for each in (one.implementation, one.backend)]:
        kind, _, target = item.origin.partition(":")
        if kind == "file":
            hashes[item.name] = hashlib.sha256(Path(target).read_bytes()).hexdigest()
    return hashes


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
    changed = sorted(name for name, digest in manifest.sources.items() if here.sources.get(name) != digest)
    if changed:
        raise UsageError(f"{folder} cannot be resumed: {', '.join(changed)} changed since it began; start a new run.")


def planned_of(manifest: Manifest, registry: Registry) -> tuple[Planned, ...]:
    """The run's cases as they were planned."""
    try:
        return tuple(
            Planned(
                case_of(item, manifest.seed), registry[str(item.columns["implementation"])], item.skipped, item.added
            )
            for item in manifest.cases
        )
    except (KeyError, ValueError) as error:
        raise DataFormatError(
            f"The manifest of run {manifest.run_id} has a case that makes no sense: {error}."
        ) from error


def case_of(item: PlannedCase, seed: int) -> Case:
    """A case from the columns that identify it."""
    columns = item.columns
    sizes = {name: int(columns[name]) for name in SIZES}
    backend = BACKENDS[str(columns["backend"])]
    return Case(
        implementation=str(columns["implementation"]),
        workload=str(columns["workload"]),
        backend=backend.name,
        framework=backend.framework,
        device=backend.device,
        problem=Problem(dtype=Dtype(str(columns["dtype"])), seed=seed, **sizes),
        threads=int(columns["threads"]),
        mode=Mode(str(columns["mode"])),
        precision=Precision(str(columns["precision"])),
    )


def done_so_far(folder: Path, manifest: Manifest) -> Done:
    """What is on disk; `repair` must have been there before."""
    processes = read_processes(folder)
    found: Any = whole_step_medians(read_samples(folder)).droplevel(list(CASE_KEY))
    medians = {int(process): float(seconds) for process, seconds in found.items()}
    cases = {
        tuple(item.columns[name] for name in CASE_KEY): case_of(item, manifest.seed)
        for item in manifest.cases
        if not item.skipped
    }
    rounds: dict[Case, dict[int, float | None]] = {}
    for row in processes.to_dict("records"):
        case = cases.get(tuple(row[name] for name in CASE_KEY))
        if case is None:
            raise DataFormatError(f"{folder / PROCESSES} holds a case that is not in the run's plan: start a new run.")
        if row["status"] != Status.OK.value:
            rounds.setdefault(case, {})[int(row["round"])] = None
        elif int(row["process"]) in medians:  # samples that are lost are measured again
            rounds.setdefault(case, {})[int(row["round"])] = medians[int(row["process"])]
    invalid = frozenset(int(number) for number in processes[processes["throttled"] != ""]["round"])
    following = 0 if not len(processes) else int(processes["process"].max()) + 1
    return Done(rounds, invalid, following, float(processes["wall_seconds"].sum()))
