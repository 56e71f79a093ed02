"""`bench import`: files that the tools themselves wrote, our own exports, and what nobody should have written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.data.foreign import FOREIGN, read_foreign
from bench.output.export import export

Run = Callable[..., subprocess.CompletedProcess[str]]
Error = Callable[..., str]

PYTEST = "def test_add(benchmark):\n    benchmark.pedantic(lambda: sum(range(99)), rounds=20)\n"
ACTION = {"commit": {"id": "0123456789abcdef"}, "date": 1767323045000, "tool": "go"}


def benches(name: str, value: float, unit: str = "ns/iter") -> list[dict[str, Any]]:
    return [{"name": name, "value": value, "unit": unit, "range": "± 5"}]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files that pytest-benchmark and pyperf wrote just now."""
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "test_theirs.py").write_text(PYTEST)
    # pytest-benchmark measures nothing where it finds itself in a worker of pytest-xdist.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--benchmark-json=pytest.json"]
    for words in (
        ["pytest", "test_theirs.py", *options],
        [
            "pyperf",
            "timeit",
            "-q",
            "-p",
            "6",
            "-n",
            "3",
            "-w",
            "1",
            "-l",
            "4",
            "sum([1])",
            "--name",
            "add",
            "-o",
            "pyperf.json",
        ],
    ):
        subprocess.run([sys.executable, "-m", *words], cwd=folder, check=True, capture_output=True, env=alone)
    return {name: folder / f"{name}.json" for name in ("pytest", "pyperf")}


@pytest.mark.slow
def test_what_the_tools_wrote_is_read(theirs: dict[str, Path], here: Run, tmp_path: Path) -> None:
    for name, path in theirs.items():
        done = here("import", path, "--into", tmp_path, "--name", name)
        assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / name)), done.stderr
    raw = json.loads(theirs["pytest"].read_text())
    found = read_foreign(tmp_path / "pytest")
    (one,) = found.benchmarks
    assert (one.name, one.values, one.over) == ("test_theirs.py::test_add", 20, "rounds of one process")
    assert one.seconds == raw["benchmarks"][0]["stats"]["median"]
    assert one.low is not None
    assert found.measured_by == f"pytest-benchmark {raw['version']}"
    assert found.machine["python"] == raw["machine_info"]["python_version"]
    (other,) = read_foreign(tmp_path / "pyperf").benchmarks
    assert (other.name, other.values, other.over) == ("add", 6, "processes")
    assert other.low is not None
    assert other.low <= other.seconds
    assert read_foreign(tmp_path / "pyperf").measured_by.startswith("pyperf 2.")
    shown = here("history", tmp_path, "--machine", "all", "--figure", tmp_path / "history.svg")
    assert "measured by pyperf 2." in shown.stdout, shown.stderr
    assert "Intervals are over rounds of one process" in " ".join(shown.stdout.split())


@pytest.mark.parametrize("tool", ["pytest-benchmark", "pyperf", "github-action-benchmark"])
def test_our_own_export_comes_back_with_its_names_and_values(tool: str, root: Path, here: Run, tmp_path: Path) -> None:
    text, path = export(root / "tests" / "data" / "sample", tool), tmp_path / "own.json"
    path.write_text(text)
    done = here("import", path, "--into", tmp_path, "--name", "back", "--date", "2026-01-02T03:04:05")
    assert done.returncode == 0, done.stderr
    found, raw = read_foreign(tmp_path / "back"), json.loads(text)
    if tool == "github-action-benchmark":
        wanted = {each["name"]: (each["value"] * 1e-6, None, None) for each in raw}
    else:
        bencher = json.loads(export(root / "tests" / "data" / "sample", "bencher"))
        ends = ("value", "lower_value", "upper_value")
        wanted = {
            name: tuple(latency * 1e-9 if latency else None for latency in (each["latency"].get(end) for end in ends))
            for name, each in bencher.items()
        }
        assert found.measured_by == f"stepbench 0.1.0 (in a file for {tool})"
    assert {each.name: (each.seconds, each.low, each.high) for each in found.benchmarks} == {
        name: tuple(None if value is None else pytest.approx(value) for value in values)
        for name, values in wanted.items()
    }


