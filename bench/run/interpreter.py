"""The parent's handle of one zygote: starting it, asking the processes that it forks, ending it and them.

A zygote is a process that has imported a framework and forks the processes that measure. `bench.timing.zygote` is the
program that it runs, and `bench.run.pool` holds the handles of a whole run. Where forking is unsafe, the same program
serves a single request itself, and its handle is used once.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import psutil
from pydantic import TypeAdapter, ValidationError

from bench.data.schema import Status
from bench.errors import ChildError, ChildTimeout, os_cure
from bench.model.device import Backend
from bench.model.loading import BYTECODE
from bench.run.patience import Activity, hear
from bench.timing.guard import GUARDED
from bench.timing.prints import last_line, shorten
from bench.timing.protocol import REPLY, REQUEST, TURN, TURNED, Channel, Reply, Request, Turn, Turned

Answer = TypeVar("Answer")

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
    """Whether a process that has imported a framework may be forked at all; elsewhere system libraries forbid it."""

    def forks(self, backend: Backend) -> bool:
        """Tell whether a backend's processes are forked from a zygote: system and backend must both allow it."""
        return self.fork and backend.may_fork


Waiting = Callable[[str, float, bool], None]
"""Is told of a long silence: whose it is, how many seconds it has lasted, and whether that process is at work."""
_ASLEEP = {"OPENBLAS_NUM_THREADS": "1"}
"""What interpreters are started with unless the user says otherwise. Every child pins its pools itself, but a worker
that OpenBLAS starts in it spins for a tenth of a second before it sleeps, beside the first samples of its steps."""


class ZygoteHandle:
    """One running zygote, as the parent sees it."""

    def __init__(self, backend: Backend, interpreter: Interpreter, log: Path, number: int, waiting: Waiting) -> None:
        """Start a zygote; `wait_ready` waits for it.

        Args:
            backend: what it imports.
            interpreter: which Python it runs in.
            log: what it and its children print is appended to this file.
            number: how many zygotes its framework had before.
            waiting: is told of long silences of its children.

        Raises:
            ZygoteGone: the interpreter cannot be started.
        """
        self._log, self.number, self.waiting = log, number, waiting
        self.forks = interpreter.forks(backend)
        self._asking = threading.Lock()
        """Held while it forks or collects a child: several conversations may be under way at once."""
        self.sound = True
        """Whether it can be asked again: not after a child that could not be collected."""
        ours, theirs = socket.socketpair()
        options = [] if self.forks else ["--no-fork"]
        arguments = [str(theirs.fileno()), *options, *([backend.origin, *backend.path] if backend.origin else [])]
        inherited = interpreter.environment.get("PYTHONPATH", "")
        try:
            with theirs, log.open("a+b") as output:
                self._process = subprocess.Popen(  # noqa: S603 - our own module, in the interpreter that was chosen
                    # -P: a folder called `bench` in the working directory must not stand in for the harness.
                    [interpreter.python, "-P", "-m", "bench.timing.zygote", backend.name, *arguments],
                    env={
                        **_ASLEEP,
                        **interpreter.environment,
                        "PYTHONPATH": os.pathsep.join([*interpreter.path, *([inherited] if inherited else [])]),
                        BYTECODE: str(log.parent / "bytecode"),
                    },
                    stdin=subprocess.PIPE,  # its guard sees by it that the command has ended
                    stdout=output,
                    stderr=output,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # Ctrl-C reaches the parent alone, which then decides
                )
        except OSError as error:
            ours.close()
            raise ZygoteGone(
                f"{interpreter.python} cannot be started ({error.strerror}): {os_cure(error, 'name another Python')}"
            ) from error
        self._control = Channel(ours)
        self._pid = self._process.pid

    def wait_ready(self) -> None:
        """Wait until it serves: until the framework is imported if it forks, else until it has begun.

        Raises:
            ChildError: it did not start; the message ends with the last line that it printed.
        """
        try:
            self._pid = int(self._control.receive_object(_START_SECONDS)["pid"])
            if self.forks:
                self._control.receive_object(_START_SECONDS)
        except ChildError as error:
            hung = isinstance(error, ChildTimeout)
            if not hung:  # it has hung up, so it is leaving, and its exit code and last words say why
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(_LEAVE_SECONDS)
            code = self._end()
            cause = str(error) if hung else last_line(self._log) if code > 0 else _signal_name(code)
            raise ZygoteGone(f"the measuring interpreter did not start: {cause}") from error

    def ask(self, request: Request, timeout: float | None) -> Reply:
        """Have one child do `request`.

        Raises:
            ChildTimeout: it was silent for too long and has been killed; see `bench.run.patience`.
            ZygoteGone: the zygote died.
            ChildError: the child died; the message says how.
        """
        talk = self.open(request, timeout)
        talk.close()
        return talk.reply

    def open(self, request: Request, timeout: float | None) -> Conversation:
        """Start a child that stays alive after its first reply.

        Raises:
            ChildTimeout: it was silent for too long and has been killed; see `bench.run.patience`.
            ZygoteGone: the zygote died.
            ChildError: the child died; the message says how.
        """
        who = f"{request.implementation} on {request.backend}" if request.implementation else request.backend
        talk = Conversation(self, *self._child(), self._log.stat().st_size, who)
        talk.reply = talk.exchange(REQUEST.dump_json(request), REPLY, timeout)
        return talk

    def shorten_log(self) -> None:
        """Keep but the end of what was printed: a process may print without end in one step."""
        with self._log.open("a+b") as file:
            shorten(file.fileno())

    def pause(self, pid: int, on: bool) -> None:
        """Stop a child and whatever it started until it is told to go on; one that is gone already is left alone."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGSTOP if on else signal.SIGCONT)

    def _child(self) -> tuple[Channel, int]:
        """Return a fresh process that waits for its request: a fork, or the started process if it forks none."""
        if not self.forks:
            return self._control, self._pid
        try:
            ours, theirs = socket.socketpair()
            try:
                with theirs, self._asking:
                    socket.send_fds(self._control.socket, [b"fork\n"], [theirs.fileno()])
                    pid = int(self._control.receive_object(_LEAVE_SECONDS)["pid"])
            except BaseException:
                ours.close()
                raise
        except (OSError, ChildError) as error:
            raise ZygoteGone("the measuring interpreter died") from error
        return Channel(ours), pid

    def end_child(self, channel: Channel, pid: int) -> int | None:
        """Kill and collect a child; return its exit code, or None if it could not be collected.

        It is killed before it is collected: its number cannot belong to a stranger yet, and if it has died already it
        keeps its exit code. If it cannot be collected in time, its answer still counts, but the zygote is no longer
        sound: it may be out of step.

        Args:
            channel: where it was asked.
            pid: its number.
        """
        channel.close()
        if not self.forks:
            return self._end()
        _kill_group(pid)
        try:
            return self._collect(pid)
        except ZygoteGone:
            self.sound = False
            return None

    def death(self, code: int | None, printed: int) -> ChildError:
        """Return the error that tells of a child that died.

        Args:
            code: as `end_child` gives it.
            printed: how long the log was when the child began.
        """
        if code is None:
            return ZygoteGone("the measuring interpreter died")
        if code < 0:
            return ChildError(f"its process {_signal_name(code)}")
        last = last_line(self._log, printed)
        said = f"; it said: {last}" if last else ""
        return ChildError(f"its process exited with status {code} and no answer{said}")

    def _collect(self, pid: int) -> int:
        """Wait for a child that is dead or dying; return its exit code, negative for a signal."""
        try:
            with self._asking:
                self._control.send(str(pid).encode())
                return int(self._control.receive_object(_LEAVE_SECONDS)["exit"])
        except ChildError as error:
            raise ZygoteGone("the measuring interpreter died") from error

    def close(self) -> None:
        """End the zygote, and with it whatever it has forked or these have started."""
        self._control.close()
        self._end()

    def _end(self) -> int:
        """End it, and return its exit code; what it started ends with it."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.close()  # its guard kills it now, and ends as it did
        if not GUARDED:
            _kill_group(self._process.pid, left=self._process.returncode is not None)
        return self._process.wait()


