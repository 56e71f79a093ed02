from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bench import BACKWARD, FORWARD, UPDATE, Data, Stage, State, Step
from bench.model.problem import Dtype, Problem
from bench.model.workload import WORKLOADS
from bench.oracle.truth import make_truth
from bench.oracle.verify import TOLERANCE, relative_error, verify
from bench.workloads import tutorial

PROBLEM = tutorial(batch=16, d_in=20, hidden=12, d_out=4, dtype=Dtype.FLOAT64)
WORKLOAD = WORKLOADS["mlp_bias_sgd"]


def a_step(data: Data, spoil: Callable[[dict[str, np.ndarray], dict[str, np.ndarray]], float] | None = None) -> Step:
    """A right step in NumPy; `spoil(parameters, gradients)` may damage either after the backward phase."""
    parameters = {name: np.array(value) for name, value in data.parameters.items()}
    gradients: dict[str, np.ndarray] = {}
    loss = 0.0

    def run() -> None:
        nonlocal loss
        h = data.x @ parameters["w1"] + parameters["b1"]
        error = np.maximum(h, 0) @ parameters["w2"] + parameters["b2"] - data.y
        loss = float((error**2).sum())
        gradients["w2"], gradients["b2"] = np.maximum(h, 0).T @ (2 * error), (2 * error).sum(0)
        back = np.where(h > 0, 2 * error @ parameters["w2"].T, 0)
        gradients["w1"], gradients["b1"] = data.x.T @ back, back.sum(0)
        if spoil is not None:
            loss *= spoil(parameters, gradients)
        for name, parameter in parameters.items():
            parameter -= data.learning_rate * gradients[name]

    def reset() -> None:
        for name, parameter in parameters.items():
            parameter[...] = data.parameters[name]

    stages = (Stage(FORWARD, run), Stage(BACKWARD, lambda: None), Stage(UPDATE, lambda: None))
    copies = lambda: {name: value.copy() for name, value in parameters.items()}  # noqa: E731
    return Step(stages, lambda: State(loss, copies(), dict(gradients)), reset)


def outcome(spoil: Callable[..., float] | None = None, problem: Problem = PROBLEM) -> tuple[bool, str]:
    data = WORKLOAD.data(problem)
    found = verify(a_step(data, spoil), make_truth(WORKLOAD, problem), problem.dtype)
    return found.passed, found.reason


@pytest.mark.parametrize("dtype", Dtype)
def test_a_right_step_passes(dtype: Dtype) -> None:
    problem = tutorial(batch=16, d_in=20, hidden=12, d_out=4, dtype=dtype)
    data = WORKLOAD.data(problem)
    found = verify(a_step(data), make_truth(WORKLOAD, problem), dtype)
    assert found.passed
    assert found.reason == ""
    assert found.steps == 4
    assert found.loss_error is not None
    assert found.loss_error <= TOLERANCE[dtype]


def scaled(name: str, factor: float) -> Callable[..., float]:
    def spoil(_: dict[str, np.ndarray], gradients: dict[str, np.ndarray]) -> float:
        gradients[name] = gradients[name] * factor
        return 1.0

    return spoil


def does_nothing(_: dict[str, np.ndarray], gradients: dict[str, np.ndarray]) -> float:
    for gradient in gradients.values():
        gradient[...] = 0
    return 1.0


def is_nan(_: dict[str, np.ndarray], gradients: dict[str, np.ndarray]) -> float:
    gradients["w1"][0, 0] = np.nan
    return 1.0


@pytest.mark.parametrize("dtype", Dtype)
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (scaled("w1", 1.01), "the gradient of w1 is off by 1.0e-02 in step 1"),
        (scaled("b2", -1.0), "the gradient of b2 is off by 2.0e+00 in step 1"),
        (does_nothing, "the gradient of w2 is off by 1.0e+00"),
        (is_nan, "the gradient of w1 is not finite in step 1"),
        (lambda *_: 1.001, "the loss is off by 1.0e-03 in step 1"),
        (lambda *_: float("nan"), "the loss is not finite in step 1"),
    ],
)
def test_a_wrong_step_is_refused_with_what_is_wrong(spoil: Callable[..., float], reason: str, dtype: Dtype) -> None:
    passed, found = outcome(spoil, tutorial(batch=16, d_in=20, hidden=12, d_out=4, dtype=dtype))
    assert not passed
    assert found.startswith(reason)


