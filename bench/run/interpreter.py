"""The parent's handle of one zygote: starting it, asking the processes that it forks, ending it and them.

A zygote is a process that has imported a framework and forks the processes that measure. `bench.timing.zygote` is the
program that it runs, and `bench.run.pool` holds the handles of a whole run. Where forking is unsafe, the same program
serves a single request itself, and its handle is used once.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from bench.data.schema import Status
from bench.errors import ChildError, ChildTimeout
from bench.model.device import Backend
from bench.model.loading import BYTECODE
from bench.run.guarded import (
    LEAVE_SECONDS,
    LIVED_ON,
    START_SECONDS,
    Guarded,
    Interpreter,
    cause_of_death,
    has_ended,
    kill_group,
)
from bench.run.patience import Activity, hear
from bench.timing.channel import Channel
from bench.timing.prints import last_line, shorten
from bench.timing.protocol import REPLY, REQUEST, TURN, TURNED, Reply, Request, Turn, Turned

Answer = TypeVar("Answer")


class ZygoteGone(ChildError):  # noqa: N818 - it reads as the event that it is
    """The zygote itself died, so nothing is known about the request."""


Waiting = Callable[[str, float, bool], None]
"""Is told of a long silence: whose it is, how many seconds it has lasted, and whether that process is at work."""


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
        options = [] if self.forks else ["--no-fork"]
        origin = [backend.origin, *backend.path] if backend.origin else []
        bytecode = {BYTECODE: str(log.parent / "bytecode")}
        arguments = [backend.name, *options, *origin]
        try:
            with log.open("a+b") as output:
                self._guarded = Guarded(interpreter, "bench.timing.zygote", arguments, output, bytecode)
        except ChildError as error:
            raise ZygoteGone(str(error)) from error
        self._control, self._pid = self._guarded.control, self._guarded.process.pid

    def wait_ready(self) -> None:
        """Wait until it serves: until the framework is imported if it forks, else until it has begun.

        Raises:
            ChildError: it did not start; the message ends with the last line that it printed.
        """
        try:
            self._pid = int(self._control.receive_object(START_SECONDS)["pid"])
            if self.forks:
                self._control.receive_object(START_SECONDS)
        except ChildError as error:
            hung = isinstance(error, ChildTimeout)
            code = self._guarded.end() if hung else self._guarded.left()
            cause = str(error) if hung else last_line(self._log) if code and code > 0 else cause_of_death(code)
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
                    pid = int(self._control.receive_object(LEAVE_SECONDS)["pid"])
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
            return self._guarded.end()
        kill_group(pid)
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
        return ChildError(f"its process {cause_of_death(code, last_line(self._log, printed))}")

    def _collect(self, pid: int) -> int:
        """Wait for a child that is dead or dying; return its exit code, negative for a signal."""
        try:
            with self._asking:
                self._control.send(str(pid).encode())
                return int(self._control.receive_object(LEAVE_SECONDS)["exit"])
        except ChildError as error:
            raise ZygoteGone("the measuring interpreter died") from error

    def close(self) -> None:
        """End the zygote, and with it whatever it has forked or these have started."""
        self._control.close()
        self._guarded.end()


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
            ended = has_ended(self._pid)
            code = self.close()
            if ended:
                raise self._zygote.death(code, self._printed) from error
            raise ChildError(f"its process {LIVED_ON}") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> int | None:
        """End the child; return what `ZygoteHandle.end_child` does, or None if it was ended before."""
        if self._ended:  # its number may belong to a stranger by now
            return None
        self._ended = True
        return self._zygote.end_child(self._channel, self._pid)
