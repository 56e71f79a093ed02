"""Operations of a user's own model: counted as by hand, or not known."""

from __future__ import annotations

import json
import subprocess
import sys
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


def test_products_of_jax_are_read_from_its_trace() -> None:
    done = subprocess.run([sys.executable, "-c", OF_JAX], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["dense"] == {"forward": 2 * PRODUCT, "backward": 3 * PRODUCT, "update": 0}
    convolution = 2 * (B * 8 * 8 * H) * (3 * 3 * 2)
    assert found["convolution"] == {"forward": convolution, "backward": convolution, "update": 0}
    assert found["strided"] == {"forward": convolution / 4, "backward": convolution / 4, "update": 0}
    assert found["loop"] == {"forward": 5 * PRODUCT, "backward": 5 * PRODUCT, "update": 0}
    assert found["inference"] == {"forward": PRODUCT}
    assert found["branches"] == found["while"] == found["factors"] == {}


OF_JAX = f"""
import json
import jax, numpy as np, optax
from jax import lax, numpy as jnp
from bench.backends.jax import JaxBackend
from bench.model.device import Settings
from bench.model.problem import Dtype
from bench.model.workload import make_workload
from bench.training import Told, Training
from bench.training.jax import adapt

B, T, D, H = {B}, {T}, {D}, {H}
device = JaxBackend().open(Settings(1, dtype=Dtype.FLOAT64))


def counted(model, shape, of, phases=("forward", "backward", "update"), **more):
    def author(size, rng):
        if "apply" in more:
            return Training(model=model, inputs=(rng.standard_normal(shape),), apply=of)
        return Training(
            model=model, inputs=(rng.standard_normal(shape),), loss=lambda p, x: jnp.square(of(p, x)).mean(),
            optimizer=optax.sgd(0.1),
        )
    program = adapt(Told("mine", author, phases, False, "")).program
    workload = make_workload("mine", program, sizes={{"batch": B}}, baseline="mine.staged")
    return workload.count(workload.problem(dtype=Dtype.FLOAT64), device)


def convolve(stride):
    numbers = ("NHWC", "HWIO", "NHWC")
    return lambda p, x: lax.conv_general_dilated(x, p["k"], (stride, stride), "SAME", dimension_numbers=numbers)


two, square = {{"a": np.ones((D, H)), "b": np.ones((H, D))}}, {{"a": np.ones((D, D))}}
rows, images = (B * T, D), (B, 8, 8, 2)
print(json.dumps({{
    "dense": counted(two, rows, lambda p, x: jnp.tanh(x @ p["a"]) @ p["b"]),
    "convolution": counted({{"k": np.ones((3, 3, 2, H))}}, images, convolve(1)),
    "strided": counted({{"k": np.ones((3, 3, 2, H))}}, images, convolve(2)),
    "loop": counted(two, rows, lambda p, x: lax.scan(lambda c, _: (jnp.tanh(c), c @ p["a"]), x, None, length=5)[1]),
    "inference": counted(two, rows, lambda p, x: x @ p["a"], ("forward",), apply=True),
    "branches": counted(two, rows, lambda p, x: lax.cond(x.sum() > 0, lambda: (x @ p["a"]).sum(), p["b"].sum)),
    "while": counted(
        two, rows, lambda p, x: lax.while_loop(lambda c: c.sum() < 0, lambda c: c @ jnp.eye(D), x) @ p["a"]
    ),
    "factors": counted(square, rows, lambda p, x: jnp.linalg.inv(p["a"])),
}}))
"""