def test_a_step_that_hides_its_gradients_and_updates_wrongly_is_refused() -> None:
    """The parameters barely move, so only their change tells."""
    data = WORKLOAD.data(PROBLEM)
    right = a_step(data, does_nothing)
    silent = Step(right.stages, lambda: State(right.state().loss, right.state().parameters), right.reset)
    found = verify(silent, make_truth(WORKLOAD, PROBLEM), PROBLEM.dtype)
    assert not found.passed
    assert found.reason.startswith("the change of w1 is off by 1.0e+00 in step 1")
    assert found.gradient_error is None


def test_a_mistake_that_shows_only_in_the_third_step_is_found() -> None:
    calls = 0

    def late(_: dict[str, np.ndarray], gradients: dict[str, np.ndarray]) -> float:
        nonlocal calls
        calls += 1
        gradients["w2"] = gradients["w2"] * (1.5 if calls == 3 else 1.0)
        return 1.0

    assert "in step 3" in outcome(late)[1]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (lambda s: State(s.loss, {"w1": s.parameters["w1"]}, {}), "the parameter b1 is missing"),
        (lambda s: State(s.loss, {**s.parameters, "w1": s.parameters["w1"].T}, {}), "has the shape"),
        (lambda s: State(s.loss, s.parameters, {"w9": s.gradients["w1"]}), "the gradient of w9 is not one"),
    ],
)
def test_a_state_of_another_form_is_refused(state: Callable[[State], State], reason: str) -> None:
    data = WORKLOAD.data(PROBLEM)
    right = a_step(data)
    odd = Step(right.stages, lambda: state(right.state()), right.reset)
    found = verify(odd, make_truth(WORKLOAD, PROBLEM), PROBLEM.dtype)
    assert not found.passed
    assert reason in found.reason


def test_a_change_too_small_for_float32_is_said_to_be_so() -> None:
    workload = WORKLOADS["mlp_sgd"]
    problem = tutorial(batch=1, d_in=1, hidden=1, d_out=1)
    data = workload.data(problem)
    step = Step(
        (Stage(FORWARD, lambda: None), Stage(BACKWARD, lambda: None), Stage(UPDATE, lambda: None)),
        lambda: State(make_truth(workload, problem).states[0].loss, dict(data.parameters)),
        lambda: None,
    )
    found = verify(step, make_truth(workload, problem), problem.dtype)
    assert not found.passed
    assert "too small for float32 to show" in found.reason
    assert "--dtype float64" in found.reason


def test_a_reset_that_resets_too_little_is_found() -> None:
    data = WORKLOAD.data(PROBLEM)
    right = a_step(data)
    lazy = Step(right.stages, right.state, lambda: None)
    found = verify(lazy, make_truth(WORKLOAD, PROBLEM), PROBLEM.dtype)
    assert not found.passed
    assert found.reason.startswith("after reset(), the loss is off by")


def test_the_step_is_reset_afterwards_and_a_caller_may_run_it_itself() -> None:
    data = WORKLOAD.data(PROBLEM)
    step = a_step(data)
    calls: list[int] = []
    verify(step, make_truth(WORKLOAD, PROBLEM), PROBLEM.dtype, run=lambda: (calls.append(1), step())[0])
    assert len(calls) == 4
    assert all(np.array_equal(step.state().parameters[name], value) for name, value in data.parameters.items())


def test_relative_errors() -> None:
    truth = np.array([3.0, 4.0])
    assert relative_error(np.array([3.0, 4.5]), truth) == pytest.approx(0.1)
    assert relative_error(np.array([np.inf, 4.0]), truth) == np.inf
    assert relative_error(np.zeros(2), np.zeros(2)) == 0
    assert relative_error(np.array([0.0, 1e-9]), np.zeros(2)) == np.inf
