"""The host clock, and what it costs to read it."""

from __future__ import annotations

import time
from collections.abc import Callable

Now = Callable[[], int]
"""A clock: each call gives a time in nanoseconds that never goes back."""

host_now: Now = time.perf_counter_ns
cpu_now: Now = time.process_time_ns
"""CPU time of all threads of this process."""


def resolution(now: Now = host_now, readings: int = 2000) -> int:
    """Find the smallest positive difference between successive readings, in nanoseconds.

    It contains the cost of one reading, so it bounds what a clock adds to whatever is timed with it.
    """
    smallest = None
    previous = now()
    for _ in range(readings):
        current = now()
        if current > previous and (smallest is None or current - previous < smallest):
            smallest = current - previous
        previous = current
    return smallest or 1
