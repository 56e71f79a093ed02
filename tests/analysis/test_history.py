from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bench.analysis.history import History, RunFiles, Series, histories, moment
from bench.data.schema import Method, Status
from bench.data.store import read_manifest, read_summary
from bench.errors import DataFormatError
from bench.machine.identity import machine_of
from bench.stats.estimates import unpaired_ratio_estimate
from bench.workloads import tutorial

Make = Callable[..., RunFiles]
GIB = 2**30


@pytest.fixture
def run(build: ModuleType, tmp_path: Path) -> Make:
    """A run written and read back: rows of a case's step unless they are rows already."""
    made = 0

    def make(
        rows: list[Any] | float, created: str = "", gpus: Mapping[str, str] | None = None, **manifest: Any
    ) -> RunFiles:
        nonlocal made
        made += 1
        values: dict[str, Any] = {"run_id": f"run{made}", "created": created or f"2026-01-{made:02}T00:00:00+00:00"}
        if not isinstance(rows, list):
            rows = [build.summary_row(median_seconds=rows, low_seconds=rows * 0.9, high_seconds=rows * 1.1)]
        folder = build.write_summary_run(tmp_path / f"{made}", rows, **(values | manifest))
        return RunFiles(read_manifest(folder), read_summary(folder), gpus or {})

    return make


def only(found: tuple[History, ...]) -> Series:
    ((series,),) = (history.series for history in found)
    return series


def medians(series: Series) -> list[float | None]:
    return [None if point.seconds is None else point.seconds.value for point in series.points]


def test_a_series_is_in_the_order_of_the_runs_not_of_their_names(run: Make) -> None:
    later = run(2.0, "2026-03-01T00:00:00+00:00", run_id="a", git_revision="f" * 40)
    first = run(1.0, "2026-02-01T00:00:00+00:00", run_id="b")
    elsewhere = run(1.5, "2026-03-01T01:30:00+02:00", run_id="c")  # half an hour before midnight in UTC
    series = only(histories([later, first, elsewhere]))
    assert medians(series) == [1.0, 1.5, 2.0]
    assert [(point.run, point.run_id, point.revision) for point in series.points] == [
        (0, "b", None),
        (1, "c", None),
        (2, "a", "f" * 40),
    ]
    assert series.points[0].seconds is not None
    assert (series.points[0].seconds.low, series.points[0].seconds.high) == (0.9, 1.1)


def test_runs_of_the_same_moment_keep_an_order(run: Make) -> None:
    runs = [run(seconds, "2026-01-01T00:00:00", run_id=name) for seconds, name in ((1.0, "x"), (2.0, "y"))]
    assert medians(only(histories(runs))) == medians(only(histories(runs[::-1]))) == [1.0, 2.0]


def test_two_machines_are_never_one_series(run: Make) -> None:
    facts: dict[str, Any] = {"cpu": "A", "cpus": 2, "memory_bytes": 8 * GIB, "cgroup_cpus": None}
    others = [{"cpu": "B"}, {"cpus": 4}, {"memory_bytes": 16 * GIB}, {"cgroup_cpus": 2.0}]
    runs = [run(1.0, machine=facts | change) for change in ({}, *others)]
    runs.append(run(2.0, machine=facts | {"memory_bytes": 8 * GIB - 5_000_000, "python": "3.13.0", "load_1min": 1.5}))
    found = histories(runs)
    assert [item.machine for item in found] == [machine_of(facts | change) for change in ({}, *others)]
    assert [medians(item.series[0]) for item in found] == [[1.0, 2.0], [1.0], [1.0], [1.0], [1.0]]


def test_what_a_run_could_use_and_its_variables_are_told_and_begin_no_series(run: Make) -> None:
    facts: dict[str, Any] = {"cpu": "A", "cpus": 8, "cpus_usable": 8, "blas_kernels": "Zen"}
    pinned = facts | {"cpus_usable": 4}
    looked_for = "OMP_* LD_PRELOAD"
    runs = [
        run(1.0, machine=facts),
        run(1.0, machine=pinned, environment={"LD_PRELOAD": "libjemalloc.so.2"}, looked_for=looked_for),
        run(1.0, machine=pinned | {"blas_kernels": "Haswell"}, looked_for=looked_for),
    ]
    (history,) = histories(runs)
    told = [list(map(str, point.differences)) for point in history.series[0].points]
    assert told == [
        [],
        ["cpus_usable 8 → 4"],  # whether anything was preloaded before is not known
        ["blas_kernels Zen → Haswell", "LD_PRELOAD libjemalloc.so.2 → unset"],
    ]


