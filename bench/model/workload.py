"""A workload: which mathematics one training step computes. Speedups are only ever stated inside one workload."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bench.errors import UsageError, nearest
from bench.model.problem import Problem

ADAM_BETA1 = 0.9
ADAM_BETA2 = 0.999
ADAM_EPSILON = 1e-8


class Optimizer(StrEnum):
    """The rule that turns gradients into new parameters."""

    SGD = "sgd"
    ADAM = "adam"


@dataclass(frozen=True)
class Workload:
    """One network and one optimiser; the loss is always the sum of squared errors."""

    name: str
    title: str
    """A few words for figures and tables."""
    baseline: str
    """The implementation that speedups of this workload are stated over."""
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
    def cycle(self) -> int:
        """Steps after which the amount of work repeats: a sample covers a multiple of this."""
        return self.max_depth + 1

    def learning_rate(self, problem: Problem) -> float:
        """The base rate at the tutorial's size, lowered for larger problems so that training stays finite.

        The loss is a sum, so its curvature grows with batch x hidden (and with d_in where the weights are standard
        normal): at a fixed rate a larger problem overflows within a few steps and would time arithmetic on NaN.
        Adam's step does not depend on the gradient's scale and keeps its rate.
        """
        if self.optimizer is Optimizer.ADAM:
            return self.base_learning_rate
        units = problem.batch * problem.hidden * (1 if self.bias else problem.d_in)
        return self.base_learning_rate * min(1.0, self.stable_units / units)

    def parameter_shapes(self, problem: Problem) -> dict[str, tuple[int, ...]]:
        """Canonical names and shapes; a layer computes `x @ w + b`, so a weight is (inputs, outputs)."""
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

    def matmuls(self, depth: int = 0) -> int:
        """Matrix products in one step: two forward, three backward (the input needs no gradient), three a reuse."""
        return 5 + 3 * depth


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload("mlp_sgd", "no bias, SGD", "numpy_manual", False, Optimizer.SGD, 1e-6, 64 * 100 * 1000),
        Workload("mlp_bias_sgd", "bias, SGD", "numpy_bias_sgd", True, Optimizer.SGD, 1e-4, 64 * 1000),
        Workload("mlp_bias_adam", "bias, Adam", "numpy_adam", True, Optimizer.ADAM, 1e-4, 64 * 1000),
        Workload(
            "mlp_dynamic",
            "random depth, SGD with momentum",
            "numpy_dynamic",
            True,
            Optimizer.SGD,
            1e-4,
            64 * 100,
            momentum=0.9,
            max_depth=3,
        ),
    )
}


def find_workload(name: str) -> Workload:
    """The workload of that name.

    Raises:
        UsageError: there is none; the nearest name is suggested.
    """
    try:
        return WORKLOADS[name]
    except KeyError:
        raise UsageError(f"There is no workload {name!r}: {nearest(name, WORKLOADS)}") from None
