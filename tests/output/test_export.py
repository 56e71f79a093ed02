"""Exports: their numbers are those of the run's files, their names are stable, and the tools really read them.

pytest-benchmark and pyperf are run. Bencher and the GitHub action are not at hand: their files are held against the
documented schema, nothing more.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import pandas as pd
import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

import bench.output.export as formats
from bench.data.run import summary_rows
from bench.data.schema import Method, Status
from bench.data.store import SAMPLES, RunStore, read_manifest, read_summary
from bench.errors import DataFormatError, UsageError
from bench.model.case import CASE_COLUMNS, Case
from bench.model.problem import Dtype
from bench.output.export import EVERY, Metric, Wanted, export, names
from bench.output.export._run import Run
from bench.output.export.pytest_benchmark import _stats
from bench.workloads import tutorial

ALL = ("bencher", "github-action-benchmark", "pyperf", "pytest-benchmark")
EIGHT = (1.0, 1.1, 0.9, 1.2, 1.0, 0.8, 1.3, 1.05)
STEP = "numpy_manual/numpy/step[mlp_sgd-64x1000x100x10-float32-threads=2-whole-host]"
ALL_OF_IT = Wanted(phases=(EVERY,))
Finish = Callable[..., Path]


@pytest.fixture
def sample(root: Path) -> Path:
    return root / "tests" / "data" / "sample"


@pytest.fixture
def finish() -> Finish:
    """Write a run made by hand, its summary included."""

    def write(run: Any, **manifest: Any) -> Path:
        rows = run.summary(**manifest)
        RunStore(run.folder).write_summary(rows)
        return Path(run.folder)

    return write


@pytest.fixture
def one_case(build: ModuleType, tmp_path: Path, finish: Finish) -> Finish:
    """A run of one case with eight processes, `factor` times as slow as another's."""

    def make(name: str = "run", factor: float = 1.0, implementation: str = "numpy_manual", **case: Any) -> Path:
        run = build.HandMade(tmp_path / name)
        planned = run.plan(implementation, "numpy", **case)
        for round_, seconds in enumerate(EIGHT):
            times = [seconds * factor * each * 1e-4 for each in (1.0, 1.02, 0.99)]
            run.process(planned, round_, step=times, first=seconds, iterations=3, peak_bytes=5_000_000)
        return finish(run, run_id=name)

    return make


def strict(text: str) -> Any:
    """JSON as the standard has it: without NaN and infinities."""

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is not JSON")

    assert text.endswith("\n")
    return json.loads(text, parse_constant=refuse)


def names_in(name: str, data: Any) -> list[str]:
    if name == "bencher":
        return list(data)
    if name == "github-action-benchmark":
        return [entry["name"] for entry in data]
    if name == "pyperf":
        return [item["metadata"]["name"] for item in data["benchmarks"]]
    return [item["fullname"] for item in data["benchmarks"]]


def medians_of(folder: Path) -> dict[str, pd.Series[Any]]:
    """The measured rows of summary.csv by the name that this test file works out on its own."""
    rows = read_summary(folder)
    found = {}
    for _, row in rows[rows["status"] == "ok"].iterrows():
        variant = "" if pd.isna(row["variant"]) else f"-variant={row['variant']}"
        sizes = "x".join(str(row[f"size.{name}"]) for name in ("batch", "d_in", "hidden", "d_out"))
        inside = f"{row['workload']}-{sizes}-{row['dtype']}-threads={row['threads']}"
        obtained = f"{row['method']}-{row['clock']}{variant}"
        found[f"{row['implementation']}/{row['backend']}/{row['phase']}[{inside}-{obtained}]"] = row
    return found


def test_a_module_put_into_the_folder_is_a_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_case: Finish
) -> None:
    assert names() == ALL
    (tmp_path / "my_tool.py").write_text("def export(run):\n    return f'{len(run.benchmarks)} benchmarks\\n'\n")
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    assert names() == (*ALL, "my-tool")
    assert export(one_case(), "my-tool") == "1 benchmarks\n"


