from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bench.analysis.crossover import SizePoint, changes, crossovers, points, verdict
from bench.data.crossing import Crossing
from bench.data.run import StoredRun
from bench.data.schema import Status
from bench.stats.estimates import Estimate
from bench.workloads import tutorial


def point(size: int, value: float, half: float | None = 0.05) -> SizePoint:
    return SizePoint(size, Estimate(value) if half is None else Estimate(value, value - half, value + half))


def test_the_crossover_of_straight_lines_is_exact() -> None:
    """ln(T_a / T_b) = ln(size / 300): equal at 300, and the interval is where it is within 0.05."""
    measured = [point(size, math.log(size / 300)) for size in (100, 200, 400, 800)]
    (change,) = changes(measured)
    assert change.below == "a"
    assert change.size.value == pytest.approx(300, rel=1e-9)
    assert (change.size.low, change.size.high) == pytest.approx((300 * math.exp(-0.05), 300 * math.exp(0.05)), rel=1e-9)


def test_the_other_direction_is_the_mirror_image() -> None:
    measured = [point(size, -math.log(size / 300)) for size in (100, 200, 400, 800)]
    (change,) = changes(measured)
    assert change.below == "b"
    assert change.size.value == pytest.approx(300, rel=1e-9)
    assert (change.size.low, change.size.high) == pytest.approx((300 * math.exp(-0.05), 300 * math.exp(0.05)), rel=1e-9)


def test_undecided_sizes_lie_inside_the_interval() -> None:
    measured = [point(100, -0.5), point(200, -0.02), point(400, 0.01), point(800, 0.5)]
    (change,) = changes(measured)
    assert change.size.low is not None
    assert change.size.high is not None
    assert 100 < change.size.low < 200 < change.size.value < 400 < change.size.high < 800


def test_means_that_cross_several_times_give_the_middle_one() -> None:
    measured = [point(100, -0.5), point(200, 0.02), point(400, -0.02), point(800, 0.5)]
    (change,) = changes(measured)
    assert 200 < change.size.value < 400


def test_two_crossovers_of_one_pair_are_both_found() -> None:
    measured = [point(100, -0.5), point(200, 0.5), point(400, 0.4), point(800, -0.5)]
    assert [(round(change.size.value), change.below) for change in changes(measured)] == [(141, "a"), (544, "b")]


def test_sizes_without_an_interval_decide_nothing() -> None:
    assert changes([point(100, -0.5, None), point(200, 0.5)]) == []
    assert verdict([point(100, -0.5, None), point(200, 0.5)]) is Crossing.UNDECIDED


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((-0.5, -0.1, -0.2), Crossing.NEVER),
        ((-0.5, -0.1, -0.01), Crossing.UNDECIDED),
        ((0.01, 0.02, -0.01), Crossing.UNDECIDED),
        ((-0.5, 0.01, 0.2), Crossing.FOUND),
    ],
)
def test_the_verdict(values: tuple[float, ...], expected: Crossing) -> None:
    assert verdict([point(100 * 2**index, value) for index, value in enumerate(values)]) is expected


def by_round(*seconds: float) -> dict[int, dict[int, float]]:
    """One turn a round."""
    return {number: {0: float(each)} for number, each in enumerate(seconds)}


def test_points_pair_rounds_and_need_both_sides() -> None:
    a = {10: by_round(2.0, 4.0, 16.0) | {9: {0: 1e9}}, 20: by_round(1.0), 30: {5: {0: 1.0}}}
    b = {10: by_round(1.0, 2.0, 2.0) | {8: {0: 1e-9}}, 30: {6: {0: 1.0}}, 40: by_round(1.0)}
    (found,) = points(a, b)
    assert found.size == 10
    assert found.ratio.value == pytest.approx(math.log(2 * 2 * 8) / 3)


def test_a_clock_that_stood_still_gives_no_ratio() -> None:
    assert points({10: by_round(0.0)}, {10: by_round(1.0)}) == []


def test_intervals_of_crossovers_cover_the_truth() -> None:
    """Simulated: a power law between the contenders, processes that differ by 5 %, eight rounds, sizes x2."""
    generator = np.random.default_rng(7)
    inside = found = 0
    for _ in range(400):
        truth = math.exp(generator.uniform(math.log(150), math.log(700)))
        slope = generator.uniform(0.2, 0.8)
        a, b = (
            {
                size: by_round(*((size / truth) ** power * np.exp(generator.normal(0, 0.05, 8))))
                for size in (64, 128, 256, 512, 1024, 2048)
            }
            for power in (slope, 0.0)
        )
        for change in changes(points(a, b)):
            found += 1
            assert change.size.low is not None
            assert change.size.high is not None
            inside += change.size.low <= truth <= change.size.high
    assert found > 380
    assert inside / found >= 0.95


