"""A torch model as a workload: its step is the loop that one would write by hand, and what cannot be is refused."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.errors import StepError
from bench.model.data import Data
from bench.model.device import Device, nothing
from bench.model.precision import Precision
from bench.model.problem import Dtype, Problem
from bench.model.sizes import Sizes
from bench.model.step import FORWARD, TRAINING, Phases, State, Step
from bench.model.workload import make_workload
from bench.training import Told, Training
from bench.training.torch import adapt

Function = Callable[[Any, Any], Any]
SIZES = Sizes(batch=8)


def batch(size: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    return rng.standard_normal((size.batch, 1, 6, 6)), rng.integers(0, 3, size.batch)


def images() -> tuple[Any]:
    return (batch(SIZES, np.random.default_rng(0))[0],)


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))


def cross_entropy(model: nn.Module, x: Any, y: Any) -> Any:
    return nn.functional.cross_entropy(model(x), y)


def momentum(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


def giving(**changes: Any) -> Function:
    """An author's function; `changes` are to what it gives. Model and inputs are functions, called anew each time."""

    def author(size: Any, rng: np.random.Generator) -> Training:
        given = {"model": net, "inputs": lambda: batch(size, rng), "loss": cross_entropy, "optimizer": momentum}
        given |= changes
        model, inputs = given.pop("model"), given.pop("inputs")
        return Training(model=model(), inputs=inputs(), **given)

    return author


@functools.cache
def device(precision: Precision = Precision.FULL) -> Device:
    return Device("cpu", "", 1, torch.device("cpu"), torch.tensor, nothing, precision)


def built(
    author: Function,
    *,
    dtype: Dtype = Dtype.FLOAT32,
    precision: Precision = Precision.FULL,
    compiled: bool = False,
    seed: int = 0,
    phases: Phases = TRAINING,
    fused: bool = False,
    unverified: str = "",
    inputs: Mapping[str, Any] | None = None,
) -> tuple[Step, Data]:
    adapted = adapt(Told("mine", author, phases, fused, unverified))
    problem = Problem(SIZES, dtype, seed)
    data = make_workload("mine", adapted.program, sizes=SIZES, baseline="mine.eager").data(problem)
    if inputs is not None:
        data = Data(inputs, data.parameters)
    return adapted.ways["compiled" if compiled else "eager"].build(problem, data, device(precision)), data


def states(step: Step, count: int = 3) -> list[State]:
    found = []
    for _ in range(count):
        step()
        found.append(step.state())
    return found


def assert_same(
    one: list[State], other: list[State], equal: Callable[..., object] = np.testing.assert_array_equal
) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        equal(np.asarray(a.loss, dtype=float), np.asarray(b.loss, dtype=float))
        for left, right in ((a.parameters, b.parameters), (a.gradients, b.gradients), (a.results, b.results)):
            assert left.keys() == right.keys()
            for name in left:
                equal(left[name], right[name])


def by_hand(
    optimizer: Callable[[Any], torch.optim.Optimizer], dtype: torch.dtype, low: torch.dtype | None
) -> list[State]:
    torch.manual_seed(0)
    model = net().to(dtype)
    x, y = map(torch.tensor, batch(SIZES, np.random.default_rng(0)))
    x = x.float().to(dtype)
    made, found = optimizer(model.parameters()), []
    for _ in range(3):
        with torch.autocast("cpu", dtype=low, enabled=low is not None):
            loss = cross_entropy(model, x, y)
        made.zero_grad()
        loss.backward()
        made.step()
        parameters = {name: value.detach().float().numpy().copy() for name, value in model.named_parameters()}
        gradients = {name: value.grad.float().numpy().copy() for name, value in model.named_parameters()}
        results = {name: value.float().numpy().copy() for name, value in model.named_buffers() if value.ndim}
        found.append(State(loss.item(), parameters, gradients, results))
    return found


OPTIMIZERS = [
    momentum,
    functools.partial(torch.optim.AdamW, lr=1e-2),
    functools.partial(torch.optim.Adagrad, lr=1e-2, initial_accumulator_value=0.5),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("precision", "dtype", "low"),
    [
        (Precision.FULL, torch.float32, None),
        (Precision.TF32, torch.float32, None),
        (Precision.AMP_BF16, torch.float32, torch.bfloat16),
        (Precision.BF16, torch.bfloat16, None),
    ],
)
def test_its_states_are_those_of_a_loop_by_hand(
    optimizer: Callable[[Any], torch.optim.Optimizer], precision: Precision, dtype: torch.dtype, low: torch.dtype | None
) -> None:
    step, _ = built(giving(optimizer=optimizer), precision=precision)
    assert_same(states(step), by_hand(optimizer, dtype, low))


