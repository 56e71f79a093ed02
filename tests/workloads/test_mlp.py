from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.errors import UsageError
from bench.model.problem import Dtype
from bench.model.sizes import Sizes
from bench.model.workload import WORKLOADS, Memory, find_workload
from bench.workloads import SIZES, tutorial


def test_the_tutorials_learning_rates_hold_at_its_size() -> None:
    rates = {name: workload.program.learning_rate(SIZES) for name, workload in WORKLOADS.items()}
    assert rates == {"mlp_sgd": 1e-6, "mlp_bias_sgd": 1e-4, "mlp_bias_adam": 1e-4, "mlp_dynamic": 1e-4}


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize(
    "sizes",
    [{}, {"batch": 512}, {"hidden": 512}, {"batch": 256, "hidden": 512, "d_in": 100}, {"d_in": 4, "hidden": 3}],
)
def test_training_stays_finite_at_other_sizes(name: str, sizes: dict[str, int]) -> None:
    problem = tutorial(**sizes)
    data = WORKLOADS[name].data(problem)
    losses = [state.loss for state in WORKLOADS[name].reference(problem, data, 30)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_an_unknown_workload_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'mlp_sdg'.*'mlp_sgd'"):
        find_workload("mlp_sdg")


def test_matrix_products_of_a_step() -> None:
    assert WORKLOADS["mlp_sgd"].matmuls() == 5
    assert WORKLOADS["mlp_dynamic"].matmuls() is None, "how many there are varies"


def test_memory_of_a_case_is_that_of_its_arrays() -> None:
    problem = tutorial(batch=10, d_in=100, hidden=20, d_out=5)
    weights = 100 * 20 + 20 * 5
    activations = 10 * (100 + 4 * 20 + 4 * 5)
    assert WORKLOADS["mlp_sgd"].memory(problem) == Memory(
        host=8 * (activations + 32 * weights), device=4 * (activations + 6 * weights)
    )
    with_middle = weights + 20 + 5 + 20 * 20 + 20
    assert WORKLOADS["mlp_dynamic"].memory(problem).device == 4 * (10 * (100 + 4 * 4 * 20 + 4 * 5) + 6 * with_middle)
    double = replace(problem, dtype=Dtype.FLOAT64)
    assert WORKLOADS["mlp_sgd"].memory(double).device == 2 * WORKLOADS["mlp_sgd"].memory(problem).device


def test_shapes_are_inputs_by_outputs_and_biases_follow_their_weights() -> None:
    shapes = WORKLOADS["mlp_dynamic"].program.parameter_shapes(Sizes(d_in=5, hidden=3, d_out=2))
    assert list(shapes.items()) == [
        ("w1", (5, 3)),
        ("b1", (3,)),
        ("wm", (3, 3)),
        ("bm", (3,)),
        ("w2", (3, 2)),
        ("b2", (2,)),
    ]
