from __future__ import annotations

import csv
import errno
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from bench.data import store as store_module
from bench.data.column import columns_of
from bench.data.schema import Method, ProcessRow, SampleRow, Status, SummaryRow
from bench.data.store import (
    MANIFEST,
    PROCESSES,
    SAMPLES,
    SUMMARY,
    RunStore,
    read_manifest,
    read_processes,
    read_samples,
    read_summary,
    to_csv,
    write_atomically,
)
from bench.errors import DataFormatError, StorageError


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def full_disk(after: float) -> Callable[[int, bytes], int]:
    """An `os.write` that takes this part of the data, and then has no room left."""
    real = os.write
    calls = []

    def write(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) == 1 and after:
            return real(descriptor, data[: int(len(data) * after)])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return write


# Writing


def test_rows_come_back_as_they_were_written(build: ModuleType, store: RunStore) -> None:
    rows = [
        build.sample_row(turn=0, seconds=1 / 3, variant=0, flags="steal swap", method=Method.STAGED),
        build.sample_row(turn=1, seconds=5e-324, variant=None, flags='A "quoted", name', clock="device"),
    ]
    store.append(rows, build.process_row(process=7, loss_error=math.inf, warmup_settled=False, peak_bytes=2**53 + 1))
    samples, processes = read_samples(store.folder), read_processes(store.folder)
    for written, (_, read) in zip(rows, samples.iloc[-2:].iterrows(), strict=True):
        for column in columns_of(SampleRow):
            value = getattr(written, column.name)
            assert pd.isna(read[column.name]) if value is None else read[column.name] == value, column.name
    last = processes.iloc[-1]
    assert (last["status"], last["process"], last["verified"], last["warmup_settled"]) == ("ok", 7, True, False)
    assert (last["loss_error"], last["peak_bytes"]) == (math.inf, 2**53 + 1)


def test_unknown_values_are_empty_cells_and_read_as_missing(build: ModuleType, tmp_path: Path) -> None:
    text = to_csv(ProcessRow, [build.process_row()])
    header, cells = csv.reader(text.splitlines())
    optional = [column.name for column in columns_of(ProcessRow) if column.optional]
    assert {dict(zip(header, cells, strict=True))[name] for name in optional} == {""}
    (tmp_path / PROCESSES).write_text(text)
    assert read_processes(tmp_path)[optional].isna().all(axis=None)


def test_zero_and_false_are_values(build: ModuleType, tmp_path: Path) -> None:
    row = build.process_row(verified=False, loss_error=0.0, warmup_iterations=0, warmup_settled=False, peak_bytes=0)
    (tmp_path / PROCESSES).write_text(to_csv(ProcessRow, [row]))
    read = read_processes(tmp_path).iloc[0]
    names = ["verified", "loss_error", "warmup_iterations", "warmup_settled", "peak_bytes"]
    assert read[names].notna().all()
    assert not read[names].astype(float).any()


def test_truth_values_are_written_in_lower_case(build: ModuleType) -> None:
    header, cells = csv.reader(to_csv(ProcessRow, [build.process_row(warmup_settled=False)]).splitlines())
    row = dict(zip(header, cells, strict=True))
    assert (row["verified"], row["warmup_settled"]) == ("true", "false")


