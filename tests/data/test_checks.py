"""What is looked at before a run's files are believed: a refusal names the file, the line, the column and the value."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from bench.data.files import content_of, opened
from bench.data.repair import repair
from bench.data.run import StoredRun
from bench.data.schema import Method
from bench.data.store import MANIFEST, PROCESSES, SAMPLES, SUMMARY, RunStore
from bench.errors import DataFormatError, brief, quoted

FRAMES = {SAMPLES: "samples", PROCESSES: "processes", SUMMARY: "summary"}


@pytest.fixture
def run(build: ModuleType, tmp_path: Path) -> Path:
    """A run of one case with two processes."""
    made = build.HandMade(tmp_path / "run")
    case = made.plan()
    for number in range(2):
        made.process(case, number, step=[1.0, 2.0], phases={"forward": [0.5]}, loss_error=1e-7)
    summary = made.summary()
    RunStore(made.folder).write_summary(summary)
    return Path(made.folder)


def put(folder: Path, name: str, column: str, *texts: str) -> None:
    """Change the cells of a column from the second row on."""
    lines = [line.split(",") for line in (folder / name).read_text().splitlines()]
    place = lines[0].index(column)
    for line, text in zip(lines[2:], texts, strict=False):
        line[place] = text
    (folder / name).write_text("".join(",".join(line) + "\n" for line in lines))


def refused(folder: Path, name: str) -> str:
    with pytest.raises(DataFormatError) as caught:
        getattr(StoredRun(folder), FRAMES[name])
    message = str(caught.value)
    assert message.startswith(f"{folder / name} is damaged: line 3 ")
    assert "; restore the file or choose another run." in message
    assert message.isprintable()
    assert len(message) < 1000
    return message


@pytest.mark.parametrize(
    ("name", "column", "text", "why"),
    [
        (SAMPLES, "seconds", "inf", "has 'inf' as seconds, which is not finite and at least 0"),
        (SAMPLES, "seconds", "-1e-9", "has '-1e-09' as seconds, which is not finite and at least 0"),
        (SAMPLES, "seconds", "1e400", "has 'inf' as seconds"),
        (SAMPLES, "seconds", "9" * 5000, "has 'inf' as seconds"),
        (SAMPLES, "seconds", "quick", "has 'quick' as seconds, which is no number"),
        (SAMPLES, "iterations", "0", "has '0' as iterations, which is not at least 1"),
        (SAMPLES, "iterations", "9" * 30, f"has '{'9' * 30}' as iterations, which is no whole number"),
        (SAMPLES, "turn", "-1", "has '-1' as turn, which is not at least 0"),
        (SAMPLES, "phase", "", "has '' as phase, which is none of its values"),
        (SAMPLES, "phase", "backwards", "has 'backwards' as phase, which is none of its values"),
        (SAMPLES, "flags", "x" * 2_000_000, "is longer than 1 MiB"),
        (SAMPLES, "flags", f'"{"x" * 200_000}"', "cannot be read (field larger than field limit (131072))"),
        (SAMPLES, "variant", "x" * 200_000, "as variant, which is no whole number"),
        (SAMPLES, "variant", "1e308", "has '1e308' as variant, which is no whole number"),
        (SAMPLES, "method", "x\x1b[2J" * 100, r"has 'x\x1b[2Jx"),
        (PROCESSES, "process", "0", "is about the same as line 2, and only one of them can count"),
        (PROCESSES, "run_id", "another", "is of run 'another', not of '20260102-030405-6'"),
        (PROCESSES, "threads", "0", "has '0' as threads, which is not at least 1"),
        (PROCESSES, "verified", "yes", "has 'yes' as verified, which is no truth value"),
        (PROCESSES, "loss_error", "-1", "has '-1.0' as loss_error, which is not at least 0"),
        (
            PROCESSES,
            "size.batch",
            "1000000000000",
            "has '1000000000000' as size.batch, which is not from 1 to 1000000000",
        ),
        (SUMMARY, "phase", "first_step", ""),
        (SUMMARY, "speedup", "0", "has '0.0' as speedup, which is not positive and finite"),
        (SUMMARY, "low_seconds", "1", "holds an interval that makes no sense: low_seconds '1.0', median_seconds '0.5'"),
        (SUMMARY, "sync_tax_low", "-inf", "has '-inf' as sync_tax_low, which is not finite and at least -1"),
        (SUMMARY, "phase", "step", "is about the same as line 2"),
        (SUMMARY, "run_id", "another", "is of run 'another'"),
    ],
)
def test_a_cell_that_cannot_be_is_named(run: Path, name: str, column: str, text: str, why: str) -> None:
    if why.startswith("is about the same as") and name == SUMMARY:
        put(run, name, "method", "whole")
    put(run, name, column, text)
    if why:
        assert why in refused(run, name)
    else:
        getattr(StoredRun(run), FRAMES[name])


def test_an_end_that_rounding_put_beyond_its_estimate_is_set_upon_it(run: Path) -> None:
    """Whoever draws a bar from one to the other gets no length below zero."""
    below = "0.49999999999999994"
    for column in ("low_seconds", "high_seconds"):
        put(run, SUMMARY, column, below)
    found = StoredRun(run).summary.iloc[1]
    assert (found["low_seconds"], found["median_seconds"], found["high_seconds"]) == (float(below), 0.5, 0.5)


def test_an_error_beyond_all_bounds_is_a_value(run: Path) -> None:
    put(run, PROCESSES, "loss_error", "inf")
    assert StoredRun(run).processes["loss_error"].tolist() == [1e-7, float("inf")]


def test_a_difference_of_two_measurements_may_be_below_zero(build: ModuleType, tmp_path: Path) -> None:
    """By the clock of a device a short phase is the difference of two passes, and noise may be longer than it is."""
    made = build.HandMade(tmp_path / "run")
    made.process(made.plan("torch_nn", "torch-cuda"), step=[1.0], on_device={"update": [-1e-6] * 3, "step": [1.0] * 3})
    rows = made.summary()
    assert min(row.median_seconds for row in rows) < 0
    RunStore(made.folder).write_summary(rows)
    assert StoredRun(made.folder).summary["method"].tolist().count(Method.BATCHED.value) == 1


def test_a_name_of_a_column_of_sizes_that_stands_twice_is_refused(run: Path) -> None:
    path = run / PROCESSES
    path.write_text(path.read_text().replace("size.d_in", "size.batch", 1))
    with pytest.raises(DataFormatError, match=r"processes\.csv is of another version: its columns differ in"):
        _ = StoredRun(run).processes


@pytest.mark.parametrize("name", FRAMES)
def test_line_ends_of_windows_are_read_and_those_of_an_old_mac_refused_on_one_line(run: Path, name: str) -> None:
    content, frame = (run / name).read_bytes(), getattr(StoredRun(run), FRAMES[name])
    (run / name).write_bytes(content.replace(b"\n", b"\r\n"))
    assert getattr(StoredRun(run), FRAMES[name]).equals(frame)
    (run / name).write_bytes(content.replace(b"\n", b"\r"))
    with pytest.raises(DataFormatError, match="its first line does not name the columns") as caught:
        getattr(StoredRun(run), FRAMES[name])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


# Files


@pytest.mark.parametrize("name", [MANIFEST, *FRAMES])
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (os.mkfifo, "It is no regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "It is no regular file"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 1 << 40), "It is larger than"),
    ],
    ids=["fifo", "zero", "circle", "huge"],
)
def test_what_is_no_file_is_never_waited_for(run: Path, name: str, make: Callable[[Path], object], why: str) -> None:
    (run / name).unlink()
    make(run / name)
    with pytest.raises(DataFormatError, match=why):
        getattr(StoredRun(run), FRAMES.get(name, "manifest"))


def test_a_link_to_a_file_is_a_file(run: Path, tmp_path: Path) -> None:
    moved = (run / SAMPLES).rename(tmp_path / "elsewhere.csv")
    (run / SAMPLES).symlink_to(moved)
    assert len(StoredRun(run).samples) == 6
    with opened(run / SAMPLES) as file:
        assert content_of(moved) == file.read()


# The manifest


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('"seed": 0', '"seed": ' + "1" * 5000),
        ('"seed": 0', '"seed": 0, "seed": 1'),
        ('"seed": 0', '"seed": NaN'),
        ('"seed": 0', '"seed": -1'),
        ('"budget_seconds": 60.0', '"budget_seconds": 1e400'),
        ('"backend": "numpy",', ""),
        ('"mode": "resident-warm"', '"mode": "hot"'),
        ('"threads": 2', '"threads": 0'),
        ('"size.batch": 64', '"size.batch": 0.5'),
        ('"numpy": "2.4.6"', '"": "2.4.6"'),
    ],
)
def test_a_manifest_that_cannot_be_is_one_sentence(run: Path, text: str, why: str) -> None:
    path = run / MANIFEST
    assert text in path.read_text()
    path.write_text(path.read_text().replace(text, why, 1))
    with pytest.raises(DataFormatError) as caught:
        _ = StoredRun(run).manifest
    message = str(caught.value)
    assert message.startswith(f"{path} is damaged")
    assert message.endswith("restore the file.")
    assert len(message) < 400


def test_a_case_without_a_column_is_named_with_it(run: Path) -> None:
    told = json.loads((run / MANIFEST).read_text())
    del told["cases"][0]["columns"]["backend"]
    (run / MANIFEST).write_text(json.dumps(told))
    with pytest.raises(DataFormatError, match=r"damaged at cases\.0\.columns \(a case without backend\)"):
        _ = StoredRun(run).manifest


def test_a_case_that_stands_twice_is_refused(run: Path) -> None:
    told = json.loads((run / MANIFEST).read_text())
    told["cases"] *= 2
    (run / MANIFEST).write_text(json.dumps(told))
    with pytest.raises(DataFormatError, match="a case stands twice among its cases"):
        _ = StoredRun(run).manifest


# Mending


def test_nothing_is_mended_before_all_of_it_was_found_in_order(run: Path) -> None:
    with (run / PROCESSES).open("a") as file:
        file.write("3,torn")
    put(run, SAMPLES, "seconds", "inf")
    before = {path: path.read_bytes() for path in run.iterdir()}
    with pytest.raises(DataFormatError, match=r"samples\.csv is damaged: line 3 has 'inf' as seconds"):
        repair(run)
    assert {path: path.read_bytes() for path in run.iterdir()} == before


# Words


def test_foreign_words_are_short_and_on_one_line() -> None:
    assert quoted("a\x1b[2J\nb") == r"'a\x1b[2J b'"
    assert brief("x" * 1000, 5) == "xxxxx…"
    assert brief("é ☃") == "é ☃"
