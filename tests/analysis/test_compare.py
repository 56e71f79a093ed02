from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.analysis.compare import also_different, common_factor, compare, differences, incomparable
from bench.analysis.stored import CaseTimes, case_times
from bench.data.run import StoredRun
from bench.data.schema import Method, Status
from bench.machine.variables import patterns
from bench.model.case import Case
from bench.model.problem import Dtype
from bench.stats.estimates import unpaired_ratio_estimate
from bench.workloads import tutorial


@pytest.fixture
def runs(build: ModuleType, tmp_path: Path) -> tuple[Any, Any]:
    return build.HandMade(tmp_path / "a"), build.HandMade(tmp_path / "b")


def stored(made: Any, **manifest: Any) -> StoredRun:
    folder = made.write(**manifest)
    return StoredRun(folder)


def side(made: Any) -> dict[Case, CaseTimes]:
    return case_times(stored(made))


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
    rows = {row.case.implementation: row for row in compare(side(runs[0]), side(runs[1]))}
    row = rows["torch_tensor"]
    present, absent = (row.seconds_a, row.seconds_b) if missing == "B" else (row.seconds_b, row.seconds_a)
    assert (present.value, absent, row.ratio) == (4.0, None, None)
    assert row.reason == f"run {missing} does not have it"
    assert rows["numpy_manual"].ratio.value == 1.0


@pytest.mark.parametrize("column", ["threads", "problem", "backend"])
def test_cases_that_differ_in_anything_are_not_compared(runs: tuple[Any, Any], column: str) -> None:
    other = {"threads": 1, "problem": tutorial(dtype=Dtype.FLOAT64), "backend": "torch-cuda"}
    options: dict[str, Any] = {"implementation": "torch_tensor", "backend": "torch-cpu"}
    runs[0].process(runs[0].plan(**options), step=[1.0])
    runs[1].process(runs[1].plan(**(options | {column: other[column]})), step=[1.0])
    reasons = [row.reason for row in compare(side(runs[0]), side(runs[1]))]
    assert reasons == ["run B does not have it", "run A does not have it"]


def test_processes_that_did_not_finish_or_were_throttled_are_left_out(runs: tuple[Any, Any]) -> None:
    for made in runs:
        case = made.plan()
        made.process(case, 0, step=[2.0])
        made.process(case, 1, step=[1000.0], throttled="thermal")
        made.process(case, 2, step=[1000.0], finished=False)
    (row,) = compare(side(runs[0]), side(runs[1]))
    assert (row.seconds_a.value, row.seconds_b.value, row.ratio.value) == (2.0, 2.0, 1.0)


@pytest.mark.parametrize("status", [Status.FAILED, Status.WRONG, Status.TIMEOUT])
def test_a_case_with_a_bad_process_has_no_ratio_but_the_reason(runs: tuple[Any, Any], status: Status) -> None:
    cases = [made.plan() for made in runs]
    for made, case in zip(runs, cases, strict=True):
        made.process(case, 0, step=[2.0])
    runs[1].process(cases[1], 1, step=[2.0], status=status, reason="no luck")
    (row,) = compare(side(runs[0]), side(runs[1]))
    assert (row.seconds_a.value, row.seconds_b, row.ratio) == (2.0, None, None)
    assert row.reason == f"{status} in run B: no luck"


def test_a_clock_that_stood_still_gives_no_ratio(runs: tuple[Any, Any]) -> None:
    for made, seconds in zip(runs, (1.0, 0.0), strict=True):
        made.process(made.plan(), step=[seconds])
    (row,) = compare(side(runs[0]), side(runs[1]))
    assert (row.seconds_b, row.ratio, row.reason) == (None, None, "run B has no step times")


def test_what_neither_run_measured_is_left_out_and_only_what_is_asked_for_is_shown(runs: tuple[Any, Any]) -> None:
    for made in runs:
        made.process(made.plan(), step=[1.0])
        made.process(made.plan("torch_nn", "torch-cpu"), step=[1.0])
        made.plan("torch_nn", "torch-cuda", skipped="no CUDA device")
    a, b = side(runs[0]), side(runs[1])
    names = [row.case.implementation for row in compare(a, b)]
    assert names == ["numpy_manual", "torch_nn"]
    (row,) = compare(a, b, [case for case in a if case.implementation == "numpy_manual"])
    assert row.case.implementation == "numpy_manual"


def test_only_whole_steps_over_the_mix_of_depths_count(runs: tuple[Any, Any]) -> None:
    for made, extra in zip(runs, (1.0, 9.0), strict=True):
        case = made.plan("numpy_dynamic", workload="mlp_dynamic")
        phases = {"forward": [extra], "backward": [extra], "update": [extra]}
        made.process(case, 0, step=[2.0], phases=phases, by_variant={0: [extra] * 9}, first=extra)
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


def test_what_never_runs_in_a_step_forbids_no_verdict_but_is_named(runs: tuple[Any, Any], build: ModuleType) -> None:
    for made in runs:
        made.plan()
    machine = build.make_manifest().machine
    packages = build.make_manifest().packages
    a = stored(runs[0], machine=machine, environment={"OMP_NUM_THREADS": "2"})
    b = stored(
        runs[1],
        machine=machine | {"system": "Linux 6.9"},
        packages=packages | {"pandas": "3.2", "numpy": "2.5"},
        seed=4,
    )
    assert incomparable(a, b) == ["numpy: 2.4.6 / 2.5"]
    assert also_different(a.manifest, b.manifest) == [
        "seed: 0 / 4",
        "system: Linux 6.1 / Linux 6.9",
        "OMP_NUM_THREADS: 2 / unset",
        "pandas: 3.1.1 / 3.2",
    ]
    assert incomparable(a, a) == also_different(a.manifest, a.manifest) == []