class Conversation:
    """A child that stays alive: it takes turns until it is asked for the end, is closed, or something goes wrong."""

    def __init__(self, zygote: ZygoteHandle, channel: Channel, pid: int, printed: int, who: str) -> None:
        self._zygote, self._channel, self._pid, self._printed = zygote, channel, pid, printed
        self._at_work, self._waiting = Activity(pid), partial(zygote.waiting, who)
        self._ended = False
        self.reply = Reply(Status.FAILED, "it has not answered")

    def turn(self, turn: Turn, timeout: float | None) -> Turned | Reply:
        """Have the child take one turn; a reply instead of what it found says what went wrong.

        Raises:
            ChildTimeout: it was silent for too long and has been killed; see `bench.run.patience`.
            ZygoteGone: the zygote died.
            ChildError: it died, or its answer makes no sense; the message says how.
        """
        return self.exchange(TURN.dump_json(turn), TURNED, timeout)

    def finish(self, timeout: float | None) -> Reply:
        """Have the child take its last samples and verify itself again; raise as `turn` does."""
        return self.exchange(TURN.dump_json(None), REPLY, timeout)

    def pause(self, on: bool) -> None:
        """Stop the child, or let it go on: the pool of an idle one may spin on the cores that others are timed on."""
        if not self._ended:
            self._zygote.pause(self._pid, on)

    def exchange(self, line: bytes, kind: TypeAdapter[Answer], timeout: float | None) -> Answer:
        """Send a line and read the answer; raise as `turn` does, and end the child if anything goes wrong."""
        try:
            self._channel.send(line)
            return kind.validate_json(
                hear(self._channel, self._at_work, timeout, self._waiting, self._zygote.shorten_log)
            )
        except ChildTimeout:
            self.close()
            raise
        except ValidationError as error:
            self.close()
            raise ChildError(f"its answer could not be understood: {error.errors()[0]['msg']}") from error
        except ChildError as error:
            ended = _has_ended(self._pid)
            code = self.close()
            if ended:
                raise self._zygote.death(code, self._printed) from error
            words = "its process hung up and lived on, so it was killed: it must not close files that are not its own"
            raise ChildError(words) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> int | None:
        """End the child; return what `ZygoteHandle.end_child` does, or None if it was ended before."""
        if self._ended:  # its number may belong to a stranger by now
            return None
        self._ended = True
        return self._zygote.end_child(self._channel, self._pid)


def _has_ended(pid: int) -> bool:
    """Wait for the end of a process that has hung up; say whether it came.

    One that is killed for want of memory hangs up a moment before it is dead.
    """
    end = time.monotonic() + _LEAVE_SECONDS
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def _signal_name(code: int) -> str:
    """Describe how a process with a negative exit code ended."""
    try:
        name = signal.Signals(-code).name
    except ValueError:  # of the real-time signals only the first and the last have names
        name = f"signal {-code}"
    return f"died by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")


def _kill_group(pid: int, left: bool = False) -> None:
    """Kill a child and whatever it started; it may be dead already, or not yet lead a group.

    Args:
        pid: the child.
        left: whether it has been collected, so that its number may be a stranger's; that of its group is not.
    """
    for kill in (os.killpg,) if left else (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
