"""The guard of a measuring interpreter: a process above it that lets nothing outlive it or the command.

A step may start processes, in sessions of their own too; those lose their parent when the step's process is killed. On
Linux the guard takes such orphans in, as a subreaper. It waits until the interpreter or the command has ended, however
that came about, kills what is left, and ends as the interpreter did. Elsewhere there is no guard, and the command kills
the interpreter's group.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

GUARDED = sys.platform == "linux"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_SWEEP_SECONDS = 2.0
"""How long orphans are given to die: one that waits for a disk or another user's cannot be killed."""


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies; on Linux alone."""
    if GUARDED:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the request was in place
            os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of whatever below this process loses its own; on Linux alone."""
    if GUARDED:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children() -> set[int]:
    """List the processes whose parent this one is; empty where that cannot be seen."""
    found: set[int] = set()
    for listed in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended
            found.update(map(int, listed.read_text(encoding="ascii").split()))
    return found


def end_orphans(own: Collection[int] = ()) -> None:
    """Kill all children of this process but its own, with those that become its children thereby."""
    end = time.monotonic() + _SWEEP_SECONDS
    while (orphans := children().difference(own)) and time.monotonic() < end:
        for pid in orphans:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        for pid in orphans:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.001)


def guard(control: int) -> None:
    """Put a guard above this process, in a process that goes on in a session of its own; return at once elsewhere.

    Args:
        control: the descriptor that the interpreter is asked over. Standard input is a pipe whose other end the command
            alone holds, so that the guard sees its end.
    """
    if not GUARDED:
        return
    adopt_orphans()
    me = os.getpid()
    awake, alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(alarm)
    interpreter = os.fork()
    if interpreter:
        os.close(control)  # else nobody would see that the interpreter has hung up
        _end_as(_watch(interpreter, awake))
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, before)
    os.close(awake)
    os.close(alarm)
    die_with_parent(me)
    os.setsid()
    adopt_orphans()
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a descriptor is all that is wanted
        os.dup2(nothing.fileno(), 0)


def _watch(interpreter: int, awake: int) -> int:
    """Wait for the end of the interpreter or of the command; return the former's exit code once nothing is left."""
    poll = select.poll()
    poll.register(0, 0)  # that the other end has been closed is always told
    poll.register(awake, select.POLLIN)
    code = None
    while code is None:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if 0 in ready:
            poll.unregister(0)
            os.kill(interpreter, signal.SIGKILL)
        if awake in ready:
            with suppress(BlockingIOError):
                os.read(awake, 4096)
        code = _collected(interpreter)
    end_orphans()
    return code


def _collected(interpreter: int) -> int | None:
    """Collect the children that have ended; return the interpreter's exit code if it is one of them."""
    code = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == interpreter:
                code = os.waitstatus_to_exitcode(ended[1])
    return code


def _end_as(code: int) -> NoReturn:
    """End with an exit code, by a signal if it is negative, and without another picture of memory."""
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
