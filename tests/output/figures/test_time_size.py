from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from bench.data.store import read_summary
from bench.errors import NothingToShowError
from bench.model.problem import Dtype, Problem
from bench.model.workload import WORKLOADS
from bench.output import figures
from bench.output.figures import Look, RunData, Width

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[..., "Figure"]
NAMES = ["torch_tensor", "torch_nn"]
LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]


def lines(figure: Figure, axis: Axes) -> dict[str, Any]:
    """The containers of a panel's lines by what the legend calls their colour and marker."""
    handles = figure.legends[0].legend_handles
    keys = {(handle.get_color(), handle.get_marker()): handle.get_label() for handle in handles}
    return {keys[box.lines[0].get_color(), box.lines[0].get_marker()]: box for box in axis.containers}


def limits(axis: Axes) -> list[tuple[list[float], list[float]]]:
    """The lines of a panel that have neither marks nor bars, in the order in which they were drawn."""
    ours = {id(artist) for box in axis.containers for artist in (box.lines[0], *box.lines[1])}
    rest = [line for line in axis.lines if id(line) not in ours]
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in rest]


def of(swept: Any, name: str) -> pd.DataFrame:
    rows = read_summary(swept.folder)
    return rows[rows["implementation"] == name].sort_values("batch")


def keys(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def notes(axis: Axes) -> list[str]:
    legend = axis.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def subtitle(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


def test_each_contender_and_the_baseline_are_lines_through_the_times_of_the_file(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    figure = drawn("time_size", swept)
    (axis,) = figure.axes
    assert axis.get_ylabel() == "time of one step (ms, log scale)"
    found = lines(figure, axis)
    assert list(found) == ["numpy_manual", *NAMES]
    for name, container in found.items():
        x, y = container.lines[0].get_data()
        assert list(x) == swept.sizes
        assert [value * 1e-3 for value in y] == pytest.approx(of(swept, name)["median_seconds"].to_list(), rel=1e-12)


def test_error_bars_end_at_the_intervals_of_the_file(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    figure = drawn("time_size", swept)
    for name, container in lines(figure, figure.axes[0]).items():
        (bars,) = container.lines[2]
        ends = [[segment[0][1] * 1e-3, segment[1][1] * 1e-3] for segment in bars.get_segments()]
        rows = of(swept, name)
        assert ends == [
            pytest.approx(each, rel=1e-12) for each in zip(rows["low_seconds"], rows["high_seconds"], strict=True)
        ]


def test_a_line_without_intervals_is_drawn_without_bars(swept: Any, drawn: Draw) -> None:
    swept.contenders(["torch_nn"], interval=False)
    figure = drawn("time_size", swept)
    container = lines(figure, figure.axes[0])["torch_nn"]
    assert len(container.lines[0].get_xdata()) == len(swept.sizes)
    assert not any(len(segment) for segment in container.lines[2][0].get_segments())


def test_both_axes_are_logarithmic_and_everything_lies_inside(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    figure = drawn("time_size", swept)
    figure.draw_without_rendering()
    (axis,) = figure.axes
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    assert axis.get_xlabel() == "batch (rows, log scale)"
    assert [text.get_text() for text in axis.get_xticklabels()] == ["16", "64", "256", "1024"]
    for text, place in zip(axis.get_yticklabels(), axis.get_yticks(), strict=True):
        assert float(text.get_text()) == pytest.approx(place)
    low, high = axis.get_ylim()
    rows = read_summary(swept.folder)
    ends = [*rows["low_seconds"] * 1e3, *rows["high_seconds"] * 1e3, *(y for _, ys in limits(axis) for y in ys)]
    assert low < min(ends) < max(ends) < high


def test_the_limits_are_the_steps_arithmetic_and_bytes_over_the_measured_peaks(swept: Any, drawn: Draw) -> None:
    swept.manifest["peaks"] = [swept.build.make_peak(gflops=80.0, gigabytes_per_second=16.0)]
    swept.contenders(NAMES)
    figure = drawn("time_size", swept)
    flops, moved = limits(figure.axes[0])
    assert flops[0] == moved[0] == swept.sizes
    workload = WORKLOADS["mlp_sgd"]
    problems = [Problem(batch=size) for size in swept.sizes]
    assert flops[1] == pytest.approx([workload.flops(problem, "step") / 80e9 * 1e3 for problem in problems])
    assert moved[1] == pytest.approx([workload.bytes_moved(problem, "step") / 16e9 * 1e3 for problem in problems])
    at_tutorial = swept.sizes.index(64)
    assert flops[1][at_tutorial] == pytest.approx(25_984_000 / 80e9 * 1e3)
    assert moved[1][at_tutorial] == pytest.approx((716_324 + 720_320 + 1_212_000) / 16e9 * 1e3)
    assert notes(figure.axes[0]) == ["limit by arithmetic: 80.0 GFLOP/s (numpy)", "limit by memory: 16.0 GB/s (numpy)"]
    assert "limits: by measured peaks" in subtitle(figure)


def test_of_several_threads_the_best_peak_is_taken_and_named(swept: Any, drawn: Draw) -> None:
    swept.manifest["peaks"] = [
        swept.build.make_peak(threads=1, gflops=50.0, gigabytes_per_second=12.0),
        swept.build.make_peak("torch-cpu", threads=2, gflops=90.0, gigabytes_per_second=11.0),
        swept.build.make_peak(threads=4, gflops=500.0, gigabytes_per_second=500.0),
        swept.build.make_peak(dtype="float64", gflops=600.0),
    ]
    for threads in (1, 2):
        swept.contenders(NAMES, threads=threads)
    assert notes(drawn("time_size", swept).axes[0]) == [
        "limit by arithmetic: 90.0 GFLOP/s (torch-cpu, 2 CPU threads)",
        "limit by memory: 12.0 GB/s (numpy, 1 CPU thread)",
    ]


def test_each_device_has_its_own_limits(swept: Any, drawn: Draw) -> None:
    swept.manifest["peaks"] += [
        swept.build.make_peak("torch-cuda", gflops=9e3, gigabytes_per_second=800.0),
        swept.build.make_peak("torch-cuda", gflops=1e4, threads=1),  # with which nothing was measured on that device
    ]
    for threads in (1, 2):
        swept.contenders(NAMES, threads=threads)
    swept.line("torch_tensor", "torch-cuda")
    figure = drawn("time_size", swept)
    assert len(limits(figure.axes[0])) == 4
    assert [note.partition(": ")[2] for note in notes(figure.axes[0])] == [
        "100 GFLOP/s (numpy, 2 CPU threads)",
        "10.0 GB/s (numpy, 2 CPU threads)",
        "9000 GFLOP/s (torch-cuda)",
        "800 GB/s (torch-cuda)",
    ]


def test_panels_with_other_limits_name_them_each_for_itself(swept: Any, drawn: Draw) -> None:
    swept.manifest["peaks"] = [
        swept.build.make_peak(gflops=90.0),
        swept.build.make_peak(gflops=45.0, dtype="float64"),
    ]
    for dtype in (Dtype.FLOAT32, Dtype.FLOAT64):
        swept.contenders(["torch_tensor"], dtype=dtype)
    single, double = drawn("time_size", swept).axes
    assert notes(single)[0] == "limit by arithmetic: 90.0 GFLOP/s (numpy)"
    assert notes(double)[0] == "limit by arithmetic: 45.0 GFLOP/s (numpy)"
    ratio = [b / a for a, b in zip(limits(single)[1][1], limits(double)[1][1], strict=True)]
    assert ratio == pytest.approx([2.0] * 4)  # twice as many bytes a number


def test_panels_with_the_same_limits_name_them_once(swept: Any, drawn: Draw) -> None:
    for hidden in (10, 100):
        swept.contenders(["torch_tensor"], hidden=hidden)
    figure = drawn("time_size", swept)
    assert keys(figure)[-2:] == ["limit by arithmetic: 100 GFLOP/s (numpy)", "limit by memory: 10.0 GB/s (numpy)"]
    assert [notes(axis) for axis in figure.axes] == [[], []]
    assert [len(limits(axis)) for axis in figure.axes] == [2, 2]


def test_a_run_without_peaks_is_drawn_without_limits_and_says_so(swept: Any, drawn: Draw) -> None:
    swept.manifest["peaks"] = []
    swept.contenders(NAMES)
    figure = drawn("time_size", swept)
    assert limits(figure.axes[0]) == []
    assert "no limits: the run measured no peak of these devices" in subtitle(figure)
    assert notes(figure.axes[0]) == []


def test_where_only_some_panels_have_limits_it_is_said(swept: Any, drawn: Draw) -> None:
    for dtype in (Dtype.FLOAT32, Dtype.FLOAT64):
        swept.contenders(["torch_tensor"], dtype=dtype)
    figure = drawn("time_size", swept)
    assert [len(limits(axis)) for axis in figure.axes] == [2, 0]
    assert "where there are some" in subtitle(figure)


def test_baselines_of_several_workloads_share_a_key(swept: Any, drawn: Draw) -> None:
    swept.contenders(["torch_tensor"])
    swept.contenders(["torch_nn"], "mlp_bias_sgd")
    figure = drawn("time_size", swept)
    assert keys(figure)[:3] == ["NumPy baseline", "torch_tensor", "torch_nn"]
    assert [list(lines(figure, axis)) for axis in figure.axes] == [
        ["NumPy baseline", "torch_tensor"],
        ["NumPy baseline", "torch_nn"],
    ]


def test_a_run_with_one_size_has_nothing_to_show(measured: Any, drawn: Draw) -> None:
    measured.contenders(NAMES)
    with pytest.raises(NothingToShowError, match=r"one size only: .*`bench sweep`"):
        drawn("time_size", measured)


def test_drawing_again_gives_the_same_bytes(swept: Any) -> None:
    swept.contenders(NAMES)
    data = RunData(swept.write())
    assert figures.picture(data, "time_size", "svg", Look()) == figures.picture(data, "time_size", "svg", Look())


@pytest.mark.parametrize("names", [["torch_nn"], LONG[:1], LONG[:9], LONG], ids=["1", "1 long", "9 long", "20 long"])
def test_no_text_meets_another_or_the_edge(
    swept: Any, drawn: Draw, layout_problems: Callable[[Figure], list[str]], look: Look, names: list[str]
) -> None:
    swept.sizes = [2**power for power in range(0, 16, 3 if len(names) < 9 else 1)]
    swept.contenders(names)
    figure = drawn("time_size", swept, look)
    assert layout_problems(figure) == []
    assert figure.get_size_inches()[1] <= 7.5 or look.width is not Width.SLIDE


def test_no_text_meets_another_in_six_panels_with_threads_and_devices(
    swept: Any, drawn: Draw, layout_problems: Callable[[Figure], list[str]], look: Look
) -> None:
    swept.manifest["peaks"] = [
        swept.build.make_peak(backend, threads=threads, dtype=dtype, gflops=12345.0)
        for backend in ("numpy", "torch-cuda")
        for threads in (1, 2)
        for dtype in ("float32", "float64")
    ]
    for dtype in (Dtype.FLOAT32, Dtype.FLOAT64):
        for workload in ("mlp_sgd", "mlp_bias_sgd", "mlp_dynamic"):
            for threads in (1, 2):
                swept.contenders([f"{LONG[0]}_{workload}"], workload, dtype=dtype, threads=threads)
            swept.line("torch_tensor", "torch-cuda", workload, dtype=dtype)
    figure = drawn("time_size", swept, look)
    assert len(figure.axes) == 6
    assert layout_problems(figure) == []
