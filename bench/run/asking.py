"""What is asked of measuring processes: how a request is worded, and one question put to a fresh process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from bench.data.schema import Status
from bench.errors import ChildError, ChildTimeout, StorageError
from bench.model.backends import BACKENDS
from bench.model.case import Case
from bench.model.device import Backend
from bench.model.problem import Problem
from bench.model.registry import Implementation
from bench.oracle.perturbed import MORE_RUNS, RUNS
from bench.run.plan import Planned
from bench.timing.protocol import Reply, Request, Task, Turn, Turned


class Asks(Protocol):
    """Whoever runs requests in fresh processes: `Pool`, or a double in a test."""

    @property
    def scratch(self) -> Path:
        """A folder that the processes can read."""

    def start(self, backends: Sequence[Backend]) -> None:
        """Get ready for these backends."""

    def renew(self, backends: Sequence[Backend]) -> None:
        """Start anew what these backends need: other interpreters, with another memory layout."""

    def ask(self, backend: Backend, request: Request, timeout: float | None) -> Reply:
        """Run one request in a fresh process."""

    def open(self, backend: Backend, request: Request, timeout: float | None) -> Talks:
        """Start a fresh process that takes turns; its `reply` says how verification went."""


class Talks(Protocol):
    """A process that takes turns: `Conversation`, or a double in a test."""

    reply: Reply

    def turn(self, turn: Turn, timeout: float | None) -> Turned | Reply:
        """Have it take one turn."""

    def finish(self, timeout: float | None) -> Reply:
        """Have it take its last samples and verify itself again."""

    def pause(self, on: bool) -> None:
        """Stop it, or let it go on."""

    def close(self) -> object:
        """End it."""


class Truths:
    """Files of what is true of each problem, each found out in a process of its own when it is first needed."""

    def __init__(self, asks: Asks, timeout: float | None, path: Sequence[str] = ()) -> None:
        """Prepare.

        Args:
            asks: runs the baseline.
            timeout: longest silence of a measuring process, in seconds; None for that of `bench.run.patience`.
            path: where else imports of the workload are looked for.
        """
        self._asks, self._timeout, self._path = asks, timeout, tuple(path)
        self._found: dict[tuple[Any, ...], Path | ChildError] = {}
        self._closer: set[Case] = set()
        """Cases that more perturbed runs judge."""
        self.flops: dict[tuple[str, Problem], dict[str, float]] = {}
        """Operations of each stage, by workload and problem, as far as they were counted."""

    def look_closer(self, item: Planned, reply: Reply) -> bool:
        """Say whether a refusal is in doubt, so that the case should be judged once more; from now on more runs do."""
        found = reply.verification
        known = item.case in self._closer or item.implementation.workload.knows_edges
        if reply.status is not Status.WRONG or found is None or not found.doubtful or known:
            return False
        self._closer.add(item.case)
        return True

    def path(self, item: Planned) -> Path:
        """Return the file of the truth about a case's workload and problem.

        Raises:
            ChildError: there is none, with the reason; it is not tried again.
            StorageError: it cannot be written.
        """
        case = item.case
        runs = MORE_RUNS if case in self._closer else RUNS
        key = case.workload, case.problem, case.precision, runs
        if key not in self._found:
            path = self._asks.scratch / f"truth-{len(self._found)}.npz"
            try:
                self._find(item, path, runs)
                self._found[key] = path
            except ChildError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, ChildError):
            raise found
        return found

    def _find(self, item: Planned, path: Path, runs: int) -> None:
        case, workload = item.case, item.implementation.workload
        if workload.unverified:
            return
        program = item.implementation.baseline or (item.implementation if workload.has_reference else None)
        if program is None:
            raise ChildError(f"{workload.baseline}, the baseline of {workload.name}, is in no file that was loaded.")
        backend = _host(program, numpy=workload.knows_edges)
        request = Request(
            origins=tuple(dict.fromkeys(filter(None, (backend.origin, *program.origins)))),
            implementation=program.name,
            backend=backend.name,
            problem=case.problem,
            threads=case.threads,
            truth=str(path),
            precision=case.precision,
            task=Task.TRUTH,
            path=self._path,
            runs=runs,
        )
        reply = ask(self._asks, backend, request, self._timeout)
        if reply.reason.startswith(str(path)):  # it is the disk's fault, and not that of one case
            raise StorageError(reply.reason)
        if reply.status is not Status.OK:
            raise ChildError(f"the truth of {workload.name} is not to be had: {reply.reason}")
        if reply.flops:
            self.flops[case.workload, case.problem] = reply.flops


def _host(program: Implementation, numpy: bool) -> Backend:
    """Choose the backend that a truth is found out on.

    Raises:
        ChildError: there is none that is present and computes in the host's memory.
    """
    if numpy:
        return BACKENDS["numpy"]
    hosts = [backend for backend in program.backends if backend.host_memory]
    for backend in hosts:
        if backend.availability().present:
            return backend
    why = hosts[0].availability().reason if hosts else "none of its backends computes on the CPU"
    raise ChildError(f"the truth of {program.workload.name} comes from {program.name}, and {why}.")


def request_of(item: Planned, truths: Truths, task: Task, **more: Any) -> Request:
    """Word what a process is to do with a case.

    Args:
        item: the case.
        truths: what it is compared with.
        task: what is asked for.
        more: other fields of the request.

    Raises:
        ChildError: there is no truth about it, with the reason.
        StorageError: the truth cannot be written.
    """
    case = item.case
    return Request(
        origins=item.origins,
        implementation=case.implementation,
        backend=case.backend,
        problem=case.problem,
        threads=case.threads,
        truth=str(truths.path(item)),
        mode=case.mode,
        precision=case.precision,
        task=task,
        devices=case.devices,
        cpus=item.rank_cpus,
        **more,
    )


def ask_case(asks: Asks, item: Planned, truths: Truths, timeout: float | None, task: Task = Task.VERIFY) -> Reply:
    """Verify one case in a fresh process. Whatever becomes of the process is a reply, never an exception.

    A refusal that more perturbed runs could turn is judged once more, by a truth with four times as many.
    """
    try:
        reply = ask(asks, item.backend, request_of(item, truths, task), timeout)
        if not truths.look_closer(item, reply):
            return reply
        return ask(asks, item.backend, request_of(item, truths, task), timeout)
    except ChildError as error:
        return Reply(Status.FAILED, str(error))


def bare_request(item: Planned, task: Task, **more: Any) -> Request:
    """Word what a process is to do with a case that is compared with nothing; `more` are other fields."""
    case = item.case
    request = Request(
        origins=item.origins,
        implementation=case.implementation,
        backend=case.backend,
        problem=case.problem,
        threads=case.threads,
        truth="",
        mode=case.mode,
        precision=case.precision,
        task=task,
    )
    return replace(request, **more)


def ask_device(asks: Asks, item: Planned, task: Task, timeout: float | None) -> Reply:
    """Ask something of a case's device, with its settings and without its implementation."""
    origins = tuple(filter(None, [item.backend.origin]))
    return ask(asks, item.backend, bare_request(item, task, origins=origins, implementation=""), timeout)


def ask(asks: Asks, backend: Backend, request: Request, timeout: float | None) -> Reply:
    """Put one request to a fresh process. Whatever becomes of the process is a reply, never an exception."""
    try:
        return asks.ask(backend, request, timeout)
    except ChildError as error:
        return reply_of(error)


def reply_of(error: ChildError) -> Reply:
    """Return the reply that tells of a process that died or was silent for too long."""
    return Reply(Status.TIMEOUT if isinstance(error, ChildTimeout) else Status.FAILED, str(error))
