"""The truth of a workload without a reference: its baseline in float64, and what perturbed runs allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from bench import BACKWARD, FORWARD, UPDATE, Data, Sizes, Stage, State, Step
from bench.errors import StepError
from bench.model.discovery import discover
from bench.model.precision import Precision
from bench.model.problem import Dtype, Problem
from bench.model.registry import Implementation
from bench.model.workload import WORKLOADS, Workload, make_workload
from bench.oracle.perturbed import truth_by_runs
from bench.oracle.truth import STEPS, Key, Truth
from bench.oracle.verify import Verification, verify
from bench.workloads import tutorial

SMALL = tutorial(batch=8, d_in=30, hidden=20, d_out=3)
ALL = discover()


@dataclass(frozen=True)
class WithoutReference:
    """A workload's program as an author writes it who gives no reference."""

    program: Any

    @property
    def variants(self) -> tuple[int, ...]:
        return tuple(self.program.variants)

    def data(self, size: Sizes, rng: np.random.Generator) -> Data:
        found: Data = self.program.data(size, rng)
        return found


def stripped(name: str) -> Workload:
    return replace(WORKLOADS[name], program=WithoutReference(WORKLOADS[name].program), has_reference=False)


def training(build: Callable[..., Step], device: Any) -> Callable[..., list[State]]:
    def train(problem: Problem, data: Data, precision: Precision, steps: int) -> list[State]:
        step = build(problem, data, device)
        states = []
        for _ in range(steps):
            step()
            states.append(step.state())
        return states

    return train


def truth(workload: Workload, problem: Problem, build: Callable[..., Step], device: Any) -> Truth:
    return truth_by_runs(workload, problem, Precision.FULL, training(build, device), can=True)


def spoiled(item: Implementation, fault: str, problem: Problem, device: Any) -> Step:
    """A step of an implementation with a fault in what it tells of itself."""
    step = item.build(problem, item.workload.data(problem), device)
    state = step.state

    def told() -> State:
        found = state()
        gradients = {name: np.array(value) for name, value in found.gradients.items()}
        parameters = {name: np.array(value) for name, value in found.parameters.items()}
        first = next(iter(gradients))
        if fault == "gradient off by 1 %":
            gradients[first] *= 1.01
        elif fault == "zero gradient":
            gradients[first][...] = 0
        elif fault == "skipped update":
            parameters = dict(item.workload.data(problem).parameters)
        return State(found.loss * (1.001 if fault == "loss" else 1.0), parameters, gradients)

    return step if fault == "none" else replace(step, state=told)


FAULTS = ("none", "loss", "gradient off by 1 %", "zero gradient", "skipped update")
SIZES = ({"batch": 8, "d_in": 30, "hidden": 20, "d_out": 3}, {"batch": 64, "d_in": 100, "hidden": 50, "d_out": 10})


@pytest.mark.parametrize("dtype", Dtype)
@pytest.mark.parametrize("sizes", SIZES, ids=["small", "larger"])
@pytest.mark.parametrize("name", WORKLOADS)
def test_the_tutorials_programs_get_the_same_verdicts_as_by_their_references(
    name: str, sizes: dict[str, int], dtype: Dtype, devices: Callable[[str], Any]
) -> None:
    from bench.oracle.edges import truth_by_reference

    problem, baseline = tutorial(dtype=dtype, seed=3, **sizes), ALL[WORKLOADS[name].baseline]
    truths = (
        truth_by_reference(WORKLOADS[name], problem, Precision.FULL),
        truth(stripped(name), problem, baseline.build, devices("numpy")),
    )
    for item in ALL:
        if item.workload.name == name and item.by_default and item.framework in ("numpy", "torch") and not item.devices:
            for fault in FAULTS:
                found = [
                    verify(spoiled(item, fault, problem, devices(item.framework)), each, dtype).passed
                    for each in truths
                ]
                assert found == [fault == "none"] * 2, f"{item.name}: {fault}"


def a_workload(draw: Callable[[np.random.Generator], Data], **options: Any) -> Workload:
    class Program:
        def data(self, size: Sizes, rng: np.random.Generator) -> Data:
            return draw(rng)

    return make_workload("mine", Program(), sizes={"n": 4}, baseline="base", **options)


