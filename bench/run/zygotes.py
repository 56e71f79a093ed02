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
from collections import Counter
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
        self._sound = True
        ours, theirs = socket.socketpair()
        arguments = [str(theirs.fileno()), *([] if interpreter.fork else ["--no-fork"])]
        inherited = interpreter.environment.get("PYTHONPATH", "")
        try:
            with theirs, log.open("ab") as output:
                self._process = subprocess.Popen(  # noqa: S603 - our own module, in the interpreter that was chosen
                    # -P: a folder called `bench` in the working directory must not stand in for the harness.
                    [interpreter.python, "-P", "-m", "bench.timing.zygote", backend.name, *arguments],
                    env={
                        **interpreter.environment,
                        "PYTHONPATH": os.pathsep.join([*interpreter.path, *([inherited] if inherited else [])]),
                        "STEPBENCH_PARENT": str(os.getpid()),
                    },
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # Ctrl-C reaches the parent alone, which then decides
                )
        except OSError as error:
            ours.close()
            raise ZygoteGone(f"{interpreter.python} cannot be started ({error.strerror})") from error
        self._control = Channel(ours)

    @property
    def sound(self) -> bool:
        """Whether it can be asked again; not after a child could not be collected."""
        return self._sound

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
            self._process.kill()  # it may hang; one that has died keeps its own exit code
            code = self._process.wait()
            hung = isinstance(error, ChildTimeout)
            cause = str(error) if hung else self._last_line(0) if code > 0 else _signal_name(code)
            raise ZygoteGone(f"the measuring interpreter did not start: {cause}") from error

    def ask(self, request: Request, timeout: float) -> Reply:
        """Have one child do `request`.

        Raises:
            ChildTimeout: it was silent for `timeout` seconds and has been killed.
            ZygoteGone: the zygote died.
            ChildError: the child died; the message says how.
        """
        if not self._fork:
            return self._converse(self._control, self._process.pid, request, timeout)
        try:
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    socket.send_fds(self._control.socket, [b"fork\n"], [theirs.fileno()])
                pid = int(self._control.receive_object(_LEAVE_SECONDS)["pid"])
            except BaseException:
                ours.close()
                raise
        except (OSError, ChildError) as error:
            raise ZygoteGone("the measuring interpreter died") from error
        return self._converse(Channel(ours), pid, request, timeout)

    def _converse(self, channel: Channel, pid: int, request: Request, timeout: float) -> Reply:
        printed = self._log.stat().st_size
        code: int | None = None
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
            # keeps its own exit code. If it cannot be collected in time the answer still counts, but the zygote does
            # not: it may be out of step.
            channel.close()
            _kill_group(pid)
            try:
                code = self._collect(pid)
            except ZygoteGone:
                self._sound = False
        if code is None:
            raise ZygoteGone("the measuring interpreter died") from died
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
            return f"its process {_signal_name(code)}"
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


def _signal_name(code: int) -> str:
    """How a process with a negative exit code ended."""
    name = signal.Signals(-code).name
    return f"died by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")


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
        self._failures: dict[str, list[ZygoteGone]] = {}

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
        framework = backend.framework
        for attempt in (1, 2):
            zygote = self._running.get(framework)
            try:
                if zygote is None:
                    zygote = self._launch(backend)
                    self._await(framework, zygote)
                reply = zygote.ask(replace(request, asked_nanoseconds=time.monotonic_ns()), timeout)
                return replace(reply, zygote=self._started[framework] - 1)
            except ZygoteGone:
                self.discard(framework)
                if attempt == 2:
                    raise
            finally:
                if not self._interpreter.fork or (zygote is not None and not zygote.sound):
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