def test_an_unknown_format_names_the_nearest(sample: Path) -> None:
    with pytest.raises(UsageError, match=r"'pyperv'.*'pyperf'"):
        export(sample, "pyperv")


@pytest.mark.parametrize("name", ALL)
def test_each_format_holds_every_measured_row_of_the_sample_run_once(name: str, sample: Path) -> None:
    found = names_in(name, strict(export(sample, name, ALL_OF_IT)))
    assert found == list(medians_of(sample))
    assert len(set(found)) == len(found) > 60


def test_two_runs_of_the_same_case_use_the_same_names(one_case: Finish) -> None:
    a, b = one_case("a"), one_case("b", 7.0)
    for name in ALL:
        found = [names_in(name, strict(export(folder, name, ALL_OF_IT))) for folder in (a, b)]
        assert found == [[STEP, STEP.replace("/step[", "/first_step[")]] * 2


def test_names_do_not_depend_on_what_else_the_run_holds(build: ModuleType, tmp_path: Path, finish: Finish) -> None:
    run = build.HandMade(tmp_path / "run")
    for options in (
        {},
        {"problem": tutorial(dtype=Dtype.FLOAT64)},
        {"problem": tutorial(batch=7)},
        {"threads": 1},
    ):
        run.process(run.plan("numpy_manual", "numpy", **options), step=[1.0])
    found = list(strict(export(finish(run), "bencher")))
    assert found == [
        STEP,
        STEP.replace("float32", "float64"),
        STEP.replace("64x", "7x"),
        STEP.replace("threads=2", "threads=1"),
    ]


def test_every_column_of_a_case_is_in_its_name(sample: Path) -> None:
    """The backend stands for framework and device."""
    benchmark = Run.read(sample, Wanted()).benchmarks[0]
    silent = []
    for column in CASE_COLUMNS:
        known = [value for value in column.values if value != column.value_in(benchmark.row.case)]
        other = known[0] if known else 7 if column.kind is int else "other"
        case = Case.from_columns(benchmark.row.case.columns | {column.name: other})
        other_name = replace(benchmark, row=replace(benchmark.row, case=case)).name
        silent += [column.name] if other_name == benchmark.name else []
    assert silent == ["framework", "device"]


def test_phases_by_method_clock_and_variant_have_names_of_their_own(
    build: ModuleType, tmp_path: Path, finish: Finish
) -> None:
    run = build.HandMade(tmp_path / "run")
    case = run.plan("torch_dynamic", "torch-cpu", "mlp_dynamic")
    process = run.process(case, step=[1.0], phases={"forward": [0.3]}, by_variant={0: [0.5], 3: [2.0]})
    for method in (Method.STAGED, Method.PROFILED):
        run.samples.append(build.sample_row(phase="forward", method=method, clock="device", process=process))
    found = strict(export(finish(run), "bencher", ALL_OF_IT))
    whole = [f"whole-host{variant}]" for variant in ("", "-variant=0", "-variant=3")]
    expected = sorted(["staged-host]", *whole, "staged-device]", "profiled-device]"])
    assert sorted(name.partition("-threads=2-")[2] for name in found) == expected
    deep = next(value for name, value in found.items() if name.endswith("variant=3]"))
    assert deep["latency"]["value"] == 2e9


