"""Files that are read back: what is complete, and what is refused in one line."""

from __future__ import annotations

import csv
import os
import pickle
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.data.schema import SCHEMA_VERSION
from bench.data.store import (
    PROCESSES,
    SAMPLES,
    SUMMARY,
    RunStore,
    read_processes,
    read_samples,
    read_summary,
)
from bench.errors import DataFormatError

READERS = {SAMPLES: read_samples, PROCESSES: read_processes, SUMMARY: read_summary}


@pytest.fixture
def complete(build: ModuleType, store: RunStore) -> Path:
    """A folder with all files of a run, three rows each at least."""
    store.append([], build.process_row(process=2))
    store.write_summary([build.summary_row(variant=index, median_seconds=1.0) for index in range(3)])
    return store.folder


files = pytest.mark.parametrize("name", READERS)


def fails(folder: Path, name: str) -> str:
    """The message with which reading the file is refused; it is one line and names the file."""
    with pytest.raises(DataFormatError) as caught:
        READERS[name](folder)
    message = str(caught.value)
    assert str(folder / name) in message
    assert "\n" not in message
    return message


@files
def test_a_complete_file_reads(complete: Path, name: str) -> None:
    assert len(READERS[name](complete)) >= 3


@files
def test_a_missing_file_is_named(complete: Path, name: str) -> None:
    (complete / name).unlink()
    assert "cannot be read" in fails(complete, name)


@files
def test_a_folder_in_its_place_is_named(complete: Path, name: str) -> None:
    (complete / name).unlink()
    (complete / name).mkdir()
    assert "cannot be read" in fails(complete, name)


@files
@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"Dear reader,\n", b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe\n" * 9, "implémentation\n".encode("latin-1")],
    ids=["empty", "blank", "letter", "image", "latin"],
)
def test_something_else_is_refused(complete: Path, name: str, content: bytes) -> None:
    (complete / name).write_bytes(content)
    assert f"is not a {name} of stepbench" in fails(complete, name)


@files
def test_bytes_that_are_no_text_are_refused(complete: Path, name: str) -> None:
    content = (complete / name).read_bytes()
    (complete / name).write_bytes(content.replace(b"whole" if name == SAMPLES else b"numpy_manual", b"\xff\xfe"))
    assert "damaged" in fails(complete, name)


@files
def test_columns_of_another_version_are_told_apart_by_name(complete: Path, name: str) -> None:
    path = complete / name
    path.write_text(path.read_text().replace("phase" if name == SAMPLES else "dtype", "flavour,dtype", 1))
    message = fails(complete, name)
    assert "of another version" in message
    assert "flavour" in message


@files
def test_columns_in_another_order_are_refused(complete: Path, name: str) -> None:
    path = complete / name
    first, second, third, rest = path.read_text().split(",", 3)
    path.write_text(",".join([first, third, second, rest]))
    assert "their order" in fails(complete, name)


@pytest.mark.parametrize("name", [PROCESSES, SUMMARY])
def test_rows_of_another_version_are_refused(complete: Path, name: str) -> None:
    path = complete / name
    lines = path.read_text().splitlines()
    lines[2] = "999" + lines[2][1:]
    path.write_text("\n".join(lines) + "\n")
    message = fails(complete, name)
    assert "schema version 999" in message
    assert f"versions 2 and {SCHEMA_VERSION}" in message


@files
@pytest.mark.parametrize("cut", [1, 2, 20, 60])
def test_a_file_that_breaks_off_is_refused(complete: Path, name: str, cut: int) -> None:
    path = complete / name
    path.write_bytes(path.read_bytes()[:-cut])
    assert "cut off" in fails(complete, name)


@files
@pytest.mark.parametrize("line", [1, -1])
@pytest.mark.parametrize("fields", [1, 8, 20])
def test_a_line_with_too_few_fields_is_refused(complete: Path, name: str, line: int, fields: int) -> None:
    path = complete / name
    lines = path.read_text().splitlines()
    lines[line] = ",".join(lines[line].split(",")[:-fields])
    path.write_text("\n".join(lines) + "\n")
    assert "damaged" in fails(complete, name)


@files
@pytest.mark.parametrize("line", [1, 2, -1])
@pytest.mark.parametrize("extra", [",", ",1", ",x,y"])
def test_a_line_with_too_many_fields_is_refused(complete: Path, name: str, line: int, extra: str) -> None:
    path = complete / name
    lines = path.read_text().splitlines()
    lines[line] += extra
    path.write_text("\n".join(lines) + "\n")
    assert "damaged" in fails(complete, name)


@files
@pytest.mark.parametrize("extra", [",", ",1"])
def test_a_field_too_many_in_every_line_is_refused(complete: Path, name: str, extra: str) -> None:
    path = complete / name
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *(line + extra for line in lines)]) + "\n")
    assert "damaged" in fails(complete, name)


@pytest.mark.parametrize(
    ("name", "column", "texts"),
    [
        (SAMPLES, "turn", ("many", "1.5", "")),
        (SUMMARY, "schema_version", ("many", "1.5", "")),
        (PROCESSES, "size.batch", ("many", "1.5", "0", "-1")),
        (SUMMARY, "size.batch", ("many", "1.5", "0", "-1")),
    ],
)
def test_what_is_no_whole_number_where_one_belongs_is_refused(
    complete: Path, name: str, column: str, texts: tuple[str, ...]
) -> None:
    for text in texts:
        _put(complete / name, column, text)
        assert "damaged" in fails(complete, name), text


def test_a_size_that_a_workload_does_not_have_is_an_empty_cell_and_zero_in_the_frame(complete: Path) -> None:
    _put(complete / SUMMARY, "size.batch", "")
    assert 0 in set(read_summary(complete)["size.batch"])


@pytest.mark.parametrize("text", ["quick", "", "1,5", "1.2.3", "nan"])
def test_a_text_where_a_time_belongs_is_refused(complete: Path, text: str) -> None:
    _put(complete / SAMPLES, "seconds", text)
    assert "damaged" in fails(complete, SAMPLES)


@pytest.mark.parametrize("text", ["perhaps", "", "2"])
def test_a_text_where_a_truth_belongs_is_refused(complete: Path, text: str) -> None:
    _put(complete / PROCESSES, "verified", text)
    assert "damaged" in fails(complete, PROCESSES)


def _put(path: Path, column: str, text: str) -> None:
    """Change one cell of the second row."""
    rows = list(csv.reader(path.read_text().splitlines()))
    rows[2][rows[0].index(column)] = text
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


@files
def test_a_pickle_executes_nothing(complete: Path, name: str) -> None:
    marker = complete / "executed"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(marker),)

    (complete / name).write_bytes(pickle.dumps(Evil()) + b"\n")
    fails(complete, name)
    assert not marker.exists()


def test_the_pickle_of_the_test_above_would_do_something(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "executed"),)

    pickle.loads(pickle.dumps(Evil()))  # noqa: S301 - that is the point
    assert (tmp_path / "executed").is_dir()


def test_a_whole_number_beyond_all_bounds_is_refused(complete: Path) -> None:
    _put(complete / SAMPLES, "iterations", "9" * 30)
    assert "damaged" in fails(complete, SAMPLES)
