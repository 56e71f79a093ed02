"""Putting one question about one case to a fresh process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from bench.data.schema import Status
from bench.errors import ChildError, ChildTimeout, StorageError, os_cure
from bench.model.case import Case
from bench.model.device import Backend
from bench.model.precision import Precision
from bench.model.problem import Problem
from bench.model.workload import WORKLOADS
from bench.oracle.truth import make_truth, save_truth
from bench.run.plan import Planned
from bench.timing.policy import SamplingPolicy
from bench.timing.protocol import Reply, Request, Task


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
    """The oracle's files, each computed when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths: dict[tuple[str, Problem, Precision], Path] = {}

    def path(self, case: Case) -> Path:
        """Return the file of the truth about this case's workload and problem; make it when it is first asked for."""
        key = case.workload, case.problem, case.precision
        if key not in self._paths:
            workload = WORKLOADS[case.workload]
            path = self._folder / f"truth-{len(self._paths)}.npz"
            truth = make_truth(workload, case.problem, case.precision)
            try:
                save_truth(truth, path)
            except OSError as error:
                cure = os_cure(error, "set TMPDIR")
                raise StorageError(f"{path} cannot be written ({error.strerror}): {cure}.") from error
            self._paths[key] = path
        return self._paths[key]


def ask_case(
    asks: Asks, item: Planned, truth: Path, policy: SamplingPolicy | None, timeout: float, task: Task = Task.CASE
) -> Reply:
    """Verify, and with a policy measure, one case. Whatever becomes of the process is a reply, never an exception."""
    case = item.case
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
    )
    return ask(asks, item.backend, request, timeout)


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
