from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.data.schema import Status
from bench.data.store import SAMPLES, RunStore
from bench.errors import UsageError
from bench.output.figures import RunData
from bench.output.figures._rows import contenders, facts, panels, problem_line


def test_whole_steps_are_those_of_the_summary_in_the_order_of_measuring(sampled: Any) -> None:
    sampled.add("numpy_manual", "numpy")
    sampled.add("torch_tensor", processes=5, samples=7, flags={(1, 3): "preempted"})
    folder = sampled.write()
    head, *lines = (folder / SAMPLES).read_text().splitlines()
    (folder / SAMPLES).write_text("\n".join([head, *reversed(lines)]) + "\n")
    data = RunData(folder)
    steps, rows = data.steps, data.headline
    assert steps["case"].value_counts().to_dict() == rows["samples"].to_dict()
    for label, row in rows.iterrows():
        own = steps[steps["case"] == label]
        assert own["process"].nunique() == row["processes"]
        assert own.groupby("process")["seconds"].median().median() == pytest.approx(row["median_seconds"], rel=1e-12)
        assert int((own["flags"] != "").sum()) == row["flagged"]
        order = own[["round", "process", "turn"]].to_numpy().tolist()
        assert order == sorted(order)
        assert order[0] != order[-1]
    assert steps["counts"].all()
    assert set(data.samples["phase"]) > {"step"}  # which the whole steps are chosen from


def test_another_baseline_gives_in_memory_what_a_run_with_it_has_on_disk(build: ModuleType, tmp_path: Path) -> None:
    def write(name: str, baseline: str) -> Path:
        made = build.HandMade(tmp_path / name)
        for implementation, backend, seconds in (
            ("numpy_manual", "numpy", 4.0),
            ("torch_nn", "torch-cpu", 2.0),
            ("numpy_bias_sgd", "numpy", 3.0),
        ):
            case = made.plan(implementation, backend, "mlp_bias_sgd" if "bias" in implementation else "mlp_sgd")
            for number in range(7):
                made.process(case, number, step=[seconds + number / 9], phases={"forward": [1.0]}, build_seconds=0.5)
        made.plan("tf_static_graph", "tf-graph", skipped="TensorFlow is absent")
        rows = made.summary(baseline=baseline)
        RunStore(made.folder).write_summary(rows)
        folder: Path = made.folder
        return folder

    before = {path: path.read_bytes() for path in write("own", "").iterdir()}
    data, measured = RunData(tmp_path / "own", "torch_nn@torch-cpu"), RunData(write("chosen", "torch_nn@torch-cpu"))
    pd.testing.assert_frame_equal(data.summary, measured.summary)
    assert set(contenders(data.summary)["baseline"]) == {"torch_nn@torch-cpu"}
    assert {path: path.read_bytes() for path in before} == before
    with pytest.raises(UsageError, match="did you mean 'torch_nn'"):
        RunData(tmp_path / "own", "torch_n")


def test_cases_without_a_headline_row_have_no_steps(sampled: Any) -> None:
    sampled.add("numpy_manual", "numpy")
    sampled.add("torch_nn", row=lambda number: {"status": Status.FAILED, "reason": "died"} if number == 3 else {})
    data = RunData(sampled.write())
    assert list(data.steps["case"].unique()) == list(data.headline.index)
    assert len(data.headline) == 1


def test_a_timed_case_knows_its_processes_and_flags(sampled: Any) -> None:
    flags = {(0, 1): "preempted", (2, 0): "preempted stolen"}
    sampled.add("numpy_manual", "numpy", processes=3, samples=4, flags=flags)
    sampled.add("torch_tensor", seconds=0.0, phases=False)
    data = RunData(sampled.write())
    (case,) = data.timed(data.headline)  # a clock that stood still times nothing
    assert case.row["implementation"] == "numpy_manual"
    assert case.process.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    found = {kind: np.flatnonzero(marked).tolist() for kind, marked in case.flags.items()}
    assert found == {"preempted": [1, 8], "stolen": [8]}
    assert np.flatnonzero(case.flagged).tolist() == [1, 8]
    assert case.medians.tolist() == sorted(np.median(case.seconds.reshape(3, 4), axis=1))
    assert np.median(case.medians) == pytest.approx(case.median)


@pytest.fixture
def rows(swept: Any) -> Any:
    """Headline rows of two workloads, the sizes of the first out of order."""
    swept.sizes = [256, 16]
    for threads in (2, 1):
        swept.contenders(["torch_tensor"], threads=threads)
    swept.contenders(["torch_optim"], "mlp_bias_adam")
    return RunData(swept.write()).headline


def test_panels_are_by_workload_then_small_to_large(rows: Any) -> None:
    found = panels(rows)
    sizes = [f"batch {size}, {threads}" for size in (16, 256) for threads in ("1 CPU thread", "2 CPU threads")]
    adam = [f"batch {size}, 2 CPU threads" for size in (16, 256)]
    assert [title for title, _ in found] == [
        *(f"mlp_sgd, {each}" for each in sizes),
        *(f"mlp_bias_adam, {each}" for each in adam),
    ]
    assert [list(panel["implementation"]) for _, panel in found][::4] == [
        ["numpy_manual", "torch_tensor"],
        ["numpy_adam", "torch_optim"],
    ]
    assert panels(rows[:0]) == []


def test_words_tell_what_differs_and_what_all_share(rows: Any) -> None:
    assert problem_line(rows) == "d-in 1000, hidden 100, d-out 10, float32"
    assert facts(contenders(rows).iloc[-1], rows) == ["torch-cpu", "mlp_bias_adam", "batch 16", "2 CPU threads"]
    assert facts(rows.iloc[0], rows[:1]) == ["numpy"]
