from __future__ import annotations

from typing import Any

import pytest

from bench.data.store import read_summary
from bench.model.problem import Dtype, Problem
from bench.model.workload import WORKLOADS

NAMES = ["torch_tensor", "torch_nn"]


def limits(axis: Any) -> list[tuple[list[float], list[float]]]:
    """The lines of a panel that have neither marks nor bars, in the order in which they were drawn."""
    ours = {id(artist) for box in axis.containers for artist in (box.lines[0], *box.lines[1])}
    rest = [line for line in axis.lines if id(line) not in ours]
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in rest]


def test_the_axis_has_units_and_everything_lies_inside(swept: Any, drawn: Any) -> None:
    swept.contenders(NAMES)
    drawing = drawn("time_size", swept)
    assert list(drawing.lines()) == ["numpy_manual", *NAMES]
    assert drawing.axis.get_ylabel() == "time of one step (log scale)"
    assert {"100 µs", "1 ms"} <= set(drawing.ticks("y"))
    rows = read_summary(swept.folder)
    ends = [*rows["low_seconds"], *rows["high_seconds"], *(y for _, ys in limits(drawing.axis) for y in ys)]
    low, high = drawing.axis.get_ylim()
    assert low < min(ends) < max(ends) < high


def test_the_limits_are_the_steps_arithmetic_and_bytes_over_the_measured_peaks(swept: Any, drawn: Any) -> None:
    swept.manifest["peaks"] = [swept.build.make_peak(gflops=80.0, gigabytes_per_second=16.0)]
    swept.contenders(NAMES)
    drawing = drawn("time_size", swept)
    flops, moved = limits(drawing.axes[0])
    assert flops[0] == moved[0] == swept.sizes
    workload = WORKLOADS["mlp_sgd"]
    problems = [Problem(batch=size) for size in swept.sizes]
    assert flops[1] == pytest.approx([workload.flops(problem, "step") / 80e9 for problem in problems])
    assert moved[1] == pytest.approx([workload.bytes_moved(problem, "step") / 16e9 for problem in problems])
    at_tutorial = swept.sizes.index(64)
    assert flops[1][at_tutorial] == pytest.approx(25_984_000 / 80e9)
    assert moved[1][at_tutorial] == pytest.approx((716_324 + 720_320 + 1_212_000) / 16e9)
    assert drawing.notes() == ["limit by arithmetic: 80.0 GFLOP/s (numpy)", "limit by memory: 16.0 GB/s (numpy)"]
    assert "limits: by measured peaks" in drawing.words


def test_of_several_threads_the_best_peak_is_taken_and_named(swept: Any, drawn: Any) -> None:
    swept.manifest["peaks"] = [
        swept.build.make_peak(threads=1, gflops=50.0, gigabytes_per_second=12.0),
        swept.build.make_peak("torch-cpu", threads=2, gflops=90.0, gigabytes_per_second=11.0),
        swept.build.make_peak(threads=4, gflops=500.0, gigabytes_per_second=500.0),
        swept.build.make_peak(dtype="float64", gflops=600.0),
    ]
    for threads in (1, 2):
        swept.contenders(NAMES, threads=threads)
    assert drawn("time_size", swept).notes() == [
        "limit by arithmetic: 90.0 GFLOP/s (torch-cpu, 2 CPU threads)",
        "limit by memory: 12.0 GB/s (numpy, 1 CPU thread)",
    ]


def test_each_device_has_its_own_limits(swept: Any, drawn: Any) -> None:
    swept.manifest["peaks"] += [
        swept.build.make_peak("torch-cuda", gflops=9e3, gigabytes_per_second=800.0),
        swept.build.make_peak("torch-cuda", gflops=1e4, threads=1),  # with which nothing was measured on that device
    ]
    for threads in (1, 2):
        swept.contenders(NAMES, threads=threads)
    swept.line("torch_tensor", "torch-cuda")
    drawing = drawn("time_size", swept)
    assert len(limits(drawing.axes[0])) == 4
    assert [note.partition(": ")[2] for note in drawing.notes()] == [
        "100 GFLOP/s (numpy, 2 CPU threads)",
        "10.0 GB/s (numpy, 2 CPU threads)",
        "9000 GFLOP/s (torch-cuda)",
        "800 GB/s (torch-cuda)",
    ]


def test_panels_with_the_same_limits_name_them_once(swept: Any, drawn: Any) -> None:
    for hidden in (10, 100):
        swept.contenders(["torch_tensor"], hidden=hidden)
    drawing = drawn("time_size", swept)
    assert list(drawing.keys)[-2:] == ["limit by arithmetic: 100 GFLOP/s (numpy)", "limit by memory: 10.0 GB/s (numpy)"]
    assert [drawing.notes(axis) for axis in drawing.axes] == [[], []]
    assert [len(limits(axis)) for axis in drawing.axes] == [2, 2]


def test_a_run_without_peaks_is_drawn_without_limits_and_says_so(swept: Any, drawn: Any) -> None:
    swept.manifest["peaks"] = []
    swept.contenders(NAMES)
    drawing = drawn("time_size", swept)
    assert limits(drawing.axes[0]) == []
    assert "no limits: the run measured no peak of these devices" in drawing.words
    assert drawing.notes() == []


@pytest.mark.parametrize("double", [45.0, None])
def test_panels_with_other_limits_name_them_each_for_itself(swept: Any, drawn: Any, double: float | None) -> None:
    peak = swept.build.make_peak
    swept.manifest["peaks"] = [peak(gflops=90.0), *([peak(gflops=double, dtype="float64")] if double else [])]
    for dtype in (Dtype.FLOAT32, Dtype.FLOAT64):
        swept.contenders(["torch_tensor"], dtype=dtype)
    drawing = drawn("time_size", swept)
    told = [[note for note in drawing.notes(axis) if "arithmetic" in note] for axis in drawing.axes]
    assert told[0] == ["limit by arithmetic: 90.0 GFLOP/s (numpy)"]
    assert told[1] == (["limit by arithmetic: 45.0 GFLOP/s (numpy)"] if double else [])
    assert [len(limits(axis)) for axis in drawing.axes] == [2, 2 if double else 0]
    assert ("where there are some" in drawing.words) == (double is None)


def test_baselines_of_several_workloads_share_a_key(swept: Any, drawn: Any) -> None:
    swept.contenders(["torch_tensor"])
    swept.contenders(["torch_nn"], "mlp_bias_sgd")
    drawing = drawn("time_size", swept)
    assert list(drawing.keys)[:3] == ["baseline", "torch_tensor", "torch_nn"]
    assert [list(drawing.lines(axis)) for axis in drawing.axes] == [
        ["baseline", "torch_tensor"],
        ["baseline", "torch_nn"],
    ]
