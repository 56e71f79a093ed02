from __future__ import annotations

from typing import Any

import pytest

from bench.data.store import read_summary
from bench.model.problem import Dtype
from bench.model.workload import WORKLOADS
from bench.workloads import tutorial

NAMES = ["torch_tensor", "torch_nn"]
LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]


def sign(artist: Any) -> tuple[Any, ...]:
    return artist.get_color(), artist.get_marker(), artist.get_fillstyle()


def marks(drawing: Any, axis: Any) -> dict[str, tuple[list[float], list[float]]]:
    """Each case's line of marks by what the legend calls it."""
    keys = {sign(handle): label for label, handle in drawing.keys.items()}
    marked = [line for line in axis.lines if line.get_marker() != "None" and line.get_linestyle() != "None"]
    return {keys[sign(line)]: (list(line.get_xdata()), list(line.get_ydata())) for line in marked}


def ceilings(axis: Any) -> list[list[tuple[float, float]]]:
    return [[tuple(point) for point in line.get_xydata()] for line in axis.lines if line.get_marker() == "None"]


def test_a_mark_lies_at_the_steps_intensity_and_at_the_rate_of_the_file_the_largest_size_larger(
    swept: Any, drawn: Any
) -> None:
    swept.contenders(NAMES)
    drawing = drawn("roofline", swept)
    axis = drawing.axis
    found = marks(drawing, axis)
    assert list(found) == ["numpy_manual (numpy)", "torch_tensor (torch-cpu)", "torch_nn (torch-cpu)"]
    rows, workload = read_summary(swept.folder), WORKLOADS["mlp_sgd"]
    problems = [tutorial(batch=size) for size in swept.sizes]
    intensity = [workload.flops(each, "step") / workload.bytes_moved(each, "step") for each in problems]
    assert intensity[1] == pytest.approx(25_984_000 / 2_648_644)
    for name, (x, y) in found.items():
        assert x == pytest.approx(intensity, rel=1e-12)
        of_name = rows[rows["implementation"] == name.partition(" ")[0]].sort_values("size.batch")
        assert y == pytest.approx(of_name["gflops"].to_list(), rel=1e-12)
    largest = [line for line in axis.lines if line.get_linestyle() == "None"]
    assert [tuple(*line.get_xydata()) for line in largest] == [(x[-1], y[-1]) for x, y in found.values()]
    assert min(line.get_markersize() for line in largest) > max(
        line.get_markersize() for line in axis.lines if line.get_marker() != "None" and line not in largest
    )
    assert {line.get_markerfacecolor() for line in largest} == {"none"}
    assert "batch 16 to 1024, the largest with the larger, hollow mark" in drawing.words


def test_the_ceilings_are_the_measured_peaks_and_meet(swept: Any, drawn: Any) -> None:
    swept.manifest["peaks"] = [
        swept.build.make_peak(gflops=96.0, gigabytes_per_second=20.0),
        swept.build.make_peak("torch-cpu", gflops=90.0, gigabytes_per_second=24.0),
    ]
    swept.contenders(NAMES)
    drawing = drawn("roofline", swept)
    axis = drawing.axis
    level, slope = ceilings(axis)
    assert level[0] == slope[1] == (pytest.approx(4.0), pytest.approx(96.0))
    assert level[1] == (pytest.approx(axis.get_xlim()[1]), pytest.approx(96.0))
    x, y = slope[0]
    assert x == pytest.approx(axis.get_xlim()[0])
    assert y / x == pytest.approx(24.0)
    assert drawing.notes(axis) == ["measured: 96.0 GFLOP/s (numpy)", "measured: 24.0 GB/s (torch-cpu)"]


def test_the_axes_are_logarithmic_and_have_units_and_hold_everything(swept: Any, drawn: Any) -> None:
    swept.contenders(NAMES)
    drawing = drawn("roofline", swept)
    axis = drawing.axis
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    assert axis.get_xlabel() == "FLOP per compulsory byte (log scale)"
    assert axis.get_ylabel() == "GFLOP/s (log scale)"
    for label, place in (drawing.ticks("x") | drawing.ticks("y")).items():
        assert float(label) == pytest.approx(place)
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    for x, y in marks(drawing, axis).values():
        assert left < min(x) < max(x) < right
        assert low < min(y) < max(y) < high
    assert low < 100.0 < high
    assert left < 10.0 < right  # where the ceilings meet
    assert "caches" in drawing.words


def test_one_size_gives_one_mark_a_case_and_all_cases_differ(measured: Any, drawn: Any) -> None:
    measured.manifest = {"peaks": [measured.build.make_peak()]}
    for name, backend in (("numpy_manual", "numpy"), *((name, "torch-cpu") for name in LONG)):
        measured.add(name, backend, gflops=50.0)
    measured.add("torch_nn", gflops=None)
    drawing = drawn("roofline", measured)
    found = marks(drawing, drawing.axes[0])
    assert list(found) == [
        "numpy_manual (numpy): 50.0 GFLOP/s",
        *(f"{name} (torch-cpu): 50.0 GFLOP/s" for name in LONG),
    ]
    assert {tuple(map(len, places)) for places in found.values()} == {(1, 1)}
    assert "larger mark" not in drawing.words


def test_there_is_a_panel_for_what_has_other_ceilings(swept: Any, drawn: Any) -> None:
    swept.manifest["peaks"] = [
        swept.build.make_peak(threads=1, gflops=50.0),
        swept.build.make_peak(threads=2, gflops=90.0),
        swept.build.make_peak("torch-cuda", gflops=9000.0),
        swept.build.make_peak(dtype="float64", gflops=45.0),
    ]
    for threads in (1, 2):
        swept.contenders(NAMES, threads=threads)
    swept.contenders(NAMES, dtype=Dtype.FLOAT64)
    swept.line("torch_tensor", "torch-cuda")
    drawing = drawn("roofline", swept)
    assert {axis.get_title(loc="left"): drawing.notes(axis)[0] for axis in drawing.axes} == {
        "cpu, float32, 1 CPU thread": "measured: 50.0 GFLOP/s (numpy)",
        "cpu, float32, 2 CPU threads": "measured: 90.0 GFLOP/s (numpy)",
        "cpu, float64, 2 CPU threads": "measured: 45.0 GFLOP/s (numpy)",
        "cuda, float32, 2 CPU threads": "measured: 9000 GFLOP/s (torch-cuda)",
    }
    assert [len(marks(drawing, axis)) for axis in drawing.axes] == [3, 3, 3, 1]


def test_devices_without_a_peak_are_left_out_and_named(swept: Any, drawn: Any) -> None:
    swept.contenders(NAMES)
    swept.line("torch_tensor", "torch-cuda")
    drawing = drawn("roofline", swept)
    assert drawing.titles == ["cpu"]
    assert "no peak of cuda was measured" in drawing.words
