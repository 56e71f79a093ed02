"""The flow of a proof: tiny commands in the place of benchmarks, and everything that may become of one."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.run import gpu_proof
from bench.run.gpu_proof import GpuProof, Judged, ProofLine, ProofPart, Proving, Ran, compress, end_group


def judge(ran: Ran) -> list[ProofLine]:
    """Pass what a command has printed, unless it ended in trouble."""
    return [ProofLine("prints", Judged.FAIL if ran.trouble else Judged.PASS, ran.trouble or ran.output.strip())]


def part(code: str, name: str = "part", judge: Callable[[Ran], Sequence[ProofLine]] = judge, **more: Any) -> ProofPart:
    return ProofPart(name, more.pop("lines", ("prints",)), ("-c", code, "{folder}"), judge, **more)


def proved(out: Path, *parts: ProofPart, budget: float = 60.0, **more: Any) -> tuple[GpuProof, list[str]]:
    told: list[str] = []
    return Proving(out, budget, told.append, **more).prove(parts), told


def answers(found: GpuProof) -> list[tuple[str, str]]:
    return [(line.answer.value, line.figure) for line in found.lines]


GOOD = "import pathlib, sys; pathlib.Path(sys.argv[1]).mkdir(); print('well')"


def test_a_part_gets_its_folder_and_what_it_prints_is_judged_and_kept(tmp_path: Path) -> None:
    found, told = proved(tmp_path, part(GOOD))
    assert answers(found)[0] == ("PASS", "well")
    assert found.lines[-1] == ProofLine("folder", Judged.PASS, "0.0 MB of at most 16 MB")
    assert (tmp_path / "part").is_dir()
    assert (tmp_path / "logs" / "part.out.txt").read_text() == "well\n"
    assert told == ["[1/1] part: up to 60 s", "PASS prints: well", "PASS folder: 0.0 MB of at most 16 MB"]
    assert (found.exit_code, found.interrupted) == (0, False)


def test_one_that_fails_crashes_or_cannot_be_judged_loses_its_own_lines_only(tmp_path: Path) -> None:
    def raising(ran: Ran) -> list[ProofLine]:
        raise KeyError("status")

    found, _ = proved(
        tmp_path,
        part("import sys; print('Error: no card.', file=sys.stderr); sys.exit(5)", "a"),
        part("import os; os.kill(os.getpid(), 11)", "b"),
        part("print(1)", "c", raising, lines=("one", "two")),
        part("print(1)", "d", lambda ran: []),
        part(GOOD, "e"),
    )
    assert answers(found)[:-1] == [
        ("FAIL", "exit status 5: Error: no card."),
        ("FAIL", "exit status -11: it said nothing"),
        ("FAIL", "its result cannot be read (KeyError: 'status')"),
        ("FAIL", "its result cannot be read (KeyError: 'status')"),
        ("FAIL", "its result says nothing of it"),
        ("PASS", "well"),
    ]
    assert [line.name for line in found.lines] == ["prints", "prints", "one", "two", "prints", "prints", "folder"]
    assert found.exit_code == 4


def test_one_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_proof, "end_group", lambda started: end_group(started, 0.05))
    marker = tmp_path / "child"
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    hanging = (
        f"import pathlib, subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {deaf!r}]);"
        f"pathlib.Path({str(marker)!r}).write_text(str(child.pid)); {deaf}"
    )
    found, _ = proved(tmp_path, part(hanging, seconds=0.5), part(GOOD, "next"))
    assert [answer for answer, _ in answers(found)] == ["FAIL", "PASS", "PASS"]
    assert found.lines[0].figure.startswith("its time was over after ")
    status = Path(f"/proc/{marker.read_text()}/stat")
    assert not status.exists() or status.read_text().split()[2] == "Z"


def test_a_part_that_the_budget_has_no_room_for_is_not_begun_and_a_later_shorter_one_is(tmp_path: Path) -> None:
    times = iter([0.0, 0.0, 0.0, 50.0, 50.0, 50.0, 50.0, 51.0, 52.0])
    found, told = proved(
        tmp_path,
        part(GOOD, "a"),
        part(GOOD, "b", least_seconds=30),
        part(GOOD, "c", least_seconds=5),
        now=lambda: next(times),
    )
    assert answers(found)[:3] == [
        ("PASS", "well"),
        ("SKIP", "not run: 10 s of the budget were left, and it takes 30 s"),
        ("PASS", "well"),
    ]
    assert "[3/3] c: up to 10 s" in told
    assert found.exit_code == 3


def test_nothing_that_could_run_is_its_own_status(tmp_path: Path) -> None:
    found, _ = proved(tmp_path, part(GOOD), budget=1.0)
    assert answers(found)[0][0] == "SKIP"
    assert found.exit_code == 5


def test_an_interrupt_ends_the_part_and_leaves_out_the_rest(tmp_path: Path) -> None:
    """A process of its own, as a terminal would interrupt it: what it found before is kept."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\nfrom pathlib import Path\nsys.path.insert(0, sys.argv[1])\n"
        "from bench.run.gpu_proof import *\n"
        "judge = lambda ran: [ProofLine('prints', Judged.PASS, ran.output.strip())]\n"
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def part(name, code): return ProofPart(name, ('prints',), ('-c', code), judge)\n"
        "parts = [part('a', 'print(1)'), part('b', 'import time; time.sleep(60)'), part('c', 'print(3)')]\n"
        "found = Proving(Path(sys.argv[2]), 60.0, lambda line: print(line, flush=True)).prove(parts)\n"
        "print(found.exit_code)\n",
        encoding="utf-8",
    )
    root = Path(gpu_proof.__file__).resolve().parents[2]
    command = [sys.executable, str(program), str(root), str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        lines = [running.stdout.readline() for _ in range(3)]
        assert lines[-1].startswith("[2/3] b")
        while not (tmp_path / "out" / "logs" / "b.out.txt").exists():
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(running.pid, signal.SIGINT)
        rest = running.stdout.read().splitlines()
    assert rest[0] == "SKIP prints: interrupted while it was running"
    assert rest[1] == "SKIP prints: not run: interrupted before it began"
    assert rest[-1] == "130"


def test_samples_are_compressed_until_the_folder_is_small_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_proof, "FOLDER_BYTES", 20_000)
    for name, size in (("small", 5_000), ("large", 30_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "samples.csv").write_text("1,2\n" * (size // 4))
    found, _ = proved(tmp_path)
    assert not (tmp_path / "large" / "samples.csv").exists()
    assert gzip.decompress((tmp_path / "large" / "samples.csv.gz").read_bytes()) == b"1,2\n" * 7_500
    assert (tmp_path / "small" / "samples.csv").exists()
    (line,) = found.lines
    assert line.answer is Judged.PASS
    assert line.figure.endswith("1 samples.csv compressed: `gunzip` them to read their runs")


def test_a_folder_that_stays_too_large_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_proof, "FOLDER_BYTES", 1_000)
    (tmp_path / "picture.png").write_bytes(b"0" * 5_000)
    found, _ = proved(tmp_path)
    assert found.lines[-1].answer is Judged.FAIL
    assert found.exit_code == 4


def test_the_same_content_compresses_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day, name in enumerate("ab"):
        monkeypatch.setattr(time, "time", lambda day=day: 86_400.0 * day)
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.csv").write_text("1,2,3\n" * 100)
        compress(tmp_path / name / "x.csv")
    assert (tmp_path / "a" / "x.csv.gz").read_bytes() == (tmp_path / "b" / "x.csv.gz").read_bytes()