def test_a_data_js_gives_a_run_for_each_commit_and_is_not_executed(here: Run, error: Error, tmp_path: Path) -> None:
    entries = [
        {**ACTION, "benches": benches("one", 1500.0)},
        {**ACTION, "date": ACTION["date"], "benches": [*benches("one", 2.0, "us"), *benches("rate", 9.0, "ops/sec")]},
    ]
    path = tmp_path / "data.js"
    content = json.dumps({"lastUpdate": 1, "repoUrl": "x", "entries": {"Go Benchmark": entries}})
    path.write_text(f"window.BENCHMARK_DATA = {content};\n")
    done = here("import", path, "--into", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    first, second = (Path(line) for line in done.stdout.split())
    assert (first.name, second.name) == ("Go-Benchmark-20260102-030405", "Go-Benchmark-20260102-030405-2")
    found = read_foreign(first)
    assert (found.git_revision, found.measured_by) == ("0123456789abcdef", "go (in a file for github-action-benchmark)")
    assert [each.benchmarks[0].seconds for each in (found, read_foreign(second))] == [1.5e-6, 2e-6]
    assert "left out: rate: its unit is 'ops/sec', which is no time" in done.stderr
    assert "--date is for one run" in error(here("import", path, "--into", tmp_path / "x", "--date", "2026-01-01"))
    path.write_text(f"window.BENCHMARK_DATA = {content}; alert(1)")
    assert "is damaged" in error(here("import", path, "--into", tmp_path / "x"))
    assert not (tmp_path / "x").exists()


def test_imported_runs_are_marked_in_history_and_never_judged(here: Run, error: Error, tmp_path: Path) -> None:
    for number, value in enumerate([10.0] * 6 + [99.0] * 6):
        path = tmp_path / "list.json"
        path.write_text(json.dumps(benches("one", value, "ms")))
        date = f"2026-01-{number + 1:02}"
        assert here("import", path, "--into", tmp_path / "runs", "--name", f"r{number}", "--date", date).returncode == 0
    shown = here("history", tmp_path / "runs", "--json")
    (told,) = json.loads(shown.stdout)
    (series,) = told["series"]
    assert told["measured_by"] == "github-action-benchmark"
    assert [each["median_seconds"] for each in series["points"]] == [0.01] * 6 + [0.099] * 6
    assert series["changes"] == [], "no change is looked for in what others measured"
    words = " ".join(here("history", tmp_path / "runs").stdout.split())
    assert "measured by github-action-benchmark" in words
    assert "no values to take an interval from" in words
    assert "no such backend" in error(here("history", tmp_path / "runs", "-b", "numpy"))
    both = [tmp_path / "runs" / "r0", tmp_path / "runs" / "r9"]
    assert "no verdict is given of it; add --across" in error(here("compare", *both))
    across = here("compare", "--across", *both)
    assert "9.900" in across.stdout, across.stderr
    assert "imported from files of other tools" in " ".join(across.stdout.split())
    alone = error(here("report", both[0]))
    assert "what another tool measured" in alone


def test_a_folder_that_is_there_is_kept(here: Run, error: Error, tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text(json.dumps(benches("one", 1.0, "s")))
    assert "does not say when it was measured" in here("import", path, "--into", tmp_path, "--name", "run").stderr
    before = (tmp_path / "run" / FOREIGN).read_bytes()
    assert "has something in it already" in error(here("import", path, "--into", tmp_path, "--name", "run"))
    assert (tmp_path / "run" / FOREIGN).read_bytes() == before


PYTEST_FILE = {"machine_info": {}, "benchmarks": [{"name": "x", "stats": {"median": 1.0}}], "datetime": "2026-01-01"}
PYPERF_FILE = {"version": "1.0", "benchmarks": [{"metadata": {"name": "x"}, "runs": [{"values": [1.0]}]}]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no json", "is damaged: line 1 is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("{}", "no file of a tool that is known"),
        ('{"a": {"latency": {"value": 1}}}', "a file of bencher, which is not read"),
        (json.dumps([{"name": "x", "unit": "s", "value": -1}]), "benches.0.value"),
        (json.dumps([{"name": "x", "unit": "s", "value": "1"}]), "benches.0.value"),
        ('[{"name": "x", "unit": "s", "value": NaN}]', "benches.0.value"),
        (json.dumps([{"name": "x", "unit": "s", "value": 0}]), "holds no benchmark with a time"),
        (json.dumps(benches("x", 1.0, "ops/sec")), "holds no benchmark with a time"),
        (json.dumps(benches("x", 1.0) * 2), "two benchmarks are called 'x'"),
        (json.dumps(benches("x" * 2000, 1.0)), "benchmarks.0.name"),
        (json.dumps(benches("", 1.0)), "benchmarks.0.name"),
        (json.dumps(benches("\ud800", 1.0)), "benchmarks.0.name"),
        (json.dumps({"lastUpdate": 1, "entries": []}), "damaged at entries"),
        (json.dumps({"lastUpdate": 1, "entries": {"s": [{"date": 10**30, "benches": []}]}}), "date"),
        (json.dumps({"lastUpdate": 1, "entries": {"s": [{"benches": []}] * 2000}}), "more than 1,000 entries"),
        (json.dumps({**PYTEST_FILE, "datetime": "yesterday"}), "no date in ISO 8601"),
        (json.dumps({**PYTEST_FILE, "benchmarks": 5}), "damaged at benchmarks"),
        (json.dumps({**PYTEST_FILE, "machine_info": {"cpu": [1], "system": {}, "python_version": 3}}), ""),
        (json.dumps({**PYPERF_FILE, "benchmarks": [{"metadata": {}, "runs": []}]}), "benchmark 1 has no name"),
        (json.dumps({**PYPERF_FILE, "metadata": {"unit": "byte"}}), "holds no benchmark with a time"),
        (json.dumps({**PYPERF_FILE, "metadata": {"cpu_count": True, "platform": 7}}), ""),
    ],
)
def test_hostile_files_get_one_sentence(content: str, said: str, here: Run, error: Error, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(content, encoding="utf-8")
    done = here("import", path, "--into", tmp_path / "runs")
    if said:
        assert said in error(done)
        assert not (tmp_path / "runs").exists()
    else:
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "folder"),
    [("../../up", "up"), ("/etc", "etc"), ("a\nb", "a-b"), ("...", "imported"), ("x" * 300, "")],
)
def test_a_name_leads_nowhere_else(name: str, folder: str, here: Run, error: Error, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(json.dumps(benches("x", 1.0, "s")))
    done = here("import", path, "--into", tmp_path / "runs", "--name", name)
    if folder:
        assert done.stdout.strip() == str(tmp_path / "runs" / folder), done.stderr
        assert (tmp_path / "runs" / folder / FOREIGN).is_file()
    else:
        assert "cannot be" in error(done)


def test_a_damaged_foreign_run_is_passed_over(here: Run, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(json.dumps(benches("x", 1.0, "s")))
    for name in ("good", "bad", "odd"):
        here("import", path, "--into", tmp_path / "runs", "--name", name)
    (tmp_path / "runs" / "bad" / FOREIGN).write_text("{")
    held = json.loads((tmp_path / "runs" / "odd" / FOREIGN).read_text())
    (tmp_path / "runs" / "odd" / FOREIGN).write_text(json.dumps({**held, "created": "never"}))
    done = here("history", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("Passed over: ")]) == 2
