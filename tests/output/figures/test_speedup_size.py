from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from bench.data.crossing import Crossing
from bench.data.store import read_crossovers
from bench.output.figures import Look, Width

NAMES = ["torch_tensor", "torch_nn", "torch_autograd"]
LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]


def bands(axis: Any) -> list[tuple[float, float]]:
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axis.patches]


def verticals(axis: Any) -> list[float]:
    return [line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == 2 and line.get_ydata()[0] == 0]


def rings(axis: Any) -> list[tuple[float, float]]:
    return [
        (line.get_xdata()[0], line.get_ydata()[0])
        for line in axis.lines
        if line.get_markerfacecolor() == "none" and line.get_linestyle() == "None"
    ]


def test_a_band_ends_where_the_crossovers_interval_does(swept: Any, drawn: Any) -> None:
    swept.contenders(NAMES)
    swept.line("torch_module")
    swept.crossing("torch_module", size=100.0, interval=False)
    drawing = drawn("speedup_size", swept)
    axis = drawing.axis
    rows = read_crossovers(swept.folder).sort_values("size")
    assert verticals(axis) == rows["size"].to_list()
    rows = rows[rows["size_low"].notna()]
    assert bands(axis) == [pytest.approx(ends) for ends in zip(rows["size_low"], rows["size_high"], strict=True)]
    colours = [drawing.lines(axis)[name].lines[0].get_color() for name in NAMES]
    assert [to_hex(patch.get_facecolor()) for patch in axis.patches] == [to_hex(colour) for colour in colours]
    assert drawing.notes() == [
        "torch_tensor overtakes numpy_manual at batch 27.5 [24.8 … 30.8]",
        "torch_nn overtakes numpy_manual at batch 48.8 [43.9 … 54.6]",
        "torch_autograd overtakes numpy_manual at batch 67.5 [60.8 … 75.6]",
        "torch_module overtakes numpy_manual at batch 100",
    ]


def test_who_is_slower_above_falls_behind(swept: Any, drawn: Any) -> None:
    swept.contenders([])
    swept.line("torch_nn", constant=1e-6, rate=3e-6)
    swept.crossing("numpy_manual", "torch_nn", size=49.0, backends=("numpy", "torch-cpu"))
    swept.line("torch_tensor")
    swept.crossing("numpy_manual", "torch_tensor", size=80.0, faster_below="a", faster_above="b")
    told = [note.partition(" at ")[0] for note in drawn("speedup_size", swept).notes()]
    assert told == ["torch_nn falls behind numpy_manual", "torch_tensor overtakes numpy_manual"]


@pytest.mark.parametrize(
    "other",
    [
        {"common": {"workload": "mlp_bias_sgd"}},
        {"common": {"size.hidden": 7}},
        {"common": {"mode": "resident-cold"}},
        {"common": {"precision": "tf32"}},
        {"common": {"dtype": "float64"}},
        {"axis": "size.d_in"},
        {"status": Crossing.NEVER, "size": None},
        {"status": Crossing.UNDECIDED, "size": None},
    ],
)
def test_crossovers_of_other_panels_and_those_not_found_are_not_drawn(
    swept: Any, drawn: Any, other: dict[str, Any]
) -> None:
    swept.contenders([])
    swept.line("torch_nn")
    swept.crossing("torch_nn", size=100.0)
    crossover = swept.crossovers[0]
    common = {"common": {**crossover.common, **other.get("common", {})}}
    swept.crossovers[0] = replace(crossover, **other | common)
    drawing = drawn("speedup_size", swept)
    axis = drawing.axis
    assert (bands(axis), verticals(axis), drawing.notes()) == ([], [], [])
    assert "crossover" not in drawing.words


def test_a_ring_is_where_the_lines_of_two_contenders_cross(swept: Any, drawn: Any) -> None:
    swept.contenders([])
    swept.line("torch_tensor", constant=1e-4, rate=1e-6)
    swept.line("tf_static_graph", "tf-graph", constant=3e-4, rate=2e-7)
    swept.crossing("tf_static_graph", "torch_tensor", size=250.0, backends=("tf-graph", "torch-cpu"))
    drawing = drawn("speedup_size", swept)
    axis = drawing.axis
    ((x, y),) = rings(axis)
    assert x == 250.0
    for container in drawing.lines(axis).values():
        sizes, speedups = container.lines[0].get_data()
        assert y == pytest.approx(math.exp(np.interp(math.log(x), np.log(sizes), np.log(speedups))), rel=0.02)
    assert drawing.notes() == ["tf_static_graph overtakes torch_tensor at batch 250 [225 … 280]"]
    assert bands(axis) == []
    assert "rings:" in drawing.words


