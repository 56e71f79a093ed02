"""A task: one round of a group on one node of a cluster, and the files through which it is asked and answers.

Driver and node share the run's folder. A task finds what it is to do in `tasks/NAME.task.json`, and what it found
stands in `tasks/NAME.part.json` from one moment to the next: written beside and renamed. The name says which round of
which group it is, so that a task that runs twice, or is put back into the queue, answers once.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter

from bench.data.jsonfile import as_model, json_of
from bench.data.manifest import STRICT, CountedWork, Manifest, Peak
from bench.data.schema import Status
from bench.data.store import read_manifest, write_atomically
from bench.errors import DataFormatError, StepbenchError, UsageError, brief
from bench.machine.conditions import machine_findings
from bench.machine.environment import machine_facts
from bench.machine.processor import pinned_cpu
from bench.model.case import Case
from bench.model.sharing import Sharing
from bench.run.circumstances import circumstances
from bench.run.known_peaks import KnownPeaks, key_of
from bench.run.leases import leased
from bench.run.machines import kind_differs
from bench.run.plan import Planned, backends_of
from bench.run.pool import Pool
from bench.run.reading import read_all
from bench.run.resume import check_load, planned_of
from bench.run.rounds import Found
from bench.run.worker import Job, JobFound, Worker, next_turn

TASKS = "tasks"
_SIGNALS_COME = 2.0
"""Seconds after which the signal that ended a measuring process has reached its parent too, if it was for both."""
_FOUND: TypeAdapter[list[list[Found]]] = TypeAdapter(list[list[Found]])


class TaskFile(BaseModel):
    """What a task is to do."""

    model_config = STRICT

    number: int
    """The round."""
    groups: list[list[dict[str, str | int]]]
    """Columns of the cases of each group; the groups are measured one after another."""
    known: list[list[bool]]
    """Whether each case has been well before."""
    first: int = 0
    """The number of the first turn."""


class PartFile(BaseModel):
    """What a task found, or why it refused."""

    model_config = STRICT | {"allow_inf_nan": True}

    machine: str
    refused: str = ""
    """Why nothing was measured, in a sentence; empty if it was."""
    other_kind: bool = False
    """Whether that is because this machine is of another kind than the run's: other machines may do."""
    groups: list[list[dict[str, str | int]]] = []
    found: list[Any] = []
    """What each process of each group found; see `Found`."""
    counted: list[CountedWork] = []
    peaks: list[Peak] = []
    facts: dict[str, str | int | float | None] = Field(default_factory=dict)
    disturbances: list[str] = []


class _PeaksFile(BaseModel):
    """The peaks of one machine."""

    model_config = STRICT

    tried: list[str] = []
    """What a peak was looked for of; on a busy machine none may be found."""
    peaks: list[Peak] = []


def name_of(number: int, groups: Iterable[Iterable[Planned]]) -> str:
    """Name a task by its round and what it measures."""
    columns = sorted(json.dumps(item.case.columns, sort_keys=True) for group in groups for item in group)
    return f"round{number:04d}-{hashlib.sha256(json.dumps(columns).encode()).hexdigest()[:12]}"


def round_of(path: Path) -> int:
    """Return the round that a task's file is about.

    Raises:
        DataFormatError: it has no such name.
    """
    match = re.match(r"round(\d{1,9})-", path.name)
    if match is None:
        raise DataFormatError(f"{path} is not the file of a task: remove it.")
    return int(match[1])


def task_path(folder: Path, name: str) -> Path:
    """Return the file that says what a task is to do."""
    return folder / TASKS / f"{name}.task.json"


def part_path(folder: Path, name: str) -> Path:
    """Return the file that says what a task found."""
    return folder / TASKS / f"{name}.part.json"


def read_part(path: Path) -> PartFile:
    """Read what a task found.

    Raises:
        DataFormatError: it is damaged.
        OSError: it is not there.
    """
    return as_model(PartFile, json_of(path, constants=True), path)


def parts_of(found: PartFile, number: int, planned: Sequence[Planned], path: Path) -> list[tuple[Job, JobFound]]:
    """Give what a task found as jobs of the run, each with its part.

    Raises:
        DataFormatError: it is not about cases of this run.
    """
    known = {json.dumps(item.case.columns, sort_keys=True): item for item in planned}
    try:
        groups = [tuple(known[json.dumps(columns, sort_keys=True)] for columns in group) for group in found.groups]
        each = _FOUND.validate_python(found.found)
        if list(map(len, groups)) != list(map(len, each)):
            raise ValueError("it has not as many results as cases")
    except (KeyError, ValueError) as error:  # a ValidationError is a ValueError
        raise DataFormatError(f"{path} is not of this run ({brief(error, 60)}): remove it.") from error
    about = found.counted, found.machine, found.facts, found.peaks, found.disturbances
    return [(Job(number, group), JobFound(inside, *about)) for group, inside in zip(groups, each, strict=True)]