def test_every_float_comes_back_to_the_last_bit(build: ModuleType, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = [0.1, 1 / 3, 1e-9, 123456789.123456789, *np.exp(rng.uniform(-25, 10, 2000)).tolist()]
    (tmp_path / SAMPLES).write_text(to_csv(SampleRow, [build.sample_row(seconds=value) for value in values]))
    read = read_samples(tmp_path)["seconds"].tolist()
    assert [(value, back) for value, back in zip(values, read, strict=True) if value != back] == []


@pytest.mark.parametrize("text", ["NA", "nan", "null", "None", "", "true", "1.50", 'a,"b"', "é ☃"])
def test_text_stays_text(build: ModuleType, tmp_path: Path, text: str) -> None:
    row = build.process_row(reason=text, status=Status.FAILED)
    (tmp_path / PROCESSES).write_text(to_csv(ProcessRow, [row]), encoding="utf-8")
    assert read_processes(tmp_path)["reason"].tolist() == [text]


@pytest.mark.parametrize("text", ["line\nbreak", "line\r\nbreak", "line\rbreak"])
def test_a_row_is_one_line_whatever_its_text_holds(build: ModuleType, tmp_path: Path, text: str) -> None:
    row = build.process_row(reason=text, status=Status.FAILED)
    (tmp_path / PROCESSES).write_text(to_csv(ProcessRow, [row]), encoding="utf-8")
    assert len((tmp_path / PROCESSES).read_bytes().splitlines()) == 2
    assert read_processes(tmp_path)["reason"].tolist() == ["line break"]


def test_columns_have_types_that_know_missing_values(build: ModuleType, tmp_path: Path) -> None:
    row = build.summary_row()
    (tmp_path / SUMMARY).write_text(to_csv(SummaryRow, [row]))
    kinds = read_summary(tmp_path).dtypes
    assert (kinds["variant"], kinds["verified"], kinds["speedup"]) == ("Int64", "boolean", "float64")


def test_a_new_run_has_headers_and_its_manifest(build: ModuleType, tmp_path: Path) -> None:
    manifest = build.make_manifest(seed=17, cases=[build.planned_case(build.make_case(), "skipped because")])
    RunStore.create(tmp_path / "deep" / "run", manifest)
    assert len(read_samples(tmp_path / "deep" / "run")) == 0
    assert len(read_processes(tmp_path / "deep" / "run")) == 0
    assert read_manifest(tmp_path / "deep" / "run") == manifest


def test_an_empty_folder_may_be_used(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    RunStore.create(tmp_path / "empty", build.make_manifest())
    assert read_manifest(tmp_path / "empty").run_id == build.RUN_ID


def test_a_folder_with_a_run_is_refused_and_left_alone(build: ModuleType, store: RunStore) -> None:
    before = contents(store.folder)
    with pytest.raises(StorageError, match=r"run has a run in it already.*--out"):
        RunStore.create(store.folder, build.make_manifest(seed=9))
    assert contents(store.folder) == before


def test_a_folder_with_something_is_refused(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(StorageError, match=r"has something in it already.*--out"):
        RunStore.create(tmp_path, build.make_manifest())
    assert contents(tmp_path) == {"letter.txt": b"dear"}


@pytest.mark.parametrize("below", ["", "run"])
def test_a_path_that_is_a_file_is_refused(build: ModuleType, tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("dear")
    with pytest.raises(StorageError, match=r"file.*--out"):
        RunStore.create(tmp_path / "file" / below, build.make_manifest())
    assert (tmp_path / "file").read_text() == "dear"


def test_a_folder_that_cannot_be_made_is_named(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mkdir(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(StorageError, match=r"locked cannot be made \(Permission denied\).*--out"):
        RunStore.create(tmp_path / "locked", build.make_manifest())


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("failing", ["samples.csv", "processes.csv", "manifest.json"])
def test_a_new_run_that_cannot_be_begun_leaves_its_folder_as_it_was(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, there: bool
) -> None:
    write, folder = store_module.write_atomically, tmp_path / "run"
    if there:
        folder.mkdir()

    def full(path: Path, content: str) -> None:
        if path.name == failing:
            raise StorageError("no space left")
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "write_atomically", full)
        with pytest.raises(StorageError, match="no space left"):
            RunStore.create(folder, build.make_manifest())
    assert folder.exists() is there
    RunStore.create(folder, build.make_manifest())
    assert read_manifest(folder).run_id == build.RUN_ID


def test_appending_adds_to_both_files(build: ModuleType, store: RunStore) -> None:
    assert read_samples(store.folder)["process"].tolist() == [0, 0, 0, 1, 1, 1]
    assert read_samples(store.folder)["seconds"].tolist() == [0.25, 1.25, 2.25] * 2
    assert read_processes(store.folder)["process"].tolist() == [0, 1]
    store.append([], build.process_row(process=2, status=Status.FAILED, reason="died", verified=False))
    assert len(read_samples(store.folder)) == 6
    assert read_processes(store.folder)["reason"].tolist() == ["", "", "died"]


@pytest.mark.parametrize("after", [0.0, 0.5, 0.99])
def test_a_full_disk_leaves_the_files_as_they_were(
    build: ModuleType, store: RunStore, monkeypatch: pytest.MonkeyPatch, after: float
) -> None:
    before = contents(store.folder)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full_disk(after))
        with pytest.raises(StorageError, match=r"samples\.csv cannot be extended \((?i:no space left on device)\)"):
            store.append([build.sample_row(process=2)] * 5, build.process_row(process=2))
    assert contents(store.folder) == before
    assert read_samples(store.folder)["process"].max() == 1


@pytest.mark.parametrize("after", [0.0, 0.5])
def test_a_disk_that_is_full_at_the_processes_leaves_that_file_as_it_was(
    build: ModuleType, store: RunStore, monkeypatch: pytest.MonkeyPatch, after: float
) -> None:
    before = (store.folder / PROCESSES).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full_disk(after))
        with pytest.raises(StorageError, match=r"processes\.csv cannot be extended"):
            store.append([], build.process_row(process=2))
    assert (store.folder / PROCESSES).read_bytes() == before


def test_a_write_that_does_not_reach_the_disk_is_undone(
    build: ModuleType, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(store.folder)

    def fsync(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageError, match="Input/output error"):
        store.append([build.sample_row(process=2)], build.process_row(process=2))
    assert contents(store.folder) == before


def test_appending_to_a_file_that_has_gone_says_so(build: ModuleType, store: RunStore) -> None:
    (store.folder / PROCESSES).unlink()
    with pytest.raises(StorageError, match=r"processes\.csv cannot be extended"):
        store.append([], build.process_row(process=2))
    assert not (store.folder / PROCESSES).exists()


@pytest.mark.parametrize("content", ["new é", b"\x00\xff"])
def test_a_file_is_replaced_as_a_whole(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "made" / "file"
    write_atomically(path, "a much longer old content")
    write_atomically(path, content)
    assert contents(path.parent) == {"file": content.encode() if isinstance(content, str) else content}


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_failure_keeps_the_old_content_and_leaves_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if function == "fsync" else (Path, "replace")), fail)
    with pytest.raises(StorageError, match=r"file cannot be written \(No space left on device\)"):
        write_atomically(path, "new")
    assert contents(tmp_path) == {"file": b"old"}


def test_an_interruption_leaves_nothing_beside_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "figure.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert contents(tmp_path) == {"figure.png": b"old"}


def test_a_folder_that_is_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "figures").write_text("old")
    with pytest.raises(StorageError, match=r"speedup\.png cannot be written"):
        write_atomically(tmp_path / "figures" / "speedup.png", b"new")
    assert contents(tmp_path) == {"figures": b"old"}


# The manifest


def damaged(folder: Path) -> str:
    with pytest.raises(DataFormatError) as caught:
        read_manifest(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert MANIFEST in message
    assert "\n" not in message
    return message


def test_a_manifest_comes_back_as_it_was(build: ModuleType, store: RunStore) -> None:
    manifest = build.make_manifest(
        machine={"cpu": "é", "cores": None, "load_1min": 0.1, "cpus": 3},
        facts={"numpy": {"blas": "openblas"}},
        disturbances=["swap"],
        git_revision="abc",
        cases=[build.planned_case(build.make_case())],
    )
    store.write_manifest(manifest)
    assert read_manifest(store.folder) == manifest


def test_a_folder_without_a_manifest_is_no_run(tmp_path: Path) -> None:
    assert "is not the folder of a run" in damaged(tmp_path)
    assert "is not the folder of a run" in damaged(tmp_path / "nowhere")


def test_a_manifest_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).mkdir()
    assert "is not the folder of a run" in damaged(tmp_path)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "is not JSON"),
        (b'{"schema_version": 3,\n"run_id": ', "line 2 is not JSON"),
        (b"not json", "is not JSON"),
        (b"[1, 2]", "holds no object"),
        (b'"text"', "holds no object"),
        (b"{}", "schema version None"),
        (b'{"schema_version": 1}', "schema version 1"),
        (b'{"schema_version": "1"}', "schema version"),
        (b'{"schema_version": 3}', "damaged at run_id"),
        (b'{"schema_version": 3, "run_id": "\xff\xfe"}', "is not text"),
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, content: bytes, part: str) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    assert part in damaged(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", "many"),
        ("budget_seconds", None),
        ("command", "bench run"),
        ("machine", []),
        ("cases", [{"columns": {"batch": [1]}}]),
        ("packages", {"numpy": 2}),
        ("unheard_of", 1),
    ],
)
def test_a_damaged_field_of_the_manifest_is_named(store: RunStore, field: str, value: object) -> None:
    path = store.folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    assert f"damaged at {field}" in damaged(store.folder)


@pytest.mark.parametrize("names", [("1e5", "007"), ("1e5", "nan"), ("1", "2")])
def test_names_that_look_like_numbers_stay_names(build: ModuleType, tmp_path: Path, names: tuple[str, ...]) -> None:
    made = build.HandMade(tmp_path / "run")
    for name in names:
        made.process(made.plan(name), step=[1.0])
    _, processes = made.frames()
    assert processes["implementation"].tolist() == list(names)
