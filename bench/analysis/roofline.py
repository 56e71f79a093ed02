"""The most that a device was measured to do: what limits a step's products and its copies."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from bench.data.manifest import Peak
from bench.data.schema import STEP
from bench.model.case import Case
from bench.model.workload import WORKLOADS
from bench.stats import Floats


@dataclass(frozen=True)
class Ceilings:
    """The best that was measured on one device; two backends may hold the two records."""

    products: Peak
    """Record of matrix products."""
    copies: Peak
    """Record of copies."""

    @property
    def flops_per_second(self) -> float:
        """Rate of a large matrix product."""
        return self.products.gflops * 1e9

    @property
    def bytes_per_second(self) -> float:
        """Rate of a large copy, bytes read plus bytes written."""
        return self.copies.gigabytes_per_second * 1e9


def ceilings(peaks: Iterable[Peak], case: Case, threads: Collection[int] = ()) -> Ceilings | None:
    """Find what limits a case, whichever backend reached it; None if it was not measured.

    What several devices can do at most is so many times what one was measured to do.

    Args:
        peaks: those of the run.
        case: gives device, number format and precision.
        threads: numbers of CPU threads; that of the case if empty.
    """
    same = [
        peak.times(case.devices)
        for peak in peaks
        if (peak.device, peak.dtype, peak.precision) == (case.device, case.problem.dtype, case.precision)
        and peak.threads in (threads or (case.threads,))
    ]
    if not same:
        return None
    return Ceilings(max(same, key=attrgetter("gflops")), max(same, key=attrgetter("gigabytes_per_second")))


def step_work(case: Case) -> Floats:
    """Return the operations in the matrix products of a case's step, and the bytes that it must move.

    Both are not a number where nobody knows them.
    """
    workload = WORKLOADS.get(case.workload)
    known = workload and (workload.flops(case.problem, STEP), workload.bytes_moved(case.problem, STEP))
    return np.array(known or (None, None), dtype=float)
