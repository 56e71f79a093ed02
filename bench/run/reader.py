"""The process that loads the user's files, as the command sees it, and what stands in for what they register."""

from __future__ import annotations

import json
import os
import subprocess
import weakref
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import TypeAdapter

from bench.errors import ChildError, ChildTimeout, LoadError, brief
from bench.model.backends import add_backend
from bench.model.data import Data
from bench.model.device import Availability, Backend, Device, Settings
from bench.model.problem import Problem
from bench.model.registry import Implementation, Registry
from bench.model.workload import WORKLOADS, Cost, Memory, Workload
from bench.run.guarded import START_SECONDS, Guarded, Interpreter, cause_of_death
from bench.run.patience import Activity, hear
from bench.timing.reader import Answer, BackendRead, FilesRead, FilesToRead, Question, said

_FILES_READ: TypeAdapter[FilesRead] = TypeAdapter(FilesRead)
_ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)
_ELSEWHERE = "what a file registers is built in measuring processes alone"
_STANDARD_ERROR = 2


class Unread(LoadError):  # noqa: N818 - it reads as what it tells of
    """The process that loads files has ended, or was ended, at one of them."""

    def __init__(self, target: str, why: str) -> None:
        super().__init__(f"{target} {why}.")
        self.target = target


class Reader:
    """The process that has loaded files; it ends with the last of what stands for them, or with the command."""

    def __init__(self, asked: FilesToRead, timeout: float | None) -> None:
        """Start it and have it load.

        Args:
            asked: the files.
            timeout: its longest silence in seconds; None for that of `bench.run.patience`.

        Raises:
            LoadError: a file cannot be used.
            Unread: one ends the process, or never ends itself.
        """
        self._timeout: float | None = START_SECONDS
        self._target = "the process that loads files"
        self._known: dict[Question, Any] = {}
        try:
            self._guarded = Guarded(Interpreter(), "bench.timing.reader", [], _output())
        except ChildError as error:
            raise LoadError(f"{error}.") from error
        self._end = weakref.finalize(self, self._guarded.end)
        try:
            self._guarded.control.send(said(asked))
            self.found = self._heard(timeout)
        except ChildError as error:
            raise Unread(self._target, self._failed(error)) from error
        except ValueError as error:  # it has written where only the reader may
            self._end()
            raise Unread(self._target, f"spoils what is said about it: {brief(error)}") from error
        if self.found.error:
            raise LoadError(self.found.error)

    def _heard(self, timeout: float | None) -> FilesRead:
        """Wait for what it finds, and note which file it is about to load; from the first on it has `timeout`."""
        self._at_work = Activity(int(self._guarded.control.receive_object(START_SECONDS)["pid"]))
        while "loading" in (told := json.loads(line := self._listen())):
            self._target, self._timeout = told["loading"], timeout
        self._timeout = timeout
        return _FILES_READ.validate_json(line)

    def _listen(self) -> bytes:
        return hear(self._guarded.control, self._at_work, self._timeout)

    def _failed(self, error: ChildError) -> str:
        """End it, and say how it failed."""
        if isinstance(error, ChildTimeout):
            self._end()
            return f"does not end when it is loaded: {error}"
        return f"ends the process that loads it, which {cause_of_death(self._guarded.left())}: it must only register"

    def ask(self, question: Question) -> Any:
        """Ask it something, each question once.

        Raises:
            LoadError: it cannot say.
        """
        if question in self._known:
            return self._known[question]
        try:
            self._guarded.control.send(said(question))
            answer = _ANSWER.validate_json(self._listen())
        except ChildError as error:
            raise LoadError(f"{question.workload}: its {question.what} cannot be asked for: {error}.") from error
        if answer.error:
            raise LoadError(f"{question.workload}: its {question.what} cannot be asked for: {answer.error}.")
        self._known[question] = answer.value
        return answer.value


@dataclass(frozen=True)
class DistantWorkload(Workload):
    """A workload whose program lives in a reader, which stands in its place."""

    def cost(self, problem: Problem, phase: str, variant: float | None = None) -> Cost:
        """Ask for what a phase must do at the least; unknown if that cannot be said, since times stand without it."""
        try:
            return Cost(*self.program.ask(Question("cost", self.name, problem, phase, variant)))
        except LoadError:
            return Cost()

    def memory(self, problem: Problem) -> Memory | None:
        """Ask what a case takes.

        Raises:
            LoadError: it cannot be said.
        """
        found = self.program.ask(Question("memory", self.name, problem))
        return None if found is None else Memory(*found)

    def given(self) -> tuple[tuple[str, str], ...]:
        """Ask what `build` is given.

        Raises:
            LoadError: it cannot be said.
        """
        return tuple((name, words) for name, words in self.program.ask(Question("given", self.name, self.problem())))

    def data(self, problem: Problem) -> Data:
        """Refuse: data are drawn in measuring processes alone."""
        raise AssertionError(_ELSEWHERE)


class DistantBackend(Backend):
    """A backend of a loaded file, which is opened in measuring processes alone."""

    def __init__(self, facts: BackendRead) -> None:
        self._facts = facts
        self.name, self.framework, self.device = facts.name, facts.framework, facts.device
        self.packages, self.precisions, self.origin, self.path = (
            facts.packages,
            facts.precisions,
            facts.origin,
            facts.path,
        )
        self.may_fork, self.host_memory, self.matmul_kinds = facts.may_fork, facts.host_memory, facts.matmul_kinds
        self.meets = facts.meets

    @property
    def interpreter(self) -> str:
        """The name of the interpreter that its processes are forked from."""
        return self._facts.interpreter

    @property
    def lease(self) -> str:
        """The name of what it computes on."""
        return self._facts.lease

    def availability(self) -> Availability:
        """Return what it said when its file was loaded."""
        return self._facts.availability

    def memory_bytes(self) -> int | None:
        """Return what it said when its file was loaded."""
        return self._facts.memory_bytes

    def device_count(self) -> int | None:
        """Return what it said when its file was loaded."""
        return self._facts.device_count

    def preload(self) -> NoReturn:
        """Refuse."""
        raise AssertionError(_ELSEWHERE)

    def open(self, settings: Settings) -> Device:
        """Refuse."""
        raise AssertionError(_ELSEWHERE)

    def threads_in_use(self) -> NoReturn:
        """Refuse."""
        raise AssertionError(_ELSEWHERE)


def take(registry: Registry, reader: Reader) -> None:
    """Put what a reader has found where it would be if it had been loaded here."""
    found, here = reader.found, {item.name for item in registry}
    for backend in found.backends:
        add_backend(DistantBackend(backend), backend.origin, backend.path)
    workloads = [DistantWorkload(**vars(item), program=reader) for item in found.workloads]
    registry.take(workloads, ())
    new = [item for item in found.implementations if item.name not in here]
    registry.take(
        (), [Implementation(**{**vars(item), "workload": WORKLOADS[item.workload]}, build=_build) for item in new]
    )


def _build(*_: object) -> NoReturn:
    """Refuse to build."""
    raise AssertionError(_ELSEWHERE)


def _output() -> int:
    """Return where a loaded file prints: standard output is the command's own."""
    try:
        os.fstat(_STANDARD_ERROR)
    except OSError:
        return subprocess.DEVNULL
    return _STANDARD_ERROR
