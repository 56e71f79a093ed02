from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from bench.data.schema import Crossing
from bench.data.store import read_crossovers, read_summary
from bench.errors import NothingToShowError
from bench.output import figures
from bench.output.figures import Look, RunData, Style, Width

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[..., "Figure"]
NAMES = ["torch_tensor", "torch_nn", "torch_autograd"]
LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]


def lines(figure: Figure, axis: Axes) -> dict[str, Any]:
    """The containers of a panel's lines by what the legend calls their colour, marker and style."""
    handles = figure.legends[0].legend_handles
    keys = {(handle.get_color(), handle.get_marker()): handle.get_label() for handle in handles}
    return {keys[box.lines[0].get_color(), box.lines[0].get_marker()]: box for box in axis.containers}


def whiskers(container: Any) -> list[tuple[float, float]]:
    (bars,) = container.lines[2]
    return [(segment[0][1], segment[1][1]) for segment in bars.get_segments() if len(segment)]


def of(swept: Any, name: str) -> pd.DataFrame:
    rows = read_summary(swept.folder)
    return rows[rows["implementation"] == name].sort_values("batch")


def bands(axis: Axes) -> list[tuple[float, float]]:
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axis.patches]


def verticals(axis: Axes) -> list[float]:
    return [line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == 2 and line.get_ydata()[0] == 0]


def rings(axis: Axes) -> list[tuple[float, float]]:
    return [
        (line.get_xdata()[0], line.get_ydata()[0])
        for line in axis.lines
        if line.get_markerfacecolor() == "none" and line.get_linestyle() == "None"
    ]