def test_precisions_differ() -> None:
    losses = {each: states(built(giving(), precision=each)[0])[-1].loss for each in Precision if each != Precision.TF32}
    assert len(set(losses.values())) == 4


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_after_a_reset_it_takes_the_same_course(optimizer: Callable[[Any], torch.optim.Optimizer]) -> None:
    step, _ = built(giving(optimizer=optimizer))
    first = states(step)
    step.reset()
    assert_same(states(step), first)


def test_it_computes_in_the_dtype_of_the_problem() -> None:
    state = states(built(giving(), dtype=Dtype.FLOAT64)[0])[0]
    assert {value.dtype for value in (*state.parameters.values(), *state.gradients.values())} == {np.dtype("float64")}


def test_its_phases_are_apart() -> None:
    step, data = built(giving())
    forward, backward, update = step.stages
    assert [stage.label for stage in step.stages] == ["forward", "backward", "update"]
    forward.run()
    assert step.state().gradients == {}
    for _ in range(2):  # gradients are not added up
        forward.run()
        backward.run()
    state = step.state()
    np.testing.assert_array_equal(state.parameters["0.weight"], data.parameters["0.weight"])
    update.run()
    change = step.state().parameters["4.bias"] - data.parameters["4.bias"]
    np.testing.assert_allclose(change, -0.1 * state.gradients["4.bias"], rtol=1e-4)


def test_a_state_is_a_copy() -> None:
    step, _ = built(giving())
    state = states(step, 1)[0]
    kept = {name: value.copy() for name, value in {**state.parameters, **state.gradients, **state.results}.items()}
    states(step)
    for name, value in {**state.parameters, **state.gradients, **state.results}.items():
        np.testing.assert_array_equal(value, kept[name])


def test_other_inputs_take_the_place_of_its_own() -> None:
    step, data = built(giving())
    x, y = batch(SIZES, np.random.default_rng(5))
    other = {"input0": x.astype("float32"), "input1": y}
    fed = states(built(giving(), inputs=other)[0])
    states(step)
    assert step.feed is not None
    step.feed(other)
    step.reset()
    assert_same(states(step), fed)
    step.feed(data.inputs)
    step.reset()
    assert_same(states(step), states(built(giving())[0]))


@pytest.mark.parametrize("precision", [Precision.FULL, Precision.BF16])
def test_a_batch_that_is_copied_again_to_where_it_was_put_is_used(precision: Precision) -> None:
    """As in the modes that transfer it: the copy goes into the tensor that `device.put` gave."""
    placed: list[torch.Tensor] = []

    def put(array: Any) -> torch.Tensor:
        placed.append(torch.tensor(array))
        return placed[-1]

    adapted = adapt(Told("mine", giving(), TRAINING, False, ""))
    data = adapted.program.data(SIZES, np.random.default_rng(0)).as_type("float32")
    there = Device("cpu", "", 1, torch.device("cpu"), put, nothing, precision)
    step = adapted.ways["eager"].build(Problem(SIZES), data, there)
    before = states(step, 1)[0].loss
    step.reset()
    placed[0].copy_(torch.zeros(8, 1, 6, 6))
    assert states(step, 1)[0].loss != before


def test_a_compiled_model_compiles_once_and_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = []

    def count(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=count))
    step, data = built(giving(), compiled=True)
    assert graphs == []
    first = states(step)
    assert len(graphs) == 1
    step.reset()
    assert step.feed is not None
    step.feed(data.inputs)
    assert_same(states(step), first)
    assert len(graphs) == 1
    assert_same(first, states(built(giving())[0]), functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6))


def test_scaled_losses_give_unscaled_gradients_and_skipped_updates_are_counted() -> None:
    step, _ = built(giving(), precision=Precision.AMP_FP16)
    state = states(step, 1)[0]
    full = states(built(giving())[0], 1)[0]
    np.testing.assert_allclose(state.gradients["4.bias"], full.gradients["4.bias"], rtol=1e-2)
    assert step.counts is not None
    assert step.counts() == {"skipped_updates": 0}
    huge = giving(loss=lambda model, x, y: 1e6 * cross_entropy(model, x, y))
    step, data = built(huge, precision=Precision.AMP_FP16)
    state = states(step, 1)[0]
    assert step.counts is not None
    assert step.counts() == {"skipped_updates": 1}
    np.testing.assert_array_equal(state.parameters["4.bias"], data.parameters["4.bias"])


