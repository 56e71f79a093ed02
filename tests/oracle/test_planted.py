"""Five models: faults planted into their steps are refused, and no right step is.

One of them has a million weights in the slow suite, among which one wrong element must not hide, and fewer here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import Data, Device, Stage, State, Step
from bench.model.precision import Precision
from bench.model.problem import Dtype, Problem
from bench.model.registry import Implementation, Registry
from bench.oracle.perturbed import MORE_RUNS, RUNS, truth_by_runs
from bench.oracle.truth import Truth, fresh_data
from bench.oracle.verify import Verification, verify, verify_again

torch = pytest.importorskip("torch")

MODELS: dict[str, tuple[str, dict[str, int]]] = {
    "cnn": ("cnn", {"batch": 4, "width": 4}),
    "char_lstm": ("char_lstm", {"batch": 3, "length": 12, "hidden": 16}),
    "mini_gpt": ("mini_gpt", {"batch": 2, "context": 16, "width": 32, "layers": 1}),
    "mlp": ("mlp", {"batch": 16, "features": 300, "hidden": 300}),
    "large mlp": ("mlp", {"batch": 16, "features": 1000, "hidden": 1000}),
    "inference": ("inference", {"batch": 4, "width": 8}),
}
NAMES = [pytest.param(name, marks=[pytest.mark.slow] * (name == "large mlp")) for name in MODELS]
MLP = '''
from bench import Training, training


@training("mlp", sizes={"batch": 16, "features": 1000, "hidden": 1000})
def mlp(size, rng):
    """An MLP with many weights, Adam."""
    import torch
    from torch import nn

    return Training(
        model=nn.Sequential(nn.Linear(size.features, size.hidden), nn.ReLU(), nn.Linear(size.hidden, 10)),
        inputs=(rng.standard_normal((size.batch, size.features)), rng.integers(0, 10, size.batch)),
        loss=lambda model, x, y: nn.functional.cross_entropy(model(x), y),
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
    )
'''


class Model:
    """One model with its truth, and steps of it that are right or spoiled."""

    def __init__(
        self,
        item: Implementation,
        sizes: Mapping[str, int],
        device: Device,
        seed: int = 0,
        dtype: Dtype = Dtype.FLOAT32,
    ) -> None:
        self.item, self.device, self.sizes = item, device, sizes
        self.problem = item.workload.problem(sizes, seed=seed, dtype=dtype)
        self.data = item.workload.data(self.problem)
        other = fresh_data(item.workload, self.problem, self.data)
        assert other is not None
        self.fresh = other
        self.truths: dict[Precision, Truth] = {}

    def build(self, precision: Precision = Precision.FULL, data: Data | None = None) -> Step:
        return self.item.build(self.problem, data or self.data, replace(self.device, precision=precision))

    def truth(self, precision: Precision, runs: int = RUNS) -> Truth:
        if precision not in self.truths or runs != RUNS:
            self.truths[precision] = truth_by_runs(
                self.item.workload, self.problem, precision, self.train, can=True, runs=runs
            )
        return self.truths[precision]

    def reordered(self) -> Data:
        """The same batch with its rows in another order: the same mathematics, summed up in another order."""
        order = np.random.default_rng(self.problem.seed).permutation(self.sizes["batch"])
        return replace(self.data, inputs={name: array[order] for name, array in self.data.inputs.items()})

    def train(self, problem: Problem, data: Data, precision: Precision, steps: int) -> list[State]:
        step = self.item.build(problem, data, replace(self.device, precision=precision))
        states = []
        for _ in range(steps):
            step()
            states.append(step.state())
        return states

    def judged(self, step: Step, precision: Precision) -> Verification:
        """What the harness does with a step: verify, time, verify again, verify on fresh inputs."""
        truth = self.truth(precision)
        dtype = self.problem.dtype
        found = verify(step, truth, dtype, precision)
        if found.passed:
            for _ in range(8):
                step()
            step.reset()
            found = verify_again(step, truth, dtype, found, "after it was timed")
        if found.passed:
            assert step.feed is not None
            step.feed(self.fresh.inputs)
            step.reset()
            found = verify_again(step, truth, dtype, found, "on fresh inputs", fresh=True)
        return found


@pytest.fixture(scope="module")
def models(
    tmp_path_factory: pytest.TempPathFactory, devices: Callable[[str], Device]
) -> Iterator[Callable[[str], Model]]:
    from bench.model.workload import WORKLOADS

    before, made = dict(WORKLOADS), {}
    examples = Path(__file__).resolve().parents[2] / "docs" / "examples"
    mlp = tmp_path_factory.mktemp("planted") / "mlp.py"
    mlp.write_text(MLP, encoding="utf-8")

    def model(name: str) -> Model:
        if name not in made:
            workload, sizes = MODELS[name]
            registry = Registry()
            path = mlp if workload == "mlp" else examples / f"{name}.py"
            registry.load(f"file:{path}", stay=True)
            made[name] = Model(registry[f"{workload}.eager"], sizes, devices("torch"))
        return made[name]

    yield model
    WORKLOADS.clear()
    WORKLOADS.update(before)


# Faults: each takes a right step, which its stages' owner runs, and the model that it is of.


def owner(step: Step) -> Any:
    return step.stages[0].run.__self__  # type: ignore[attr-defined]


def after(step: Step, label: str, spoil: Callable[[], object]) -> Step:
    """The step with something that happens after one of its stages."""

    def both(run: Callable[[], object]) -> None:
        run()
        spoil()

    stages = [
        Stage(stage.phases, partial(both, stage.run)) if label in stage.label.split("+") else stage
        for stage in step.stages
    ]
    return replace(step, stages=tuple(stages))


def told(step: Step, change: Callable[[State], State]) -> Step:
    """The step with another account of itself."""
    state = step.state
    return replace(step, state=lambda: change(state()))


def outputs(loop: Any) -> list[Any]:
    """What a step computes: its gradients, or the outputs of inference."""
    if hasattr(loop, "outputs"):
        return [loop.outputs]
    return list(loop.gradients().values())


def last(step: Step) -> str:
    return "backward" if "backward" in step.stages[-1].label or len(step.stages) > 1 else "forward"


def scaled(factor: float, when: Callable[[Any], bool] = lambda loop: True) -> Callable[[Step, Model], Step]:
    def plant(step: Step, model: Model) -> Step:
        loop = owner(step)

        def spoil() -> None:
            if when(loop):
                for value in outputs(loop):
                    value.data.mul_(factor)

        return after(step, last(step), spoil)

    return plant


def after_the_tenth(step: Step, model: Model) -> Step:
    calls = iter(range(1, 1000))
    return scaled(1.05, lambda loop: next(calls) > 10)(step, model)


def on_other_inputs(step: Step, model: Model) -> Step:
    start = {name: value.clone() for name, value in owner(step).inputs.items()}

    def others(loop: Any) -> bool:
        return any(not torch.equal(value, start[name]) for name, value in loop.inputs.items())

    return scaled(1.05, others)(step, model)


def one_element(step: Step, model: Model) -> Step:
    def spoil() -> None:
        value = max(outputs(owner(step)), key=lambda each: each.numel()).data.view(-1)
        value[value.numel() // 3] += 5 * value.abs().mean() + 1e-12

    return after(step, last(step), spoil)


def no_bias(step: Step, model: Model) -> Step:
    loop = owner(step)
    name = [name for name in loop.parameters if name.endswith("bias")][-1]
    if not hasattr(loop, "outputs"):
        return after(step, "backward", lambda: loop.parameters[name].grad.zero_())
    with torch.no_grad():
        loop.parameters[name].zero_()
        loop.start[name].zero_()
    return step


def skipped(step: Step, model: Model) -> Step:
    if hasattr(owner(step), "outputs"):  # inference: a layer is skipped

        def rolled(state: State) -> State:
            return State(None, results={name: np.roll(value, 1) for name, value in state.results.items()})

        return told(step, rolled)
    return replace(step, stages=(*step.stages[:-1], Stage(step.stages[-1].phases, lambda: None)))


def other_options(step: Step, model: Model) -> Step:
    """Another epsilon, or another momentum where there is none."""
    loop = owner(step)
    if hasattr(loop, "outputs"):
        for module in loop.model.modules():
            if hasattr(module, "eps"):
                module.eps = 1e-3
        return step

    def spoil() -> None:
        for group in loop.optimizer.param_groups:
            group["eps" if "eps" in group else "momentum"] = 1e-5 if "eps" in group else 0.85

    return after(step, "backward", spoil)


def momentum_kept(step: Step, model: Model) -> Step:
    loop = owner(step)
    if hasattr(loop, "outputs"):  # what inference keeps between steps: here its last outputs
        kept: list[Any] = []

        def mix() -> None:
            kept.append(loop.outputs.clone())
            if len(kept) > 5:
                loop.outputs.add_(0.01 * kept[0].roll(1))

        return after(step, "forward", mix)
    loop.renew = lambda: None
    return step


def smuggled(step: Step, model: Model) -> Step:
    loop = owner(step)
    loop.compute = torch.autocast("cpu", dtype=torch.bfloat16)(loop.plain)
    return step


def stale(step: Step, model: Model) -> Step:
    return replace(step, feed=lambda arrays: None)


def of_another_batch(step: Step, model: Model) -> Step:
    other = model.build(data=model.fresh)

    def state(found: State) -> State:
        other()
        theirs = other.state()
        return replace(found, loss=theirs.loss) if found.loss is not None else replace(found, results=theirs.results)

    return told(step, state)


def zeros(step: Step, model: Model) -> Step:
    return told(
        step,
        lambda state: replace(
            state,
            loss=None if state.loss is None else 0.0,
            gradients={name: np.zeros_like(value) for name, value in state.gradients.items()},
            results={name: np.zeros_like(value) for name, value in state.results.items()},
        ),
    )


FAULTS: dict[str, Callable[[Step, Model], Step]] = {
    "zero output": zeros,
    "dropped bias gradient": no_bias,
    "skipped update": skipped,
    "off by 1 %": scaled(1.01),
    "wrong epsilon": other_options,
    "momentum not reset": momentum_kept,
    "bfloat16 smuggled in": smuggled,
    "after the tenth call": after_the_tenth,
    "on fresh inputs only": on_other_inputs,
    "one wrong element": one_element,
    "stale input": stale,
    "loss of another batch": of_another_batch,
}


@pytest.mark.parametrize("precision", [Precision.FULL, Precision.AMP_BF16, Precision.BF16])
@pytest.mark.parametrize("name", NAMES)
def test_a_right_step_passes(name: str, precision: Precision, models: Callable[[str], Model]) -> None:
    found = models(name).judged(models(name).build(precision), precision)
    assert found.passed, found.reason


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", NAMES)
def test_every_fault_is_refused_in_float32(name: str, fault: str, models: Callable[[str], Model]) -> None:
    model = models(name)
    found = model.judged(FAULTS[fault](model.build(), model), Precision.FULL)
    assert not found.passed, f"{name}: {fault}"


@pytest.mark.parametrize("fault", ["zero output", "stale input", "loss of another batch"])
@pytest.mark.parametrize("name", NAMES)
def test_what_bfloat16_can_tell_is_refused_in_it(name: str, fault: str, models: Callable[[str], Model]) -> None:
    model = models(name)
    found = model.judged(FAULTS[fault](model.build(Precision.AMP_BF16), model), Precision.AMP_BF16)
    assert not found.passed, f"{name}: {fault}"


DRAWS = int(os.environ.get("STEPBENCH_DRAWS", "200"))
"""Right steps that the slow suite draws; give more where the gate itself has changed."""


def draw(number: int, models: Callable[[str], Model]) -> tuple[Model, Precision]:
    """One of the models that train, of another seed, in one of the formats."""
    names = [name for name in MODELS if name not in ("inference", "large mlp")]
    first = models(names[number % len(names)])
    formats = [*[(Dtype.FLOAT32, each) for each in (Precision.FULL, Precision.AMP_BF16, Precision.BF16)]]
    dtype, precision = [*formats, (Dtype.FLOAT64, Precision.FULL)][number // len(names) % 4]
    sizes = MODELS["mlp"][1] | {"features": 60, "hidden": 40} if first.item.workload.name == "mlp" else first.sizes
    return Model(first.item, sizes, first.device, seed=number, dtype=dtype), precision


def refusals(numbers: Iterable[int], models: Callable[[str], Model]) -> list[str]:
    """Right steps that were refused, by eight perturbed runs and by the many that judge once more."""
    found = []
    for number in numbers:
        model, precision = draw(number, models)
        for runs in (RUNS, MORE_RUNS):
            verdict = verify(
                model.build(precision, model.reordered()), model.truth(precision, runs), model.problem.dtype, precision
            )
            if verdict.passed:
                break
        else:
            found.append(f"{number} {model.item.name} {model.problem.dtype} {precision}: {verdict.reason}")
    return found


def test_no_right_step_is_refused(models: Callable[[str], Model]) -> None:
    """Each of the models that train, once in each format."""
    assert refusals(range(16), models) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(4))
def test_no_right_step_of_many_is_refused(models: Callable[[str], Model], part: int) -> None:
    assert refusals(range(part, DRAWS, 4), models) == []