def test_whole_steps_are_written_unless_others_are_asked_for(build: ModuleType, tmp_path: Path, finish: Finish) -> None:
    run = build.HandMade(tmp_path / "run")
    for name in ("numpy_dynamic", "torch_dynamic"):
        case = run.plan(name, "numpy", "mlp_dynamic")
        run.process(case, step=[1.0], first=2.0, phases={"forward": [0.3]}, by_variant={0: [0.5]})
    folder = finish(run)

    def found(**choice: tuple[str, ...]) -> list[str]:
        return [name.partition("[")[0] for name in strict(export(folder, "bencher", Wanted(**choice)))]

    steps = ["numpy_dynamic/numpy/step", "torch_dynamic/numpy/step"]
    assert found() == steps
    assert found(implementations=("torch_dynamic",)) == steps[1:]
    assert found(phases=("forward",)) == [name.replace("step", "forward") for name in steps]
    assert len(found(phases=("all",))) == 8
    for choice, words in (({"implementations": ("numpy_dinamic",)}, "numpy_dynamic"), ({"phases": ("steps",)}, "step")):
        with pytest.raises(UsageError, match=words):
            found(**choice)


@pytest.mark.parametrize("implementation", ["NA", "1e5", "test_a.b-c"])
def test_awkward_implementation_names_come_through(implementation: str, one_case: Finish) -> None:
    folder = one_case(implementation=implementation)
    for name in ALL:
        found = names_in(name, strict(export(folder, name)))
        assert found[0] == STEP.replace("numpy_manual", implementation)


def test_only_cases_that_are_well_and_processes_that_finished_count(
    build: ModuleType, tmp_path: Path, finish: Finish
) -> None:
    run = build.HandMade(tmp_path / "run")
    well, wrong = run.plan(), run.plan("torch_tensor", "torch-cpu")
    run.plan("torch_tensor", "torch-cuda", skipped="no CUDA device")
    run.process(well, step=[2.0, 4.0])
    run.process(well, step=[99.0], finished=False)
    run.process(wrong, step=[1.0], status="wrong", reason="loss", verified=False)
    folder = finish(run)
    for name in ALL:
        assert names_in(name, strict(export(folder, name))) == [STEP]
    benchmark = strict(export(folder, "pytest-benchmark"))["benchmarks"][0]
    assert benchmark["stats"]["data"] == [3.0]
    assert benchmark["extra_info"] == {"low_seconds": None, "high_seconds": None, "samples": 2}
    assert [entry["values"] for entry in strict(export(folder, "pyperf"))["benchmarks"][0]["runs"]] == [[2.0, 4.0]]
    assert strict(export(folder, "bencher")) == {STEP: {"latency": {"value": 3e9}, "speedup": {"value": 1.0}}}
    entry = strict(export(folder, "github-action-benchmark"))[0]
    assert (entry["value"], "range" in entry) == (3e6, False)
    assert entry["extra"].startswith("no interval: too few processes")


def test_a_row_that_is_not_well_stays_out_even_with_a_time(build: ModuleType, one_case: Finish) -> None:
    folder = one_case()
    wrong = build.summary_row(
        phase="first_step", method="whole", clock="host", median_seconds=1.0, status="wrong", run_id="run"
    )
    RunStore(folder).write_summary([build.summary_row(median_seconds=1.0, run_id="run"), wrong])
    assert list(strict(export(folder, "bencher"))) == [STEP]


def test_a_run_without_a_measured_case_is_one_sentence(build: ModuleType, tmp_path: Path, finish: Finish) -> None:
    run = build.HandMade(tmp_path / "run")
    run.plan("torch_tensor", "torch-cuda", skipped="no CUDA device")
    with pytest.raises(DataFormatError, match="run has no case of your choice that was measured"):
        export(finish(run), "pyperf")


def test_samples_that_the_summary_has_and_the_file_has_not_are_missed(one_case: Finish) -> None:
    path = one_case() / SAMPLES
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if ",first_step," not in line))
    with pytest.raises(DataFormatError, match=r"samples\.csv has no samples of numpy_manual/numpy/first_step"):
        export(path.parent, "bencher", ALL_OF_IT)


@pytest.mark.parametrize("odd", ["inf", "-1.0"])
def test_a_time_that_is_none_is_refused_with_its_line(odd: str, one_case: Finish) -> None:
    path = one_case() / SAMPLES
    lines = path.read_text().splitlines(keepends=True)
    lines[3] = lines[3].replace(lines[3].split(",")[-3], odd)
    path.write_text("".join(lines))
    with pytest.raises(DataFormatError, match=r"samples\.csv is damaged: line 4 has .* as seconds"):
        export(path.parent, "pyperf")


