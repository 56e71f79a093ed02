"""How much arithmetic a phase performs and how many bytes it must move, from the sizes alone; and what limits both."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import prod
from operator import attrgetter
from statistics import fmean

from bench.data.schema import Peak
from bench.model.problem import Problem
from bench.model.step import Phase
from bench.model.workload import Optimizer, Workload

_MIDDLE = ("wm", "bm")
"""The parameters of a reused layer: a step of depth 0 does not touch them."""


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


def compulsory_bytes(workload: Workload, problem: Problem, phase: str, depth: int | None = None) -> float:
    """Bytes that one phase, or the whole step (`step`), reads and writes if each array is moved once a phase.

    These are the compulsory misses of the roofline model (Williams, Waterman and Patterson, "Roofline: an insightful
    visual performance model", CACM 52(4), 2009). With P parameters, s bytes a number, and `z` and `relu(z)` of each
    hidden layer kept for backward, as the nine programs do:

    - forward reads x, the targets and the parameters, and writes z, relu(z), the prediction and the loss:
      s (N D_in + P + 2NH + 2N D_out + 1);
    - backward reads x, z, relu(z), the prediction, the targets and the output layer's weights, and writes a gradient of
      each parameter: s (N D_in + 2NH + 2N D_out + H D_out + P);
    - the update reads and writes parameters and the optimiser's own arrays, and reads gradients: 3sP for SGD, 5sP with
      momentum (Polyak's velocity), 7sP for Adam (two moments).

    What lives within a phase (gradients of activations) may stay in registers and caches. P counts biases where there
    are some. A middle layer that is applied k > 0 times adds 2kNH to forward and to backward, once H^2 + H to P, and
    once H^2 to backward, which reads its weights.

    Args:
        workload: which network and optimiser.
        problem: its sizes and number format.
        phase: `step`, `first_step` or a phase.
        depth: how often the middle layer is applied; by default the mean over a block of depths.
    """
    if depth is None:
        return fmean(compulsory_bytes(workload, problem, phase, each) for each in range(workload.cycle))
    n, d_in, h, d_out = problem.batch, problem.d_in, problem.hidden, problem.d_out
    shapes = workload.parameter_shapes(problem)
    parameters = sum(prod(shape) for name, shape in shapes.items() if depth or name not in _MIDDLE)
    activations = 2 * n * h * (1 + depth) + 2 * n * d_out
    forward = n * d_in + parameters + activations + 1
    backward = n * d_in + activations + h * d_out + (h * h if depth else 0) + parameters
    update = _arrays_of_update(workload) * parameters
    counts = {Phase.FORWARD.value: forward, Phase.BACKWARD.value: backward, Phase.UPDATE.value: update}
    return float(problem.dtype.itemsize * counts.get(phase, forward + backward + update))


def _arrays_of_update(workload: Workload) -> int:
    """How many arrays of the parameters' size an update reads or writes."""
    if workload.optimizer is Optimizer.ADAM:
        return 7
    return 5 if workload.momentum else 3


@dataclass(frozen=True)
class Ceilings:
    """The best that was measured on one device; two backends may hold the two records."""

    products: Peak
    """With the highest rate of matrix products."""
    copies: Peak
    """With the highest rate of copies."""

    @property
    def flops_per_second(self) -> float:
        """Of a large matrix product."""
        return self.products.gflops * 1e9

    @property
    def bytes_per_second(self) -> float:
        """Of a large copy, bytes read plus bytes written."""
        return self.copies.gigabytes_per_second * 1e9


def ceilings(
    peaks: Iterable[Peak], device: str, dtype: str, precision: str, threads: Collection[int]
) -> Ceilings | None:
    """What limits cases of one device, number format and precision; None if it was not measured.

    Args:
        peaks: those of the run.
        device: `cpu`, `cuda`, ...
        dtype: the cases' number format.
        precision: their precision.
        threads: their numbers of CPU threads.
    """
    same = [peak for peak in peaks if (peak.device, peak.dtype, peak.precision) == (device, dtype, precision)]
    same = [peak for peak in same if peak.threads in threads]
    if not same:
        return None
    products, copies = attrgetter("gflops"), attrgetter("gigabytes_per_second")
    return Ceilings(max(same, key=products), max(same, key=copies))