def node_name() -> str:
    """Return what this machine is called: by Slurm if it runs this, else by itself."""
    return os.environ.get("SLURMD_NODENAME") or platform.node()


def do_task(folder: str, name: str, load: Sequence[str]) -> None:
    """Do a task, and write what it found; nothing of it stays behind on this machine.

    Args:
        folder: the run's.
        name: the task's.
        load: the files of implementations that the driver's command named.
    """
    signal.signal(signal.SIGTERM, _stop)
    run, path = Path(folder), part_path(Path(folder), name)
    if path.exists():
        return
    if not task_path(run, name).exists():
        sys.exit(f"{task_path(run, name)} is not there on {node_name()}: put the run on a disk that the nodes share.")
    try:
        found = _measured(run, name, [Path(file) for file in load])
    except StepbenchError as error:
        found = PartFile(
            machine=node_name(), refused=f"{node_name()}: {error}", other_kind=isinstance(error, _OtherKindError)
        )
    write_atomically(path, json.dumps(found.model_dump()))


class _OtherKindError(UsageError):
    """This machine is of another kind than those that the run has measured on."""


def _log(words: str) -> None:
    """Write to the task's log, which nobody reads unless something went wrong."""
    sys.stderr.write(f"{words}\n")


def _stop(number: int, frame: object) -> None:
    """End the task: its round is another's. Its processes got the signal too, which is no fault of their cases."""
    sys.exit(128 + number)


def _measured(folder: Path, name: str, load: Sequence[Path]) -> PartFile:
    manifest, path = read_manifest(folder), task_path(folder, name)
    asked, facts = as_model(TaskFile, json_of(path), path), machine_facts()
    if manifest.machines and (odd := kind_differs(manifest.machine, facts)):
        raise _OtherKindError(f"it is of another kind than {next(iter(manifest.machines))} ({odd})")
    check_load(manifest, load, ("run", "--resume", str(folder)))
    planned = {item.case: item for item in planned_of(manifest, read_all(load, manifest.timeout_seconds))}
    _check_programs(manifest, planned.values())
    groups = [tuple(planned[Case.from_columns(each, manifest.seed)] for each in group) for group in asked.groups]
    items = [item for group in groups for item in group]
    well = [each for group in asked.known for each in group]
    known = {item.case for item, each in zip(items, well, strict=True) if each}
    cpu = pinned_cpu(1) if any(item.is_pinned for item in items) else None
    parts, first = list[JobFound](), asked.first
    with leased(backends_of(items), f"bench on {node_name()}", Sharing.WAIT, _log), Pool() as pool:
        pool.start(backends_of(items))
        peaks = _peaks(folder, pool, manifest, items)
        worker = Worker(pool, manifest, cpu)
        for group in groups:
            parts.append(worker.measure(Job(asked.number, group), first, known.__contains__))
            first = next_turn(parts[-1].found, first)
        if any(each.reply.status is not Status.OK for part in parts for each in part.found):
            time.sleep(_SIGNALS_COME)
    return PartFile(
        machine=node_name(),
        groups=asked.groups,
        found=_FOUND.dump_python([list(part.found) for part in parts], mode="json"),
        counted=[work for part in parts for work in part.counted],
        peaks=peaks,
        facts=facts,
        disturbances=[finding.sentence for finding in machine_findings() if finding.disturbs],
    )


def _check_programs(manifest: Manifest, planned: Iterable[Planned]) -> None:
    """Refuse to measure with other programs than those that the run was planned with.

    Raises:
        UsageError: something differs; the message names it.
    """
    here = circumstances(backends_of(item for item in planned if not item.skipped), manifest.packages)
    odd = [name for name in ("stepbench", "git_revision") if getattr(manifest, name) != here[name]]
    odd += [name for name, version in manifest.packages.items() if here["packages"].get(name) != version]
    if odd:
        raise UsageError(
            f"{', '.join(odd)} differs from where the run was begun: install the same on all nodes, or start the run "
            "from a folder that they share"
        )


def _peaks(folder: Path, pool: Pool, manifest: Manifest, items: Sequence[Planned]) -> list[Peak]:
    """Return the peaks of this machine, measured by the first task that needs them and kept for the others."""
    path = folder / TASKS / f"{hashlib.sha256(node_name().encode()).hexdigest()[:12]}.peaks.json"
    kept = as_model(_PeaksFile, json_of(path), path) if path.exists() else _PeaksFile()
    wanted = {key: item for item in items if (key := " ".join(map(str, key_of(item)))) not in kept.tried}
    if wanted:
        here = manifest.model_copy(update={"peaks": kept.peaks})
        KnownPeaks(pool, here, _log).measure(wanted.values())
        kept.tried += wanted
        write_atomically(path, kept.model_dump_json())
    return kept.peaks