def test_an_optimizer_that_searches_is_fused_and_its_evaluations_are_counted() -> None:
    author = giving(optimizer=lambda parameters: torch.optim.LBFGS(parameters, max_iter=3))
    step, _ = built(author, fused=True)
    assert [stage.label for stage in step.stages] == ["forward+backward+update"]
    first = states(step)
    assert step.counts is not None
    assert step.counts() == {"evaluations": 3}
    np.testing.assert_allclose(first[0].loss, states(built(giving())[0], 1)[0].loss, rtol=1e-6)  # that of the start
    step.reset()
    assert_same(states(step), first)
    with pytest.raises(StepError, match="fused=True"):
        built(author)


@pytest.mark.parametrize("count", [2, 4])
def test_micro_batches_add_up_to_the_whole(count: int) -> None:
    def model() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(36, 3))

    step, _ = built(giving(model=model, micro_batches=count), fused=True)
    assert [stage.label for stage in step.stages] == ["forward+backward", "update"]
    whole = states(built(giving(model=model))[0])
    assert_same(states(step), whole, functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6))


def test_inference_gives_outputs_and_nothing_else() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = net().eval()

        def forward(self, x: Any) -> Any:
            logits = self.inner(x)
            return {"logits": logits, "rest": (logits.argmax(1), None)}

    step, data = built(giving(model=Two, inputs=images, loss=None, optimizer=None), phases=FORWARD)
    assert [stage.label for stage in step.stages] == ["forward"]
    state = states(step, 1)[0]
    torch.manual_seed(0)
    expected = net().eval()(torch.tensor(data.inputs["input0"]))
    np.testing.assert_array_equal(state.results["output.logits"], expected.detach().numpy())
    np.testing.assert_array_equal(state.results["output.rest.0"], expected.argmax(1).numpy())
    assert state.loss is None
    assert not state.parameters
    assert not state.gradients


def test_inputs_by_name_are_passed_by_name() -> None:
    def named() -> dict[str, Any]:
        x, y = batch(SIZES, np.random.default_rng(0))
        return {"y": torch.tensor(y), "x": x}

    step, data = built(giving(inputs=named))
    assert list(data.inputs) == ["y", "x"]
    assert (data.inputs["y"].dtype, data.inputs["x"].dtype) == (np.int64, np.float32)
    assert_same(states(step), states(built(giving())[0]))


def test_shared_parameters_count_once_and_frozen_ones_have_no_gradient() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.frozen = nn.Linear(36, 36), nn.Linear(36, 36), nn.Linear(36, 3)
            self.b.weight = self.a.weight
            self.frozen.requires_grad_(False)

        def forward(self, x: Any) -> Any:
            return self.frozen(self.b(self.a(x.flatten(1))))

    step, data = built(giving(model=Shared))
    assert set(data.parameters) == {"a.weight", "a.bias", "b.bias", "frozen.weight", "frozen.bias"}
    state = states(step)[-1]
    assert set(state.gradients) == {"a.weight", "a.bias", "b.bias"}
    np.testing.assert_array_equal(state.parameters["frozen.weight"], data.parameters["frozen.weight"])


def test_masks_that_are_infinite_are_put_back_and_not_compared() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mask", torch.full((3, 3), -torch.inf).triu(1), persistent=False)
            self.register_buffer("seen", torch.zeros(1))
            self.inner = net()

        def forward(self, x: Any) -> Any:
            self.seen += 1
            return self.inner(x) + self.mask[2]

    step, _ = built(giving(model=Masked))
    assert "mask" not in states(step)[-1].results
    step.reset()
    assert states(step, 1)[0].results["seen"] == [1.0]


def test_sparse_gradients_can_be_read() -> None:
    author = giving(
        model=lambda: nn.EmbeddingBag(5, 3, sparse=True),
        inputs=lambda: (np.arange(10).reshape(5, 2) % 5, np.arange(5) % 3),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    )
    assert states(built(author)[0])[0].gradients["weight"].shape == (5, 3)


def dropout() -> nn.Module:
    return nn.Sequential(nn.Dropout(0.5), net())


def test_random_numbers_while_it_runs_are_refused_unless_it_is_unverified() -> None:
    step, _ = built(giving(model=dropout))
    with pytest.raises(StepError, match=r"random numbers.*unverified"):
        step()
    step, _ = built(giving(model=dropout), unverified="dropout")
    assert len(states(step)) == 3