def test_a_summary_with_an_infinite_median_is_refused(build: ModuleType, one_case: Finish) -> None:
    folder = one_case()
    RunStore(folder).write_summary([build.summary_row(median_seconds=float("inf"))])
    with pytest.raises(DataFormatError, match=r"summary\.csv is damaged: line 2 has .inf. as median_seconds"):
        export(folder, "bencher")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 13])
def test_statistics_are_those_that_pytest_benchmark_computes(count: int) -> None:
    stats = pytest.importorskip("pytest_benchmark.stats", reason="pytest-benchmark is not installed").Stats()
    stats.data = [(each + 2) ** 3 * (count + 3) % 97 / 7 + 0.1 for each in range(count)]
    expected = stats.as_dict()
    found = _stats(stats.data)
    assert found.pop("data") == stats.data
    assert list(found) == list(expected)
    assert found.pop("outliers") == expected.pop("outliers")
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_statistics_of_times_that_are_all_zero_exist() -> None:
    assert _stats([0.0, 0.0])["ops"] == 0


def test_pytest_benchmark_compares_two_exports_and_prints_our_medians(
    one_case: Finish, sample: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")
    slower = one_case("slower", 2.0, threads=1)
    (tmp_path / "0001.json").write_text(export(sample, "pytest-benchmark", ALL_OF_IT))
    (tmp_path / "0002.json").write_text(export(slower, "pytest-benchmark", ALL_OF_IT))
    options = ["--csv", "out.csv", "--columns", "median,min,rounds,iterations"]
    program = [sys.executable, "-m", "pytest_benchmark", "compare", "0001.json", "0002.json", *options]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True)
    for number in ("0001", "0002"):
        assert f"{STEP.replace('threads=2', 'threads=1')} ({number})" in done.stdout
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    a, b = medians_of(sample), medians_of(slower)
    assert len(rows) == len(a) + len(b)
    assert {row["param:size.hidden"] for row in rows} == {"100"}
    by_name = {name: sorted(float(row["median"]) for row in rows if row["name"] == name) for name in a}
    for name, row in a.items():
        both = [row["median_seconds"], *([b[name]["median_seconds"]] if name in b else [])]
        assert by_name[name] == pytest.approx(sorted(both)), name


def test_a_pytest_benchmark_file_says_where_and_when_it_was_measured(one_case: Finish) -> None:
    data = strict(export(one_case(), "pytest-benchmark", ALL_OF_IT))
    assert (data["machine_info"]["system"], data["machine_info"]["cpu"]["count"]) == ("Linux", 2)
    assert data["commit_info"]["id"] == "unknown"
    assert data["datetime"] == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize(("revision", "dirty"), [("abc", False), ("abc-dirty", True)])
def test_iterations_are_the_fewest_behind_a_round_and_a_changed_revision_is_dirty(
    revision: str, dirty: bool, build: ModuleType, tmp_path: Path, finish: Finish
) -> None:
    run = build.HandMade(tmp_path / "run")
    case = run.plan()
    for iterations in (4, 3, 5):
        run.process(case, step=[1.0, 1.0], iterations=iterations)
    data = strict(export(finish(run, git_revision=revision), "pytest-benchmark", ALL_OF_IT))
    assert data["benchmarks"][0]["stats"]["iterations"] == 6
    assert (data["commit_info"]["id"], data["commit_info"]["dirty"]) == ("abc", dirty)


def pyperf(*arguments: str | Path) -> str:
    pytest.importorskip("pyperf", reason="pyperf is not installed; it belongs to the extra 'experiments'")
    program = [sys.executable, "-m", "pyperf", *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, check=True).stdout


