"""The parent's side of the measuring processes: starting them, asking them, ending them.

One zygote a framework is kept; each request gets a child of its own. A zygote that dies is started again, and the
request that it took with it is repeated once.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from bench.errors import ChildError, ChildTimeout
from bench.model.device import Backend
from bench.timing.protocol import REPLY, REQUEST, Channel, Reply, Request

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 120.0
_LEAVE_SECONDS = 5.0
RENEW_AFTER = 5.0
"""A zygote is renewed when it has served this many times as long as it took to start.

All children of one zygote share its memory layout, and one lucky layout must not decide a run; a sixth of the time is
what that insurance may cost.
"""


class ZygoteGone(ChildError):  # noqa: N818 - it reads as the event that it is
    """The zygote itself died, so nothing is known about the request."""


@dataclass(frozen=True)
class Interpreter:
    """Which Python measures, where it finds the harness, and in which environment."""

    python: str = sys.executable
    path: tuple[str, ...] = (str(_ROOT),)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    fork: bool = sys.platform == "linux"
    """Whether children are forked; elsewhere each measurement starts an interpreter of its own."""


class Zygote:
    """One running zygote."""

    def __init__(self, backend: Backend, interpreter: Interpreter, log: Path) -> None:
        self._log = log
        self._fork = interpreter.fork
        ours, theirs = socket.socketpair()
        arguments = [str(theirs.fileno()), *([] if interpreter.fork else ["--no-fork"])]
        with theirs, log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, in the interpreter that was chosen
                # -P: a folder called `bench` in the working directory must not stand in for the harness.
                [interpreter.python, "-P", "-m", "bench.timing.zygote", backend.name, *arguments],
                env={
                    **interpreter.environment,
                    "PYTHONPATH": os.pathsep.join(interpreter.path),
                    "STEPBENCH_PARENT": str(os.getpid()),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C reaches the parent alone, which then decides
            )
        self._control = Channel(ours)

    def wait_ready(self) -> None:
        """Wait until the framework is imported.

        Raises:
            ChildError: the import failed; the message ends with the last line that it printed.
        """
        if not self._fork:
            return
        try:
            self._control.receive_object(_START_SECONDS)
        except ChildError as error:
            raise ZygoteGone(f"the measuring interpreter did not start: {self._last_line(0) or error}") from error

    def ask(self, request: Request, timeout: float) -> Reply:
        """Have one child do `request`.

        Raises:
            ChildTimeout: it was silent for `timeout` seconds and has been killed.
            ZygoteGone: the zygote died.
            ChildError: the child died; the message says how.
        """
        printed = self._log.stat().st_size
        if not self._fork:
            return self._converse(self._control, self._process.pid, request, timeout, printed)
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control.socket, [b"fork\n"], [theirs.fileno()])
            pid = int(self._control.receive_object(_LEAVE_SECONDS)["pid"])
        except (OSError, ChildError) as error:
            ours.close()
            raise ZygoteGone("the measuring interpreter died") from error
        return self._converse(Channel(ours), pid, request, timeout, printed)

    def _converse(self, channel: Channel, pid: int, request: Request, timeout: float, printed: int) -> Reply:
        died: ChildError | None = None
        try:
            channel.send(REQUEST.dump_json(request))
            return REPLY.validate_json(channel.receive(timeout))
        except ChildTimeout:
            raise
        except ValidationError as error:
            raise ChildError(f"its answer could not be understood: {error.errors()[0]['msg']}") from error
        except ChildError as error:
            died = error
        finally:
            # Killed before it is collected: its number cannot belong to a stranger yet, and one that has died already
            # keeps its own exit code.
            channel.close()
            _kill_group(pid)
            code = self._collect(pid)
        raise ChildError(self._cause_of_death(code, printed)) from died

    def _collect(self, pid: int) -> int:
        """Wait for a child that is dead or dying; its exit code, negative for a signal."""
        if not self._fork:
            return self._process.wait()
        try:
            self._control.send(str(pid).encode())
            return int(self._control.receive_object(_LEAVE_SECONDS)["exit"])
        except ChildError as error:
            raise ZygoteGone("the measuring interpreter died") from error

    def _cause_of_death(self, code: int, printed: int) -> str:
        if code < 0:
            name = signal.Signals(-code).name
            hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
            return f"its process died by {name}{hint}"
        last = self._last_line(printed)
        return f"its process exited with status {code} and no answer" + (f"; it said: {last}" if last else "")

    def _last_line(self, start: int) -> str:
        with self._log.open("rb") as file:
            file.seek(start)
            lines = file.read().decode("utf-8", errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    def close(self) -> None:
        """End the zygote, and with it whatever it has forked."""
        self._control.close()
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _kill_group(pid: int) -> None:
    """Kill a child and what it started; it may be dead already, or not yet lead a group of its own."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


class Zygotes:
    """A zygote for each framework, started when it is first needed and again when it dies."""

    def __init__(self, interpreter: Interpreter | None = None) -> None:
        self._interpreter = interpreter or Interpreter()
        self._folder = tempfile.TemporaryDirectory(prefix="stepbench-")
        self._running: dict[str, Zygote] = {}
        self._started: Counter[str] = Counter()
        self._start_seconds: dict[str, float] = {}
        self._served_seconds: defaultdict[str, float] = defaultdict(float)

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
        began = time.monotonic()
        for backend in backends:
            if backend.framework not in self._running:
                self._running[backend.framework] = self._new(backend)
        for framework in tuple(self._running):
            try:
                self._running[framework].wait_ready()
                self._start_seconds[framework] = time.monotonic() - began
            except ZygoteGone:
                self.discard(framework)

    def _new(self, backend: Backend) -> Zygote:
        self._started[backend.framework] += 1
        self._served_seconds[backend.framework] = 0
        return Zygote(backend, self._interpreter, self.scratch / f"{backend.framework}.log")

    def _ready(self, backend: Backend) -> Zygote:
        """The framework's zygote, made anew if there is none or if it has served long enough."""
        framework = backend.framework
        if self._served_seconds[framework] > RENEW_AFTER * self._start_seconds.get(framework, float("inf")):
            self.discard(framework)
        if framework not in self._running:
            began = time.monotonic()
            self._running[framework] = self._new(backend)
            self._running[framework].wait_ready()
            self._start_seconds[framework] = time.monotonic() - began
        return self._running[framework]

    def ask(self, backend: Backend, request: Request, timeout: float) -> Reply:
        """Have a fresh process do `request`; see `Zygote.ask` for what it raises."""
        framework = backend.framework
        for attempt in (1, 2):
            try:
                zygote = self._ready(backend)
                began = time.monotonic()
                reply = zygote.ask(replace(request, asked_nanoseconds=time.monotonic_ns()), timeout)
                self._served_seconds[framework] += time.monotonic() - began
                return replace(reply, zygote=self._started[framework] - 1)
            except ZygoteGone:
                self.discard(framework)
                if attempt == 2:
                    raise
            finally:
                if not self._interpreter.fork:
                    self.discard(framework)
        raise AssertionError("unreachable: the second attempt returns or raises")

    def discard(self, framework: str) -> None:
        """End a framework's zygote; the next request starts another."""
        zygote = self._running.pop(framework, None)
        if zygote is not None:
            zygote.close()

    def close(self) -> None:
        """End all zygotes and remove their scratch files."""
        for framework in tuple(self._running):
            self.discard(framework)
        self._folder.cleanup()
