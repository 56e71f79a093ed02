from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.model.problem import Dtype
from bench.model.workload import WORKLOADS
from bench.oracle.truth import STEPS, load_truth, make_truth, save_truth
from bench.workloads import tutorial

SMALL = tutorial(batch=5, d_in=4, hidden=6, d_out=3)


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_truth_survives_its_file(name: str, tmp_path: Path) -> None:
    workload = WORKLOADS[name]
    truth = make_truth(workload, SMALL)
    save_truth(truth, tmp_path / "truth.npz")
    again = load_truth(tmp_path / "truth.npz")
    assert len(again.states) == STEPS
    assert again.undecided == truth.undecided
    for one, other in zip(truth.states, again.states, strict=True):
        assert one.loss == other.loss
        for mine, its in ((one.parameters, other.parameters), (one.gradients, other.gradients)):
            assert mine.keys() == its.keys()
            assert all(np.array_equal(mine[key], its[key]) for key in mine)


def test_a_unit_on_its_kink_is_undecided_in_float32_and_decided_in_float64() -> None:
    """One pre-activation is moved to just above 0, by less than float32 can see."""
    workload = WORKLOADS["mlp_bias_sgd"]
    data = workload.data(replace(SMALL, dtype=Dtype.FLOAT64))
    parameters = {key: value.copy() for key, value in data.parameters.items()}
    parameters["b1"][2] = -(data.x[1] @ parameters["w1"][:, 2]) + 1e-9
    data = replace(data, parameters=parameters)
    moved = replace(workload, program=SimpleNamespace(data=lambda *_: data, reference=workload.program.reference))
    narrow, wide = (
        make_truth(moved, replace(SMALL, dtype=dtype), steps=1).undecided[0]["gradient.w1"] for dtype in Dtype
    )
    assert narrow > 0.01
    assert wide == 0


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
