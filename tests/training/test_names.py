"""Joining a workload: an implementation's arrays are mapped to the workload's, and what fits none is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.errors import StepError
from bench.model.data import Data
from bench.model.step import FORWARD, TRAINING, Stage, State, Step
from bench.training import Told, Training
from bench.training._names import Beginning, beginning

KERNEL = np.arange(24.0).reshape(2, 3, 4)
DATA = Data({"x": np.arange(6.0).reshape(2, 3), "y": np.arange(2)}, {"0.weight": KERNEL, "0.bias": np.zeros(2)})
TOLD = Told("mine", lambda size, rng: Training(None), TRAINING, False, "", "theirs")
OWN = {"kernel": np.zeros((3, 4, 2)), "bias": np.zeros(2)}
NAMES: dict[str, Any] = {"kernel": ("0.weight", (1, 2, 0)), "bias": "0.bias", "mean": ("0.mean", (1, 0))}


def begun(own: dict[str, Any] = OWN, names: dict[str, Any] = NAMES, inputs: Any = None) -> Beginning:
    return beginning(TOLD, Training(None, inputs=inputs, names=names), own, ["mean"], DATA)


def test_it_starts_from_the_workloads_arrays_in_its_own_layout() -> None:
    found = begun(inputs=("y", ("x", (1, 0))))
    np.testing.assert_array_equal(found.parameters["kernel"], KERNEL.transpose(1, 2, 0))
    assert list(found.inputs) == ["y", "x"]
    np.testing.assert_array_equal(found.inputs["x"], DATA.x.T)
    assert list(begun().inputs) == ["x", "y"]


def test_its_states_are_told_and_its_inputs_fed_under_the_workloads_names() -> None:
    found = begun(inputs=(("x", (1, 0)),))
    fed: dict[str, Any] = {}
    kernel, mean = KERNEL.transpose(1, 2, 0) + 1, np.ones((2, 3))
    state = State(1.0, {"kernel": kernel, "bias": np.ones(2)}, {"kernel": 2 * kernel}, {"mean": mean})
    step = found.finished(Step((Stage(FORWARD, lambda: None),), lambda: state, lambda: None, feed=fed.update))
    told = step.state()
    np.testing.assert_array_equal(told.parameters["0.weight"], KERNEL + 1)
    np.testing.assert_array_equal(told.gradients["0.weight"], 2 * (KERNEL + 1))
    assert told.results["0.mean"].shape == (3, 2)
    assert step.feed is not None
    step.feed({"x": DATA.x + 1, "y": DATA.y})
    assert list(fed) == ["x"]
    np.testing.assert_array_equal(fed["x"], (DATA.x + 1).T)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"names": NAMES | {"kernel": "0.weight"}},
            r"kernel of shape \(3, 4, 2\), and 0\.weight of theirs has the",
        ),
        ({"names": NAMES | {"kernel": ("0.weight", (2, 1, 0))}}, r"shape \(2, 3, 4\), with the axes \(2, 1, 0\)"),
        ({"names": NAMES | {"kernel": ("0.weight", (1, 0))}}, r"0\.weight of theirs has the shape \(2, 3, 4\)"),
        ({"names": NAMES | {"kernel": ("0.weight", (1, 1, 0))}}, r"gives \('0\.weight', \(1, 1, 0\)\) for kernel"),
        ({"names": NAMES | {"kernel": 3}}, "gives 3 for kernel: give the workload's name of it"),
        (
            {"names": NAMES | {"bias": "0.bais"}},
            r"theirs has no '0\.bais': map it by names= to one of 0\.weight, 0\.bias",
        ),
        (
            {"names": NAMES | {"kernal": "0.bias"}},
            "no array 'kernal' that names= could be about: did you mean 'kernel'",
        ),
        ({"names": NAMES | {"more": "0.bias"}, "own": OWN | {"more": np.zeros(2)}}, r"both for 0\.bias of theirs"),
        (
            {"own": {"kernel": OWN["kernel"]}, "names": {"kernel": NAMES["kernel"]}},
            r"no counterpart of 0\.bias of theirs",
        ),
        ({"inputs": ("z",)}, "unknown input 'z' of theirs"),
        ({"inputs": (("x", (0, 2, 1)),)}, r"orders x of shape \(2, 3\) by \(0, 2, 1\)"),
        ({"inputs": "x"}, "gives 'x' as inputs: the batch is that of theirs"),
    ],
)
def test_what_has_no_counterpart_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StepError, match=message):
        begun(**changes)


def test_an_implementation_of_its_own_workload_is_left_as_it_is() -> None:
    told = Told("mine", TOLD.function, TRAINING, False, "")
    found = beginning(told, Training(None), OWN, [], DATA)
    assert found.parameters is DATA.parameters
    assert found.inputs is DATA.inputs
