"""What disturbed a turn: counters read before and after it, outside its times, and turned into flags of its samples.

A flag is a remark, not a verdict: nothing is deleted, and the summary says what the estimate would be without.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from dataclasses import dataclass

from bench.model.condition import FOREIGN, THROTTLED, Condition
from bench.model.condition import flags as condition_flags

PREEMPTED, STOLEN, PRESSURE, UNSETTLED, LAUNCH_BOUND = "preempted", "stolen", "pressure", "unsettled", "launch_bound"
DRIFTING, RECOMPILED = "drifting", "recompiled"
MEANINGS = {
    PREEMPTED: "the kernel took a CPU away from the process (involuntary context switches)",
    STOLEN: "the hypervisor gave a CPU of this machine to somebody else (steal time)",
    PRESSURE: "runnable tasks waited for a CPU for a tenth of the turn or more",
    DRIFTING: "steps became slower or faster from the beginning of the process to its end",
    RECOMPILED: "the framework compiled meanwhile: a shape, or a value that its code depends on, was new to it",
    UNSETTLED: "the warm-up of the whole process never became steady",
    THROTTLED: "the device ran slower than it can, for heat or power",
    FOREIGN: "other processes held memory of the device",
    LAUNCH_BOUND: "the device began before all its work was enqueued: its time holds the host's",
}
"""What each flag means."""
PRESSURE_SHARE = 0.1
"""Waiting for a CPU for at least this part of a turn counts as pressure."""

Ended = Callable[[int], str]
"""Called after a turn with its nanoseconds; returns the flags, separated by spaces."""
Observe = Callable[[], Ended]
"""Called right before a turn."""


@dataclass(frozen=True)
class Reading:
    """Counters of the kernel at one moment; one that the system does not have is None."""

    switches: int
    steal_ticks: int | None
    pressure_microseconds: int | None


def flags(before: Reading, after: Reading, nanoseconds: int) -> str:
    """Return the flags of a turn of that length, separated by spaces."""
    found = []
    if after.switches > before.switches:
        found.append(PREEMPTED)
    if before.steal_ticks is not None and after.steal_ticks is not None and after.steal_ticks > before.steal_ticks:
        found.append(STOLEN)
    if before.pressure_microseconds is not None and after.pressure_microseconds is not None:
        waited = (after.pressure_microseconds - before.pressure_microseconds) * 1000
        if waited > 0 and waited >= PRESSURE_SHARE * nanoseconds:
            found.append(PRESSURE)
    return " ".join(found)


def together(*observers: Observe) -> Observe:
    """Return an observer that asks all of these; its flags are theirs, in their order."""

    def observe() -> Ended:
        endings = [observer() for observer in observers]
        return lambda nanoseconds: " ".join(flag for ended in endings if (flag := ended(nanoseconds)))

    return observe


def watching(condition: Callable[[], Condition]) -> Observe:
    """Return an observer of a device that reports its condition."""

    def observe() -> Ended:
        before = condition()
        return lambda nanoseconds: condition_flags(before, condition())

    return observe


def unobserved() -> Ended:
    """Observe nothing; for tests, and for machines without counters."""
    return lambda nanoseconds: ""


class KernelCounters:
    """The kernel's counters; their files are opened once, so that a reading costs microseconds."""

    def __init__(self, stat: str = "/proc/stat", pressure: str = "/proc/pressure/cpu") -> None:
        self._stat, self._pressure = _open(stat), _open(pressure)

    def read(self) -> Reading:
        """Return the counters now."""
        return Reading(
            resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw, _steal(self._stat), _total_pressure(self._pressure)
        )

    def __call__(self) -> Ended:
        """Read the counters, and return a function that reads them again and compares."""
        before = self.read()
        return lambda nanoseconds: flags(before, self.read(), nanoseconds)


def _open(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _read(descriptor: int | None) -> bytes:
    try:
        return b"" if descriptor is None else os.pread(descriptor, 512, 0)
    except OSError:  # a kernel that has the file and refuses to fill it
        return b""


def _steal(descriptor: int | None) -> int | None:
    """Return the eighth number of the line `cpu`, in ticks of 10 ms; see proc_stat(5)."""
    fields = _read(descriptor).split(b"\n", 1)[0].split()
    return int(fields[8]) if len(fields) > 8 else None


def _total_pressure(descriptor: int | None) -> int | None:
    """Return for how many microseconds some task waited for a CPU; see the kernel's documentation of PSI."""
    for field in _read(descriptor).split(b"\n", 1)[0].split():
        key, _, value = field.partition(b"=")
        if key == b"total":
            return int(value)
    return None
