from __future__ import annotations

import pytest

from bench.analysis.roofline import gemm_flops
from bench.model.problem import Problem
from bench.model.step import Phase
from bench.model.workload import WORKLOADS

SMALL = Problem(batch=7, d_in=11, hidden=5, d_out=3)


@pytest.mark.parametrize("workload", ["mlp_sgd", "mlp_bias_sgd", "mlp_bias_adam"])
def test_the_tutorials_size(workload: str) -> None:
    counts = [gemm_flops(WORKLOADS[workload], Problem(), phase) for phase in ("forward", "backward", "step")]
    assert counts == [12_928_000, 13_056_000, 25_984_000]


def test_the_update_has_no_matrix_product() -> None:
    assert gemm_flops(WORKLOADS["mlp_sgd"], Problem(), Phase.UPDATE) is None


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_each_reuse_adds_one_product_forward_and_two_backward(depth: int) -> None:
    dynamic, fixed, p = WORKLOADS["mlp_dynamic"], WORKLOADS["mlp_bias_sgd"], SMALL
    square = p.batch * p.hidden**2
    for phase, products in ((Phase.FORWARD, 2), (Phase.BACKWARD, 4), ("step", 6)):
        assert gemm_flops(dynamic, p, phase, depth) - gemm_flops(fixed, p, phase) == depth * products * square


def test_the_mix_of_depths_is_the_mean_over_a_block() -> None:
    dynamic = WORKLOADS["mlp_dynamic"]
    for phase in ("forward", "backward", "step"):
        each = [gemm_flops(dynamic, SMALL, phase, depth) for depth in range(dynamic.cycle)]
        assert gemm_flops(dynamic, SMALL, phase) == sum(each) / len(each)


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

    problem = Problem(batch=batch, d_in=d_in, hidden=hidden, d_out=d_out)
    dynamic = WORKLOADS["mlp_dynamic"]
    assert gemm_flops(dynamic, problem, Phase.FORWARD, depth) == forward.get_total_flops()
    assert gemm_flops(dynamic, problem, Phase.BACKWARD, depth) == backward.get_total_flops()
    assert gemm_flops(dynamic, problem, "step", depth) == forward.get_total_flops() + backward.get_total_flops()
