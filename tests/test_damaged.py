"""Runs whose files were damaged at random, read by every command: one sentence each, and nothing is overwritten."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest

from bench.analysis.crossover import crossovers
from bench.data.run import StoredRun
from bench.data.store import CROSSOVERS, MANIFEST, PROCESSES, SAMPLES, SUMMARY, RunStore
from bench.errors import NothingRanError
from bench.output import figures
from bench.workloads import tutorial

LONGEST_SECONDS = 30
SLOW = 0.15
RUNS = int(os.environ.get("STEPBENCH_DRAWS", "300"))
ODD = ("", "0", "-1", "-0.5", "1e-320", "1e308", "1e400", "inf", "-inf", "nan", "NA", "1.5", "9" * 25, "7" * 5000, "x")
ODD += ("true", "null", "ok", "failed", "step", "update", "whole", "batched", "device", "é\x1b[2J", "x" * 1_000_000)
ODD += ("size.batch", "size.", "a,b", '"', "[]", "-", "=1+1", "../../x", "forward=x", "unfinished", " ", "\0")
VALUES: tuple[Any, ...] = (None, "", "x", "x" * 100_000, -1, 0, 1, 2, 10**30, 1e308, -0.5, True, [], {}, [[]], {"": ""})
VALUES += ([1], [-1, "x"], {"x": 1}, {"x": "y"}, "é\x1b[2J", "nan", "../../x", "2026-01-01", "torch-cpu", "update")


def add(made: Any, implementation: str, backend: str, seconds: float, batch: int) -> None:
    case = made.plan(implementation, backend, problem=tutorial(batch=batch))
    for number in range(6):
        times = [seconds * (1 + (number * 7 + turn * 3) % 5 / 100) for turn in range(2)]
        parts = {name: [each * part for each in times] for name, part in (("forward", 0.3), ("backward", 0.5))}
        made.process(case, number, step=times, phases={**parts, "update": times}, first=seconds * 20, peak_bytes=9_000)


@pytest.fixture(scope="module")
def whole(build: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in order: a contender and its baseline at three sizes, with a crossover and a case that was skipped."""
    made = build.HandMade(tmp_path_factory.mktemp("runs") / "whole")
    for batch in (16, 64, 256):
        add(made, "numpy_manual", "numpy", 1e-4 + 2e-6 * batch, batch)
        add(made, "torch_nn", "torch-cpu", 2e-4 + 1e-6 * batch, batch)
    made.plan("torch_nn", "torch-cuda", problem=tutorial(batch=16), skipped="no GPU")
    more = {"axes": {"size.batch": [16, 64, 256]}, "peaks": [build.make_peak()], "turns": True}
    rows = made.summary(**more)
    store, run = RunStore(made.folder), StoredRun(made.folder)
    store.write_summary(rows)
    store.write_crossovers(crossovers(run.manifest, rows, run.samples, run.processes))
    assert "found" in set(run.crossovers["status"])
    return Path(made.folder)


# Damage


