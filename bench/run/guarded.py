"""Programs of ours in processes of their own: how they are started with a guard, and how they end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from bench.errors import ChildError, os_cure
from bench.model.device import Backend
from bench.timing.channel import Channel
from bench.timing.guard import GUARDED

_ROOT = Path(__file__).resolve().parents[2]
_ASLEEP = {"OPENBLAS_NUM_THREADS": "1"}
"""What interpreters are started with unless the user says otherwise. Every child pins its pools itself, but a worker
that OpenBLAS starts in it spins for a tenth of a second before it sleeps, beside the first samples of its steps."""
START_SECONDS = 120.0
"""How long a program of ours may take to begin."""
LEAVE_SECONDS = 5.0
"""How long a process that has hung up may take to end."""
LIVED_ON = "hung up and lived on, so it was killed: it must not close files that are not its own"


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


class Guarded:
    """A program of ours that runs with its guard, as the command sees it."""

    def __init__(
        self,
        interpreter: Interpreter,
        module: str,
        arguments: Sequence[str],
        output: int | IO[bytes],
        environment: Mapping[str, str] = {},
    ) -> None:
        """Start `python -m MODULE DESCRIPTOR ARGUMENT...`; the descriptor is where it is asked.

        Args:
            interpreter: which Python it runs in.
            module: the program.
            arguments: its arguments.
            output: where everything goes that it prints.
            environment: further variables.

        Raises:
            ChildError: the interpreter cannot be started.
        """
        ours, theirs = socket.socketpair()
        inherited = interpreter.environment.get("PYTHONPATH", "")
        try:
            with theirs:
                self.process = subprocess.Popen(  # noqa: S603 - our own module, in the interpreter that was chosen
                    # -P: a folder called `bench` in the working directory must not stand in for the harness.
                    [interpreter.python, "-P", "-m", module, str(theirs.fileno()), *arguments],
                    env={
                        **_ASLEEP,
                        **interpreter.environment,
                        "PYTHONPATH": os.pathsep.join([*interpreter.path, *([inherited] if inherited else [])]),
                        **environment,
                    },
                    stdin=subprocess.PIPE,  # its guard sees by it that the command has ended
                    stdout=output,
                    stderr=output,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # Ctrl-C reaches the parent alone, which then decides
                )
        except OSError as error:
            ours.close()
            raise ChildError(
                f"{interpreter.python} cannot be started ({error.strerror}): {os_cure(error, 'name another Python')}"
            ) from error
        self.control = Channel(ours)

    def left(self) -> int | None:
        """Return the exit code of one that has hung up, so that it is leaving; None if it has to be ended."""
        try:
            return self.process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.end()

    def end(self) -> int:
        """End it, and return its exit code, negative for a signal; what it started ends with it."""
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        self.process.stdin.close()  # its guard kills it now, and ends as it did
        if not GUARDED:
            kill_group(self.process.pid, left=self.process.returncode is not None)
        return self.process.wait()


def has_ended(pid: int) -> bool:
    """Wait for the end of a process that has hung up; say whether it came.

    One that is killed for want of memory hangs up a moment before it is dead.
    """
    end = time.monotonic() + LEAVE_SECONDS
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def cause_of_death(code: int | None, said: str = "") -> str:
    """Say how a process ended.

    Args:
        code: its exit code, negative for a signal; None if it had to be ended although it had hung up.
        said: the last line that it printed.
    """
    if code is None:
        return LIVED_ON
    if code >= 0:
        return f"exited with status {code} and no answer" + (f"; it said: {said}" if said else "")
    try:
        name = signal.Signals(-code).name
    except ValueError:  # of the real-time signals only the first and the last have names
        name = f"signal {-code}"
    return f"died by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")


def kill_group(pid: int, left: bool = False) -> None:
    """Kill a child and whatever it started; it may be dead already, or not yet lead a group.

    Args:
        pid: the child.
        left: whether it has been collected, so that its number may be a stranger's; that of its group is not.
    """
    for kill in (os.killpg,) if left else (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
