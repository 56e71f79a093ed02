"""How much arithmetic a phase performs, from the sizes alone."""

from __future__ import annotations

from bench.model.problem import Problem
from bench.model.step import Phase
from bench.model.workload import Workload


def gemm_flops(workload: Workload, problem: Problem, phase: str, depth: float | None = None) -> float | None:
    """Floating-point operations in the matrix products of one phase, or of the whole step (`step`).

    A product of (a, b) by (b, c) is 2abc operations. Forward has one product a layer; backward has two, except for the
    first layer, whose input needs no gradient. A reused middle layer adds 2NH^2 forward and 4NH^2 backward each time.

    Args:
        workload: which network.
        problem: its sizes.
        phase: `step`, `first_step` or a phase.
        depth: how often the middle layer is applied; by default the mean over a block of depths.

    Returns:
        The count, or None for the update, whose work is elementwise.
    """
    n, d_in, h, d_out = problem.batch, problem.d_in, problem.hidden, problem.d_out
    reuse = workload.max_depth / 2 if depth is None else depth
    forward = 2.0 * n * d_in * h + 2.0 * n * h * d_out + reuse * 2.0 * n * h * h
    backward = 2.0 * n * d_in * h + 4.0 * n * h * d_out + reuse * 4.0 * n * h * h
    if phase == Phase.FORWARD:
        return forward
    if phase == Phase.BACKWARD:
        return backward
    return None if phase == Phase.UPDATE else forward + backward
