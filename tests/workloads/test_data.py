from __future__ import annotations

import numpy as np
import pytest

from bench.model.problem import Dtype
from bench.model.workload import WORKLOADS
from bench.workloads import tutorial


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_same_seed_gives_the_same_arrays_and_another_seed_others(name: str) -> None:
    workload = WORKLOADS[name]
    a, b, c = (workload.data(tutorial(seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(a.x, b.x)
    assert not np.array_equal(a.x, c.x)
    assert all(np.array_equal(a.parameters[key], b.parameters[key]) for key in a.parameters)
    assert a.depths == b.depths


def test_float32_data_is_float64_data_rounded_once() -> None:
    workload = WORKLOADS["mlp_bias_sgd"]
    narrow, wide = (workload.data(tutorial(dtype=dtype)) for dtype in Dtype)
    assert narrow.x.dtype == np.float32
    assert np.array_equal(narrow.x, wide.x.astype(np.float32))


def test_weights_without_bias_are_standard_normal() -> None:
    w1 = WORKLOADS["mlp_sgd"].data(tutorial()).parameters["w1"]
    assert abs(float(w1.mean())) < 0.01
    assert abs(float(w1.std()) - 1) < 0.01


def test_biased_layers_follow_the_rule_of_torch_linear() -> None:
    parameters = WORKLOADS["mlp_bias_sgd"].data(tutorial()).parameters
    for weight, bias, fan_in in (("w1", "b1", 1000), ("w2", "b2", 100)):
        bound = fan_in**-0.5
        assert 0.99 * bound < float(np.abs(parameters[weight]).max()) <= bound
        assert float(np.abs(parameters[bias]).max()) <= bound


def test_every_block_of_depths_holds_each_depth_once() -> None:
    depths = WORKLOADS["mlp_dynamic"].data(tutorial()).depths
    assert len(depths) == 500
    assert all(sorted(depths[i : i + 4]) == [0, 1, 2, 3] for i in range(0, 500, 4))
    assert len({depths[i : i + 4] for i in range(0, 500, 4)}) > 10


def test_arrays_cannot_be_changed_by_an_implementation() -> None:
    data = WORKLOADS["mlp_sgd"].data(tutorial())
    with pytest.raises(ValueError, match="read-only"):
        data.x[0, 0] = 1