def test_pyperf_reads_each_process_as_a_run_with_our_times(sample: Path) -> None:
    library = pytest.importorskip("pyperf", reason="pyperf is not installed; it belongs to the extra 'experiments'")
    suite = library.BenchmarkSuite.loads(export(sample, "pyperf", ALL_OF_IT))
    rows = medians_of(sample)
    assert suite.get_benchmark_names() == list(rows)
    for item in suite:
        row = rows[item.get_name()]
        medians = pd.Series([pd.Series(run.values).median() for run in item.get_runs()])
        assert medians.median() == pytest.approx(row["median_seconds"])
        assert item.get_nvalue() == row["samples"]
        assert item.get_unit() == "second"
        assert item.get_metadata()["implementation"] == row["implementation"]


def test_pyperf_compares_two_exports(one_case: Finish, tmp_path: Path) -> None:
    for name, factor in (("a", 1.0), ("b", 2.0)):
        (tmp_path / f"{name}.json").write_text(export(one_case(f"run_{name}", factor), "pyperf", ALL_OF_IT))
    compared = pyperf("compare_to", tmp_path / "a.json", tmp_path / "b.json")
    assert STEP in compared
    assert "2.00x slower" in compared
    shown = pyperf("stats", tmp_path / "a.json")
    assert "Number of run with values: 8" in shown
    assert "Loop iterations per value: 3" in shown
    assert "Imaginary Processor 3000" in pyperf("show", "--metadata", tmp_path / "a.json")


def test_pyperf_gets_no_time_of_zero(build: ModuleType, tmp_path: Path, finish: Finish) -> None:
    run = build.HandMade(tmp_path / "run")
    case = run.plan()
    run.process(case, step=[1.0], first=0.0)
    assert names_in("pyperf", strict(export(finish(run), "pyperf", ALL_OF_IT))) == [STEP]
    only = build.HandMade(tmp_path / "only")
    only.process(only.plan(), step=[0.0])
    folder = finish(only, run_id="only")
    with pytest.raises(DataFormatError, match="only has a time of zero in every benchmark"):
        export(folder, "pyperf", ALL_OF_IT)
    assert strict(export(folder, "bencher", ALL_OF_IT)) == {STEP: {"latency": {"value": 0.0}}}


def test_pyperf_gets_no_empty_metadata_and_memory_of_the_cpu_only(
    build: ModuleType, tmp_path: Path, finish: Finish
) -> None:
    run = build.HandMade(tmp_path / "run")
    for name, backend in (("numpy_manual", "numpy"), ("torch_tensor", "torch-cuda")):
        case = run.plan(name, backend)
        run.process(case, step=[1.0], peak_bytes=77)
        run.samples.append(build.sample_row(process=run.next_process - 1, iterations=5, seconds=5.0, turn=1))
    data = strict(export(finish(run, machine={"cpu": "", "cpus": None, "system": "a\n b"}), "pyperf", ALL_OF_IT))
    assert {"cpu_model_name", "cpu_count", "python_version"} & set(data["metadata"]) == set()
    assert data["metadata"]["platform"] == "a b"
    cpu, cuda = (item["runs"][0]["metadata"] for item in data["benchmarks"])
    assert cpu == {"process": 0, "mem_max_rss": 77}  # one sample of 1 iteration and one of 5: no single number of loops
    assert cuda == {"process": 1}