@pytest.fixture
def swept(build: ModuleType, tmp_path: Path) -> Any:
    """Two contenders along `hidden` that are equal at 300, eight rounds."""
    made = build.HandMade(tmp_path / "run")
    for hidden in (100, 200, 400, 800):
        for name, backend, seconds in (("numpy_manual", "numpy", hidden / 300), ("torch_nn", "torch-cpu", 1.0)):
            case = made.plan(name, backend, problem=tutorial(hidden=hidden))
            for number in range(8):
                made.process(case, number, step=[seconds * (1 + 0.001 * number)] * 3)
    return made


def rows_of(made: Any) -> Any:
    rows, run = made.summary(), StoredRun(made.folder)
    return crossovers(run.manifest, rows, run.samples, run.processes)


def test_a_run_gives_its_rows(swept: Any) -> None:
    (row,) = rows_of(swept)
    assert (row.axis, row.common["workload"], row.common["size.batch"]) == ("size.hidden", "mlp_sgd", 64)
    assert "size.hidden" not in row.common
    assert (row.a["implementation"], row.b["implementation"]) == ("numpy_manual", "torch_nn")
    assert (row.status, row.faster_below, row.faster_above) == (Crossing.FOUND, "a", "b")
    assert row.size == pytest.approx(300, rel=1e-9)
    assert (row.smallest, row.largest, row.sizes) == (100, 800, 4)


def test_a_throttled_round_does_not_count(swept: Any, build: ModuleType) -> None:
    case = build.make_case("torch_nn", "torch-cpu", problem=tutorial(hidden=800))
    swept.process(case, 99, step=[1e9], throttled="power cap")
    assert rows_of(swept)[0].size == pytest.approx(300, rel=1e-9)


def test_a_case_that_failed_is_no_point(swept: Any, build: ModuleType) -> None:
    case = build.make_case("torch_nn", "torch-cpu", problem=tutorial(hidden=800))
    swept.process(case, 99, status=Status.FAILED, reason="out of memory")
    (row,) = rows_of(swept)
    assert (row.largest, row.sizes) == (400, 3)


def test_a_run_of_one_size_has_no_rows(build: ModuleType, tmp_path: Path) -> None:
    made = build.HandMade(tmp_path / "run")
    made.process(made.plan(), step=[1.0])
    assert rows_of(made) == []


def test_only_backends_threads_and_the_baseline_are_compared(build: ModuleType, tmp_path: Path) -> None:
    """Two programs of one backend are a pair if one is the baseline; one program with one and two threads is, too."""
    made = build.HandMade(tmp_path / "run")
    for hidden in (100, 200):
        for name, backend, threads in (
            ("torch_nn", "torch-cpu", 1),
            ("torch_nn", "torch-cpu", 2),
            ("torch_tensor", "torch-cpu", 1),
            ("numpy_manual", "numpy", 1),
            ("numpy_inplace", "numpy", 1),
        ):
            made.process(made.plan(name, backend, threads=threads, problem=tutorial(hidden=hidden)), step=[1.0])
    found = {
        tuple(side[name] for side in (row.a, row.b) for name in ("implementation", "threads")) for row in rows_of(made)
    }
    assert found == {
        ("torch_nn", 1, "torch_nn", 2),
        ("torch_nn", 1, "numpy_manual", 1),
        ("torch_tensor", 1, "numpy_manual", 1),
        ("torch_nn", 1, "numpy_inplace", 1),
        ("torch_tensor", 1, "numpy_inplace", 1),
        ("numpy_manual", 1, "numpy_inplace", 1),
    }


def test_a_case_that_was_impossibly_fast_leads_nothing(swept: Any, build: ModuleType) -> None:
    """The summary refuses it, so no crossover may rest on it."""
    peak = build.make_peak("torch-cpu", gflops=1e-6)
    rows, run = swept.summary(peaks=[peak]), StoredRun(swept.folder)
    assert {row.status for row in rows} == {Status.WRONG}
    assert crossovers(run.manifest, rows, run.samples, run.processes) == []
