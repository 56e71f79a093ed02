"""The program that reads what the user wrote: it loads files, and tells the command what they register.

Run as `python -m bench.timing.reader FD`. A file may print, exit, crash or never end while it is loaded, so the command
has it loaded here, and learns names and facts as plain data. What depends on sizes it asks for later, one call a line.
What is said here is validated by the command alone (`bench.run.reader`): this process takes its word, and so imports
nothing to do so that a file might want in another version.

command -> reader   FilesToRead
reader  -> command  {"pid"}, a line with the target of each file that is about to be loaded, then FilesRead
command -> reader   Question, as often as it likes
reader  -> command  Answer
"""

from __future__ import annotations

import json
import math
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from bench.errors import ChildError, StepbenchError, in_short
from bench.model.backends import BACKENDS
from bench.model.device import Availability, Backend
from bench.model.discovery import discover, load_each
from bench.model.loading import from_source
from bench.model.precision import Precision
from bench.model.problem import Dtype, Problem
from bench.model.registry import Registry
from bench.model.sizes import Sizes
from bench.model.step import Phase
from bench.model.workload import WORKLOADS
from bench.timing.channel import Channel
from bench.timing.guard import guard

Record = TypeVar("Record")


@dataclass(frozen=True)
class FilesToRead:
    """What is to be read."""

    files: tuple[str, ...]
    path: tuple[str, ...] = ()
    """Where else their imports are looked for; see `Registry.load`."""
    apart: bool = False
    """Whether files that cannot be loaded are left out, each with the reason, and nothing else is loaded."""


@dataclass(frozen=True)
class ImplementationRead:
    """An implementation as plain data; see `bench.model.registry.Implementation`."""

    name: str
    framework: str
    workload: str
    fused: bool
    origin: str
    summary: str
    devices: tuple[str, ...]
    precisions: tuple[Precision, ...]
    compiles: bool
    by_default: bool
    spreads: str


@dataclass(frozen=True)
class WorkloadRead:
    """A workload as plain data; see `bench.model.workload.Workload`."""

    name: str
    title: str
    baseline: str
    sizes: Sizes
    phases: tuple[Phase, ...]
    origin: str
    unverified: str
    has_reference: bool
    knows_edges: bool


@dataclass(frozen=True)
class BackendRead:
    """A backend as plain data; see `bench.model.device.Backend`."""

    name: str
    framework: str
    device: str
    packages: tuple[str, ...]
    may_fork: bool
    meets: bool
    precisions: tuple[Precision, ...]
    host_memory: bool
    matmul_kinds: tuple[str, ...]
    interpreter: str
    lease: str
    origin: str
    path: tuple[str, ...]
    availability: Availability
    memory_bytes: int | None
    device_count: int | None


@dataclass(frozen=True)
class FilesRead:
    """What the files register, beside what comes with the harness."""

    implementations: tuple[ImplementationRead, ...] = ()
    workloads: tuple[WorkloadRead, ...] = ()
    backends: tuple[BackendRead, ...] = ()
    broken: tuple[tuple[str, str], ...] = ()
    """Files that cannot be loaded, each with the reason."""
    error: str = ""
    """Why nothing could be read."""


@dataclass(frozen=True)
class Question:
    """What is asked of a workload that was read."""

    what: Literal["cost", "memory", "given"]
    workload: str
    problem: Problem
    phase: str = ""
    variant: float | None = None


@dataclass(frozen=True)
class Answer:
    """What its author's program gives, as numbers or words; or the reason why it gives nothing."""

    value: Any = None
    error: str = ""


def said(what: object) -> bytes:
    """Write a record as a line of JSON."""
    return json.dumps(what, default=_members, separators=(",", ":")).encode()


def _members(item: object) -> dict[str, Any]:
    if isinstance(item, Mapping):
        return dict(item)
    if is_dataclass(item):
        return {field.name: getattr(item, field.name) for field in fields(item)}
    raise TypeError(f"{type(item).__name__} is no plain value")


def _files(line: bytes) -> FilesToRead:
    told = json.loads(line)
    return FilesToRead(tuple(told["files"]), tuple(told["path"]), told["apart"])


def _question(line: bytes) -> Question:
    told = json.loads(line)
    problem = told.pop("problem")
    sizes, dtype = Sizes(problem.pop("sizes")), Dtype(problem.pop("dtype"))
    return Question(**told, problem=Problem(sizes, dtype, **problem))


def read(asked: FilesToRead, channel: Channel) -> FilesRead:
    """Load the files, and return what they register; no exception gets out."""
    loading = ""

    def tell(target: str) -> None:
        nonlocal loading
        loading = target
        channel.send_object({"loading": target})

    try:
        broken: dict[Path, str] = {}
        files = [Path(file) for file in asked.files]
        if asked.apart:
            registry, broken = load_each(files, asked.path, tell)
        else:
            registry = discover(files, tell)
        return _found(registry, broken)
    except StepbenchError as error:
        return FilesRead(error=str(error))
    except BaseException as error:  # noqa: BLE001 - whatever a user's code raises
        return FilesRead(error=f"{loading} cannot be used: {in_short(error)}.")


def _found(registry: Registry, broken: dict[Path, str]) -> FilesRead:
    return FilesRead(
        tuple(_record(ImplementationRead, item, workload=item.workload.name) for item in registry),
        tuple(_record(WorkloadRead, item) for item in registry.workloads if item.origin),
        tuple(_backend(item) for item in BACKENDS.values() if item.origin),
        tuple((str(file), reason) for file, reason in broken.items()),
    )


def _backend(item: Backend) -> BackendRead:
    """Ask a backend what the command must know of it; one that fails at that is absent."""
    try:
        state, memory, count = item.availability(), item.memory_bytes(), item.device_count()
    except Exception as error:  # noqa: BLE001 - whatever a user's code raises
        state = Availability(False, f"it cannot say whether it is there: {in_short(error)}")
        memory = count = None
    return _record(BackendRead, item, availability=state, memory_bytes=memory, device_count=count)


def _record(kind: type[Record], item: object, **given: Any) -> Record:
    """Make a record of an object that has attributes of the same names."""
    names = [field.name for field in fields(kind) if field.name not in given]  # type: ignore[arg-type]
    return kind(**{name: getattr(item, name) for name in names}, **given)


def answer(question: Question) -> Answer:
    """Ask the author's program; no exception gets out."""
    workload, problem = WORKLOADS[question.workload], question.problem
    try:
        if question.what == "given":
            return Answer(workload.given())
        if question.what == "memory":
            needs = workload.memory(problem)
            return Answer(None if needs is None else (int(needs.host), int(needs.device)))
        cost = workload.cost(problem, question.phase, question.variant)
        return Answer([_known(each) for each in (cost.flops, cost.values)])
    except BaseException as error:  # noqa: BLE001 - whatever a user's code raises
        return Answer(error=in_short(error))


def _known(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def main() -> None:
    """Read, and answer until the command hangs up."""
    control = int(sys.argv[1])
    guard(control)
    channel = Channel(socket.socket(fileno=control))
    try:
        channel.send_object({"pid": os.getpid()})
        with from_source(os.devnull):
            channel.send(said(read(_files(channel.receive()), channel)))
            while True:
                channel.send(said(answer(_question(channel.receive()))))
    except ChildError:
        return  # the command has what it wants


if __name__ == "__main__":
    main()
