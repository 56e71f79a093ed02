"""How long a measuring process may be silent before it is taken for hung.

A process gives a sign of life after each step that is verified and before each sample, but it cannot give one inside a
step, a compilation or a build. What its parent can see meanwhile is whether it uses the CPU: so by default one that
computes is left to work, and one that does nothing is ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

import psutil

from bench.errors import ChildTimeout
from bench.timing.channel import Channel

IDLE_SECONDS = 300.0
"""The longest silence by default of a process that does nothing: it may wait for data or for a device."""
BUSY_SECONDS = 3600.0
"""The longest silence by default of any process: no step takes an hour, and an endless loop must end some day."""
_LOOK_SECONDS = 30.0
"""The longest time from one look at a silent process to the next; a step that takes less is never looked at."""
_FEWEST_LOOKS = 10
_TOLD_FIRST_SECONDS = 60.0
"""The silence after which it is told for the first time, and again each time that it has doubled."""
_IDLE_SHARE = 0.01
"""The part of one CPU under which a process does nothing: a thread that only waits wakes up at times."""


class Activity:
    """Tells whether a process, or anything that it started, has been at work since it was last looked at."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._used: float | None = None

    def __call__(self, seconds: float) -> bool:
        """Look; `seconds` have passed since the last look. One that somebody has stopped is not idle."""
        before, self._used = self._used, _cpu_seconds(self._pid)
        if before is not None and abs(self._used - before) > _IDLE_SHARE * seconds:
            return True
        with suppress(psutil.Error):
            return bool(psutil.Process(self._pid).status() == psutil.STATUS_STOPPED)
        return False


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and of all that it started, the ended ones included."""
    total = 0.0
    with suppress(psutil.Error):
        leader = psutil.Process(pid)
        for each in (leader, *leader.children(recursive=True)):
            with suppress(psutil.Error):
                times = each.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def hear(
    channel: Channel,
    at_work: Callable[[float], bool],
    timeout: float | None,
    waiting: Callable[[float, bool], None] = lambda seconds, working: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> bytes:
    """Wait for a process's next line, signs of life left out.

    Time is counted in looks that passed, so that a pause of this process, or of the machine, is no silence of another.

    Args:
        channel: where the process answers.
        at_work: tells whether it was at work in the so many seconds since the last look.
        timeout: longest silence in seconds, whatever it does; None for the default, which asks what it does.
        waiting: is told of a long silence: how long it is by now, in seconds, and whether the process is at work.
        meanwhile: called after each second of silence.

    Raises:
        ChildTimeout: it was silent for too long; the message says how long, and what would help.
        ChildError: it hung up.
    """
    while not (line := _next(channel, at_work, timeout, waiting, meanwhile)):
        pass
    return line


def _next(
    channel: Channel,
    at_work: Callable[[float], bool],
    timeout: float | None,
    waiting: Callable[[float, bool], None],
    meanwhile: Callable[[], None],
) -> bytes:
    """Wait for the next line or sign of life."""
    longest_idle, longest = (IDLE_SECONDS, BUSY_SECONDS) if timeout is None else (timeout, timeout)
    idle_looks = max(_FEWEST_LOOKS, math.ceil(longest_idle / _LOOK_SECONDS))
    look = longest_idle / idle_looks
    passed = idle = 0
    tell = _TOLD_FIRST_SECONDS
    while True:
        try:
            return _line(channel, look, meanwhile)
        except ChildTimeout:
            working = at_work(look)
            passed, idle = passed + 1, 0 if working else idle + 1
            silent = passed * look
        if passed >= round(longest / look):
            raise ChildTimeout(f"no answer for {longest:g} s, so it was killed: raise --timeout if it is only slow")
        if idle >= idle_looks:
            raise ChildTimeout(
                f"no answer and no use of the CPU for {longest_idle:g} s, so it was killed: raise --timeout if it only "
                "waits for something"
            )
        if silent >= tell:
            waiting(silent, working)
            tell *= 2


def _line(channel: Channel, seconds: float, meanwhile: Callable[[], None]) -> bytes:
    """Wait so long for the next line or sign of life, and do something after each second of silence."""
    whole, rest = divmod(seconds, 1.0)
    for part in [1.0] * int(whole) + [rest] * (rest > 0):
        try:
            return channel.line(part)
        except ChildTimeout:
            meanwhile()
    raise ChildTimeout("no line")