class Measure(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    value: float
    lower_value: float | None = None
    upper_value: float | None = None


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    unit: Literal["s", "ms", "us", "ns"]
    value: float
    range: Annotated[str, Field(pattern=r"^± \d.+$")] | None = None
    extra: str | None = None


def test_bencher_gets_nanoseconds_with_the_interval(sample: Path) -> None:
    schema = TypeAdapter(dict[Annotated[str, Field(max_length=1024)], dict[Literal["latency", "speedup"], Measure]])
    found = schema.validate_json(export(sample, "bencher", ALL_OF_IT))
    for name, row in medians_of(sample).items():
        metric = found[name]["latency"]
        ends = [metric.lower_value, metric.value, metric.upper_value]
        expected = [row["low_seconds"], row["median_seconds"], row["high_seconds"]]
        assert ends == pytest.approx([value * 1e9 for value in expected])
        assert ends == sorted(ends)
        if pd.notna(row["speedup"]):
            assert found[name]["speedup"].value == row["speedup"]
    assert any("speedup" in measures for measures in found.values())


def test_the_github_action_gets_microseconds_and_a_range_that_holds_the_interval(sample: Path) -> None:
    found = TypeAdapter(list[Entry]).validate_json(export(sample, "github-action-benchmark", ALL_OF_IT))
    rows = medians_of(sample)
    assert len(found) == len(rows)
    for entry in found:
        row = rows[entry.name]
        assert entry.value == pytest.approx(row["median_seconds"] * 1e6, rel=1e-5)
        reach = float((entry.range or "").removeprefix("± "))
        assert entry.value - reach <= row["low_seconds"] * 1e6 * (1 + 1e-5)
        assert entry.value + reach >= row["high_seconds"] * 1e6 * (1 - 1e-5)
        ends = (entry.value - reach) / row["low_seconds"], (entry.value + reach) / row["high_seconds"]
        assert any(end == pytest.approx(1e6, rel=1e-5) for end in ends)
        assert f"samples: {row['samples']}\nmachine: AMD EPYC, 2 CPUs, 24 GiB" in (entry.extra or "")


@pytest.fixture
def with_wrong(build: ModuleType, one_case: Finish) -> Path:
    """A run in which a second case was wrong and a third was skipped."""
    folder = one_case()
    rows, manifest = summary_rows(read_summary(folder)), read_manifest(folder)
    for name, status, reason in (("off", "wrong", "its loss is off"), ("later", "skipped", "no CUDA device")):
        case, status = build.make_case(name, "torch-cpu"), Status(status)
        manifest.cases.append(build.planned_case(case))
        rows.append(build.summary_row(case, run_id="run", method=None, clock=None, status=status, reason=reason))
    RunStore(folder).write_manifest(manifest)
    RunStore(folder).write_summary(rows)
    return folder


@pytest.mark.parametrize("name", ALL)
def test_every_export_says_which_cases_it_does_not_hold(with_wrong: Path, name: str) -> None:
    said: list[str] = []
    text = export(with_wrong, name, ALL_OF_IT, said.append)
    assert [line for line in said if "--testbed" not in line] == [
        "left out: wrong: off on torch-cpu: its loss is off",
        "left out: skipped on torch-cpu: later: no CUDA device",
    ]
    assert "numpy_manual/numpy/step" in text


def test_a_benchmark_that_pyperf_does_not_take_is_named(one_case: Finish) -> None:
    folder = one_case()
    lines = (folder / SAMPLES).read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if ",first_step," in line)
    *before, _, flags, end = lines[place].rsplit(",", 3)
    (folder / SAMPLES).write_text(
        "\n".join([*lines[:place], ",".join([*before, "0.0", flags, end]), *lines[place + 1 :]]) + "\n"
    )
    said: list[str] = []
    export(folder, "pyperf", ALL_OF_IT, said.append)
    assert [text for text in said if "first_step" in text and "it holds a time of zero" in text] == said != []


