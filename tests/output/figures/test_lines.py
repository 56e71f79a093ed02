from __future__ import annotations

from typing import Any

import pytest

from bench.data.store import read_summary
from bench.model.problem import Dtype
from bench.model.workload import WORKLOADS
from bench.output.figures import Look, RunData, Width
from bench.output.figures._frame import columns_of
from bench.output.figures._lines import in_turn, line_keys, line_look, scene, swept_axis
from bench.workloads import tutorial


def test_each_kind_gives_its_first_before_another_gives_its_second() -> None:
    items = ["a1", "a2", "a3", "b1", "c1", "c2"]
    kinds = [item[0] for item in items]
    assert in_turn(items, kinds, 3) == ["a1", "b1", "c1"]
    assert in_turn(items, kinds, 5) == ["a1", "a2", "b1", "c1", "c2"]
    assert in_turn(items, kinds, 9) == items


def test_the_axis_is_the_size_that_varies_most(swept: Any) -> None:
    swept.contenders(["torch_tensor"])
    for hidden in (10, 1000):
        swept.contenders(["torch_tensor"], hidden=hidden)
    assert swept_axis(RunData(swept.write())) == "size.batch"


def of(swept: Any, look: Look | None = None) -> Any:
    data = RunData(swept.write())
    return scene(data.headline, "size.batch", data.cast, look or Look())


def test_a_contender_looks_the_same_in_all_panels_and_sizes_scale_with_letters(swept: Any) -> None:
    swept.contenders(["torch_tensor", "torch_nn"])
    swept.contenders(["torch_optim"], "mlp_bias_adam")
    found, small, large = of(swept), Look(), Look(shrunk=2.0)
    whos = [line.contender for plane in found.planes for line in plane.lines]
    looks = [line_look(found, who, small) for who in whos]
    assert len({(made["color"], made["marker"]) for made in looks}) == 4  # both baselines look alike
    assert looks[0] == looks[3]
    assert line_look(found, whos[0], large)["ms"] == 2 * looks[0]["ms"]
    assert [key.get_label() for key in line_keys(found, small)] == [
        "baseline",
        "torch_tensor",
        "torch_nn",
        "torch_optim",
    ]


@pytest.mark.parametrize(("panels", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3), (6, 3)])
def test_panels_stand_beside_each_other_on_a_slide(panels: int, columns: int) -> None:
    assert columns_of(Look(Width.SLIDE), panels) == columns
    assert columns_of(Look(Width.COLUMN), panels) == 1
    assert columns_of(Look(Width.PAGE), panels) == min(2, panels)


FIGURES = ("speedup_size", "time_size", "heatmap")


@pytest.mark.parametrize("name", FIGURES)
def test_another_axis_is_named(swept: Any, drawn: Any, name: str) -> None:
    swept.axis, swept.sizes = "d_in", [8, 32, 128]
    swept.contenders(["torch_tensor"])
    drawing = drawn(name, swept)
    assert drawing.axis.get_xlabel().startswith("d-in")
    assert list(drawing.ticks("x")) == ["8", "32", "128"]


def test_sizes_that_a_refinement_added_get_points_but_no_numbers(swept: Any, drawn: Any) -> None:
    swept.sizes = [16, 27, 30, 64, 256]
    swept.manifest["axes"] = {"size.batch": [16, 64, 256]}
    swept.contenders(["torch_nn"])
    folder = swept.write()
    for name in ("speedup_size", "time_size"):
        drawing = drawn(name, folder)
        assert list(drawing.ticks("x")) == ["16", "64", "256"]
        assert list(drawing.lines()["torch_nn"].lines[0].get_xdata()) == swept.sizes


def intervals(container: Any) -> list[tuple[float, float]]:
    (bars,) = container.lines[2]
    return [(segment[0][1], segment[1][1]) for segment in bars.get_segments() if len(segment)]


@pytest.mark.parametrize(
    ("name", "columns", "label", "known"),
    [
        ("speedup_size", ("speedup", "speedup_low", "speedup_high"), "speedup over ", {"0.5x", "1x", "2x"}),
        ("time_size", ("median_seconds", "low_seconds", "high_seconds"), "time of one step (log", {"100 µs", "1 ms"}),
    ],
)
def test_lines_and_intervals_are_those_of_the_file_and_lie_inside(
    swept: Any, drawn: Any, name: str, columns: tuple[str, ...], label: str, known: set[str]
) -> None:
    swept.contenders(["torch_tensor", "torch_nn"])
    swept.line("torch_autograd", interval=False)
    drawing = drawn(name, swept)
    rows = read_summary(swept.folder).sort_values("size.batch")
    axis, of_name = drawing.axis, rows.groupby("implementation")
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    assert axis.get_xlabel() == "batch (log scale)"
    assert axis.get_ylabel().startswith(label)
    assert known <= drawing.ticks("y").keys()
    assert drawing.ticks("x") == {"16": 16, "64": 64, "256": 256, "1024": 1024}
    assert ("numpy_manual" in drawing.lines()) == (name == "time_size")
    assert [list(line.get_ydata()) for line in axis.lines].count([1, 1]) == (name == "speedup_size")
    assert axis.get_ylim()[0] < rows[[*columns]].min(axis=None) < rows[[*columns]].max(axis=None) < axis.get_ylim()[1]
    for implementation, container in drawing.lines().items():
        x, y = container.lines[0].get_data()
        value, low, high = (of_name.get_group(implementation)[column].to_list() for column in columns)
        assert list(x) == swept.sizes
        assert list(y) == pytest.approx(value, rel=1e-12)
        expected = [] if implementation == "torch_autograd" else list(zip(low, high, strict=True))
        assert intervals(container) == [pytest.approx(ends, rel=1e-12) for ends in expected]
        assert all(cap.get_markeredgewidth() > 0 for cap in container.lines[1])


# Limits of the time of a step

NAMES = ["torch_tensor", "torch_nn"]


def limits(axis: Any) -> list[tuple[list[float], list[float]]]:
    """The lines of a panel that have neither marks nor bars, in the order in which they were drawn."""
    ours = {id(artist) for box in axis.containers for artist in (box.lines[0], *box.lines[1])}
    rest = [line for line in axis.lines if id(line) not in ours]
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in rest]


def test_the_limits_are_the_steps_arithmetic_and_bytes_over_the_measured_peaks(swept: Any, drawn: Any) -> None:
    swept.manifest["peaks"] = [swept.build.make_peak(gflops=80.0, gigabytes_per_second=16.0)]
    swept.contenders(NAMES)
    drawing = drawn("time_size", swept)
    flops, moved = limits(drawing.axes[0])
    assert flops[0] == moved[0] == swept.sizes
    workload = WORKLOADS["mlp_sgd"]
    problems = [tutorial(batch=size) for size in swept.sizes]
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
    assert (limits(drawing.axes[0]), drawing.notes()) == ([], [])
    assert "no limits: the run measured no peak of these devices" in drawing.words


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
