"""Whether a step can be spread over so many devices here, told before anything is started."""

from __future__ import annotations

from bench.machine.environment import usable_cpus
from bench.machine.processor import affinity, pinned_cpus
from bench.model.device import Backend
from bench.model.problem import Problem
from bench.model.sizes import BATCH


def why_not_spread(backend: Backend, problem: Problem, devices: int, threads: int) -> str:
    """Say why a step cannot be spread over so many devices, with the cure; nothing if it can.

    Args:
        backend: what it runs on.
        problem: its sizes, with the batch of all devices together.
        devices: how many.
        threads: of each.
    """
    if not (backend.meets and backend.may_fork):
        return f"{backend.name} has no way to start one step in several processes: leave out --devices {devices}"
    if devices == 1:
        return ""
    if (batch := problem.sizes.get(BATCH)) is None:
        return f"the workload has no size {BATCH} that devices could share out: call the number of samples so"
    if batch % devices:
        return f"{BATCH} {batch} cannot be divided among {devices} devices: choose a multiple of {devices}"
    if backend.host_memory:
        needs, has = devices * threads, usable_cpus()
        if needs > has:
            each = f" with {threads} threads each" if threads > 1 else ""
            short = f"{devices} processes{each} need {needs} CPUs, and {has} may be used"
            return f"{short}: choose fewer --devices or --threads"
    elif (count := backend.device_count()) is not None and devices > count:
        return f"there are {count} devices for {backend.name}, and {devices} are asked for: choose fewer --devices"
    return ""


def cpus_of_ranks(count: int) -> tuple[int, ...]:
    """Choose so many CPUs for processes that compute at once: first one of each fast core, then the others.

    None where the system does not tell which there are.
    """
    first = pinned_cpus(1)
    return (*first, *sorted(affinity().difference(first)))[:count]
