from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bench import BACKWARD, FORWARD, UPDATE, Data, Stage, State, Step
from bench.model.precision import Precision
from bench.model.problem import Dtype, Problem
from bench.model.workload import WORKLOADS
from bench.oracle.edges import TOLERANCE, truth_by_reference
from bench.oracle.truth import Truth
from bench.oracle.verify import verify, verify_again
from bench.workloads import tutorial

PROBLEM = tutorial(batch=16, d_in=20, hidden=12, d_out=4, dtype=Dtype.FLOAT64)
WORKLOAD = WORKLOADS["mlp_bias_sgd"]


def truth_of(problem: Problem) -> Truth:
    return truth_by_reference(WORKLOAD, problem, Precision.FULL)


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
    found = verify(a_step(data, spoil), truth_of(problem), problem.dtype)
    return found.passed, found.reason


@pytest.mark.parametrize("dtype", Dtype)
def test_a_right_step_passes(dtype: Dtype) -> None:
    problem = tutorial(batch=16, d_in=20, hidden=12, d_out=4, dtype=dtype)
    data = WORKLOAD.data(problem)
    found = verify(a_step(data), truth_of(problem), dtype)
    assert found.passed
    assert found.reason == ""
    assert found.steps == 4
    loss = found.error("loss")
    assert loss is not None
    assert loss <= TOLERANCE[dtype]
    assert found.worst is not None
    assert found.worst.ratio < 1


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
    found = verify(silent, truth_of(PROBLEM), PROBLEM.dtype)
    assert not found.passed
    assert found.reason.startswith("the change of w1 is off by 1.0e+00 in step 1")
    assert found.error("gradient") is None


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
    found = verify(odd, truth_of(PROBLEM), PROBLEM.dtype)
    assert not found.passed
    assert reason in found.reason


def test_a_reset_that_resets_too_little_is_found() -> None:
    data = WORKLOAD.data(PROBLEM)
    right = a_step(data)
    lazy = Step(right.stages, right.state, lambda: None)
    found = verify(lazy, truth_of(PROBLEM), PROBLEM.dtype)
    assert not found.passed
    assert found.reason.startswith("after reset(), the loss is off by")


def test_the_step_is_reset_afterwards_and_a_caller_may_run_it_itself() -> None:
    data = WORKLOAD.data(PROBLEM)
    step = a_step(data)
    calls: list[int] = []
    verify(step, truth_of(PROBLEM), PROBLEM.dtype, run=lambda: (calls.append(1), step())[0])
    assert len(calls) == 4 + 1, "the last of them after it was reset"
    assert all(np.array_equal(step.state().parameters[name], value) for name, value in data.parameters.items())


def test_one_wrong_element_in_a_large_array_does_not_hide_behind_its_norm() -> None:
    problem = tutorial(batch=64, d_in=1000, hidden=1000, d_out=4)

    def one_off(_: dict[str, np.ndarray], gradients: dict[str, np.ndarray]) -> float:
        gradients["w1"][500, 500] *= 3
        return 1.0

    passed, reason = outcome(one_off, problem)
    assert not passed
    assert reason.startswith("an element of the gradient of w1 is off by")


def test_a_step_that_goes_wrong_later_is_found_when_it_is_verified_again() -> None:
    calls = 0

    def after_ten(_: dict[str, np.ndarray], gradients: dict[str, np.ndarray]) -> float:
        nonlocal calls
        calls += 1
        gradients["w2"] = gradients["w2"] * (1.1 if calls > 10 else 1.0)
        return 1.0

    step, truth = a_step(WORKLOAD.data(PROBLEM), after_ten), truth_of(PROBLEM)
    first = verify(step, truth, PROBLEM.dtype)
    for _ in range(5):
        step()
    step.reset()
    second = verify_again(step, truth, PROBLEM.dtype, first, "after it was timed")
    assert first.passed
    assert not second.passed
    assert second.reason.startswith("after it was timed, the gradient of w2 is off by 1.0e-01")


def test_a_step_that_knows_its_inputs_by_heart_is_found_on_fresh_ones() -> None:
    step, truth = a_step(WORKLOAD.data(PROBLEM)), truth_of(PROBLEM)
    first = verify(step, truth, PROBLEM.dtype)
    found = verify_again(step, truth, PROBLEM.dtype, first, "on fresh inputs", fresh=True)
    assert not found.passed
    assert found.reason.startswith("on fresh inputs, the loss is off by")


def test_float64_is_not_labelled_float32() -> None:
    problem = tutorial(batch=16, d_in=20, hidden=12, d_out=4)
    data = WORKLOAD.data(problem)
    found = verify(a_step(data.as_type("float64")), truth_of(problem), problem.dtype)
    assert not found.passed
    assert "is float64, where float32 is asked for" in found.reason


def short(_: dict[str, np.ndarray], gradients: dict[str, np.ndarray]) -> float:
    """Gradients as bfloat16 leaves them: the lower halves of their bits are empty."""
    for name, value in gradients.items():
        bits = np.ascontiguousarray(value, dtype=np.float32).view(np.uint32)
        gradients[name] = ((bits + 0x8000) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return 1.0


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (short, "16-bit"),
        (does_nothing, "No parameter has changed"),
        (scaled("b1", 0.0), "gradient of b1 is missing or zero"),
    ],
)
def test_a_refusal_names_its_likely_cause(spoil: Callable[..., float], word: str) -> None:
    passed, reason = outcome(spoil, tutorial(batch=16, d_in=20, hidden=12, d_out=4))
    assert not passed
    assert word in reason


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (0.5, "All gradients are 1/2 of what they must be: they are averaged over 2 ranks"),
        (2.0, "All gradients are 2 times what they must be"),
        (1.5, "Each rank sees its own part of the batch alone"),
    ],
)
def test_a_refusal_of_a_step_over_several_ranks_names_what_only_they_can_do_wrong(factor: float, words: str) -> None:
    def spoil(_: dict[str, np.ndarray], gradients: dict[str, np.ndarray]) -> float:
        for name in gradients:
            gradients[name] = gradients[name] * factor
        return 1.0

    data = WORKLOAD.data(PROBLEM)
    found = verify(a_step(data, spoil), truth_of(PROBLEM), PROBLEM.dtype, devices=2)
    assert words in found.reason
    assert words not in verify(a_step(data, spoil), truth_of(PROBLEM), PROBLEM.dtype).reason
