"""How many CPUs a step really keeps busy, and in how many threads, beside the number that it was told to use."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from statistics import median

from bench.machine.files import ROOT, content
from bench.timing.clock import Now
from bench.timing.passes import Taken

LEAST_NANOSECONDS = 20_000_000
"""The least time of whole steps that says anything: a kernel counts the time of other threads in ticks."""
FEWEST_STRETCHES = 3
"""Of fewer stretches the median could be one that the kernel's ticks have made too long."""
SPARE_CPUS = 0.25
"""The CPUs that a framework's own helpers, and the kernel's counting, may come to."""
REAL_SHARE = 0.05
"""The part of the process's CPU time over which a thread computes; one with less waits or keeps accounts."""


@dataclass
class Load:
    """CPU time of the process beside wall time, over whole steps."""

    ratios: list[float] = field(default_factory=list)
    """CPU time over wall time of each stretch of passes that is long enough to say anything."""
    cpu_nanoseconds: int = 0
    wall_nanoseconds: int = 0
    """Time of the passes since the last such stretch, as the CPU time before it is."""

    def add(self, taken: Taken) -> Taken:
        """Add what one pass over whole steps found; return it."""
        self.cpu_nanoseconds += taken.cpu_nanoseconds
        self.wall_nanoseconds += sum(taken.nanoseconds)
        if self.wall_nanoseconds >= LEAST_NANOSECONDS:
            self.ratios.append(self.cpu_nanoseconds / self.wall_nanoseconds)
            self.cpu_nanoseconds = self.wall_nanoseconds = 0
        return taken

    @property
    def cpus(self) -> float | None:
        """The CPUs that were typically busy; None where too little was timed to say.

        A pool that a library has started spins for some milliseconds before it sleeps; the median leaves that out.
        """
        return round(median(self.ratios), 3) if len(self.ratios) >= FEWEST_STRETCHES else None


class Workers:
    """CPU time of the threads that Python code has started, from now on.

    Two of them may share a step out between them and, with the waiting for each other, never keep more than one CPU
    busy on average. A framework's pool is none of them: its threads are not Python's, and its own word counts them.
    """

    def __init__(self, cpu_now: Now) -> None:
        self._cpu_now = cpu_now
        self._spent, self._began = _spent_by_workers(), cpu_now()

    @property
    def number(self) -> int:
        """The number of them that have computed."""
        least = REAL_SHARE * max(1, self._cpu_now() - self._began)
        return sum(spent - self._spent.get(thread, 0) > least for thread, spent in _spent_by_workers().items())


def _spent_by_workers() -> dict[int, int]:
    """Return the nanoseconds of CPU time of Python's threads but the main one; of none where the kernel tells none."""
    spent = {}
    for thread in threading.enumerate():
        told = content(ROOT / f"proc/self/task/{thread.native_id}/schedstat")
        if thread is not threading.main_thread() and thread.native_id and told:
            spent[thread.native_id] = int(told.split()[0])
    return spent


def limit_pools(threads: int) -> None:
    """Hold every thread pool of the process to a number: those of libraries beside the framework's own, too.

    NumPy's would else wake all CPUs while a step is verified and spin on beside the samples that follow.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=threads)


def excess(threads: int, in_use: int | None, cpus: float | None, workers: int = 0) -> str:
    """Say that a step computed with more threads than it was told to, and what to do; empty if it did not.

    Args:
        threads: the number that it was told.
        in_use: the number that its framework uses; None if that is not known.
        cpus: the CPUs that were busy; None if that is not known.
        workers: the threads of its own that computed.
    """
    cure = "take out the threads that it starts itself"
    if in_use is not None and in_use > threads:
        what, cure, needed = f"computed with {in_use} threads", "take out what sets their number", in_use
    elif cpus is not None and cpus > threads + SPARE_CPUS:
        what, needed = f"kept {cpus:.1f} CPUs busy", math.ceil(cpus - SPARE_CPUS)
    elif workers > threads:
        what, needed = f"computed in {workers} threads of its own", workers
    else:
        return ""
    return f"it {what}, and it was told to use {threads} (threads): {cure}, or measure it with --threads {needed}."
