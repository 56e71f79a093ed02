"""The tutorial's workloads: one network, four combinations of biases, depth and optimiser.

Importing this package registers them.
"""

from bench.model.workload import add_workload
from bench.workloads.mlp import Mlp, Optimizer

for _workload in (
    Mlp("mlp_sgd", "no bias, SGD", "numpy_manual", False, Optimizer.SGD, 1e-6, 64 * 100 * 1000),
    Mlp("mlp_bias_sgd", "bias, SGD", "numpy_bias_sgd", True, Optimizer.SGD, 1e-4, 64 * 1000),
    Mlp("mlp_bias_adam", "bias, Adam", "numpy_adam", True, Optimizer.ADAM, 1e-4, 64 * 1000),
    Mlp(
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
):
    add_workload(_workload)
