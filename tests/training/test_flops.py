"""Operations of a user's own model: counted as by hand, or not known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.data.manifest import CountedWork
from bench.model.device import Device, nothing
from bench.model.problem import Dtype
from bench.model.workload import make_workload
from bench.training import Told, Training
from bench.training._torch_flops import count_flops
from bench.training.torch import adapt

B, T, D, H = 4, 3, 6, 8


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1)


def lbfgs(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.LBFGS(parameters, max_iter=2)


def counted(model: nn.Module, optimizer: Any = sgd, fused: bool = False, **more: Any) -> dict[str, float]:
    """What is counted of a model of (B, T, D) whose loss is the sum of what it gives, inputs without gradients."""

    def author(size: Any, rng: np.random.Generator) -> Training:
        def loss(model: nn.Module, x: Any) -> Any:
            found = model(x)
            return (found[0] if isinstance(found, tuple) else found).square().mean()

        return Training(model=model, inputs=(rng.standard_normal((B, T, D)),), loss=loss, optimizer=optimizer, **more)

    told = Told("mine", author, ("forward", "backward", "update"), fused, "")  # type: ignore[arg-type]
    workload = make_workload("mine", adapt(told).program, sizes={"batch": B}, baseline="mine.eager")
    problem = workload.problem(dtype=Dtype.FLOAT64)
    device = Device("cpu", "", 1, torch.device("cpu"), torch.tensor, nothing)
    return workload.count(problem, device)


PRODUCT = 2 * B * T * D * H
"""One product of all rows with a matrix of D x H."""


def test_products_are_counted_stage_by_stage_as_by_hand() -> None:
    assert counted(nn.Linear(D, H)) == {"forward": PRODUCT, "backward": PRODUCT, "update": 0}
    two = nn.Sequential(nn.Linear(D, H), nn.GELU(), nn.Linear(H, D))
    assert counted(two) == {"forward": 2 * PRODUCT, "backward": 3 * PRODUCT, "update": 0}
    assert counted(two, fused=True, micro_batches=2) == {"forward+backward": 5 * PRODUCT, "update": 0}


def test_a_fused_recurrent_kernel_is_counted_by_what_it_consists_of() -> None:
    found = counted(nn.LSTM(D, H, batch_first=True))
    assert found["forward"] == 2 * B * T * D * 4 * H + 2 * B * T * H * 4 * H
    assert found["backward"] >= found["forward"]


def test_a_fused_attention_is_counted_by_what_it_consists_of() -> None:
    class Attention(nn.Linear):
        def forward(self, x: Any) -> Any:
            q = super().forward(x)[:, None]
            return nn.functional.scaled_dot_product_attention(q, q, q)

    found = counted(Attention(D, H))
    attention = 2 * 2 * B * T * T * H
    assert (found["forward"], found["backward"]) == (PRODUCT + attention, PRODUCT + 2 * attention)


class Doing(nn.Linear):
    """A layer that does something more."""

    calls = 0

    def __init__(self, more: Any) -> None:
        super().__init__(D, H)
        self.more = more

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return super().forward(x) + self.more(self, x).sum()


@pytest.mark.parametrize(
    "more",
    [
        lambda layer, x: torch.mv(x[0], x[0, 0]),
        lambda layer, x: torch.dot(x[0, 0], x[0, 0]),
        lambda layer, x: torch.linalg.svdvals(x),
        lambda layer, x: torch.fft.fft(x).real,
        lambda layer, x: torch.cdist(x, x),
    ],
    ids=["mv", "dot", "svd", "fft", "cdist"],
)
def test_an_operation_that_the_counter_does_not_know_makes_the_count_unknown(more: Any) -> None:
    assert counted(Doing(more)) == {}


def test_work_that_is_not_the_same_in_each_step_is_unknown() -> None:
    assert counted(Doing(lambda layer, x: layer.weight @ x[0].mT if layer.calls % 2 else x)) == {}
    assert counted(nn.Linear(D, H), lbfgs, fused=True) == {}, "a search evaluates the loss as often as it likes"


def test_elementwise_operations_beside_products_change_nothing() -> None:
    assert counted(Doing(lambda layer, x: torch.lgamma(x.abs() + 1).prod().cumsum(0)))["forward"] == PRODUCT


def test_the_kernels_are_as_they_were_afterwards() -> None:
    before = torch.backends.mkldnn.enabled, torch.backends.mha.get_fastpath_enabled()  # type: ignore[attr-defined]
    counted(nn.Linear(D, H))
    assert (torch.backends.mkldnn.enabled, torch.backends.mha.get_fastpath_enabled()) == before  # type: ignore[attr-defined]
    assert callable(count_flops)


def test_fused_phases_have_the_sum_and_a_part_of_a_fused_stage_is_unknown() -> None:
    apart = CountedWork(workload="w", sizes={}, flops={"forward": 2.0, "backward": 3.0, "update": 0.0})
    assert [apart.of(phase) for phase in ("step", "backward", "forward+backward", "first_step")] == [5, 3, 5, None]
    together = CountedWork(workload="w", sizes={}, flops={"forward+backward": 5.0, "update": 0.0})
    assert [together.of(phase) for phase in ("step", "forward")] == [5, None]