def test_contenders_with_other_threads_have_other_baselines_so_that_only_a_note_tells_their_crossover(
    swept: Any, drawn: Any
) -> None:
    for threads in (1, 2):
        swept.contenders([], threads=threads)
        swept.line("torch_tensor", constant=1e-4 * threads, rate=1e-6 / threads, threads=threads)
    swept.crossing("torch_tensor", "torch_tensor", size=200.0, backends=("torch-cpu", "torch-cpu"), threads=(2, 1))
    swept.crossing("torch_tensor", "numpy_manual", size=300.0, threads=(2, 1))
    drawing = drawn("speedup_size", swept)
    axis = drawing.axis
    assert (bands(axis), verticals(axis), rings(axis)) == ([], [], [])
    assert drawing.notes() == [
        "torch_tensor: 2 threads overtakes 1 thread at batch 200 [180 … 224]",
        "torch_tensor (2 threads) overtakes numpy_manual (1 thread) at batch 300 [270 … 336]",
    ]


def test_of_many_crossovers_the_rest_is_counted_and_all_lines_differ(swept: Any, drawn: Any) -> None:
    swept.contenders(LONG)
    swept.line(LONG[0], "torch-cuda")
    drawing = drawn("speedup_size", swept)
    assert len(drawing.notes()) == len(bands(drawing.axes[0])) == 4
    assert "16 more crossovers in crossovers.csv" in drawing.words
    assert len(drawing.lines()) == 21
    assert {f"{LONG[0]} (torch-cpu)", f"{LONG[0]} (torch-cuda)"} < drawing.lines().keys()


def test_threads_are_told_by_the_lines_style(swept: Any, drawn: Any) -> None:
    for threads in (1, 2):
        swept.contenders(["torch_tensor"], threads=threads)
    drawing = drawn("speedup_size", swept)
    handles = drawing.keys
    assert list(handles) == ["torch_tensor", "1 CPU thread", "2 CPU threads"]
    drawn_lines = [box.lines[0] for box in drawing.axes[0].containers]
    assert [line.get_linestyle() for line in drawn_lines] == ["-", "--"]
    assert [handles[name].get_linestyle() for name in ("1 CPU thread", "2 CPU threads")] == ["-", "--"]
    assert len({(line.get_color(), line.get_marker()) for line in drawn_lines}) == 1


def test_there_is_a_panel_for_each_plane_up_to_six_with_each_workload_among_them(swept: Any, drawn: Any) -> None:
    for hidden in (10, 100, 1000, 3000):
        for workload, names in (("mlp_sgd", ["torch_tensor"]), ("mlp_bias_sgd", ["torch_nn"])):
            swept.contenders(names, workload, hidden=hidden)
    drawing = drawn("speedup_size", swept)
    assert drawing.titles == [
        f"{workload}, hidden {hidden}" for workload in ("mlp_sgd", "mlp_bias_sgd") for hidden in (10, 100, 1000)
    ]
    assert "6 of 8 panels shown" in drawing.words
    assert "d-in 1000, d-out 10, float32, 2 CPU threads" in drawing.words
    assert len({axis.get_ylim() for axis in drawing.axes}) == 1
    assert [list(drawing.lines(axis)) for axis in drawing.axes] == 3 * [["torch_tensor"]] + 3 * [["torch_nn"]]


@pytest.mark.parametrize("width", Width)
def test_all_notes_of_a_figure_leave_out_as_much(swept: Any, drawn: Any, width: Width) -> None:
    swept.contenders(["torch_nn", "a_contender_with_quite_a_long_name"])
    swept.contenders(["torch_optim"], "mlp_bias_adam")
    drawing = drawn("speedup_size", swept, Look(width))
    notes = [note for axis in drawing.axes for note in drawing.notes(axis)]
    assert len(notes) == 3
    assert len({("at batch" in note, "overtakes numpy" in note) for note in notes}) == 1