def test_several_machines_forbid_a_verdict(runs: tuple[Any, Any]) -> None:
    for made in runs:
        made.plan()
    one = stored(runs[0], machines={"n1": {}})
    several = stored(runs[1], machines={"n1": {}, "n2": {}})
    assert incomparable(one, several) == ["several machines: n1 n2"]
    assert incomparable(one, one) == []


def test_variables_that_change_results_or_speed_forbid_a_verdict(runs: tuple[Any, Any]) -> None:
    for made in runs:
        made.plan()
    one = {"OPENBLAS_CORETYPE": "Haswell", "OMP_NUM_THREADS": "2", "LD_PRELOAD": "libjemalloc.so.2"}
    other = {"OPENBLAS_CORETYPE": "Zen", "CUDA_VISIBLE_DEVICES": "", "CUDA_LAUNCH_BLOCKING": "1"}
    a, b = (
        stored(made, environment=set_, looked_for=patterns()) for made, set_ in zip(runs, (one, other), strict=True)
    )
    assert incomparable(a, b) == [
        "CUDA_LAUNCH_BLOCKING: unset / 1",
        "LD_PRELOAD: libjemalloc.so.2 / unset",
        "OPENBLAS_CORETYPE: Haswell / Zen",
    ]
    assert also_different(a.manifest, b.manifest) == [
        "CUDA_VISIBLE_DEVICES: unset / empty",
        "OMP_NUM_THREADS: 2 / unset",
    ]


def test_what_an_older_run_does_not_record_is_unknown_and_said_to_be(runs: tuple[Any, Any], build: ModuleType) -> None:
    for made in runs:
        made.plan()
    machine = build.make_manifest().machine
    old = stored(runs[0], machine=machine, environment={"OMP_PROC_BIND": "close"})
    more = machine | {"cgroup_cpus": None, "cpu_model": "family 6", "blas_kernels": "Zen"}
    new = stored(runs[1], machine=more, environment={"LD_PRELOAD": "libm.so"}, looked_for=patterns())
    assert incomparable(old, new) == ["OMP_PROC_BIND: close / unset"], "these were looked for before"
    assert also_different(old.manifest, new.manifest) == [
        "cpu_model: unknown / family 6",
        "cgroup_cpus: unknown / no limit",
        "blas_kernels: unknown / Zen",
        "variables: some unknown / all known",
    ]


def test_a_processor_without_a_name_is_none_that_a_verdict_is_given_on(
    runs: tuple[Any, Any], build: ModuleType
) -> None:
    for made in runs:
        made.plan()
    machine = build.make_manifest().machine
    a, b = (stored(made, machine=machine | {"cpu": "aarch64"}) for made in runs)
    assert incomparable(a, b) == ["cpu: unknown (aarch64) / unknown (aarch64)"]
    assert differences(a.manifest, b.manifest) == [], "a run may be gone on with"
    named = build.HandMade(a.folder.parent / "c")
    named.plan()
    assert incomparable(a, stored(named, machine=machine)) == [f"cpu: unknown (aarch64) / {build.CPU}"]


@pytest.mark.parametrize(
    ("ratios", "factor"),
    [
        ((1.23, 1.23, 1.23), 1.23),
        ((1.20, 1.23, 1.28), 1.23),
        ((0.5, 0.5, 0.5), 0.5),
        ((1.0, 1.23, 1.23), None),  # the baseline stood still: it is not the machine
        ((1.23, 1.0, 1.23), None),
        ((1.02, 1.02, 1.02), None),  # nothing to speak of
    ],
)
def test_one_factor_of_all_cases_is_found(
    runs: tuple[Any, Any], ratios: tuple[float, float, float], factor: float | None
) -> None:
    for made, factors in zip(runs, ((1.0, 1.0, 1.0), ratios), strict=True):
        cases = [made.plan(), made.plan("torch_tensor", "torch-cpu"), made.plan("torch_nn", "torch-cpu")]
        for case, times in zip(cases, factors, strict=True):
            made.process(case, step=[times])
    rows = compare(side(runs[0]), side(runs[1]))
    manifest = StoredRun(runs[0].folder).manifest
    assert common_factor(rows, manifest) == (None if factor is None else pytest.approx(factor))
    assert common_factor(rows[:1], manifest) is common_factor(rows[1:], manifest) is None, "it takes both"


def test_another_gpu_or_driver_is_another_machine(runs: tuple[Any, Any]) -> None:
    found = []
    for made, gpu, driver in zip(runs, ("A100", "H100"), ("550.1", "560.2"), strict=True):
        made.process(made.plan("torch_nn", "torch-cuda"), step=[1.0])
        made.process(made.plan(), step=[1.0])
        run = stored(made, facts={"torch-cuda": {"gpu_driver": driver}})
        run.processes["device_name"] = run.processes["device_name"].where(run.processes["device"] != "cuda", gpu)
        found.append(run)
    assert incomparable(*found) == ["device of torch-cuda: A100 / H100", "driver of torch-cuda: 550.1 / 560.2"]


def test_facts_and_sources_forbid_no_verdict_but_are_named(runs: tuple[Any, Any]) -> None:
    """Such as the version of a framework that a backend of one's own reports."""
    found = []
    for made, version in zip(runs, ("1", "2"), strict=True):
        made.process(made.plan(), step=[1.0])
        facts = {"framework_version": f"v{version}", "blas": "same", f"only{version}": "", "gpu_driver": version}
        found.append(stored(made, facts={"numpy": facts}, sources={"numpy_manual/model": version * 64}))
    assert incomparable(*found) == []
    assert also_different(found[0].manifest, found[1].manifest) == [
        "facts.numpy.framework_version: v1 / v2",
        "source of numpy_manual/model: 1111111 / 2222222",
    ]
