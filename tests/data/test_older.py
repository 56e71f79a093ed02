"""`schema2/` is a part of a run that was measured and written with version 2 of the files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest

import bench
from bench.analysis.crossover import crossovers
from bench.analysis.scaling import contender_of
from bench.analysis.summarise import summarise
from bench.data.column import columns_of
from bench.data.crossing import CrossoverRow
from bench.data.manifest import Manifest
from bench.data.run import StoredRun
from bench.data.schema import ProcessRow, SampleRow, SummaryRow
from bench.data.store import is_older, read_manifest
from bench.errors import DataFormatError, UsageError
from bench.run.session import resume


@pytest.fixture
def run(root: Path) -> StoredRun:
    return bench.open_run(root / "tests" / "data" / "schema2")


def test_every_file_has_the_present_columns(run: StoredRun) -> None:
    for frame, row in (
        (run.samples, SampleRow),
        (run.processes, ProcessRow),
        (run.summary, SummaryRow),
        (run.crossovers, CrossoverRow),
    ):
        assert list(frame.columns) == [
            column.name for column in columns_of(row, ["size.batch", "size.d_in", "size.hidden", "size.d_out"])
        ]
    assert (len(run.samples), len(run.processes)) == (432, 48)
    assert set(run.processes["size.hidden"]) == {25, 100, 400, 1600}
    assert set(run.processes["devices"]) == {1}
    assert set(run.processes["device_name"]) == {str(run.manifest.machine["cpu"])}
    assert set(run.crossovers["axis"]) == {"size.hidden"}


def test_a_crossover_is_between_contenders_of_the_summary(run: StoredRun) -> None:
    known = {contender_of(row) for row in run.summary.to_dict("records")}
    rows = run.crossovers.to_dict("records")
    assert {contender_of(row, side) for row in rows for side in ("a_", "b_")} <= known


def test_the_manifest_says_what_the_present_one_does(run: StoredRun) -> None:
    manifest: Manifest = run.manifest
    assert manifest.axes == {"size.hidden": [25, 100, 400, 1600]}
    assert manifest.workloads["mlp_sgd"].baseline == "numpy_manual"
    assert manifest.workloads["mlp_sgd"].sizes == ["batch", "d_in", "hidden", "d_out"]
    assert "numpy" in manifest.facts


def test_it_is_summarised_to_the_numbers_that_were_written_then(run: StoredRun) -> None:
    rows = summarise(run.manifest, run.samples, run.processes)
    before = run.summary
    assert [row.case.columns for row in rows] == before[list(rows[0].case.columns)].to_dict("records")
    for name in ("median_seconds", "low_seconds", "high_seconds", "sync_tax", "gflops"):
        found = [getattr(row, name) for row in rows]
        assert found == [None if value != value else pytest.approx(value, rel=1e-12) for value in before[name]], name
    for row, low, high in zip(rows, before["speedup_low"], before["speedup_high"], strict=True):
        # It was the median over rounds then; now it is the mean of logarithms, inside the interval of then.
        assert row.speedup is None or low != low or low <= row.speedup <= high
    found = crossovers(run.manifest, rows, run.samples, run.processes)
    assert [(row.status, row.faster_below, row.sizes) for row in found] == [
        (row["status"], row["faster_below"], row["sizes"]) for row in run.crossovers.to_dict("records")
    ]


def test_samples_stand_beside_their_case(run: StoredRun) -> None:
    assert len(run.joined) == len(run.samples)
    assert {"implementation", "size.hidden", "seconds", "round"} <= set(run.joined.columns)


def test_it_is_not_continued(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "tests" / "data" / "schema2", tmp_path / "run")
    with pytest.raises(UsageError, match="start a new run"):
        resume(tmp_path / "run", None)  # type: ignore[arg-type]


def without_growth(folder: Path) -> None:
    """Take from a run the columns that joined processes.csv later: that of the growth, and what stands behind it."""
    path = folder / "processes.csv"
    lines = [line.split(",") for line in path.read_text().splitlines()]
    place = lines[0].index("growth_bytes")
    path.write_text("".join(",".join(line[:place]) + "\n" for line in lines))


def test_a_run_from_before_a_column_joined_is_read_with_unknowns_and_not_continued(
    build: ModuleType, tmp_path: Path
) -> None:
    made = build.HandMade(tmp_path / "run")
    made.process(made.plan(), step=[1.0], growth_bytes=7.0)
    made.summary()
    assert list(bench.open_run(made.folder).processes["growth_bytes"]) == [7.0]
    without_growth(made.folder)
    processes = bench.open_run(made.folder).processes
    for name in ("growth_bytes", "framework_bytes", "step_peak_bytes", "reserved_bytes"):
        assert processes[name].isna().all()
    assert is_older(made.folder)
    with pytest.raises(UsageError, match="start a new run"):
        resume(made.folder, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", [1, 4, None, "3"])
def test_any_other_version_is_refused_with_the_cure(tmp_path: Path, version: object) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"schema_version": version}))
    with pytest.raises(DataFormatError, match=f"schema version {version}.*reads versions 2 and 3.*that wrote it"):
        read_manifest(tmp_path)
