from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from bench.data.schema import CASE_KEY, Status
from bench.data.store import SAMPLES
from bench.errors import DataFormatError
from bench.output.figures import RunData
from bench.output.figures._style import headline

MACHINE = {"cpu": "Another Processor", "cpus_usable": 4, "memory_bytes": 2**33, "system": "Linux"}


def test_whole_steps_are_those_of_the_summary_in_the_order_of_measuring(sampled: Any) -> None:
    sampled.add("numpy_manual", "numpy")
    sampled.add("torch_tensor", processes=5, samples=7, flags={(1, 3): "preempted"})
    folder = sampled.write()
    head, *lines = (folder / SAMPLES).read_text().splitlines()
    (folder / SAMPLES).write_text("\n".join([head, *reversed(lines)]) + "\n")
    data = RunData(folder)
    steps, rows = data.steps, headline(data.summary)
    assert steps["case"].value_counts().to_dict() == rows["samples"].to_dict()
    for label, row in rows.iterrows():
        own = steps[steps["case"] == label]
        assert own["process"].nunique() == row["processes"]
        assert own.groupby("process")["seconds"].median().median() == pytest.approx(row["median_seconds"], rel=1e-12)
        assert int((own["flags"] != "").sum()) == row["flagged"]
        order = own[["round", "process", "sample"]].to_numpy().tolist()
        assert order == sorted(order)
        assert order[0] != order[-1]
    assert steps["counts"].all()
    assert set(data.samples["phase"]) > {"step"}  # which the whole steps are chosen from


def test_throttled_rounds_do_not_count(sampled: Any) -> None:
    sampled.add("torch_tensor", row=lambda number: {"throttled": "heat" if number == 2 else ""})
    steps = RunData(sampled.write()).steps
    assert set(steps[~steps["counts"]]["round"]) == {2}
    assert steps["counts"].sum() == 70


def test_cases_without_a_headline_row_have_no_steps(sampled: Any) -> None:
    sampled.add("numpy_manual", "numpy")
    sampled.add("torch_nn", row=lambda number: {"status": Status.FAILED, "reason": "died"} if number == 3 else {})
    data = RunData(sampled.write())
    assert list(data.steps["case"].unique()) == list(headline(data.summary).index)
    assert len(headline(data.summary)) == 1


def test_a_run_without_samples_has_no_steps(measured: Any) -> None:
    measured.contenders(["torch_tensor"])
    assert len(RunData(measured.write()).steps) == 0


def test_damaged_samples_are_named(sampled: Any) -> None:
    sampled.add("numpy_manual", "numpy")
    folder = sampled.write()
    (folder / SAMPLES).write_text("nothing\n")
    with pytest.raises(DataFormatError, match=r"samples\.csv"):
        _ = RunData(folder).steps


def test_neighbours_are_the_runs_of_the_same_machine_in_their_order(new_sampled: Any, tmp_path: Path) -> None:
    for name, day, more in (("z", 1, {}), ("a", 3, {}), ("m", 2, {}), ("other", 2, {"machine": MACHINE})):
        made = new_sampled(tmp_path / name)
        made.manifest = {"run_id": name, "created": f"2026-01-0{day}T00:00:00+00:00", **more}
        made.add("numpy_manual", "numpy", processes=1)
        made.write()
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    (tmp_path / "notes").mkdir()
    data = RunData(tmp_path / "m")
    assert {run.manifest.run_id for run in data.siblings} == {"z", "a", "m", "other"}
    assert [run.manifest.run_id for run in data.neighbours] == ["z", "m", "a"]


def test_histories_hold_this_runs_cases_only(new_sampled: Any, tmp_path: Path) -> None:
    cases = {"older": ["numpy_manual", "torch_nn"], "this": ["numpy_manual", "torch_tensor"]}
    for day, (name, names) in enumerate(cases.items(), start=1):
        made = new_sampled(tmp_path / name)
        made.manifest = {"run_id": name, "created": f"2026-01-0{day}T00:00:00+00:00"}
        for implementation in names:
            made.add(implementation, "numpy" if implementation == "numpy_manual" else "torch-cpu", processes=1)
        made.write()
    data = RunData(tmp_path / "this")
    (history,) = data.histories
    assert [len(series.measured) for series in history.series] == [2, 1]
    assert [series.columns["implementation"] for series in history.series] == cases["this"]
    assert set(history.series[0].columns) == set(CASE_KEY)
    assert [run.run_id for run in history.runs] == ["older", "this"]


def test_histories_leave_out_what_another_gpu_measured(new_sampled: Any, tmp_path: Path) -> None:
    for day, gpu in enumerate(("Old GPU", "New GPU", "New GPU"), start=1):
        made = new_sampled(tmp_path / str(day))
        created = f"2026-01-0{day}T00:00:00+00:00"
        made.manifest = {"run_id": str(day), "created": created, "modes": {"torch-cuda": {"gpu_name": gpu}}}
        made.add("torch_nn", "torch-cuda", processes=1)
        made.write()
    (history,) = RunData(tmp_path / "3").histories
    (series,) = history.series
    assert (series.gpu, [point.run_id for point in series.measured]) == ("New GPU", ["2", "3"])
