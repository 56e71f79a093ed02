from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from bench.analysis.compare import compare, differences
from bench.analysis.stats import unpaired_ratio_estimate
from bench.data.schema import Method, Status
from bench.data.store import read_processes, read_samples

Side = tuple[pd.DataFrame, pd.DataFrame]


@pytest.fixture
def runs(build: ModuleType, tmp_path: Path) -> tuple[Any, Any]:
    return build.HandMade(tmp_path / "a"), build.HandMade(tmp_path / "b")


def side(made: Any) -> Side:
    folder = made.write()
    return read_samples(folder), read_processes(folder)


def test_the_ratio_is_b_over_a(runs: tuple[Any, Any]) -> None:
    a, b = runs
    times = {0: [1.0, 1.2, 1.1, 0.9, 1.05, 1.3], 1: [2.0, 2.6, 2.2, 1.8, 2.1, 2.4, 2.3]}
    for index, made in enumerate(runs):
        case = made.plan()
        for number, seconds in enumerate(times[index]):
            made.process(case, number, step=[seconds / 2, seconds, seconds * 3], iterations=5)
    (row,) = compare(side(a), side(b))
    expected = unpaired_ratio_estimate(times[1], times[0])
    assert row.ratio.value == pytest.approx(expected.value)
    assert (row.ratio.low, row.ratio.high) == pytest.approx((expected.low, expected.high))
    assert row.seconds_a.value == pytest.approx(1.075)
    assert row.seconds_b.value == pytest.approx(2.2)
    assert row.ratio.value > 1.8
    assert row.reason == ""


def test_a_run_against_itself_is_one(runs: tuple[Any, Any]) -> None:
    case = runs[0].plan()
    for number in range(6):
        runs[0].process(case, number, step=[1.0 + number / 10])
    same = side(runs[0])
    (row,) = compare(same, same)
    assert row.ratio.value == pytest.approx(1.0)
    assert row.ratio.low <= 1.0 <= row.ratio.high


@pytest.mark.parametrize("missing", ["A", "B"])
def test_a_case_that_one_side_lacks_is_shown_without_a_ratio(runs: tuple[Any, Any], missing: str) -> None:
    full, part = runs if missing == "B" else runs[::-1]
    for made in (full, part):
        made.process(made.plan(), step=[1.0])
    full.process(full.plan("torch_tensor", "torch-cpu"), step=[4.0])
    rows = {row.columns["implementation"]: row for row in compare(side(runs[0]), side(runs[1]))}
    row = rows["torch_tensor"]
    present, absent = (row.seconds_a, row.seconds_b) if missing == "B" else (row.seconds_b, row.seconds_a)
    assert (present.value, absent, row.ratio) == (4.0, None, None)
    assert row.reason == f"no times in {missing}"
    assert rows["numpy_manual"].ratio.value == 1.0


@pytest.mark.parametrize("column", ["threads", "problem", "backend"])
def test_cases_that_differ_in_anything_are_not_compared(runs: tuple[Any, Any], column: str) -> None:
    from bench.model.problem import Dtype, Problem

    other = {"threads": 1, "problem": Problem(dtype=Dtype.FLOAT64), "backend": "torch-cuda"}
    options: dict[str, Any] = {"implementation": "torch_tensor", "backend": "torch-cpu"}
    runs[0].process(runs[0].plan(**options), step=[1.0])
    runs[1].process(runs[1].plan(**(options | {column: other[column]})), step=[1.0])
    assert [row.reason for row in compare(side(runs[0]), side(runs[1]))] == ["no times in B", "no times in A"]


def test_processes_that_failed_or_did_not_finish_are_left_out(runs: tuple[Any, Any]) -> None:
    for made in runs:
        case = made.plan()
        made.process(case, 0, step=[2.0])
        made.process(case, 1, step=[1000.0], status=Status.FAILED, reason="died")
        made.process(case, 2, step=[1000.0], finished=False)
    (row,) = compare(side(runs[0]), side(runs[1]))
    assert (row.seconds_a.value, row.seconds_b.value, row.ratio.value) == (2.0, 2.0, 1.0)


def test_only_whole_steps_over_the_mix_of_depths_count(runs: tuple[Any, Any]) -> None:
    for made, extra in zip(runs, (1.0, 9.0), strict=True):
        case = made.plan("numpy_dynamic", workload="mlp_dynamic")
        phases = {"forward": [extra], "backward": [extra], "update": [extra]}
        made.process(case, 0, step=[2.0], phases=phases, by_depth={0: [extra] * 9}, first=extra)
        made.process(case, 1, step=[2.0], phases=phases, method=Method.PROFILED)
    (row,) = compare(side(runs[0]), side(runs[1]))
    assert (row.seconds_a.value, row.seconds_b.value, row.ratio.value) == (2.0, 2.0, 1.0)


def test_runs_without_times_have_nothing_to_compare(runs: tuple[Any, Any]) -> None:
    for made in runs:
        made.plan()
    assert compare(side(runs[0]), side(runs[1])) == []


def test_differences_name_machine_and_packages(build: ModuleType) -> None:
    a = build.make_manifest()
    b = build.make_manifest(
        machine=a.machine | {"cpu": "Another Processor", "cpus_usable": 4, "load_1min": 3.5},
        packages={"numpy": "2.4.6", "torch": "2.12.0", "pandas": "3.1.1", "scipy": "1.17.1"},
    )
    assert differences(a, b) == [
        f"cpu: {build.CPU} / Another Processor",
        "cpus_usable: 2 / 4",
        "scipy: absent / 1.17.1",
        "tensorflow: 2.21.0 / absent",
        "torch: 2.13.0+cpu / 2.12.0",
    ]


def test_runs_on_the_same_machine_do_not_differ(build: ModuleType) -> None:
    assert differences(build.make_manifest(), build.make_manifest(run_id="another", seed=1)) == []
