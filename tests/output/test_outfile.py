"""Files that somebody names: what is written into, what is replaced, what is followed, and what is never touched."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from bench.data import store
from bench.data.pairs import PAIRS
from bench.errors import ReaderGoneError, StorageError
from bench.output.outfile import DATA, refusal, write_output
from bench.run.bisect import SEARCH
from bench.run.contest import VERDICTS

ROOT = Path(__file__).resolve().parents[2]


def test_a_file_is_replaced_as_a_whole_and_its_folder_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.html"
    write_output(path, "old ±")
    number = path.stat().st_ino
    write_output(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_ino != number
    assert list(path.parent.iterdir()) == [path]


def test_a_pipe_gets_what_is_written_and_stays_one(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()), daemon=True)
    reader.start()
    write_output(pipe, "text")
    reader.join(20)
    assert got == ["text"]
    assert pipe.is_fifo()


def test_a_device_stays_one() -> None:
    with mock.patch("bench.data.store.write_atomically", side_effect=AssertionError):  # it would take a real one away
        write_output(Path(os.devnull), "text")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)  # noqa: PTH116
    with pytest.raises(StorageError, match=r"/dev/full cannot be written \(No space left on device\): free space"):
        write_output(Path("/dev/full"), "text")


@pytest.mark.parametrize("folder", ["/dev/fd", "/proc/self/fd"])
def test_an_open_file_is_written_on_where_it_stands(tmp_path: Path, folder: str) -> None:
    """As `/dev/stdout` and a shell's `>(...)` are: what was written before stays."""
    path = tmp_path / "out"
    with path.open("w") as file:
        file.write("before, ")
        file.flush()
        write_output(Path(folder) / str(file.fileno()), "written")
        file.write(", after")
    assert path.read_text() == "before, written, after"


def test_a_reader_of_a_pipe_that_has_gone_is_no_fault_of_the_file(
    here: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    read, write = os.pipe()
    os.close(read)
    run = ROOT / "tests" / "data" / "sample"
    with pytest.raises(ReaderGoneError, match="cannot be written, since who read from it has gone"):
        write_output(Path(f"/dev/fd/{write}"), "text")
    assert here("export", run, "--to", "bencher", "--output", f"/dev/fd/{write}").returncode == 141
    done = here("compare", run, run, "-i", "numpy_manual", "--junit", f"/dev/fd/{write}")
    assert done.returncode == 0  # the verdict stands
    assert "who read from it has gone" in done.stderr
    os.close(write)


@pytest.mark.parametrize("there", [True, False])
def test_a_symbolic_link_stays_and_what_it_leads_to_is_written(tmp_path: Path, there: bool) -> None:
    target, link = tmp_path / "site" / "page.html", tmp_path / "report.html"
    target.parent.mkdir()
    if there:
        target.write_text("old")
    link.symlink_to("site/page.html")
    write_output(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_the_data_of_runs_are_never_written_over(tmp_path: Path) -> None:
    names = {store.SAMPLES, store.PROCESSES, store.SUMMARY, store.MANIFEST, store.CROSSOVERS, PAIRS}
    assert {*names, VERDICTS, SEARCH} == DATA
    (tmp_path / "summary.csv").write_text("data")
    (tmp_path / "link.xml").symlink_to("summary.csv")
    for name in (*DATA, "link.xml"):
        with pytest.raises(StorageError, match=f"{name} is one of the data files of a run"):
            write_output(tmp_path / name, "text")
    assert (tmp_path / "summary.csv").read_text() == "data"
    write_output(tmp_path / "elsewhere" / "summary.csv", "no run is here")


def test_what_cannot_be_written_is_known_before(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("")
    for text, why in (
        ("", "names nothing"),
        (".", "is a folder"),
        ("/", "is a folder"),
        ("new/", "is a folder"),
        ("loop", "leads back to itself"),
        ("loop/x", "leads back to itself"),
        ("file/x", "file is no folder"),
        ("x" * 300, "cannot be looked at (File name too long): shorten its name"),
        ("a\0b", "holds a sign that no name may"),
    ):
        where = text and (text if text in (".", "/") else f"{tmp_path}/{text}")
        assert why in refusal(where)
    assert refusal(f"{tmp_path}/caf\udce9.html") == ""
    write_output(tmp_path / "caf\udce9.html", "a name need not be UTF-8")


def test_what_nobody_may_write_is_known_before(tmp_path: Path) -> None:
    """A file is replaced, which its folder must let one do; a pipe is written into, which it must allow itself."""
    file, pipe = tmp_path / "file", tmp_path / "pipe"
    file.write_text("old")
    os.mkfifo(pipe)
    with mock.patch("os.access", lambda path, mode: Path(path) not in (tmp_path, pipe)):
        for path in (file, tmp_path / "new", tmp_path / "a" / "new"):
            assert refusal(str(path)) == f"cannot be made in {tmp_path}: change its permissions"
        assert refusal(str(pipe)) == "lets nobody write into it: change its permissions"
        with file.open("a") as open_file:
            assert refusal(f"/dev/fd/{open_file.fileno()}") == ""


def test_the_data_of_a_run_cannot_be_named_as_an_output_of_any_command(
    here: Callable[..., subprocess.CompletedProcess[str]], error: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "manifest.json").write_text("data")
    run, path = ROOT / "tests" / "data" / "sample", tmp_path / "manifest.json"
    for arguments in (
        ["report", run, "--to", "markdown", "--output"],
        ["export", run, "--to", "bencher", "--out"],
        ["compare", run, run, "--junit"],
        ["ab", "main", "--junit"],
        ["gate", "--base", "main", "--junit"],
        ["history", run, "--figure"],
    ):
        message = error(here(*arguments, path))
        assert f"Invalid value for '{arguments[-1]}'" in message or "'--output' / '--out'" in message
        assert "is one of the data files of a run, which nothing else is written over: name another file." in message
        assert "names nothing" in error(here(*arguments, ""))
    assert path.read_text() == "data"


def test_a_link_of_a_report_in_its_run_is_followed(
    here: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    page = tmp_path / "page.json"
    (tmp_path / "link.json").symlink_to(page)
    done = here("export", ROOT / "tests" / "data" / "sample", "--to", "bencher", "--output", tmp_path / "link.json")
    assert done.returncode == 0
    assert (tmp_path / "link.json").is_symlink()
    assert page.stat().st_size


def test_files_that_are_named_are_opened_in_one_place() -> None:
    """Beside it replace files only `bench.data` and `bench.run`, which keep runs, and a site, which keeps its pages."""
    found = {
        path.relative_to(ROOT / "bench").as_posix()
        for path in (ROOT / "bench").rglob("*.py")
        if "write_atomically(" in path.read_text(encoding="utf-8")
    }
    assert {each for each in found if not each.startswith(("data/", "run/"))} == {
        "output/outfile.py",
        "output/site/folder.py",
    }


def test_standard_output_of_a_real_process_by_its_path(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "export", "tests/data/sample", "--to", "bencher", "--output"]
    shell = '{ echo first; "$@" /dev/stdout; } > "$OUT"; "$@" >(cat >> "$OUT.2")'
    environment = os.environ | {"OUT": str(tmp_path / "o")}
    done = subprocess.run(
        ["bash", "-c", shell, "-", *command], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout == ""
    text = (tmp_path / "o").read_text()
    assert text.startswith("first\n{")
    assert (tmp_path / "o.2").read_text() == text.removeprefix("first\n")
