from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bench.analysis.roofline import ceilings
from bench.model.problem import Dtype
from bench.model.step import TRAINING, Phase
from bench.model.workload import WORKLOADS
from bench.workloads import tutorial

SMALL = tutorial(batch=7, d_in=11, hidden=5, d_out=3)


@pytest.mark.parametrize("workload", ["mlp_sgd", "mlp_bias_sgd", "mlp_bias_adam"])
def test_the_tutorials_size(workload: str) -> None:
    counts = [WORKLOADS[workload].flops(tutorial(), phase) for phase in ("forward", "backward", "step")]
    assert counts == [12_928_000, 13_056_000, 25_984_000]


def test_the_update_has_no_matrix_product() -> None:
    assert WORKLOADS["mlp_sgd"].flops(tutorial(), Phase.UPDATE) is None


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_each_reuse_adds_one_product_forward_and_two_backward(depth: int) -> None:
    dynamic, fixed, p = WORKLOADS["mlp_dynamic"], WORKLOADS["mlp_bias_sgd"], SMALL
    square = p.batch * p.hidden**2
    for phase, products in ((Phase.FORWARD, 2), (Phase.BACKWARD, 4), ("step", 6)):
        assert dynamic.flops(p, phase, depth) - fixed.flops(p, phase) == depth * products * square


def test_the_mix_of_depths_is_the_mean_over_a_block() -> None:
    dynamic = WORKLOADS["mlp_dynamic"]
    for phase in ("forward", "backward", "step"):
        each = [dynamic.flops(SMALL, phase, depth) for depth in range(dynamic.cycle)]
        assert dynamic.flops(SMALL, phase) == sum(each) / len(each)


@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("sizes", [(7, 11, 5, 3), (16, 9, 8, 2)])
def test_torch_counts_the_same_in_a_real_network(sizes: tuple[int, int, int, int], depth: int) -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    batch, d_in, hidden, d_out = sizes
    first, middle, last = (torch.nn.Linear(a, b) for a, b in ((d_in, hidden), (hidden, hidden), (hidden, d_out)))
    x, y = torch.ones(batch, d_in), torch.zeros(batch, d_out)
    with FlopCounterMode(display=False) as forward:
        activation = first(x).relu()
        for _ in range(depth):
            activation = middle(activation).relu()
        loss = (last(activation) - y).square().sum()
    with FlopCounterMode(display=False) as backward:
        loss.backward()

    problem = tutorial(batch=batch, d_in=d_in, hidden=hidden, d_out=d_out)
    dynamic = WORKLOADS["mlp_dynamic"]
    assert dynamic.flops(problem, Phase.FORWARD, depth) == forward.get_total_flops()
    assert dynamic.flops(problem, Phase.BACKWARD, depth) == backward.get_total_flops()
    assert dynamic.flops(problem, "step", depth) == forward.get_total_flops() + backward.get_total_flops()


def of_tutorial(workload: str, **problem: Any) -> list[float]:
    return [
        WORKLOADS[workload].bytes_moved(tutorial(**problem), phase)
        for phase in ("forward", "backward", "update", "step")
    ]


def test_the_bytes_of_the_tutorials_size() -> None:
    assert of_tutorial("mlp_sgd") == [716_324, 720_320, 1_212_000, 716_324 + 720_320 + 1_212_000]


def test_double_precision_moves_twice_as_much() -> None:
    assert of_tutorial("mlp_sgd", dtype=Dtype.FLOAT64) == [2 * count for count in of_tutorial("mlp_sgd")]


def test_biases_are_read_updated_and_given_a_gradient() -> None:
    plain, biased = of_tutorial("mlp_sgd"), of_tutorial("mlp_bias_sgd")
    assert [b - a for a, b in zip(plain, biased, strict=True)] == [4 * 110, 4 * 110, 12 * 110, 20 * 110]


def test_the_update_of_adam_moves_seven_arrays() -> None:
    sgd, adam = of_tutorial("mlp_bias_sgd"), of_tutorial("mlp_bias_adam")
    assert adam[:2] == sgd[:2]
    assert adam[2] == 28 * (101_000 + 110)