def float32_inside(model: nn.Module, x: Any, y: Any) -> Any:
    return cross_entropy(model, torch.zeros(x.shape), y)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": lambda model, x, y: cross_entropy(model, x, y).item()}, "type float as its loss"),
        ({"loss": lambda model, x, y: None}, "type NoneType as its loss"),
        ({"loss": lambda model, x, y: model(x)}, r"shape \(8, 3\).*scalar"),
        ({"loss": lambda model, x, y: x.sum()}, "needs no gradient"),
        ({"loss": float32_inside}, "cannot run in float64 .*dtype of its inputs"),
    ],
)
def test_a_loss_that_cannot_be_is_refused_when_it_is_first_computed(changes: dict[str, Any], message: str) -> None:
    step, _ = built(giving(**changes), dtype=Dtype.FLOAT64)
    with pytest.raises(StepError, match=message):
        step()


X = np.ones((8, 1, 6, 6))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": lambda: "net"}, "type str as its model"),
        ({"model": lambda: nn.ReLU}, "the class ReLU as its model"),
        ({"model": lambda: net().to("meta")}, "on meta: leave it on the CPU"),
        ({"model": lambda: nn.LazyLinear(3)}, "no values for weight yet"),
        ({"inputs": lambda: X}, "type ndarray as inputs: give a tuple"),
        ({"inputs": lambda: ()}, "no inputs"),
        ({"inputs": lambda: (X, [1, 2])}, "type list as input1"),
        ({"inputs": lambda: {"x": np.array(["a"])}}, "an array of <U1 as x"),
        ({"inputs": lambda: (X[:0],)}, r"an empty array as input0, of shape \(0, 1, 6, 6\)"),
        ({"loss": None}, "only one of loss and optimizer"),
        ({"loss": None, "optimizer": None}, "phases=FORWARD"),
        ({"loss": "mse"}, "type str as its loss"),
        ({"optimizer": momentum([torch.zeros(1)])}, "type SGD as its optimizer: give a function"),
        ({"optimizer": lambda parameters: None}, "type NoneType as its optimizer"),
        ({"optimizer": lambda parameters: momentum([torch.zeros(1)])}, "none of the model's parameters"),
        ({"optimizer": lambda parameters: momentum([*parameters, torch.zeros(1)])}, "that are not the model's"),
        ({"micro_batches": 0}, "micro_batches=0"),
        ({"micro_batches": 2}, "say fused=True"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StepError, match=f"^mine .*{message}.*[.]$"):
        built(giving(**changes))


def test_a_function_that_gives_something_else_is_refused() -> None:
    with pytest.raises(StepError, match=r"type NoneType: return bench\.Training"):
        built(lambda size, rng: None)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {"phases": FORWARD}, "a loss, and @training says"),
        ({"loss": None, "optimizer": None, "micro_batches": 2}, {"phases": FORWARD}, "inference has none"),
        ({"micro_batches": 3}, {"fused": True}, r"cannot split input0 of shape \(8, 1, 6, 6\) into 3"),
        ({}, {"fused": True, "precision": Precision.AMP_FP16}, "leave out amp-fp16"),
    ],
)
def test_what_disagrees_with_the_decorator_is_refused(
    changes: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(StepError, match=message):
        built(giving(**changes), **options)


def test_outputs_without_a_tensor_and_an_optimizer_that_evaluates_nothing_are_refused() -> None:
    class Nothing(nn.Module):
        def forward(self, x: Any) -> Any:
            return None

    step, _ = built(giving(model=Nothing, inputs=images, loss=None, optimizer=None), phases=FORWARD)
    with pytest.raises(StepError, match="type NoneType: it must give tensors"):
        step()

    class Deaf(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            super().step()

    step, _ = built(giving(optimizer=lambda parameters: Deaf(parameters, lr=0.1)), fused=True)
    with pytest.raises(StepError, match="evaluates no loss"):
        step()


def test_it_starts_from_the_parameters_of_the_data() -> None:
    adapted = adapt(Told("mine", giving(), TRAINING, False, ""))
    drawn = adapted.program.data(SIZES, np.random.default_rng(0)).as_type("float32")
    moved = Data(drawn.inputs, {name: value + 1 for name, value in drawn.parameters.items()})
    step = adapted.ways["eager"].build(Problem(SIZES), moved, device())
    step.stages[0].run()
    for name, value in step.state().parameters.items():
        np.testing.assert_array_equal(value, moved.parameters[name])


def test_only_the_first_step_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    ask = torch.get_rng_state

    def counted() -> torch.Tensor:
        looks.append(1)
        return ask()

    step, _ = built(giving())
    monkeypatch.setattr(torch, "get_rng_state", counted)
    states(step)
    assert len(looks) == 2
