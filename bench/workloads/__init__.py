"""The tutorial's workloads: one network, four combinations of biases, depth and optimiser.

Importing this package registers them, by the same door as an author's own.
"""

from typing import Any

from bench.model.problem import Problem
from bench.model.sizes import Sizes
from bench.model.workload import add_workload, make_workload
from bench.workloads.mlp import Mlp, Optimizer

SIZES = Sizes(batch=64, d_in=1000, hidden=100, d_out=10)
"""The tutorial's own."""

for _name, _title, _baseline, _program in (
    ("mlp_sgd", "no bias, SGD", "numpy_manual", Mlp(False, Optimizer.SGD, 1e-6, 64 * 100 * 1000)),
    ("mlp_bias_sgd", "bias, SGD", "numpy_bias_sgd", Mlp(True, Optimizer.SGD, 1e-4, 64 * 1000)),
    ("mlp_bias_adam", "bias, Adam", "numpy_adam", Mlp(True, Optimizer.ADAM, 1e-4, 64 * 1000)),
    (
        "mlp_dynamic",
        "random depth, SGD with momentum",
        "numpy_dynamic",
        Mlp(True, Optimizer.SGD, 1e-4, 64 * 100, momentum=0.9, max_depth=3),
    ),
):
    add_workload(make_workload(_name, _program, sizes=SIZES, baseline=_baseline, title=_title))


def tutorial(dtype: Any = Problem.dtype, seed: int = 0, steps: int = Problem.steps, **sizes: int) -> Problem:
    """Make a problem of the tutorial's sizes, with other values for some of them."""
    return Problem(SIZES.changed(sizes), dtype, seed, steps)