def test_a_reused_layer_is_read_once_and_keeps_activations_each_time() -> None:
    dynamic, p = WORKLOADS["mlp_dynamic"], SMALL
    n, h = p.batch, p.hidden
    forward, backward, update = (
        [dynamic.bytes_moved(p, phase, depth) / 4 for depth in range(4)] for phase in ("forward", "backward", "update")
    )
    layer = h * h + h
    assert [each - forward[0] for each in forward] == [0] + [layer + 2 * n * h * depth for depth in (1, 2, 3)]
    assert [each - backward[0] for each in backward] == [0] + [layer + h * h + 2 * n * h * k for k in (1, 2, 3)]
    unused = 11 * 5 + 5 + 5 * 3 + 3
    assert update == [5 * unused] + 3 * [5 * (unused + layer)]


def test_without_a_depth_bytes_are_the_mean_over_a_block() -> None:
    dynamic = WORKLOADS["mlp_dynamic"]
    for phase in ("forward", "backward", "update", "step"):
        each = [dynamic.bytes_moved(SMALL, phase, depth) for depth in range(dynamic.cycle)]
        assert dynamic.bytes_moved(SMALL, phase) == sum(each) / len(each)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_step_moves_what_its_phases_move(workload: str) -> None:
    phases = sum(WORKLOADS[workload].bytes_moved(SMALL, phase) for phase in TRAINING)
    assert WORKLOADS[workload].bytes_moved(SMALL, "step") == pytest.approx(phases, rel=1e-15)
    assert WORKLOADS[workload].bytes_moved(SMALL, "first_step") == pytest.approx(phases, rel=1e-15)


@pytest.mark.parametrize(("workload", "depth"), [("mlp_sgd", 0), ("mlp_bias_sgd", 0), ("mlp_dynamic", 2)])
def test_the_arrays_that_a_real_network_keeps_are_those_counted(workload: str, depth: int) -> None:
    """Forward in NumPy, array by array: what it reads and what it leaves for backward."""
    rng, p = np.random.default_rng(0), SMALL
    shapes = WORKLOADS[workload].program.parameter_shapes(p.sizes)
    parameters = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    layers = [("w1", "b1"), *[("wm", "bm")] * depth, ("w2", "b2")]
    x, y = rng.standard_normal((p.batch, p.d_in)), rng.standard_normal((p.batch, p.d_out))
    moved, kept = {id(x): x, id(y): y}, x
    for number, names in enumerate(layers):
        used = [parameters[name] for name in names if name in parameters]
        z = kept @ used[0] + (used[1] if len(used) > 1 else 0)
        kept = np.maximum(z, 0)
        moved |= {id(array): array for array in (*used, z, *([kept] if number < len(layers) - 1 else []))}
    numbers = sum(array.size for array in moved.values()) + 1
    assert WORKLOADS[workload].bytes_moved(p, "forward", depth) == 4 * numbers


def test_a_ceiling_is_the_best_of_all_backends_on_the_device(build: ModuleType) -> None:
    peaks = [
        build.make_peak("numpy", gflops=90.0, gigabytes_per_second=20.0),
        build.make_peak("torch-cpu", gflops=80.0, gigabytes_per_second=30.0),
        build.make_peak("torch-cpu", gflops=50.0, gigabytes_per_second=40.0, threads=1),
        build.make_peak("torch-cuda", gflops=9000.0, gigabytes_per_second=900.0),
        build.make_peak("numpy", gflops=45.0, dtype="float64"),
        build.make_peak("numpy", gflops=500.0, precision="tf32"),
    ]
    case = build.make_case(threads=2)
    found = ceilings(peaks, case)
    assert found is not None
    assert (found.flops_per_second, found.products.backend) == (90e9, "numpy")
    assert (found.bytes_per_second, found.copies.backend) == (30e9, "torch-cpu")
    both = ceilings(peaks, case, {1, 2})
    assert both is not None
    assert (both.bytes_per_second, both.copies.threads) == (40e9, 1)
    assert ceilings(peaks, build.make_case(threads=4)) is None
