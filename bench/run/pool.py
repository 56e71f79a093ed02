"""The pool of a run's zygotes: which of them a request goes to, and what happens when one dies.

Backends of one framework mostly share a zygote, and each request gets a process forked from it. A backend that cannot
be forked gets an interpreter for each request instead. What dies is started again, and the request that it took with it
is repeated once.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from bench.model.device import Backend
from bench.run.guarded import Interpreter
from bench.run.interpreter import Conversation, Waiting, ZygoteGone, ZygoteHandle
from bench.run.scratch import Scratch
from bench.timing.protocol import Reply, Request

Answer = TypeVar("Answer")
_Key = tuple[str, bool]


class Pool:
    """All zygotes of a run, each started when it is first needed and again when it dies."""

    def __init__(
        self, interpreter: Interpreter | None = None, waiting: Waiting = lambda who, seconds, working: None
    ) -> None:
        self._interpreter, self._waiting = interpreter or Interpreter(), waiting
        self._scratch = Scratch()
        self._running: dict[_Key, ZygoteHandle] = {}
        self._failures: dict[_Key, list[ZygoteGone]] = {}
        self._started: Counter[str] = Counter()
        """How many each framework has had."""
        self._lock = threading.RLock()
        """Held while zygotes come and go: several requests may be under way at once."""
        self._talking: list[ZygoteHandle] = []
        """Those that cannot fork, each of them held by the one conversation that it serves."""

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def scratch(self) -> Path:
        """A folder for files that measuring processes read; it goes with the pool."""
        return self._scratch.path

    def start(self, backends: Iterable[Backend]) -> None:
        """Start what these backends need, side by side; one that fails to start is reported when it is asked."""
        new = []
        for backend in backends:
            if self._key(backend) not in self._running:
                with suppress(ZygoteGone):
                    new.append((backend, self._launch(backend)))
        for backend, zygote in new:
            with suppress(ZygoteGone):
                self._await(backend, zygote)

    def renew(self, backends: Iterable[Backend]) -> None:
        """Start anew what these backends need: other zygotes, with another memory layout."""
        backends = list(backends)
        for backend in backends:
            self._discard(self._key(backend))
        self.start(backends)

    def ask(self, backend: Backend, request: Request, timeout: float | None) -> Reply:
        """Have a fresh process do `request`; see `ZygoteHandle.ask` for what it raises."""

        def use(zygote: ZygoteHandle) -> Reply:
            return replace(zygote.ask(_asked_now(request), timeout), zygote=zygote.number)

        return self._with_zygote(backend, use)

    def open(self, backend: Backend, request: Request, timeout: float | None) -> Conversation:
        """Start a fresh process that stays alive; see `ZygoteHandle.open` for what it raises."""

        def use(zygote: ZygoteHandle) -> Conversation:
            talk = zygote.open(_asked_now(request), timeout)
            talk.reply = replace(talk.reply, zygote=zygote.number)
            return talk

        return self._with_zygote(backend, use, keep=True)

    def close(self) -> None:
        """End all zygotes and remove their scratch files."""
        for key in tuple(self._running):
            self._discard(key)
        while self._talking:
            self._talking.pop().close()
        self._scratch.close()

    def _key(self, backend: Backend) -> _Key:
        """Return the key of a backend's zygote: its interpreter, or its name if it cannot be forked."""
        forks = self._interpreter.forks(backend)
        return backend.interpreter if forks else backend.name, forks

    def _launch(self, backend: Backend) -> ZygoteHandle:
        """Start a zygote; one that has failed twice is not tried again."""
        key, framework = self._key(backend), backend.framework
        failures = self._failures.setdefault(key, [])
        if len(failures) > 1:
            raise failures[-1]
        log = self.scratch / f"{key[0]}.log"
        try:
            zygote = ZygoteHandle(backend, self._interpreter, log, self._started[framework], self._waiting)
        except ZygoteGone as error:
            failures.append(error)
            raise
        self._started[framework] += 1
        self._running[key] = zygote
        return zygote

    def _await(self, backend: Backend, zygote: ZygoteHandle) -> None:
        key = self._key(backend)
        try:
            zygote.wait_ready()
        except ZygoteGone as error:
            self._failures[key].append(error)
            self._discard(key)
            raise
        self._failures[key].clear()

    def _with_zygote(self, backend: Backend, use: Callable[[ZygoteHandle], Answer], keep: bool = False) -> Answer:
        """Do something with a backend's zygote, and with another one if it dies of it.

        Args:
            backend: what is measured.
            use: what to do.
            keep: whether a zygote that serves a single request is still needed afterwards.
        """
        for attempt in (1, 2):
            zygote = None
            try:
                zygote = self._taken(backend)
                return use(zygote)
            except ZygoteGone:
                if zygote is not None:
                    zygote.sound = False
                if attempt == 2:
                    raise
            finally:
                if zygote is not None:
                    self._given_back(self._key(backend), zygote, keep)
        raise AssertionError("unreachable: the second attempt returns or raises")

    def _taken(self, backend: Backend) -> ZygoteHandle:
        """Return a backend's zygote, started if need be; one that serves a single request is nobody else's."""
        key = self._key(backend)
        with self._lock:
            zygote = self._running.get(key)
            if zygote is None:
                zygote = self._launch(backend)
                self._await(backend, zygote)
            if not zygote.forks:
                del self._running[key]
            return zygote

    def _given_back(self, key: _Key, zygote: ZygoteHandle, keep: bool) -> None:
        with self._lock:
            if zygote.forks:
                if not zygote.sound and self._running.get(key) is zygote:
                    self._discard(key)
            elif keep and zygote.sound:
                self._talking.append(zygote)
            else:
                zygote.close()

    def _discard(self, key: _Key) -> None:
        """End a zygote; the next request starts another."""
        zygote = self._running.pop(key, None)
        if zygote is not None:
            zygote.close()


def _asked_now(request: Request) -> Request:
    return replace(request, asked_nanoseconds=time.monotonic_ns())