def test_a_run_that_tells_less_of_its_machine_joins_one_that_it_may_be_of(run: Make) -> None:
    facts: dict[str, Any] = {"cpu": "A", "cpus": 8}
    models = [{}, {"cpu_model": "model 1"}, {"cpu_model": "model 2"}, {"cpu_model": "model 1"}]
    runs = [run(float(number), machine=facts | model) for number, model in enumerate(models, start=1)]
    found = histories(runs)
    assert [(item.machine.cpu_model, medians(item.series[0])) for item in found] == [
        ("model 1", [1.0, 2.0, 4.0]),
        ("model 2", [3.0]),
    ]


def test_cases_that_differ_in_anything_are_apart(run: Make, build: ModuleType) -> None:
    cases = [
        build.make_case(),
        build.make_case(threads=1),
        build.make_case(problem=tutorial(hidden=200)),
        build.make_case("torch_tensor", "torch-cpu"),
    ]
    rows = [build.summary_row(case, median_seconds=1.0 + index) for index, case in enumerate(cases)]
    (history,) = histories([run(rows), run(rows)])
    assert [medians(item) for item in history.series] == [[1.0] * 2, [2.0] * 2, [3.0] * 2, [4.0] * 2]


def test_cases_can_be_chosen(run: Make, build: ModuleType) -> None:
    cases = [build.make_case(), build.make_case("torch_nn", "torch-cpu"), build.make_case("torch_nn", "torch-cuda")]
    runs = [run([build.summary_row(case, median_seconds=1.0) for case in cases])]

    def chosen(**options: Any) -> list[tuple[str, str]]:
        (history,) = histories(runs, **options)
        return [(item.case.implementation, item.case.backend) for item in history.series]

    assert chosen(implementations=["torch_nn"]) == [("torch_nn", "torch-cpu"), ("torch_nn", "torch-cuda")]
    assert chosen(backend="torch-cpu") == [("torch_nn", "torch-cpu")]
    assert chosen(implementations=["numpy_manual"], backend="torch-cpu") == []


def test_two_gpus_are_apart_and_do_not_part_the_cpus_cases(run: Make, build: ModuleType) -> None:
    rows = [
        build.summary_row(build.make_case(), median_seconds=1.0),
        build.summary_row(build.make_case("torch_nn", "torch-cuda"), median_seconds=2.0),
    ]
    (history,) = histories([run(rows, gpus={"torch-cuda": name}) for name in ("old", "new")])
    assert [(item.gpu, medians(item)) for item in history.series] == [
        (None, [1.0, 1.0]),
        ("old", [2.0]),
        ("new", [2.0]),
    ]


def test_the_step_is_the_whole_one_over_all_depths_by_the_host_clock(run: Make, build: ModuleType) -> None:
    rows = [
        build.summary_row(median_seconds=1.0),
        build.summary_row(median_seconds=2.0, variant=1),
        build.summary_row(median_seconds=3.0, phase="first_step"),
        build.summary_row(median_seconds=4.0, clock="device"),
        build.summary_row(median_seconds=5.0, phase="forward", method=Method.STAGED),
    ]
    assert medians(only(histories([run(rows)]))) == [1.0]
    assert medians(only(histories([run(rows)], "forward"))) == [5.0]


def test_a_phase_is_apart_by_clock_and_never_a_profiled_share(run: Make, build: ModuleType) -> None:
    staged = {"phase": "update", "method": Method.STAGED}
    rows = [
        build.summary_row(median_seconds=1.0, **staged),
        build.summary_row(median_seconds=2.0, clock="device", **staged),
        build.summary_row(median_seconds=3.0, phase="update", method=Method.PROFILED),
    ]
    (history,) = histories([run(rows)], "update")
    assert [(item.clock, medians(item)) for item in history.series] == [("host", [1.0]), ("device", [2.0])]


def test_a_run_in_which_the_case_failed_is_a_gap_with_its_reason(run: Make, build: ModuleType) -> None:
    failed = build.summary_row(status=Status.FAILED, reason="it fell over", method=None, clock=None)
    series = only(histories([run([failed]), run(1.0), run([failed]), run(0.0), run(2.0)]))
    assert medians(series) == [None, 1.0, None, None, 2.0]
    assert [point.reason for point in series.points] == [
        "failed: it fell over",
        "",
        "failed: it fell over",
        "its clock stood still",
        "",
    ]
    assert [point.run for point in series.measured] == [1, 4]


