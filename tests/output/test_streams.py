"""Standard output and error that fail, are closed or lack signs, and the exit status of the command that had them."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO
from unittest import mock

import pytest

from bench.cli import OUTPUT_LOST, cli, main
from bench.output.document import numbers, table
from bench.output.render.terminal import show
from bench.output.streams import Outlet, shortened
from bench.output.text import spoken

ROOT = Path(__file__).resolve().parents[2]
RUNS = str(ROOT / "tests" / "data")
SAMPLE = f"{RUNS}/sample"


def without_reader() -> TextIO:
    read, write = os.pipe()
    os.close(read)
    return os.fdopen(write, "w", encoding="utf-8")


def full_disk() -> TextIO:
    return Path("/dev/full").open("w", encoding="utf-8")


def closed() -> None:
    return None


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    with mock.patch("signal.signal"):  # it takes signals over: not in a process that goes on
        yield


def status(*arguments: str, out: object, err: object) -> int:
    """The exit status of a command whose standard streams are these."""
    with mock.patch.multiple(sys, stdout=out, stderr=err), pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


COMMANDS = {
    "list": ["list"],
    "compare": ["compare", SAMPLE, SAMPLE, "-i", "numpy_manual"],
    "history": ["history", RUNS, "--machine", "all"],
    "export": ["export", SAMPLE, "--to", "pyperf"],
    "help": ["run", "--help"],
    "columns": ["run", "--columns", "help"],
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_a_reader_that_hangs_up_or_a_full_disk_is_no_verdict(arguments: list[str]) -> None:
    pipe, aside = without_reader(), io.StringIO()
    assert status(*arguments, out=pipe, err=aside) == OUTPUT_LOST
    assert "Error" not in aside.getvalue()
    pipe.close()  # nothing is left in it that fails only now, when Python ends
    assert status(*arguments, out=full_disk(), err=aside) == OUTPUT_LOST
    assert aside.getvalue().splitlines()[-1].startswith("Error: standard output cannot be written (No space left")


@pytest.mark.parametrize("aside", [without_reader, full_disk, closed])
def test_a_standard_error_that_fails_changes_neither_the_output_nor_the_status(aside: object) -> None:
    assert callable(aside)
    told = [io.StringIO(), io.StringIO()]
    arguments = ["history", RUNS, "--machine", "all", "--json"]
    assert status(*arguments, out=told[0], err=aside()) == status(*arguments, out=told[1], err=io.StringIO()) == 0
    assert told[0].getvalue() == told[1].getvalue() != ""
    assert status("list", "--frog", out=io.StringIO(), err=aside()) == 2


def test_a_closed_standard_output_is_nobody_who_listens() -> None:
    assert status("list", out=None, err=io.StringIO()) == 0
    assert status("compare", SAMPLE, SAMPLE, "-i", "torch_tensor", out=None, err=io.StringIO()) == 3


def test_closed_descriptors_of_a_real_process_and_a_real_pipe() -> None:
    command = f'"{sys.executable}" -m bench'
    script = f"{command} list --json >&- 2>&-; a=$?; {command} list 2>&1 | (exec 0<&-); echo $a ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert (done.stdout.split(), done.stderr) == (["0", str(OUTPUT_LOST)], "")


@pytest.mark.parametrize(
    ("encoding", "text", "shown"),
    [
        ("ascii", "12 µs ±3 %, 1.2 … 1.3 → é 速", "12 us +-3 %, 1.2 ... 1.3 -> e \\u901f"),
        ("latin-1", "12 µs ±3 %, 1.2 … 1.3 → é", "12 µs ±3 %, 1.2 ... 1.3 -> é"),
        ("utf-8", "12 µs \udce9", "12 µs \\udce9"),
    ],
)
def test_signs_that_an_encoding_lacks_are_readable(encoding: str, text: str, shown: str) -> None:
    inner = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    outlet = Outlet(inner)
    outlet.write(text)
    outlet.flush()
    assert inner.buffer.getvalue().decode(encoding) == shown  # type: ignore[attr-defined]


def test_every_sign_of_ours_has_a_readable_form_in_ascii() -> None:
    files = [path for path in (ROOT / "bench").rglob("*") if path.suffix in (".py", ".md", ".txt")]
    signs = set(re.findall(r"[^\x00-\x7f]", "".join(path.read_text(encoding="utf-8") for path in files)))
    assert {"±", "µ", "…"} <= signs
    own = (ROOT / "bench" / "output" / "render" / "latex.py").read_text(encoding="utf-8")  # it lists letters of names
    assert [sign for sign in signs - set(own) | set("±µ…→") if "\\" in spoken(sign, "ascii")] == []


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_tables_stay_aligned_where_signs_become_longer(encoding: str) -> None:
    inner = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    with mock.patch.object(sys, "stdout", Outlet(inner)):
        show([table("t", (), [*numbers("bounds"), "who"], [["1 … 2", "x"], ["-", "x"], ["±12 µs", "x"]])])
    text = inner.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert len({line.index("x") for line in text.splitlines()[1:]}) == 1
    assert "1 ... 2  x" in text


def test_what_somebody_else_wrote_is_not_obeyed_by_a_terminal(tmp_path: Path) -> None:
    for arguments in (
        ["list", "--\x1b]0;owned\x07"],
        ["list", "\x1b[2J"],
        ["list", "--load", f"{tmp_path}/\x1b[31m\u202e\r\nred.py"],
        ["history", f"{tmp_path}/\x1b[31m"],
    ):
        aside = io.StringIO()
        assert status(*arguments, out=io.StringIO(), err=aside) == 2
        assert not set("\x1b\x07\r\u202e") & set(aside.getvalue())
        assert aside.getvalue().splitlines()[-1].startswith("Error: ")


def test_an_error_is_one_line_even_where_it_lists_choices() -> None:
    aside = io.StringIO()
    assert status("export", SAMPLE, out=io.StringIO(), err=aside) == 2
    last = aside.getvalue().splitlines()[-1]
    assert last.startswith("Error: Missing option '--to'. Choose from: bencher, github-action-benchmark, pyperf")


def test_an_endless_word_of_a_message_is_cut_in_its_middle() -> None:
    assert shortened(f"{'9' * 400} is too long") == f"{'9' * 100}…{'9' * 30} is too long"
    assert shortened("a" * 150) == "a" * 150
    aside = io.StringIO()
    assert status("list", f"--{'x' * 5000}", out=io.StringIO(), err=aside) == 2
    assert len(aside.getvalue()) < 400


def test_only_one_place_writes_to_the_standard_streams() -> None:
    """Everything else goes through it, is drawn by the terminal's renderer or as progress, or is a task's log."""
    writes = re.compile(r"\bclick\.echo\(|\bConsole\(|\bsys\.std(?:out|err)\.write\(|\bclick\.secho\(")
    found = {
        path.relative_to(ROOT / "bench").as_posix()
        for path in (ROOT / "bench").rglob("*.py")
        if writes.search(path.read_text(encoding="utf-8"))
    }
    drawn = {"output/render/terminal.py", "output/progress.py"}
    assert found == {"output/streams.py", *drawn, "pytest_plugin.py", "run/task.py"}


def test_the_help_knows_the_status_of_a_lost_output() -> None:
    assert f"{OUTPUT_LOST} standard output" in (cli.help or "")