def test_without_samples_medians_are_exported_and_a_format_of_samples_says_what_it_lacks(
    sample: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(sample, folder, ignore=shutil.ignore_patterns(SAMPLES))
    for name in ("bencher", "github-action-benchmark"):
        assert export(folder, name) == export(sample, name)
    for name in ("pyperf", "pytest-benchmark"):
        with pytest.raises(DataFormatError, match=f"{name} takes single samples, .* no samples.csv: restore the file"):
            export(folder, name)


def test_a_range_keeps_its_zeros(build: ModuleType, one_case: Finish) -> None:
    """The action's pattern for a range asks for two characters or more, so `± 5` would be none."""
    folder = one_case()
    row = build.summary_row(median_seconds=9e-6, low_seconds=8e-6, high_seconds=14e-6, run_id="run")
    RunStore(folder).write_summary([row])
    entry = TypeAdapter(list[Entry]).validate_json(export(folder, "github-action-benchmark", ALL_OF_IT))[0]
    assert (entry.value, entry.range) == (9.0, "± 5.00000")
    assert (entry.extra or "").startswith("95 % interval: 8.00000 to 14.0000 us")


@pytest.fixture
def with_speedup(build: ModuleType, tmp_path: Path, finish: Finish) -> Path:
    """A baseline, and a case that is four times as fast."""
    run = build.HandMade(tmp_path / "speedups")
    for name, factor in (("numpy_manual", 1.0), ("torch_tensor", 0.25)):
        planned = run.plan(name, "numpy" if factor == 1.0 else "torch-cpu")
        for round_, seconds in enumerate(EIGHT):
            run.process(planned, round_, step=[seconds * factor * 1e-3])
    return finish(run)


@pytest.mark.parametrize(("metric", "unit", "value"), [("speedup", "x", 4.0), ("throughput", "rows/s", 64 / 2.5625e-4)])
def test_the_action_gets_rates_under_names_and_in_a_direction_of_their_own(
    metric: str, unit: str, value: float, with_speedup: Path
) -> None:
    said: list[str] = []
    found = strict(export(with_speedup, "github-action-benchmark", Wanted(metric=Metric(metric)), said.append))
    entry = found[-1]
    assert entry["name"].startswith("torch_tensor/torch-cpu/step[")
    assert entry["name"].endswith(f"]: {metric}")
    assert (entry["unit"], entry["value"]) == (unit, pytest.approx(value, rel=1e-5))
    assert "tool: customBiggerIsBetter" in said[-1]
    assert "machine: Imaginary Processor" in entry["extra"]
    assert len(found) == (1 if metric == "speedup" else 2)
    if metric == "speedup":
        assert [line for line in said if line.startswith("left out: numpy_manual/")], "1 by definition"
        assert "over: numpy_manual" in entry["extra"]
    low, high = (
        float(word) for word in entry["extra"].partition(": ")[2].split(" rows")[0].split(" x")[0].split(" to ")
    )
    assert low <= value <= high


def test_bencher_gets_the_one_metric_that_was_chosen(with_speedup: Path) -> None:
    for metric, measure in (("time", "latency"), ("speedup", "speedup"), ("throughput", "throughput")):
        said: list[str] = []
        found = strict(export(with_speedup, "bencher", Wanted(metric=Metric(metric)), said.append))
        assert all(set(measures) == {measure} for measures in found.values())
        assert any("--testbed" in line for line in said) == (metric != "speedup"), "a speedup means the same anywhere"
    rows = {row.case.implementation: row for row in summary_rows(read_summary(with_speedup))}
    throughput = found[next(name for name in found if name.startswith("torch_tensor"))]["throughput"]
    row = rows["torch_tensor"]
    assert row.low_seconds
    assert throughput["value"] == row.per_second
    assert throughput["upper_value"] == pytest.approx(64 / row.low_seconds)


def test_a_format_of_times_refuses_another_metric(with_speedup: Path, one_case: Finish) -> None:
    for name in ("pyperf", "pytest-benchmark"):
        with pytest.raises(UsageError, match="holds times and nothing else; choose --to bencher or github-action"):
            export(with_speedup, name, Wanted(metric=Metric.SPEEDUP))
        assert export(with_speedup, name, Wanted(metric=Metric.TIME)) == export(with_speedup, name)
    with pytest.raises(DataFormatError, match="has no speedup of what you chose"):
        export(one_case(), "bencher", Wanted(metric=Metric.SPEEDUP))
