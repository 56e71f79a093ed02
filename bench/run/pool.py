"""The zygotes of a run.

One zygote a framework is kept; each request gets a child of its own. A zygote that dies is started again, and the
request that it took with it is repeated once.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from bench.model.device import Backend
from bench.run.interpreter import Conversation, Interpreter, Zygote, ZygoteGone
from bench.timing.protocol import Reply, Request

__all__ = ["Conversation", "Interpreter", "Zygote", "ZygoteGone", "Zygotes"]

Answer = TypeVar("Answer")


class Zygotes:
    """A zygote for each framework, started when it is first needed and again when it dies."""

    def __init__(self, interpreter: Interpreter | None = None) -> None:
        self._interpreter = interpreter or Interpreter()
        self._folder = tempfile.TemporaryDirectory(prefix="stepbench-")
        self._running: dict[str, Zygote] = {}
        self._started: Counter[str] = Counter()
        self._failures: dict[str, list[ZygoteGone]] = {}
        self._lone: list[Zygote] = []
        """Interpreters that each serve one conversation."""

    def __enter__(self) -> Zygotes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def scratch(self) -> Path:
        """A folder for files that measuring processes read; it goes with the zygotes."""
        return Path(self._folder.name)

    def start(self, backends: Iterable[Backend]) -> None:
        """Start what these backends need, side by side; an interpreter that fails to start is reported when asked."""
        new = []
        for backend in backends:
            if backend.framework not in self._running:
                with suppress(ZygoteGone):
                    new.append((backend.framework, self._launch(backend)))
        for framework, zygote in new:
            with suppress(ZygoteGone):
                self._await(framework, zygote)

    def renew(self, backends: Iterable[Backend]) -> None:
        """Start anew what these backends need: other interpreters, with another memory layout."""
        backends = list(backends)
        for backend in backends:
            self.discard(backend.framework)
        self.start(backends)

    def _launch(self, backend: Backend) -> Zygote:
        """Start an interpreter; one that has failed twice is not tried again."""
        failures = self._failures.setdefault(backend.framework, [])
        if len(failures) > 1:
            raise failures[-1]
        try:
            zygote = Zygote(backend, self._interpreter, self.scratch / f"{backend.framework}.log")
        except ZygoteGone as error:
            failures.append(error)
            raise
        self._started[backend.framework] += 1
        self._running[backend.framework] = zygote
        return zygote

    def _await(self, framework: str, zygote: Zygote) -> None:
        try:
            zygote.wait_ready()
        except ZygoteGone as error:
            self._failures[framework].append(error)
            self.discard(framework)
            raise
        self._failures[framework].clear()

    def ask(self, backend: Backend, request: Request, timeout: float) -> Reply:
        """Have a fresh process do `request`; see `Zygote.ask` for what it raises."""
        reply = self._with_zygote(backend, lambda zygote: zygote.ask(_asked_now(request), timeout))
        return replace(reply, zygote=self._started[backend.framework] - 1)

    def open(self, backend: Backend, request: Request, timeout: float) -> Conversation:
        """Start a fresh process that stays alive; see `Zygote.open` for what it raises."""
        return self._with_zygote(backend, lambda zygote: zygote.open(_asked_now(request), timeout), keep=True)

    def _with_zygote(self, backend: Backend, use: Callable[[Zygote], Answer], keep: bool = False) -> Answer:
        """Do something with a framework's zygote, with another one if it dies at it.

        Args:
            backend: whose framework is meant.
            use: what to do.
            keep: whether a zygote that serves a single request is still needed afterwards.
        """
        framework = backend.framework
        for attempt in (1, 2):
            zygote = self._running.get(framework)
            try:
                if zygote is None:
                    zygote = self._launch(backend)
                    self._await(framework, zygote)
                return use(zygote)
            except ZygoteGone:
                self.discard(framework)
                if attempt == 2:
                    raise
            finally:
                if not self._interpreter.fork:
                    self._retire(framework, keep)
                elif zygote is not None and not zygote.sound:
                    self.discard(framework)
        raise AssertionError("unreachable: the second attempt returns or raises")

    def _retire(self, framework: str, keep: bool) -> None:
        """Let go of a zygote that has served its only request."""
        if keep and framework in self._running:
            self._lone.append(self._running.pop(framework))
        else:
            self.discard(framework)

    def discard(self, framework: str) -> None:
        """End a framework's zygote; the next request starts another."""
        zygote = self._running.pop(framework, None)
        if zygote is not None:
            zygote.close()

    def close(self) -> None:
        """End all zygotes and remove their scratch files."""
        for framework in tuple(self._running):
            self.discard(framework)
        while self._lone:
            self._lone.pop().close()
        self._folder.cleanup()


def _asked_now(request: Request) -> Request:
    return replace(request, asked_nanoseconds=time.monotonic_ns())
