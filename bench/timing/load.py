"""How many CPUs a step really keeps busy, beside the number of threads that it was told to use."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median

from bench.timing.passes import Taken

LEAST_NANOSECONDS = 20_000_000
"""Less than this of whole steps says nothing: a kernel counts the time of other threads in ticks."""
SPARE_CPUS = 0.25
"""What a framework's own helpers, and the kernel's counting, may come to."""


@dataclass
class Load:
    """CPU time of the process beside wall time, over whole steps."""

    ratios: list[float] = field(default_factory=list)
    """CPU time over wall time of each stretch of passes that is long enough to say something."""
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
        return round(median(self.ratios), 3) if self.ratios else None


def limit_pools(threads: int) -> None:
    """Hold every thread pool of the process to a number: those of libraries beside the framework's own, too.

    NumPy's would else wake all CPUs while a step is verified and spin on beside the samples that follow.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=threads)


def excess(threads: int, in_use: int | None, cpus: float | None) -> str:
    """Say that a step computed with more threads than it was told to, and what to do; empty if it did not.

    Args:
        threads: the number that it was told.
        in_use: the number that its framework uses; None if that is not known.
        cpus: the CPUs that were busy; None if that is not known.
    """
    if in_use is not None and in_use > threads:
        what, cure, needed = f"computed with {in_use} threads", "take out what sets their number", in_use
    elif cpus is not None and cpus > threads + SPARE_CPUS:
        what, cure = f"kept {cpus:.1f} CPUs busy", "take out the threads that it starts itself"
        needed = math.ceil(cpus - SPARE_CPUS)
    else:
        return ""
    return f"it {what}, and it was told to use {threads} (threads): {cure}, or measure it with --threads {needed}."
