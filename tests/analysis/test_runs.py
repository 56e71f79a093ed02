from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.analysis.runs import read_runs
from bench.data.schema import SCHEMA_VERSION
from bench.data.store import MANIFEST, PROCESSES, SAMPLES, SUMMARY
from bench.errors import DataFormatError


@pytest.fixture
def folder(build: ModuleType, tmp_path: Path) -> Path:
    """Two runs."""
    for name in ("one", "two"):
        rows = [build.summary_row(median_seconds=1.0)]
        build.write_summary_run(tmp_path / "runs" / name, rows, run_id=name)
    return tmp_path / "runs"


def change(folder: Path, **values: Any) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_runs_are_read_by_the_names_of_their_folders(folder: Path) -> None:
    (folder / "one" / SAMPLES).write_text("damaged")  # samples are not read
    runs, passed_over = read_runs(folder)
    assert [run.manifest.run_id for run in runs] == ["one", "two"]
    assert [list(run.summary["median_seconds"]) for run in runs] == [[1.0], [1.0]]
    assert [run.files for run in runs] == [
        tuple(folder / name / file for file in (MANIFEST, SUMMARY)) for name in ("one", "two")
    ]
    assert passed_over == []


def test_each_run_that_is_passed_over_has_a_sentence(folder: Path) -> None:
    for name in ("copy", "other", "timeless", "unfinished"):
        shutil.copytree(folder / "one", folder / name)
    change(folder / "other", schema_version=SCHEMA_VERSION + 1)
    change(folder / "timeless", created="soon")
    (folder / "unfinished" / SUMMARY).unlink()
    (folder / "notes").mkdir()
    (folder / ".hidden").mkdir()
    (folder / "README.md").write_text("about")
    runs, passed_over = read_runs(folder)
    assert {run.manifest.run_id for run in runs} == {"one", "two"}
    wanted = {"notes": "not the folder of a run", "other": "schema version", "timeless": "'soon'"}
    for name, words in {**wanted, "unfinished": "--resume"}.items():
        (sentence,) = [each.reason for each in passed_over if each.folder == folder / name]
        assert words in sentence
    # Folders are taken by name: the copy comes before what it is a copy of.
    reasons = [each.reason for each in passed_over]
    assert f"{folder / 'one'} is a copy of run one, which is there already." in reasons
    assert len(passed_over) == 5


@pytest.mark.parametrize("told", [True, False])
def test_processes_are_read_only_where_nothing_else_tells_the_gpu(
    build: ModuleType, tmp_path: Path, told: bool
) -> None:
    made = build.HandMade(tmp_path / "runs" / "run")
    case = made.plan("torch_nn", "torch-cuda")
    made.process(case, step=[1.0], device_name="Imaginary GPU")
    made.write(facts={"torch-cuda": {"gpu_name": "Told GPU"}} if told else {})
    (made.folder / SUMMARY).write_text("")
    build.RunStore(made.folder).write_summary([build.summary_row(case, median_seconds=1.0)])
    (run,), _ = read_runs(tmp_path / "runs")
    assert run.gpus == {"torch-cuda": "Told GPU" if told else "Imaginary GPU"}
    assert (made.folder / PROCESSES in run.files) is not told


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFormatError, match="absent cannot be read"):
        read_runs(tmp_path / "absent")
