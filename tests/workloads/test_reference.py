from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.model.data import Data
from bench.model.problem import Dtype
from bench.model.workload import WORKLOADS
from bench.workloads import tutorial

SMALL = tutorial(batch=5, d_in=4, hidden=6, d_out=3, dtype=Dtype.FLOAT64)


def with_depths(data: Data, *depths: int) -> Data:
    """The data of a network whose depth varies so."""
    return replace(data, constants={**data.constants, "depths": depths})


def loss_at(name: str, data: Data, parameters: dict[str, np.ndarray]) -> float:
    """The loss of the first step from other parameters."""
    return WORKLOADS[name].reference(SMALL, replace(data, parameters=parameters), 1)[0].loss


@pytest.mark.parametrize("name", WORKLOADS)
def test_gradients_are_the_slopes_of_the_loss(name: str) -> None:
    """Central differences, which share nothing with the derivation by hand."""
    data = WORKLOADS[name].data(SMALL)
    data = with_depths(data, 2) if data.depths else data
    state = WORKLOADS[name].reference(SMALL, data, 1)[0]
    assert set(state.gradients) == set(data.parameters)
    for key, gradient in state.gradients.items():
        for index in np.ndindex(gradient.shape):
            sides = []
            for sign in (1, -1):
                moved = {each: value.copy() for each, value in data.parameters.items()}
                moved[key][index] += sign * 1e-6
                sides.append(loss_at(name, data, moved))
            assert gradient[index] == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", WORKLOADS)
def test_training_agrees_with_torchs_own_optimisers(name: str) -> None:
    """An independent oracle for the update rules: the same losses under torch.optim in float64."""
    import torch

    workload, program = WORKLOADS[name], WORKLOADS[name].program
    data = workload.data(SMALL)
    data = replace(data, constants={**data.constants, "learning_rate": 1e-3})
    tensors = {key: torch.tensor(value).requires_grad_() for key, value in data.parameters.items()}
    if program.optimizer == "adam":
        optimizer: torch.optim.Optimizer = torch.optim.Adam(tensors.values(), lr=1e-3)
    else:
        optimizer = torch.optim.SGD(tensors.values(), lr=1e-3, momentum=program.momentum)
    states = WORKLOADS[name].reference(SMALL, data, 12)
    for index, state in enumerate(states):
        a = torch.tensor(data.x)
        hidden = [("w1", "b1")] + [("wm", "bm")] * (data.depths[index] if data.depths else 0)
        for weight, bias in hidden:
            a = (a @ tensors[weight] + (tensors[bias] if program.bias else 0)).relu()
        out = a @ tensors["w2"] + (tensors["b2"] if program.bias else 0)
        loss = ((out - torch.tensor(data.y)) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert state.loss == pytest.approx(loss.item(), rel=1e-12)
        for key, tensor in tensors.items():
            np.testing.assert_allclose(state.parameters[key], tensor.detach().numpy(), rtol=1e-10, atol=1e-13)


def test_a_step_of_depth_zero_leaves_the_middle_layer_alone() -> None:
    data = with_depths(WORKLOADS["mlp_dynamic"].data(SMALL), 2, 0, 1)
    first, second, third = WORKLOADS["mlp_dynamic"].reference(SMALL, data, 3)
    assert "wm" not in second.gradients
    assert np.array_equal(first.parameters["wm"], second.parameters["wm"])
    assert not np.array_equal(second.parameters["wm"], third.parameters["wm"])


def test_a_margin_moves_the_edge_of_relu() -> None:
    data = WORKLOADS["mlp_bias_sgd"].data(SMALL)
    exact, wide = (WORKLOADS["mlp_bias_sgd"].reference(SMALL, data, 1, margin)[0] for margin in (0.0, 10.0))
    assert exact.loss == wide.loss
    assert np.any(exact.gradients["w1"])
    assert not np.any(wide.gradients["w1"])  # no unit is far enough above such an edge to count as active
