"""Putting one question about one case to a fresh process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from bench.data.schema import Status
from bench.errors import ChildError, ChildTimeout, StorageError
from bench.model.backends import BACKENDS
from bench.model.device import Backend
from bench.model.registry import Implementation
from bench.oracle.perturbed import MORE_RUNS, RUNS
from bench.run.plan import Planned
from bench.timing.policy import SamplingPolicy
from bench.timing.protocol import Reply, Request, Task

_TRUTH_PATIENCE = 10.0
COMPILING = 20.0
"""A process that compiles may be silent for so many times as long as another."""


class Asks(Protocol):
    """Whoever runs requests in fresh processes: `Pool`, or a double in a test."""

    @property
    def scratch(self) -> Path:
        """A folder that the processes can read."""

    def start(self, backends: Sequence[Backend]) -> None:
        """Get ready for these backends."""

    def renew(self, backends: Sequence[Backend]) -> None:
        """Start anew what these backends need: other interpreters, with another memory layout."""

    def ask(self, backend: Backend, request: Request, timeout: float) -> Reply:
        """Run one request in a fresh process."""


class Truths:
    """Files of what is true of each problem, each found out in a process of its own when it is first needed."""

    def __init__(self, asks: Asks, timeout: float, path: Sequence[str] = ()) -> None:
        """Prepare.

        Args:
            asks: runs the baseline.
            timeout: longest silence of a measuring process, in seconds; a truth takes many steps and may take longer.
            path: where else imports of the workload are looked for.
        """
        self._asks, self._timeout, self._path = asks, timeout, tuple(path)
        self._found: dict[tuple[Any, ...], Path | ChildError] = {}

    def path(self, item: Planned, runs: int = RUNS) -> Path:
        """Return the file of the truth about a case's workload and problem.

        Raises:
            ChildError: there is none, with the reason; it is not tried again.
            StorageError: it cannot be written.
        """
        case = item.case
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
        reply = ask(self._asks, backend, request, _TRUTH_PATIENCE * self._timeout)
        if reply.reason.startswith(str(path)):  # it is the disk's fault, and not that of one case
            raise StorageError(reply.reason)
        if reply.status is not Status.OK:
            raise ChildError(f"the truth of {workload.name} is not to be had: {reply.reason}")


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


def ask_case(
    asks: Asks,
    item: Planned,
    truths: Truths,
    policy: SamplingPolicy | None,
    timeout: float,
    task: Task = Task.CASE,
    fresh: bool = True,
) -> Reply:
    """Verify, and with a policy measure, one case. Whatever becomes of the process is a reply, never an exception.

    A refusal that more perturbed runs could turn is judged once more, by a truth with four times as many.
    """
    reply = _ask_case(asks, item, truths, RUNS, policy, timeout, task, fresh)
    found, workload = reply.verification, item.implementation.workload
    if reply.status is not Status.WRONG or found is None or not found.doubtful or workload.knows_edges:
        return reply
    return _ask_case(asks, item, truths, MORE_RUNS, policy, timeout, task, fresh)


def _ask_case(
    asks: Asks,
    item: Planned,
    truths: Truths,
    runs: int,
    policy: SamplingPolicy | None,
    timeout: float,
    task: Task,
    fresh: bool,
) -> Reply:
    case = item.case
    try:
        truth = truths.path(item, runs)
    except ChildError as error:
        return Reply(Status.FAILED, str(error))
    request = Request(
        mode=case.mode,
        precision=case.precision,
        task=task,
        origins=item.origins,
        implementation=case.implementation,
        backend=case.backend,
        problem=case.problem,
        threads=case.threads,
        truth=str(truth),
        policy=policy,
        fresh=fresh,
    )
    return ask(asks, item.backend, request, timeout * (COMPILING if item.implementation.compiles else 1.0))


def ask_device(asks: Asks, item: Planned, task: Task, timeout: float) -> Reply:
    """Ask something of a case's device, with its settings and without its implementation."""
    case = item.case
    request = Request(
        origins=tuple(filter(None, [item.backend.origin])),
        implementation="",
        backend=case.backend,
        problem=case.problem,
        threads=case.threads,
        truth="",
        precision=case.precision,
        task=task,
    )
    return ask(asks, item.backend, request, timeout)


def ask(asks: Asks, backend: Backend, request: Request, timeout: float) -> Reply:
    """Put one request to a fresh process. Whatever becomes of the process is a reply, never an exception."""
    try:
        return asks.ask(backend, request, timeout)
    except ChildTimeout:
        reason = f"no answer for {timeout:g} s, so it was killed: raise --timeout if it is only slow"
        return Reply(Status.TIMEOUT, reason)
    except ChildError as error:
        return Reply(Status.FAILED, str(error))
