from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.errors import StepError
from bench.model.precision import Precision
from bench.model.problem import Dtype, Problem
from bench.model.workload import WORKLOADS
from bench.oracle.edges import kink_margin, tolerance, truth_by_reference
from bench.oracle.truth import FRESH_STEPS, STEPS, Key, digest_of, fresh_data, load_truth, save_truth
from bench.workloads import tutorial

SMALL = tutorial(batch=5, d_in=4, hidden=6, d_out=3)


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_truth_survives_its_file(name: str, tmp_path: Path) -> None:
    truth = truth_by_reference(WORKLOADS[name], SMALL, Precision.FULL)
    save_truth(truth, tmp_path / "truth.npz")
    again = load_truth(tmp_path / "truth.npz")
    assert (len(again.course), len(again.fresh)) == (STEPS, FRESH_STEPS)
    assert again.digest == truth.digest == digest_of(WORKLOADS[name].data(SMALL))
    for one, other in zip((*truth.course, *truth.fresh), (*again.course, *again.fresh), strict=True):
        assert one.keys() == other.keys()
        for key, expected in one.items():
            assert np.array_equal(expected.value, other[key].value)
            bounds = (expected.scale, expected.allowed, expected.largest)
            assert bounds == (other[key].scale, other[key].allowed, other[key].largest)


def test_fresh_inputs_are_others_for_the_same_start() -> None:
    workload = WORKLOADS["mlp_bias_sgd"]
    data = workload.data(SMALL)
    other = fresh_data(workload, SMALL, data)
    assert other is not None
    assert not np.array_equal(other.x, data.x)
    assert all(np.array_equal(other.parameters[name], value) for name, value in data.parameters.items())
    truth = truth_by_reference(workload, SMALL, Precision.FULL)
    assert truth.fresh[0][Key("loss", "")].value != truth.course[0][Key("loss", "")].value


def gradient_allowance(problem: Problem) -> float:
    """What `w1` may be off in the first step, relative to its norm."""
    expected = truth_by_reference(WORKLOADS["mlp_bias_sgd"], problem, Precision.FULL).course[0][Key("gradient", "w1")]
    return expected.allowed / expected.scale


def test_a_unit_on_its_kink_is_undecided_in_float32_and_decided_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pre-activation is moved to just above 0, by less than float32 can see."""
    program = WORKLOADS["mlp_bias_sgd"].program
    plain = type(program).data

    def on_the_edge(self: object, size: object, rng: np.random.Generator) -> object:
        data = plain(self, size, rng)
        bias = data.parameters["b1"].copy()
        bias[2] = -(data.x[1] @ data.parameters["w1"][:, 2]) + 1e-9
        return replace(data, parameters={**data.parameters, "b1": bias})

    narrow, exact = (gradient_allowance(replace(SMALL, dtype=dtype)) for dtype in Dtype)
    monkeypatch.setattr(type(program), "data", on_the_edge)
    on_edge, decided = (gradient_allowance(replace(SMALL, dtype=dtype)) for dtype in Dtype)
    assert on_edge > 0.01 > 1e-3 > narrow
    assert decided < 2e-10
    assert exact < 2e-10


def test_noise_shows_what_adam_makes_of_gradients_that_are_almost_nothing() -> None:
    """Its first step divides a gradient by its size: where that is rounding noise the sign of the change is, too."""
    adam, plain = (
        truth_by_reference(WORKLOADS[name], tutorial(), Precision.FULL).fresh[0][Key("change", "w2")]
        for name in ("mlp_bias_adam", "mlp_bias_sgd")
    )
    assert adam.largest > 10 * tolerance(Dtype.FLOAT32, Precision.FULL) * np.abs(adam.value).max()
    assert plain.largest < 2 * tolerance(Dtype.FLOAT32, Precision.FULL) * np.abs(plain.value).max()


def test_a_change_too_small_for_float32_is_said_to_be_so() -> None:
    with pytest.raises(StepError, match=r"too small for float32 to show.*--dtype float64"):
        truth_by_reference(WORKLOADS["mlp_sgd"], tutorial(batch=1, d_in=1, hidden=1, d_out=1), Precision.FULL)


def test_coarse_products_widen_what_is_allowed_in_float32_only() -> None:
    assert tolerance(Dtype.FLOAT32, Precision.TF32) == pytest.approx(1e-2, rel=0.05)
    assert tolerance(Dtype.FLOAT32, Precision.BF16) == 8 * tolerance(Dtype.FLOAT32, Precision.TF32)
    assert tolerance(Dtype.FLOAT64, Precision.TF32) == tolerance(Dtype.FLOAT64, Precision.FULL) == 1e-10
    assert kink_margin(Dtype.FLOAT32, Precision.TF32, 100) == pytest.approx(2.0**-9 / 10)
    assert kink_margin(Dtype.FLOAT64, Precision.TF32, 100) == 8 * 2.0**-52


def test_reading_a_truth_executes_nothing(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    path = tmp_path / "truth.npz"
    np.savez(path, allow_pickle=True, **{"start/w1": np.array([Trap()], dtype=object)})
    with pytest.raises(ValueError, match="allow_pickle"):
        load_truth(path)
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match=r"allow_pickle|pickled"):
        load_truth(path)
    assert not (tmp_path / "sprung").exists()


def test_what_adam_makes_of_noise_is_allowed_in_the_gradients_that_follow_and_nowhere_else() -> None:
    """On these inputs a gradient is 0 but for its last bits, so that its sign, and Adam's first step, are chance."""

    def slack(name: str, step: int) -> float:
        expected = truth_by_reference(WORKLOADS[name], tutorial()).fresh[step - 1][Key("gradient", "w1")]
        return float(expected.largest / np.abs(expected.value).max())

    assert slack("mlp_bias_adam", 1) == pytest.approx(1e-4, rel=0.1)
    assert 5e-4 < slack("mlp_bias_adam", 2) < 5e-3
    assert slack("mlp_bias_sgd", 2) == pytest.approx(1e-4, rel=0.1)