def in_a_cell(rng: random.Random, content: bytes) -> bytes:
    rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
    row = rng.choice(rows[rng.random() < 0.95 :])
    column = rng.randrange(len(row))
    row[column] = rng.choice([rng.choice(ODD), rng.choice(rows)[column], rng.choice(rng.choice(rows))])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def in_a_column(rng: random.Random, content: bytes) -> bytes:
    rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
    column, value = rng.randrange(len(rows[0])), rng.choice(ODD)[:100]
    for row in rows[1:]:
        row[column] = value
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Where something stands in an object of JSON: its container and its name there."""
    named = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inside in named:
        found.append((value, name))
        places(inside, found)
    return found


def in_the_object(rng: random.Random, content: bytes) -> bytes:
    told = json.loads(content)
    top = rng.random() < 0.4
    inside, name = rng.choice([(told, each) for each in told] if top else places(told, []))
    if rng.random() < 0.3:
        del inside[name]
    elif rng.random() < 0.2 and isinstance(inside, dict):
        inside[rng.choice(ODD)[:100]] = rng.choice(VALUES)
    else:
        inside[name] = rng.choice(VALUES)
    return json.dumps(told, indent=2).encode()


def in_a_number(rng: random.Random, content: bytes) -> bytes:
    """Replace what follows a colon: what no library would write as JSON."""
    lines = content.decode().splitlines(keepends=True)
    at = rng.choice([number for number, line in enumerate(lines) if ": " in line])
    head, _, rest = lines[at].partition(": ")
    number = rng.choice(("1e400", "NaN", "-Infinity", "8" * 5000, "0x1", "01"))
    lines[at] = f"{head}: {number}{',' * rest.rstrip().endswith(',')}\n"
    return "".join(lines).encode()


def in_lines(rng: random.Random, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    return rng.choice(
        (
            lambda: b"".join([*lines[:one], *lines[one + 1 :]]),
            lambda: b"".join([*lines[:one], lines[other], *lines[one:]]),
            lambda: b"".join(lines[:one]) + lines[one][: len(lines[one]) // 2],
            lambda: b"".join([*lines[:one], lines[one][: len(lines[one]) // 2], b"\n", *lines[one + 1 :]]),
            lambda: b"".join([*lines, *lines[1:]]),
            lambda: b"".join([*lines[:one], b"\n", *lines[one:]]),
        )
    )()


def in_bytes(rng: random.Random, content: bytes) -> bytes:
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 5, 50))):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def in_encoding(rng: random.Random, content: bytes) -> bytes:
    return rng.choice(
        (
            lambda: content.replace(b"\n", b"\r"),
            lambda: content.replace(b"\n", b"\r\n"),
            lambda: b"\xef\xbb\xbf" + content,
            lambda: content.decode().encode("utf-16"),
            lambda: b"",
            lambda: content.replace(b"numpy", "nümpy".encode("latin-1")),
            lambda: content.replace(b",", b";"),
            lambda: content[: rng.randrange(len(content))],
        )
    )()


def as_no_file(rng: random.Random, path: Path) -> None:
    path.unlink()
    links = (lambda each: each.symlink_to("/dev/zero"), lambda each: each.symlink_to(each))
    rng.choice((os.mkfifo, Path.mkdir, *links))(path)


OF_TABLES = (in_a_cell,) * 8 + (in_a_column,) * 2 + (in_lines, in_bytes, in_encoding)
OF_MANIFESTS = (in_the_object,) * 8 + (in_a_number, in_lines, in_bytes, in_encoding)


def damage(rng: random.Random, folder: Path) -> str:
    """Damage one file of a run, and say how."""
    name = rng.choice((MANIFEST, MANIFEST, SAMPLES, PROCESSES, SUMMARY, SUMMARY, CROSSOVERS))
    if rng.random() < 0.03:
        as_no_file(rng, folder / name)
        return f"{name}: no file"
    change = rng.choice(OF_MANIFESTS if name == MANIFEST else OF_TABLES)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(change(rng, content))
    return f"{name}: {change.__name__}"


# Reading


def state_of(folder: Path) -> dict[str, str]:
    """What a folder holds but its figures."""
    files = [path for path in folder.rglob("*") if path.is_file() and "figures" not in path.parts]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.stat().st_size}


@pytest.fixture
def reading() -> Iterator[None]:
    """A resumed run ends where it would begin to measure; a report has the one figure that is patched in."""
    stop = NothingRanError("nothing is measured here.")
    with (
        mock.patch("bench.run.session.check_same"),
        mock.patch("bench.run.session._drive", side_effect=stop),
        warnings.catch_warnings(action="error", category=RuntimeWarning),
    ):
        yield


def commands(rng: random.Random, folder: Path, whole: Path, drawn: Path) -> list[list[str | Path]]:
    """Two commands that are quick, and now and then one that takes half a second where a run can be read."""
    quick: list[list[str | Path]] = [
        ["history", folder.parent, "--machine", "all", "--json"],
        ["export", folder, "--to", rng.choice(("pyperf", "bencher", "github-action-benchmark", "pytest-benchmark"))],
        ["explain", drawn, "--run", folder],
        ["run", "--resume", folder, "--no-figures"],
    ]
    slow: list[list[str | Path]] = [
        ["plot", folder, "--figure", rng.choice(figures.names()), "--format", "svg"],
        ["report", folder, "--to", rng.choice(("html", "markdown", "latex")), "--output", "-"],
        ["compare", folder, whole, "--json", *rng.choice(((), ("--across",)))],
        ["compare", whole, folder],
    ]
    return rng.sample(quick, 2) + rng.sample(slow, int(rng.random() < SLOW))


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def look(here: Any, command: list[str | Path], folder: Path) -> int:
    """Run a command on a damaged run, and look at how it ended."""
    before, began = state_of(folder), time.monotonic()
    with mock.patch.object(figures, "headlines", return_value=()):
        name = command[3] if command[0] == "plot" else "phases"
        with mock.patch.object(figures, "names", return_value=(name,)) if command[0] == "report" else mock.MagicMock():
            done = here(*command)
    assert time.monotonic() - began < LONGEST_SECONDS
    assert done.returncode in (0, 1, 2, 3, 4, 5)
    assert len(done.stderr) < 5_000
    assert not set(done.stderr) & {"\x1b", "\0", "\r"}
    if done.returncode == 2:
        assert done.stderr.splitlines()[-1].startswith("Error: ")
        assert sum(line.startswith("Error: ") for line in done.stderr.splitlines()) == 1
    if done.returncode == 0 and ("--json" in command or command[0] == "export"):
        json.loads(done.stdout, parse_constant=no_constant)
    if done.returncode != 5:
        assert state_of(folder) == before
    return int(done.returncode)


def read_damaged(numbers: range, here: Any, whole: Path, folder: Path) -> dict[str, dict[int, int]]:
    """Damage a run anew for each number, and have it read; how often the commands ended with which status."""
    ended: dict[str, dict[int, int]] = {}
    drawn = figures.draw(whole, ["phases"], ["svg"]).paths[0]
    for number in numbers:
        rng = random.Random(number)  # noqa: S311 - chance, not secrecy
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        what = damage(rng, folder)
        for command in commands(rng, folder, whole, drawn):
            try:
                status = look(here, command, folder)
            except BaseException as error:
                error.add_note(f"mutant {number}, {what}: bench {' '.join(map(str, command))}")
                raise
            counts = ended.setdefault(str(command[0]), {})
            counts[status] = counts.get(status, 0) + 1
    return ended


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize("part", range(2))
def test_damaged_runs_are_one_sentence_or_are_read(
    here: Callable[..., Any], whole: Path, tmp_path: Path, part: int
) -> None:
    ended = read_damaged(range(part, RUNS, 2), here, whole, tmp_path / "damaged")
    assert set(ended) >= {"history", "export", "explain", "run"}  # the slow ones are drawn seldom
    assert set(ended) & {"plot", "report", "compare"}
    assert {status for each in ended.values() for status in each} >= {0, 2}
