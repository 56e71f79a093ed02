"""The tutorial's network: a hidden layer with ReLU, and for one workload a middle layer that is reused.

The loss is the sum of squared errors over one fixed random batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import prod
from statistics import fmean
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from bench.model.data import Data
from bench.model.problem import Problem
from bench.model.step import Phase, State
from bench.model.workload import Memory, Workload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MIDDLE = ("wm", "bm")
"""The parameters of the reused layer: a step of depth 0 does not touch them."""
_TRUTH_COPIES = 24
"""Float64 copies of weights and gradients that the oracle holds while it works out the truth of four steps."""
_STEP_COPIES = 6
"""Copies of weights on a device: themselves, gradients, at most two of an optimiser, two that a framework may keep."""


class Optimizer(StrEnum):
    """The rule that turns gradients into new parameters."""

    SGD = "sgd"
    ADAM = "adam"


@dataclass(frozen=True)
class Mlp(Workload):
    """One variety of the network, and one optimiser."""

    bias: bool
    optimizer: Optimizer
    base_learning_rate: float
    """The tutorial's learning rate, right at the tutorial's size."""
    stable_units: int
    """Largest product of the sizes that scale the curvature at which the base learning rate still converges."""
    momentum: float = 0.0
    max_depth: int = 0
    """How often the middle layer is reused at most; 0 means that there is no middle layer."""

    @property
    @override
    def variants(self) -> tuple[int, ...]:
        return tuple(range(self.max_depth + 1)) if self.max_depth else ()

    def learning_rate(self, problem: Problem) -> float:
        """Lower the base rate for problems larger than the tutorial's, so that training stays finite.

        The loss is a sum, so its curvature grows with batch x hidden (and with d_in where the weights are standard
        normal): at a fixed rate a larger problem overflows within a few steps and would time arithmetic on NaN.
        Adam's step does not depend on the gradient's scale and keeps its rate.
        """
        if self.optimizer is Optimizer.ADAM:
            return self.base_learning_rate
        units = problem.batch * problem.hidden * (1 if self.bias else problem.d_in)
        return self.base_learning_rate * min(1.0, self.stable_units / units)

    def parameter_shapes(self, problem: Problem) -> dict[str, tuple[int, ...]]:
        """Name the parameters; a layer computes `x @ w + b`, so a weight is (inputs, outputs)."""
        p = problem
        shapes: dict[str, tuple[int, ...]] = {"w1": (p.d_in, p.hidden)}
        if self.bias:
            shapes["b1"] = (p.hidden,)
        if self.max_depth:
            shapes["wm"] = (p.hidden, p.hidden)
            shapes["bm"] = (p.hidden,)
        shapes["w2"] = (p.hidden, p.d_out)
        if self.bias:
            shapes["b2"] = (p.d_out,)
        return shapes

    @override
    def data(self, problem: Problem) -> Data:
        """Draw everything in float64 and round once to the problem's dtype.

        Without bias the weights are standard normal; with bias they follow the uniform(-1/sqrt(fan_in),
        1/sqrt(fan_in)) rule of `torch.nn.Linear`. Depths come in shuffled blocks that hold each depth once, so that
        any whole number of blocks is the same amount of work.
        """
        import numpy as np

        rng = np.random.default_rng(problem.seed)

        def rounded(values: NDArray[np.float64]) -> NDArray[Any]:
            array = values.astype(problem.dtype.value)
            array.setflags(write=False)
            return array

        x = rounded(rng.standard_normal((problem.batch, problem.d_in)))
        y = rounded(rng.standard_normal((problem.batch, problem.d_out)))
        parameters = {}
        fan_in = 0
        for name, shape in self.parameter_shapes(problem).items():
            if not self.bias:
                parameters[name] = rounded(rng.standard_normal(shape))
                continue
            fan_in = shape[0] if len(shape) == 2 else fan_in  # a bias follows its weight and shares its fan-in
            bound = fan_in**-0.5
            parameters[name] = rounded(rng.uniform(-bound, bound, shape))

        depths: list[int] = []
        while self.variants and len(depths) < problem.steps:
            depths.extend(int(depth) for depth in rng.permutation(self.variants))
        return Data(x, y, parameters, self.learning_rate(problem), tuple(depths))

    @override
    def reference(self, data: Data, steps: int, margin: float = 0.0) -> tuple[State, ...]:
        from bench.workloads.reference import train

        return train(data, steps, margin, self.bias, self.optimizer == Optimizer.ADAM, self.momentum)

    @override
    def flops(self, problem: Problem, phase: str, variant: float | None = None) -> float | None:
        """Count the operations in the matrix products of one phase, or of the whole step (`step`).

        A product of (a, b) by (b, c) is 2abc operations. Forward has one product a layer; backward has two, except for
        the first layer, whose input needs no gradient. A reused middle layer adds 2NH^2 forward and 4NH^2 backward
        each time.

        Args:
            problem: the sizes.
            phase: `step`, `first_step` or a phase.
            variant: how often the middle layer is applied; by default the mean over a block of depths.

        Returns:
            The count, or None for the update, whose work is elementwise.
        """
        n, d_in, h, d_out = problem.batch, problem.d_in, problem.hidden, problem.d_out
        reuse = self.max_depth / 2 if variant is None else variant
        forward = 2.0 * n * d_in * h + 2.0 * n * h * d_out + reuse * 2.0 * n * h * h
        backward = 2.0 * n * d_in * h + 4.0 * n * h * d_out + reuse * 4.0 * n * h * h
        if phase == Phase.FORWARD:
            return forward
        if phase == Phase.BACKWARD:
            return backward
        return None if phase == Phase.UPDATE else forward + backward

    @override
    def bytes_moved(self, problem: Problem, phase: str, variant: int | None = None) -> float:
        """Count the bytes that one phase, or the whole step (`step`), moves if each array is moved once a phase.

        These are the compulsory misses of the roofline model (Williams, Waterman and Patterson, "Roofline: an
        insightful visual performance model", CACM 52(4), 2009). With P parameters, s bytes a number, and `z` and
        `relu(z)` of each hidden layer kept for backward, as the nine programs do:

        - forward reads x, the targets and the parameters, and writes z, relu(z), the prediction and the loss:
          s (N D_in + P + 2NH + 2N D_out + 1);
        - backward reads x, z, relu(z), the prediction, the targets and the output layer's weights, and writes a
          gradient of each parameter: s (N D_in + 2NH + 2N D_out + H D_out + P);
        - the update reads and writes parameters and the optimiser's own arrays, and reads gradients: 3sP for SGD, 5sP
          with momentum (Polyak's velocity), 7sP for Adam (two moments).

        What lives within a phase (gradients of activations) may stay in registers and caches. P counts biases where
        there are some. A middle layer that is applied k > 0 times adds 2kNH to forward and to backward, once H^2 + H
        to P, and once H^2 to backward, which reads its weights.

        Args:
            problem: the sizes and the number format.
            phase: `step`, `first_step` or a phase.
            variant: how often the middle layer is applied; by default the mean over a block of depths.
        """
        if variant is None:
            return fmean(self.bytes_moved(problem, phase, each) for each in self.variants or (0,))
        n, d_in, h, d_out = problem.batch, problem.d_in, problem.hidden, problem.d_out
        shapes = self.parameter_shapes(problem)
        parameters = sum(prod(shape) for name, shape in shapes.items() if variant or name not in _MIDDLE)
        activations = 2 * n * h * (1 + variant) + 2 * n * d_out
        forward = n * d_in + parameters + activations + 1
        backward = n * d_in + activations + h * d_out + (h * h if variant else 0) + parameters
        update = (7 if self.optimizer is Optimizer.ADAM else 5 if self.momentum else 3) * parameters
        counts = {Phase.FORWARD.value: forward, Phase.BACKWARD.value: backward, Phase.UPDATE.value: update}
        return float(problem.dtype.itemsize * counts.get(phase, forward + backward + update))

    @override
    def matmuls(self) -> int | None:
        """Count two forward and three backward: the input needs no gradient."""
        return None if self.variants else 5

    @override
    def memory(self, problem: Problem) -> Memory:
        """Work out what a case takes: batch and activations once, weights as often as oracle or step keep them.

        Each layer's output counts before and after its ReLU, with the gradients of both.
        """
        weights = sum(prod(shape) for shape in self.parameter_shapes(problem).values())
        hidden = 4 * (1 + self.max_depth) * problem.hidden
        activations = problem.batch * (problem.d_in + hidden + 4 * problem.d_out)
        return Memory(
            8 * (activations + _TRUTH_COPIES * weights),
            problem.dtype.itemsize * (activations + _STEP_COPIES * weights),
        )
