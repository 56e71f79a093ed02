"""Whether a case fits in memory, worked out from its sizes before anything is started."""

from __future__ import annotations

from functools import cache
from math import prod

import psutil

from bench.machine.environment import cgroup_memory
from bench.model.device import Backend
from bench.model.problem import Problem
from bench.model.workload import Workload

_TRUTH_COPIES = 24
"""Float64 copies of weights and gradients that the oracle holds while it works out the truth of four steps."""
_STEP_COPIES = 6
"""Copies of weights on a device: themselves, gradients, at most two of an optimiser, two that a framework may keep."""


def too_large(workload: Workload, problem: Problem, backend: Backend) -> str:
    """Why a case cannot fit, in words that contain the cure; empty if it can, or if the device does not tell."""
    sizes = f"batch {problem.batch} on a {problem.d_in}-{problem.hidden}-{problem.d_out} network"
    needed, memory = host_bytes(workload, problem), host_memory()
    if needed > memory:
        return (
            f"{sizes} needs about {_gib(needed)} GiB to be verified, and this machine has {_gib(memory)}: "
            "choose smaller sizes"
        )
    has = _device_memory(backend)
    if has is not None and (needed := device_bytes(workload, problem)) > has:
        return (
            f"{sizes} needs about {_gib(needed)} GiB on {backend.device}, and the device has {_gib(has)}: "
            "choose smaller sizes"
        )
    return ""


def host_bytes(workload: Workload, problem: Problem) -> int:
    """Bytes that verifying a case takes: batch and activations once, weights as often as the oracle keeps them."""
    return 8 * (_activations(workload, problem) + _TRUTH_COPIES * _weights(workload, problem))


def device_bytes(workload: Workload, problem: Problem) -> int:
    """Bytes that a step takes on a device with memory of its own."""
    return problem.dtype.itemsize * (_activations(workload, problem) + _STEP_COPIES * _weights(workload, problem))


def _weights(workload: Workload, problem: Problem) -> int:
    return sum(prod(shape) for shape in workload.parameter_shapes(problem).values())


def _activations(workload: Workload, problem: Problem) -> int:
    """Numbers of the batch, and of each layer's output before and after its ReLU with their gradients."""
    hidden = 4 * (1 + workload.max_depth) * problem.hidden
    return problem.batch * (problem.d_in + hidden + 4 * problem.d_out)


def host_memory() -> int:
    """Bytes that this process may take: the machine's, or less where a container is allowed less."""
    total = psutil.virtual_memory().total
    limit = cgroup_memory()
    return total if limit is None else min(total, limit)


@cache
def _device_memory(backend: Backend) -> int | None:
    return backend.memory_bytes()


def _gib(count: float) -> str:
    return f"{count / 2**30:,.0f}" if count >= 9.5 * 2**30 else f"{count / 2**30:.1f}"