def line(factor: Callable[[], float] = lambda: 1.0, scale: float = 1.0) -> Callable[..., Step]:
    """Fit `a` to `y = a x` by gradient descent; `factor` is what the gradient is multiplied by."""

    def build(problem: Problem, data: Data, device: Any) -> Step:
        a = np.array(data.parameters["a"])
        kept: dict[str, Any] = {}

        def forward() -> None:
            kept["error"] = a * data.x - data.y

        def backward() -> None:
            kept["gradient"] = 2 * kept["error"] * data.x * scale * a.dtype.type(factor())

        def update() -> None:
            np.subtract(a, a.dtype.type(0.01) * kept["gradient"], out=a)

        def state() -> State:
            return State(float(np.square(kept["error"]).sum()), {"a": a.copy()}, {"a": kept["gradient"]})

        def reset() -> None:
            a[...] = data.parameters["a"]

        return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)

    return build


def drawn(rng: np.random.Generator) -> Data:
    return Data({"x": rng.standard_normal(4), "y": rng.standard_normal(4)}, {"a": np.ones(4)})


PROBLEM = a_workload(drawn).problem()


def check(build: Callable[..., Step]) -> Verification:
    workload = a_workload(drawn)
    expected = truth(workload, PROBLEM, line(), None)
    return verify(build(PROBLEM, workload.data(PROBLEM), None), expected, PROBLEM.dtype)


def test_a_workload_of_ones_own_is_held_against_its_baseline_in_float64() -> None:
    right, wrong = check(line()), check(line(lambda: 1.01))
    assert right.passed
    assert right.steps == STEPS
    assert not wrong.passed
    assert wrong.worst is not None
    assert wrong.worst.ratio > 100
    assert not wrong.doubtful or wrong.worst.ratio < 1000


def test_more_runs_settle_a_refusal_that_is_in_doubt() -> None:
    """Just beyond what eight runs allow is in doubt; a gradient that is off by a percent is not."""
    workload = a_workload(drawn)
    expected = truth(workload, PROBLEM, line(), None)
    allowed = expected.course[0][Key("gradient", "a")]
    slightly = 1.0 + 3 * allowed.allowed / allowed.scale
    assert check(line(lambda: slightly)).doubtful
    assert not check(line(lambda: 2.0)).doubtful


def test_a_baseline_that_is_another_every_time_is_refused_with_the_cure() -> None:
    chance = np.random.default_rng(0)
    with pytest.raises(StepError, match=r"two float64 runs of base differ in .*unverified"):
        truth(a_workload(drawn), PROBLEM, line(lambda: float(chance.uniform(0.9, 1.1))), None)


def test_data_that_are_others_every_time_are_refused() -> None:
    chance = np.random.default_rng(0)
    workload = a_workload(lambda _: drawn(chance))
    with pytest.raises(StepError, match=r"data of mine are not the same twice.*rng"):
        truth(workload, PROBLEM, line(), None)


@pytest.mark.parametrize("scale", [float("nan"), 1e308])
def test_a_truth_that_is_not_finite_is_refused(scale: float) -> None:
    with np.errstate(all="ignore"), pytest.raises(StepError, match=r"truth of mine is not finite: .* in step 1"):
        truth(a_workload(drawn), PROBLEM, line(scale=scale * 10), None)


def test_inputs_that_no_seed_changes_leave_nothing_fresh_to_try() -> None:
    workload = a_workload(lambda _: Data({"x": np.arange(4.0), "y": np.ones(4)}, {"a": np.ones(4)}))
    assert truth(workload, PROBLEM, line(), None).fresh == ()


def test_where_the_precision_is_not_to_be_had_noise_in_its_last_bits_stands_for_it() -> None:
    workload = a_workload(drawn)
    asked: list[Precision] = []

    def train(problem: Problem, data: Data, precision: Precision, steps: int) -> Iterable[State]:
        asked.append(precision)
        return training(line(), None)(problem, data, precision, steps)

    narrow = truth_by_runs(workload, PROBLEM, Precision.FULL, train, can=True)
    wide = truth_by_runs(workload, PROBLEM, Precision.BF16, train, can=False)  # type: ignore[arg-type]
    key = Key("gradient", "a")
    assert wide.course[0][key].allowed > 1000 * narrow.course[0][key].allowed
    assert set(asked) == {Precision.FULL}
