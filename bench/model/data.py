"""The arrays that every implementation starts from, made once with NumPy from the problem's seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.model.problem import Problem
from bench.model.workload import Workload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Data:
    """The batch, the initial parameters and the numbers that steer training. Arrays are read-only."""

    x: Array
    """Inputs, (batch, d_in)."""
    y: Array
    """Targets, (batch, d_out)."""
    parameters: Mapping[str, Array]
    """Initial parameters under their canonical names; see `Workload.parameter_shapes`."""
    learning_rate: float
    depths: tuple[int, ...] = ()
    """How often the middle layer is applied in each step of training; empty for a fixed network."""


def make_data(problem: Problem, workload: Workload) -> Data:
    """Draw everything in float64 and round once to the problem's dtype.

    Without bias the weights are standard normal; with bias they follow the uniform(-1/sqrt(fan_in), 1/sqrt(fan_in))
    rule of `torch.nn.Linear`. Depths come in shuffled blocks that hold each depth once, so that any whole number of
    blocks is the same amount of work.
    """
    import numpy as np

    rng = np.random.default_rng(problem.seed)

    def rounded(values: NDArray[np.float64]) -> Array:
        array = values.astype(problem.dtype.value)
        array.setflags(write=False)
        return array

    x = rounded(rng.standard_normal((problem.batch, problem.d_in)))
    y = rounded(rng.standard_normal((problem.batch, problem.d_out)))
    parameters = {}
    fan_in = 0
    for name, shape in workload.parameter_shapes(problem).items():
        if not workload.bias:
            parameters[name] = rounded(rng.standard_normal(shape))
            continue
        fan_in = shape[0] if len(shape) == 2 else fan_in  # a bias follows its weight and shares its fan-in
        bound = fan_in**-0.5
        parameters[name] = rounded(rng.uniform(-bound, bound, shape))

    depths: list[int] = []
    while workload.max_depth and len(depths) < problem.steps:
        depths.extend(int(depth) for depth in rng.permutation(workload.cycle))
    return Data(x, y, parameters, workload.learning_rate(problem), tuple(depths))
