"""Whether a case fits in memory, worked out from its sizes before anything is started."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import psutil

from bench.machine.cgroup import cgroup_memory
from bench.model.device import Backend
from bench.model.problem import Problem
from bench.model.workload import Workload


def too_large(workload: Workload, problem: Problem, backend: Backend) -> str:
    """Say why a case cannot fit, in words that contain the cure; nothing if it can, or if nobody can tell."""
    needs = workload.memory(problem)
    if needs is None:
        return ""
    sizes = ", ".join(f"{name.replace('_', '-')} {value}" for name, value in problem.sizes.items())
    places = (
        (needs.host, host_memory(), "to be verified, and this machine has"),
        (needs.device, _device_memory(backend), f"on {backend.device}, and the device has"),
    )
    for needed, has, where in places:
        if has is not None and needed > has:
            return (
                f"{workload.name} with {sizes} needs about {_gib(needed)} GiB {where} {_gib(has)}: choose smaller sizes"
            )
    return ""


_MOST_ALIVE = 16
_PROCESS_BYTES = 2**28
"""What a process of a framework takes beside its case."""
_SHARE = 0.7
"""The part of memory that processes may fill which are alive at once."""


def alive_at_once(workload: Workload, problem: Problem, backends: Iterable[Backend]) -> int:
    """Return how many processes of one problem may be alive at once; where nobody can tell, a fixed number.

    Args:
        workload: what they compute.
        problem: its sizes.
        backends: where they compute it.
    """
    needs = workload.memory(problem)
    if needs is None:
        return _MOST_ALIVE
    rooms = [host_memory() / (needs.host + _PROCESS_BYTES)]
    devices = {backend for backend in backends if not backend.host_memory}
    rooms += [has / needs.device for each in devices if (has := _device_memory(each)) and needs.device]
    return max(1, min(_MOST_ALIVE, int(_SHARE * min(rooms))))


def host_memory() -> int:
    """Return the bytes that this process may take: the machine's, or less where a container is allowed less."""
    total = psutil.virtual_memory().total
    limit = cgroup_memory()
    return total if limit is None else min(total, limit)


@cache
def _device_memory(backend: Backend) -> int | None:
    return backend.memory_bytes()


def _gib(count: float) -> str:
    return f"{count / 2**30:,.0f}" if count >= 9.5 * 2**30 else f"{count / 2**30:.1f}"