def notes(axis: Axes) -> list[str]:
    legend = axis.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def subtitle(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


def test_each_contender_is_a_line_through_the_speedups_of_the_file(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    figure = drawn("speedup_size", swept)
    (axis,) = figure.axes
    found = lines(figure, axis)
    assert list(found) == NAMES  # the baseline is the 1x line
    for name, container in found.items():
        x, y = container.lines[0].get_data()
        assert list(x) == swept.sizes
        assert y == pytest.approx(of(swept, name)["speedup"].to_list(), rel=1e-12)


def test_error_bars_end_at_the_intervals_of_the_file(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    figure = drawn("speedup_size", swept)
    for name, container in lines(figure, figure.axes[0]).items():
        rows = of(swept, name)
        assert [low for low, _ in whiskers(container)] == pytest.approx(rows["speedup_low"].to_list(), rel=1e-12)
        assert [high for _, high in whiskers(container)] == pytest.approx(rows["speedup_high"].to_list(), rel=1e-12)


def test_a_line_without_intervals_is_drawn_without_bars(swept: Any, drawn: Draw) -> None:
    swept.contenders(["torch_nn"])
    swept.line("torch_tensor", interval=False)
    figure = drawn("speedup_size", swept)
    found = lines(figure, figure.axes[0])
    assert len(found["torch_tensor"].lines[0].get_xdata()) == len(swept.sizes)
    assert whiskers(found["torch_tensor"]) == []
    assert len(whiskers(found["torch_nn"])) == len(swept.sizes)


def test_both_axes_are_logarithmic_and_named_and_numbered_without_exponents(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    figure = drawn("speedup_size", swept)
    figure.draw_without_rendering()
    (axis,) = figure.axes
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    assert axis.get_xlabel() == "batch (rows, log scale)"
    assert axis.get_ylabel() == "speedup over NumPy (log scale)"
    assert [text.get_text() for text in axis.get_xticklabels()] == ["16", "64", "256", "1024"]
    assert list(axis.get_xticks()) == [16, 64, 256, 1024]
    words = {text.get_text(): place for text, place in zip(axis.get_yticklabels(), axis.get_yticks(), strict=True)}
    assert words["1x"] == 1.0
    assert all(float(word.removesuffix("x")) == pytest.approx(place) for word, place in words.items())
    assert not axis.xaxis.get_minorticklocs().size
    assert not axis.yaxis.get_minorticklocs().size


def test_everything_lies_inside_the_axes(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    figure = drawn("speedup_size", swept)
    (axis,) = figure.axes
    rows = read_summary(swept.folder)
    low, high = axis.get_ylim()
    assert low < rows["speedup_low"].min() < rows["speedup_high"].max() < high
    low, high = axis.get_xlim()
    assert low < 16 < 1024 < high


def test_sizes_that_a_refinement_added_get_points_but_no_numbers(swept: Any, drawn: Draw) -> None:
    swept.sizes = [16, 27, 30, 64, 256]
    swept.manifest["axes"] = {"batch": [16, 64, 256]}
    swept.contenders(["torch_nn"])
    figure = drawn("speedup_size", swept)
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.get_xticklabels()] == ["16", "64", "256"]
    assert list(lines(figure, axis)["torch_nn"].lines[0].get_xdata()) == swept.sizes


def test_there_is_a_line_at_1x(swept: Any, drawn: Draw) -> None:
    swept.contenders(["torch_nn"])
    (axis,) = drawn("speedup_size", swept).axes
    level = [line for line in axis.lines if list(line.get_ydata()) == [1, 1]]
    assert len(level) == 1


def test_a_band_ends_where_the_crossovers_interval_does(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    (axis,) = drawn("speedup_size", swept).axes
    rows = read_crossovers(swept.folder).sort_values("size")
    expected = list(zip(rows["size_low"], rows["size_high"], strict=True))
    assert len(expected) == 3
    assert bands(axis) == [pytest.approx(ends) for ends in expected]
    assert verticals(axis) == rows["size"].to_list()
    assert notes(axis) == [
        "torch_tensor overtakes at 27.5 [24.8 … 30.8]",
        "torch_nn overtakes at 48.8 [43.9 … 54.6]",
        "torch_autograd overtakes at 67.5 [60.8 … 75.6]",
    ]


def test_a_band_has_the_colour_of_its_line(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    figure = drawn("speedup_size", swept)
    (axis,) = figure.axes
    colours = [box.lines[0].get_color() for box in lines(figure, axis).values()]
    assert [to_hex(patch.get_facecolor()) for patch in axis.patches] == [to_hex(colour) for colour in colours]


def test_who_is_slower_above_falls_behind(swept: Any, drawn: Draw) -> None:
    swept.contenders([])
    swept.line("torch_nn", constant=1e-6, rate=3e-6)
    swept.crossing("numpy_manual", "torch_nn", size=49.0, backends=("numpy", "torch-cpu"))
    swept.line("torch_tensor")
    swept.crossing("numpy_manual", "torch_tensor", size=80.0, faster_below="a", faster_above="b")
    (axis,) = drawn("speedup_size", swept).axes
    assert [note.partition(" at ")[0] for note in notes(axis)] == ["torch_nn falls behind", "torch_tensor overtakes"]


def test_without_an_interval_a_crossover_is_a_line_without_a_band(swept: Any, drawn: Draw) -> None:
    swept.contenders([])
    swept.line("torch_nn")
    swept.crossing("torch_nn", size=100.0, interval=False)
    (axis,) = drawn("speedup_size", swept).axes
    assert (bands(axis), verticals(axis)) == ([], [100.0])
    assert notes(axis) == ["torch_nn overtakes at 100"]


@pytest.mark.parametrize(
    "other",
    [
        {"workload": "mlp_bias_sgd"},
        {"hidden": 7},
        {"axis": "d_in", "batch": 64, "d_in": None},
        {"mode": "resident-cold"},
        {"precision": "tf32"},
        {"dtype": "float64"},
        {"status": Crossing.NEVER, "size": None},
        {"status": Crossing.UNDECIDED, "size": None},
    ],
)
def test_crossovers_of_other_panels_and_those_not_found_are_not_drawn(
    swept: Any, drawn: Draw, other: dict[str, Any]
) -> None:
    swept.contenders([])
    swept.line("torch_nn")
    swept.crossing("torch_nn", size=100.0)
    swept.crossovers[0] = replace(swept.crossovers[0], **other)
    figure = drawn("speedup_size", swept)
    (axis,) = figure.axes
    assert (bands(axis), verticals(axis), notes(axis)) == ([], [], [])
    assert "crossover" not in subtitle(figure)


def test_a_ring_is_where_the_lines_of_two_contenders_cross(swept: Any, drawn: Draw) -> None:
    swept.contenders([])
    swept.line("torch_tensor", constant=1e-4, rate=1e-6)
    swept.line("tf_static_graph", "tf-graph", constant=3e-4, rate=2e-7)
    swept.crossing("tf_static_graph", "torch_tensor", size=250.0, backends=("tf-graph", "torch-cpu"))
    figure = drawn("speedup_size", swept)
    (axis,) = figure.axes
    ((x, y),) = rings(axis)
    assert x == 250.0
    for container in lines(figure, axis).values():
        sizes, speedups = container.lines[0].get_data()
        assert y == pytest.approx(math.exp(np.interp(math.log(x), np.log(sizes), np.log(speedups))), rel=0.02)
    assert notes(axis) == ["tf_static_graph overtakes torch_tensor at 250 [225 … 280]"]
    assert bands(axis) == []
    assert "rings:" in subtitle(figure)


def test_contenders_with_other_threads_have_other_baselines_so_that_only_a_note_tells_their_crossover(
    swept: Any, drawn: Draw
) -> None:
    for threads in (1, 2):
        swept.contenders([], threads=threads)
        swept.line("torch_tensor", constant=1e-4 * threads, rate=1e-6 / threads, threads=threads)
    swept.crossing("torch_tensor", "torch_tensor", size=200.0, backends=("torch-cpu", "torch-cpu"), threads=(2, 1))
    swept.crossing("torch_tensor", "numpy_manual", size=300.0, threads=(2, 1))
    (axis,) = drawn("speedup_size", swept).axes
    assert (bands(axis), verticals(axis), rings(axis)) == ([], [], [])
    assert notes(axis) == [
        "torch_tensor: 2 threads overtakes 1 thread at 200 [180 … 224]",
        "torch_tensor (2 threads) overtakes numpy_manual (1 thread) at 300 [270 … 336]",
    ]


def test_of_many_crossovers_the_rest_is_counted(swept: Any, drawn: Draw) -> None:
    swept.contenders(LONG[:9])
    figure = drawn("speedup_size", swept)
    assert len(notes(figure.axes[0])) == len(bands(figure.axes[0])) == 4
    assert "5 more crossovers in crossovers.csv" in subtitle(figure)


def test_threads_are_told_by_the_lines_style(swept: Any, drawn: Draw) -> None:
    for threads in (1, 2):
        swept.contenders(["torch_tensor"], threads=threads)
    figure = drawn("speedup_size", swept)
    handles = {handle.get_label(): handle for handle in figure.legends[0].legend_handles}
    assert list(handles) == ["torch_tensor", "1 CPU thread", "2 CPU threads"]
    drawn_lines = [box.lines[0] for box in figure.axes[0].containers]
    assert [line.get_linestyle() for line in drawn_lines] == ["-", "--"]
    assert [handles[name].get_linestyle() for name in ("1 CPU thread", "2 CPU threads")] == ["-", "--"]
    assert len({(line.get_color(), line.get_marker()) for line in drawn_lines}) == 1


def test_twenty_lines_differ(swept: Any, drawn: Draw) -> None:
    swept.contenders(LONG)
    figure = drawn("speedup_size", swept)
    looks = {(box.lines[0].get_color(), box.lines[0].get_marker()) for box in figure.axes[0].containers}
    assert len(looks) == 20


def test_an_implementation_on_two_backends_is_two_lines(swept: Any, drawn: Draw) -> None:
    swept.contenders(["torch_tensor"])
    swept.line("torch_tensor", "torch-cuda")
    figure = drawn("speedup_size", swept)
    assert list(lines(figure, figure.axes[0])) == ["torch_tensor (torch-cpu)", "torch_tensor (torch-cuda)"]


def test_there_is_a_panel_for_each_plane_up_to_six_with_each_workload_among_them(swept: Any, drawn: Draw) -> None:
    for hidden in (10, 100, 1000, 3000):
        for workload, names in (("mlp_sgd", ["torch_tensor"]), ("mlp_bias_sgd", ["torch_nn"])):
            swept.contenders(names, workload, hidden=hidden)
    figure = drawn("speedup_size", swept)
    assert [axis.get_title(loc="left") for axis in figure.axes] == [
        f"{workload}, hidden {hidden}" for workload in ("mlp_sgd", "mlp_bias_sgd") for hidden in (10, 100, 1000)
    ]
    assert "6 of 8 panels shown" in subtitle(figure)
    assert "d-in 1000, d-out 10, float32, 2 CPU threads" in subtitle(figure)
    assert len({axis.get_ylim() for axis in figure.axes}) == 1
    assert [list(lines(figure, axis)) for axis in figure.axes] == 3 * [["torch_tensor"]] + 3 * [["torch_nn"]]


def test_another_axis_is_named(swept: Any, drawn: Draw) -> None:
    swept.axis, swept.sizes = "hidden", [8, 32, 128]
    swept.contenders(["torch_tensor"])
    (axis,) = drawn("speedup_size", swept).axes
    assert axis.get_xlabel() == "hidden (units, log scale)"
    assert [text.get_text() for text in axis.get_xticklabels()] == ["8", "32", "128"]


def test_a_run_with_one_size_has_nothing_to_show(measured: Any, drawn: Draw) -> None:
    measured.contenders(NAMES)
    with pytest.raises(NothingToShowError, match=r"one size only: .*`bench sweep`"):
        drawn("speedup_size", measured)


def test_a_run_without_baselines_has_nothing_to_show(swept: Any, drawn: Draw) -> None:
    swept.line("torch_tensor")
    with pytest.raises(NothingToShowError, match=r"NumPy baseline at several sizes: .*`bench sweep`"):
        drawn("speedup_size", swept)


def test_drawing_again_gives_the_same_bytes(swept: Any) -> None:
    swept.contenders(NAMES)
    data = RunData(swept.write())
    assert figures.picture(data, "speedup_size", "svg", Look()) == figures.picture(data, "speedup_size", "svg", Look())


def fill(swept: Any, names: list[str]) -> None:
    swept.sizes = [2**power for power in range(0, 16, 3 if len(names) < 9 else 1)]
    swept.contenders(names)
    swept.line("tf_static_graph", "tf-graph", constant=3e-4, rate=2e-7)
    swept.crossing("tf_static_graph", names[0], size=340.0, backends=("tf-graph", "torch-cpu"))


COMMON = ["torch_tensor", "torch_autograd", "torch_custom_function", "torch_cuda_graph", "torch_nn", "torch_module"]


@pytest.mark.parametrize(
    "names",
    [["torch_nn"], COMMON, LONG[:1], LONG[:9], LONG],
    ids=["1", "6 common", "1 long", "9 long", "20 long"],
)
def test_no_text_meets_another_or_the_edge(
    swept: Any, drawn: Draw, layout_problems: Callable[[Figure], list[str]], look: Look, names: list[str]
) -> None:
    fill(swept, names)
    figure = drawn("speedup_size", swept, look)
    assert layout_problems(figure) == []
    assert figure.get_size_inches()[1] <= 7.5 or look.width is not Width.SLIDE


def test_no_text_meets_another_in_six_panels(
    swept: Any, drawn: Draw, layout_problems: Callable[[Figure], list[str]], look: Look
) -> None:
    for hidden in (10, 3000):
        for workload in ("mlp_sgd", "mlp_bias_sgd", "mlp_dynamic"):
            swept.contenders([f"{name}_{workload}" for name in LONG[:3]], workload, hidden=hidden)
    figure = drawn("speedup_size", swept, look)
    assert len(figure.axes) == 6
    assert layout_problems(figure) == []


def test_labels_of_low_panels_are_short(
    swept: Any, drawn: Draw, layout_problems: Callable[[Figure], list[str]]
) -> None:
    for hidden in (10, 100, 1000):
        for workload in ("mlp_sgd", "mlp_bias_sgd"):
            swept.contenders(["torch_tensor"], workload, hidden=hidden)
    figure = drawn("speedup_size", swept, Look(Width.SLIDE))
    assert [axis.get_ylabel() for axis in figure.axes] == 2 * ["speedup over NumPy", "", ""]
    assert layout_problems(figure) == []


def test_no_text_meets_another_with_threads_and_devices(
    swept: Any, drawn: Draw, layout_problems: Callable[[Figure], list[str]], look: Look
) -> None:
    for threads in (1, 2, 16):
        swept.contenders(LONG[:3], threads=threads)
        swept.line(LONG[0], "torch-cuda", threads=threads)
    assert layout_problems(drawn("speedup_size", swept, look)) == []


def test_dark_differs_in_colour_only(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    folder = swept.write()
    light, dark = (drawn("speedup_size", folder, Look(style=style)) for style in (Style.LIGHT, Style.DARK))
    assert light.axes[0].lines[0].get_color() != dark.axes[0].lines[0].get_color()
    places = [[line.get_xydata().tolist() for line in figure.axes[0].lines] for figure in (light, dark)]
    assert places[0] == places[1]
