"""The largest value of a size at which a step still fits in memory, found by trying."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import psutil

from bench.data.schema import Status
from bench.machine.cgroup import cgroup_memory
from bench.run.asking import Asks, ask, bare_request
from bench.run.memory import too_large
from bench.run.plan import Planned
from bench.timing.protocol import Task

_WITHIN = 0.05
"""The share of the value found by which the largest that fits may exceed it."""
_MOST = 2**30
_SHARE = 0.9
"""The share of the memory available now that a try may take; the rest is left to other programs."""
_WORDS = (
    *("MemoryError", "OutOfMemory", "not enough memory", "out of memory", "RESOURCE_EXHAUSTED", "bad_alloc"),
    *("ResourceExhausted", "Cannot allocate memory", "died by SIG"),
)
"""Words of the errors of Python and of frameworks, and of how a process ends, when memory does not suffice."""


@dataclass(frozen=True)
class Fit:
    """The largest value found for one implementation on one backend."""

    implementation: str
    backend: str
    largest: int | None
    """The largest value that was tried and fits; None if the first did not, or a try failed."""
    reason: str = ""
    """Why there is none, or why no larger one was tried."""


def largest(fits: Callable[[int], bool], start: int) -> int | None:
    """Double a size until it does not fit, then halve what is left until it is known to a twentieth; None if none fits.

    Args:
        fits: tries one value.
        start: the first value.
    """
    if not fits(start):
        return None
    good, bad = start, 2 * start
    while bad <= _MOST and fits(bad):
        good, bad = bad, 2 * bad
    while bad <= _MOST and bad - good > max(1, _WITHIN * good):
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good


def values(start: int, most: int, factor: float) -> list[int]:
    """List the values of an axis from a start by a factor to the largest that fits, which is the last."""
    found, value = [start], start * factor
    while round(value) < most:
        found.append(round(value))
        value *= factor
    return list(dict.fromkeys([*found, most]))


def measurable(most: int, start: int, together: int) -> int:
    """Return the largest value to measure at with this many processes alive at once, beside one that finds a truth.

    A truth is computed in float64, so it takes twice as much. What a step takes grows at least in proportion to a size.
    """
    return max(start, most // (together + 2))


def find_fits(
    planned: Sequence[Planned],
    name: str,
    asks: Asks,
    timeout: float | None,
    told: Callable[[Fit], None],
) -> list[Fit]:
    """Find the largest value of a size for each implementation and backend, each try in a process of its own.

    Args:
        planned: the cases at the first value; of each implementation and backend the first is tried.
        name: the size.
        asks: runs the tries.
        timeout: longest silence of a process, in seconds.
        told: is told what was found.
    """
    found = []
    for item in {(each.case.implementation, each.case.backend): each for each in reversed(planned)}.values():
        found.append(_fit(item, name, asks, timeout))
        told(found[-1])
    return found


class _FailedError(Exception):
    """A try came to no end for another reason than memory."""


def _fit(item: Planned, name: str, asks: Asks, timeout: float | None) -> Fit:
    who, workload = (item.case.implementation, item.case.backend), item.implementation.workload
    start = item.case.problem.sizes[name]

    def fits(value: int) -> bool:
        problem = replace(item.case.problem, sizes=item.case.problem.sizes.changed({name: value}))
        if too_large(workload, problem, item.backend):
            return False
        memory = available() if item.backend.host_memory else None
        request = bare_request(item, Task.FIT, problem=problem, memory_bytes=memory)
        reply = ask(asks, item.backend, request, timeout)
        if reply.status is not Status.OK and not any(word in reply.reason for word in _WORDS):
            raise _FailedError(reply.reason)
        return reply.status is Status.OK

    try:
        best = largest(fits, start)
    except _FailedError as error:
        return Fit(*who, None, str(error))
    return Fit(*who, best, "" if best is not None else f"{name} {start} does not fit")


def available() -> int:
    """Return the bytes that a try may take: most of what is free now."""
    free = psutil.virtual_memory().available
    limit = cgroup_memory()
    return int(_SHARE * (free if limit is None else min(free, limit)))