def test_a_run_without_the_case_is_no_gap_and_a_case_without_a_time_no_series(run: Make, build: ModuleType) -> None:
    skipped = build.summary_row(
        build.make_case("torch_nn", "torch-cuda"), status=Status.SKIPPED, reason="no GPU", method=None, clock=None
    )
    other = build.summary_row(build.make_case("torch_nn", "torch-cpu"), median_seconds=9.0)
    (history,) = histories([run(1.0), run([other, skipped]), run(2.0)])
    assert [medians(item) for item in history.series] == [[1.0, 2.0], [9.0]]
    assert [point.run for point in history.series[0].points] == [0, 2]


def test_new_versions_are_told_where_they_came_and_do_not_begin_a_series(run: Make, build: ModuleType) -> None:
    failed = build.summary_row(status=Status.FAILED, reason="x", method=None, clock=None)
    old, new = {"numpy": "2.3.0", "torch": "2.12.0"}, {"numpy": "2.4.0", "torch": "2.13.0", "pandas": "3"}
    series = only(
        histories([run(1.0, packages=old), run([failed], packages=new), run(1.1, packages=new), run(1.2, packages=new)])
    )
    assert [list(map(str, point.differences)) for point in series.points] == [[], [], ["numpy 2.3.0 → 2.4.0"], []]


def test_all_that_may_explain_a_change_is_told_and_nothing_else(run: Make, build: ModuleType) -> None:
    row = [build.summary_row(build.make_case("torch_nn", "torch-cpu"), median_seconds=1.0)]

    def made(version: str) -> RunFiles:
        return run(
            row,
            stepbench=f"s{version}",
            machine={"cpu": "A", "system": f"Linux {version}", "python": f"3.{version}", "load_1min": float(version)},
            packages=dict.fromkeys(("numpy", "torch", "tensorflow", "pandas", "matplotlib", "fancy"), version),
            step_packages={"torch_nn": ["fancy"], "numpy_manual": ["pandas"]},
            environment={"OMP_NUM_THREADS": version},
            facts={"torch-cpu": {"torch_tf32": version}, "numpy": {"blas": version}},
            sources=dict.fromkeys(("torch_nn", "torch_nn/model", "numpy_manual", "numpy_manual/model"), version * 64),
        )

    series = only(histories([made("1"), made("2")]))
    assert sorted(map(str, series.points[1].differences)) == [
        "OMP_NUM_THREADS 1 → 2",
        "fancy 1 → 2",
        "numpy 1 → 2",
        "python 3.1 → 3.2",
        "source of torch_nn 1111111 → 2222222",
        "source of torch_nn/model 1111111 → 2222222",
        "stepbench s1 → s2",
        "system Linux 1 → Linux 2",
        "torch 1 → 2",
        "torch_tf32 1 → 2",
    ]


def test_a_change_lies_between_two_measured_runs_with_its_ratio(run: Make, build: ModuleType) -> None:
    failed = build.summary_row(status=Status.FAILED, reason="x", method=None, clock=None)
    noise = np.random.default_rng(0).normal(0, 0.02, 16)
    times: list[Any] = [float(np.exp(each)) * (1.2 if place >= 8 else 1.0) for place, each in enumerate(noise)]
    series = only(histories([run(item) for item in [*times[:8], [failed], *times[8:]]]))
    (change,) = series.changes
    assert (change.before.run, change.after.run) == (7, 9)
    assert change.ratio == unpaired_ratio_estimate(times[8:], times[:8])
    assert change.shifts


@pytest.mark.slow
def test_a_change_of_the_scatter_alone_is_no_shift(run: Make) -> None:
    swing = np.tile([1.0, -1.0], 15)
    times = np.exp(np.concatenate([0.002 * swing, 0.2 * swing]))
    runs = [run(float(each), f"2026-01-01T00:{place:02}:00") for place, each in enumerate(times)]
    (change,) = only(histories(runs)).changes
    assert not change.shifts


@pytest.mark.parametrize("created", ["yesterday", ""])
def test_a_moment_that_is_none_is_refused(created: str) -> None:
    with pytest.raises(DataFormatError, match=f"created.*'{created}'"):
        moment(created)


def test_no_runs_are_no_histories() -> None:
    assert histories([]) == ()
