"""The tutorial's network: a hidden layer with ReLU, and for one workload a middle layer that is reused.

The loss is the sum of squared errors over one fixed random batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import prod
from statistics import fmean
from typing import TYPE_CHECKING

from bench.model.data import Data
from bench.model.sizes import Sizes
from bench.model.step import STAGES, TRAINING, Phase, State
from bench.model.workload import Cost, Memory

if TYPE_CHECKING:
    import numpy as np

COURSE = 500
"""Steps that depths are drawn for, at least: training starts over after as many."""
_MIDDLE = ("wm", "bm")
"""The parameters of the reused layer: a step of depth 0 does not touch them."""
_TRUTH_COPIES = 32
"""Float64 copies of weights and gradients that the oracle holds while it works out the truth of four steps, and of two
on fresh inputs."""
_STEP_COPIES = 6
"""Copies of weights on a device: themselves, gradients, at most two of an optimiser, two that a framework may keep."""


class Optimizer(StrEnum):
    """The rule that turns gradients into new parameters."""

    SGD = "sgd"
    ADAM = "adam"


@dataclass(frozen=True)
class Mlp:
    """One variety of the network with one optimiser, as an author of a workload writes it."""

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
    def variants(self) -> tuple[int, ...]:
        """The depths between which steps vary; empty if every step does the same."""
        return tuple(range(self.max_depth + 1)) if self.max_depth else ()

    @property
    def matmuls(self) -> int | None:
        """The matrix products of a step: two forward and three backward, since the input needs no gradient."""
        return None if self.max_depth else 5

    def learning_rate(self, size: Sizes) -> float:
        """Lower the base rate for problems larger than the tutorial's, so that training stays finite.

        The loss is a sum, so its curvature grows with batch x hidden (and with d_in where the weights are standard
        normal): at a fixed rate a larger problem overflows within a few steps and would time arithmetic on NaN.
        Adam's step does not depend on the gradient's scale and keeps its rate.
        """
        if self.optimizer is Optimizer.ADAM:
            return self.base_learning_rate
        units = size.batch * size.hidden * (1 if self.bias else size.d_in)
        return self.base_learning_rate * min(1.0, self.stable_units / units)

    def parameter_shapes(self, size: Sizes) -> dict[str, tuple[int, ...]]:
        """Name the parameters; a layer computes `x @ w + b`, so a weight is (inputs, outputs)."""
        p = size
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

    def data(self, size: Sizes, rng: np.random.Generator) -> Data:
        """Draw batch, parameters and depths.

        Without bias the weights are standard normal; with bias they follow the uniform(-1/sqrt(fan_in),
        1/sqrt(fan_in)) rule of `torch.nn.Linear`. Depths come in shuffled blocks that hold each depth once, so that
        any whole number of blocks is the same amount of work.
        """
        inputs = {"x": rng.standard_normal((size.batch, size.d_in)), "y": rng.standard_normal((size.batch, size.d_out))}
        parameters = {}
        fan_in = 0
        for name, shape in self.parameter_shapes(size).items():
            if not self.bias:
                parameters[name] = rng.standard_normal(shape)
                continue
            fan_in = shape[0] if len(shape) == 2 else fan_in  # a bias follows its weight and shares its fan-in
            bound = fan_in**-0.5
            parameters[name] = rng.uniform(-bound, bound, shape)
        depths: list[int] = []
        while self.variants and len(depths) < COURSE:
            depths.extend(int(depth) for depth in rng.permutation(self.variants))
        constants = {"learning_rate": self.learning_rate(size), "depths": tuple(depths)}
        return Data(inputs, parameters, constants, tuple(depths))

    def reference(self, size: Sizes, data: Data, steps: int, margin: float = 0.0) -> tuple[State, ...]:
        """Train in float64; see `bench.workloads.reference`."""
        from bench.workloads.reference import train

        return train(data, steps, margin, self.bias, self.optimizer == Optimizer.ADAM, self.momentum)

    def cost(self, size: Sizes, phase: str, variant: float | None = None) -> Cost:
        """Count what one phase, or the whole step (`step`, `first_step`), must do at the least.

        Args:
            size: the sizes.
            phase: `step`, `first_step`, a phase, or several joined by `+`.
            variant: how often the middle layer is applied; by default the mean over a block of depths.
        """
        if phase == Phase.DATA:
            return Cost()
        parts = phase.split("+") if phase in STAGES else [str(part) for part in TRAINING]
        flops = [self._flops(size, part, variant) for part in parts]
        values = fmean(
            sum(self._values(size, part, depth) for part in parts)
            for depth in ((self.variants or (0,)) if variant is None else (variant,))
        )
        products = [count for count in flops if count is not None]
        return Cost(sum(products) if products else None, values)

    def _flops(self, size: Sizes, phase: str, variant: float | None) -> float | None:
        """Count the operations in the matrix products of one phase; None for the update, whose work is elementwise.

        A product of (a, b) by (b, c) is 2abc operations. Forward has one product a layer; backward has two, except for
        the first layer, whose input needs no gradient. A reused middle layer adds 2NH^2 forward and 4NH^2 backward
        each time.
        """
        n, d_in, h, d_out = size.batch, size.d_in, size.hidden, size.d_out
        reuse = self.max_depth / 2 if variant is None else variant
        if phase == Phase.FORWARD:
            return 2.0 * n * d_in * h + 2.0 * n * h * d_out + reuse * 2.0 * n * h * h
        if phase == Phase.BACKWARD:
            return 2.0 * n * d_in * h + 4.0 * n * h * d_out + reuse * 4.0 * n * h * h
        return None

    def _values(self, size: Sizes, phase: str, variant: float) -> float:
        """Count the numbers that one phase moves if each array is moved once.

        These are the compulsory misses of the roofline model (Williams, Waterman and Patterson, "Roofline: an
        insightful visual performance model", CACM 52(4), 2009). With P parameters, and `z` and `relu(z)` of each
        hidden layer kept for backward, as the nine programs do:

        - forward reads x, the targets and the parameters, and writes z, relu(z), the prediction and the loss:
          N D_in + P + 2NH + 2N D_out + 1;
        - backward reads x, z, relu(z), the prediction, the targets and the output layer's weights, and writes a
          gradient of each parameter: N D_in + 2NH + 2N D_out + H D_out + P;
        - the update reads and writes parameters and the optimiser's own arrays, and reads gradients: 3P for SGD, 5P
          with momentum (Polyak's velocity), 7P for Adam (two moments).

        What lives within a phase (gradients of activations) may stay in registers and caches. P counts biases where
        there are some. A middle layer that is applied k > 0 times adds 2kNH to forward and to backward, once H^2 + H
        to P, and once H^2 to backward, which reads its weights.
        """
        n, d_in, h, d_out = size.batch, size.d_in, size.hidden, size.d_out
        shapes = self.parameter_shapes(size)
        parameters = sum(prod(shape) for name, shape in shapes.items() if variant or name not in _MIDDLE)
        activations = 2 * n * h * (1 + variant) + 2 * n * d_out
        if phase == Phase.FORWARD:
            return n * d_in + parameters + activations + 1
        if phase == Phase.BACKWARD:
            return n * d_in + activations + h * d_out + (h * h if variant else 0) + parameters
        return (7 if self.optimizer is Optimizer.ADAM else 5 if self.momentum else 3) * parameters

    def memory(self, size: Sizes, itemsize: int) -> Memory:
        """Work out what a case takes: batch and activations once, weights as often as oracle or step keep them.

        Each layer's output counts before and after its ReLU, with the gradients of both.
        """
        weights = sum(prod(shape) for shape in self.parameter_shapes(size).values())
        hidden = 4 * (1 + self.max_depth) * size.hidden
        activations = size.batch * (size.d_in + hidden + 4 * size.d_out)
        return Memory(
            8 * (activations + _TRUTH_COPIES * weights),
            itemsize * (activations + _STEP_COPIES * weights),
        )
