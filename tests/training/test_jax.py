"""A JAX program as a workload: its step is the loop that one would write by hand, and what cannot be is refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
import pytest
from jax import numpy as jnp

from bench.errors import LoadError, StepError
from bench.model.data import Data
from bench.model.device import Device, nothing
from bench.model.precision import Precision
from bench.model.problem import Dtype, Problem
from bench.model.sizes import Sizes
from bench.model.step import FORWARD, TRAINING, State, Step
from bench.model.workload import make_workload
from bench.oracle.perturbed import truth_by_runs
from bench.oracle.truth import Truth
from bench.oracle.verify import verify
from bench.training import Told, Training, training
from bench.training.jax import adapt

Author = Callable[[Any, Any], Any]
SIZES = Sizes(batch=8)


@pytest.fixture(autouse=True)
def _format_as_it_was() -> Any:
    yield
    jax.config.update("jax_enable_x64", False)


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    return {"layers": [{"w": rng.standard_normal((6, 4))}, {"w": rng.standard_normal((4, 3)), "b": np.zeros(3)}]}


def loss(p: Any, state: Any, x: Any, y: Any) -> Any:
    hidden = jnp.tanh(x @ p["layers"][0]["w"])
    logits = hidden @ p["layers"][1]["w"] + p["layers"][1]["b"]
    new = {"mean": 0.9 * state["mean"] + 0.1 * hidden.mean(0)}
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), new


def giving(**changes: Any) -> Author:
    def author(size: Any, rng: np.random.Generator) -> Training:
        given = {
            "model": parameters(rng),
            "inputs": (rng.standard_normal((size.batch, 6)), rng.integers(0, 3, size.batch)),
            "state": {"mean": np.zeros(4)},
            "loss": loss,
            "optimizer": optax.adam(1e-2),
        }
        return Training(**(given | changes))

    return author


def device() -> Device:
    return Device("cpu", "", 1, None, lambda array: jnp.array(array), nothing, ready=jax.block_until_ready)


def built(author: Author, way: str = "staged", dtype: Dtype = Dtype.FLOAT32, **told: Any) -> tuple[Step, Data]:
    adapted = adapt(Told("mine", author, told.pop("phases", TRAINING), told.pop("fused", False), ""))
    problem = Problem(SIZES, dtype)
    data = make_workload("mine", adapted.program, sizes=SIZES, baseline="mine.staged").data(problem)
    return adapted.ways[way].build(problem, data, device()), data


def states(step: Step, count: int = 3) -> list[State]:
    found = []
    for _ in range(count):
        step()
        found.append(step.state())
    return found


def assert_same(one: list[State], other: list[State], kinds: tuple[str, ...], tolerance: float) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a.loss, b.loss, rtol=tolerance)  # type: ignore[arg-type]
        for kind in kinds:
            left, right = getattr(a, kind), getattr(b, kind)
            assert left.keys() == right.keys()
            for name in left:
                np.testing.assert_allclose(left[name], right[name], rtol=tolerance, atol=tolerance)


def by_hand() -> list[State]:
    rng = np.random.default_rng(0)
    tree = jax.tree.map(lambda leaf: jnp.asarray(leaf, "float32"), parameters(rng))
    x, y = jnp.asarray(rng.standard_normal((8, 6)), "float32"), jnp.asarray(rng.integers(0, 3, 8))
    optimizer, held = optax.adam(1e-2), {"mean": jnp.zeros(4)}
    memory, found = optimizer.init(tree), []
    for _ in range(3):
        (value, held), slopes = jax.jit(jax.value_and_grad(loss, has_aux=True))(tree, held, x, y)
        updates, memory = optimizer.update(slopes, memory, tree)
        tree = optax.apply_updates(tree, updates)
        named = [
            {
                f"layers.{n}.{key}": np.array(leaf)
                for n, layer in enumerate(each["layers"])
                for key, leaf in layer.items()
            }
            for each in (tree, slopes)
        ]
        found.append(State(float(value), named[0], named[1], {"mean": np.array(held["mean"])}))
    return found


@pytest.mark.parametrize(("way", "kinds"), [("staged", ("gradients",)), ("fused", ())])
def test_its_states_are_those_of_a_loop_by_hand_and_again_after_a_reset(way: str, kinds: tuple[str, ...]) -> None:
    step, _ = built(giving(), way)
    known = by_hand()
    for _ in range(2):
        assert_same(states(step), known, ("parameters", "results", *kinds), 1e-5)
        step.reset()
    assert [stage.label for stage in step.stages] == (
        ["forward", "backward", "update"] if way == "staged" else ["forward+backward+update"]
    )


@pytest.mark.parametrize("way", ["staged", "fused"])
def test_every_stage_returns_all_that_it_has_computed(way: str) -> None:
    step, _ = built(giving(), way)
    shapes = [[leaf.shape for leaf in jax.tree.leaves(stage.run())] for stage in step.stages]
    weights = [(6, 4), (3,), (4, 3)]
    for shape in weights:  # parameters, and two moments of Adam's
        assert shapes[-1].count(shape) == 3
    if way == "staged":
        assert sorted(shapes[1]) == sorted(weights)
        assert () in shapes[0]
        assert (4,) in shapes[0]


@pytest.mark.parametrize("way", ["staged", "fused"])
def test_a_state_is_a_copy_and_each_function_compiles_once(way: str) -> None:
    step, data = built(giving(), way)
    first = states(step, 1)[0]
    kept = {name: value.copy() for name, value in first.parameters.items()}
    states(step)
    for name, value in kept.items():
        np.testing.assert_array_equal(first.parameters[name], value)
    own: Any = step.state.__self__  # type: ignore[attr-defined]
    jitted = [own.whole] if way == "fused" else [own.compute_loss, own.compute_gradients, own.update_all]
    step.reset()
    assert step.feed is not None
    step.feed(data.inputs)
    states(step)
    assert [each._cache_size() for each in jitted] == [1] * len(jitted)


def test_it_computes_in_the_format_of_the_problem_whatever_was_asked_for_before() -> None:
    for dtype, way in ((Dtype.FLOAT64, "staged"), (Dtype.FLOAT32, "staged"), (Dtype.FLOAT64, "fused")):
        state = states(built(giving(), way, dtype)[0], 1)[0]
        arrays = [*state.parameters.values(), *state.gradients.values(), *state.results.values()]
        assert {value.dtype for value in arrays} == {np.dtype(dtype.value)}


def test_what_jax_draws_is_the_same_whatever_the_format() -> None:
    def author(size: Any, rng: np.random.Generator) -> Training:
        found = giving()(size, rng)
        drawn = jax.random.normal(jax.random.key(0), (6, 4))
        return Training(**{**vars(found), "model": {"layers": [{"w": drawn}, found.model["layers"][1]]}})

    one, two = (built(author, dtype=dtype)[1].parameters["layers.0.w"] for dtype in Dtype)
    np.testing.assert_array_equal(one, two)


@functools.cache
def truth() -> Truth:
    adapted = adapt(Told("mine", giving(), TRAINING, False, ""))
    workload = make_workload("mine", adapted.program, sizes=SIZES, baseline="mine.staged")

    def train(problem: Problem, data: Data, precision: Precision, steps: int) -> list[State]:
        return states(adapted.ways["staged"].build(problem, data, device()), steps)

    return truth_by_runs(workload, Problem(SIZES), Precision.FULL, train, can=True, runs=2)


def skipped_update(own: Any) -> None:
    own.update_all = lambda parameters, memory, gradients: (parameters, memory)


def gradient_off_by_a_percent(own: Any) -> None:
    right = own.compute_gradients
    own.compute_gradients = lambda derivative, loss: jax.tree.map(lambda leaf: 1.01 * leaf, right(derivative, loss))


def statistics_that_stay(own: Any) -> None:
    right = own.compute_loss
    own.compute_loss = lambda parameters, held, batch: (*right(parameters, held, batch)[:2], held)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (nothing, ""),
        pytest.param(skipped_update, "was the update skipped", marks=pytest.mark.slow),
        (gradient_off_by_a_percent, "the gradient of"),
        pytest.param(statistics_that_stay, "the result of mean", marks=pytest.mark.slow),
    ],
)
def test_the_gate_refuses_planted_faults(fault: Callable[..., None], reason: str) -> None:
    right = truth()
    step, _ = built(giving())
    if fault is not nothing:
        fault(step.state.__self__)  # type: ignore[attr-defined]
    found = verify(step, right, Dtype.FLOAT32)
    assert found.passed == (fault is nothing), found.reason
    assert reason in found.reason


def test_inference_gives_outputs_and_nothing_else() -> None:
    def apply(p: Any, x: Any) -> Any:
        hidden = x @ p["layers"][0]["w"]
        return {"hidden": hidden, "all": (hidden.sum(),)}

    changes = {"apply": apply, "loss": None, "optimizer": None, "state": None, "inputs": (np.ones((8, 6)),)}
    step, data = built(giving(**changes), phases=FORWARD)
    assert [stage.label for stage in step.stages] == ["forward"]
    state = states(step, 1)[0]
    expected = np.ones((8, 6)) @ data.parameters["layers.0.w"]
    np.testing.assert_allclose(state.results["output.hidden"], expected, rtol=1e-5)
    np.testing.assert_allclose(state.results["output.all.0"], expected.sum(), rtol=1e-5)
    assert state.loss is None
    assert not state.parameters


def test_fused_alone_has_one_implementation() -> None:
    assert list(adapt(Told("mine", giving(), TRAINING, True, "")).ways) == ["fused"]
    with pytest.raises(LoadError, match="compiled=False, which is for torch alone"):
        training("mine", framework="jax", sizes={}, compiled=False)(giving())


without_state = functools.partial(giving, state=None)


@pytest.mark.parametrize(
    ("author", "message"),
    [
        (giving(model={}), "mine gives no parameters as its model: give a tree of arrays"),
        (giving(model={"w": 1.0}), "a value of type float at w in its model: give a tree of arrays"),
        (giving(model={"n": np.ones(3, int)}), "the parameter n of int64: what has no gradient belongs in state="),
        (giving(state={"mean": "none"}), "a value of type str at mean in its state"),
        (giving(inputs=([1, 2],)), "gives a value of type list as input0: give an array"),
        (giving(optimizer=lambda values: values), "a value of type function as its optimizer: give one of optax"),
        (giving(optimizer=None), "gives only one of loss and optimizer"),
        (giving(micro_batches=2), "gives micro_batches, which is not for JAX"),
        (giving(names={"w": "v"}), "gives names, and joins no workload"),
        (giving(apply=loss), "gives both loss and apply"),
        (without_state(loss=lambda p, x, y: 1.0), "has a value of type float as its loss: give the array itself"),
        (without_state(loss=lambda p, x, y: x), r"a loss of shape \(8, 6\): give a scalar"),
        (
            without_state(loss=lambda p, x, y: x.sum().astype("bfloat16")),
            "a loss of bfloat16 where float32 is asked for",
        ),
        (giving(loss=lambda p, s, x, y: x.sum()), "has a state, but its function gives"),
        (giving(loss=lambda p, s, x, y: (x.sum(), {})), "a new state that is not like the one before in mean"),
        (lambda size, rng: None, "mine gives a value of type NoneType: return bench.Training"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(author: Author, message: str) -> None:
    with pytest.raises(StepError, match=message) as caught:
        states(built(author)[0], 1)
    assert str(caught.value).count(". ") == 0
