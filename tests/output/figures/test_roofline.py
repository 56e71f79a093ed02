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
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[..., "Figure"]
NAMES = ["torch_tensor", "torch_nn"]
LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]


def sign(artist: Any) -> tuple[Any, ...]:
    return artist.get_color(), artist.get_marker(), artist.get_fillstyle()


def marks(figure: Figure, axis: Axes) -> dict[str, tuple[list[float], list[float]]]:
    """Each case's line of marks by what the legend calls it."""
    keys = {sign(handle): handle.get_label() for handle in figure.legends[0].legend_handles}
    marked = [line for line in axis.lines if line.get_marker() != "None" and line.get_linestyle() != "None"]
    return {keys[sign(line)]: (list(line.get_xdata()), list(line.get_ydata())) for line in marked}


def ceilings(axis: Axes) -> list[list[tuple[float, float]]]:
    return [[tuple(point) for point in line.get_xydata()] for line in axis.lines if line.get_marker() == "None"]


def notes(axis: Axes) -> list[str]:
    return [text.get_text() for text in axis.get_legend().get_texts()]


def subtitle(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


def test_a_mark_lies_at_the_steps_intensity_and_at_the_rate_of_the_file(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    figure = drawn("roofline", swept)
    (axis,) = figure.axes
    found = marks(figure, axis)
    assert list(found) == ["numpy_manual (numpy)", "torch_tensor (torch-cpu)", "torch_nn (torch-cpu)"]
    rows, workload = read_summary(swept.folder), WORKLOADS["mlp_sgd"]
    problems = [Problem(batch=size) for size in swept.sizes]
    intensity = [workload.flops(each, "step") / workload.bytes_moved(each, "step") for each in problems]
    assert intensity[1] == pytest.approx(25_984_000 / 2_648_644)
    for name, (x, y) in found.items():
        assert x == pytest.approx(intensity, rel=1e-12)
        of_name = rows[rows["implementation"] == name.partition(" ")[0]].sort_values("batch")
        assert y == pytest.approx(of_name["gflops"].to_list(), rel=1e-12)


def test_the_mark_of_the_largest_size_is_larger(swept: Any, drawn: Draw) -> None:
    swept.contenders(["torch_tensor"])
    figure = drawn("roofline", swept)
    (axis,) = figure.axes
    small, large = (
        [line for line in axis.lines if line.get_marker() == "s" and (line.get_linestyle() == "None") is alone]
        for alone in (False, True)
    )
    assert large[0].get_xydata().tolist() == small[0].get_xydata()[-1:].tolist()
    assert large[0].get_markersize() > small[0].get_markersize()
    assert "batch 16 to 1024, the larger mark the largest" in subtitle(figure)


def test_the_ceilings_are_the_measured_peaks_and_meet(swept: Any, drawn: Draw) -> None:
    swept.manifest["peaks"] = [
        swept.build.make_peak(gflops=96.0, gigabytes_per_second=20.0),
        swept.build.make_peak("torch-cpu", gflops=90.0, gigabytes_per_second=24.0),
    ]
    swept.contenders(NAMES)
    (axis,) = drawn("roofline", swept).axes
    level, slope = ceilings(axis)
    assert level[0] == slope[1] == (pytest.approx(4.0), pytest.approx(96.0))
    assert level[1] == (pytest.approx(axis.get_xlim()[1]), pytest.approx(96.0))
    x, y = slope[0]
    assert x == pytest.approx(axis.get_xlim()[0])
    assert y / x == pytest.approx(24.0)
    assert notes(axis) == ["measured: 96.0 GFLOP/s (numpy)", "measured: 24.0 GB/s (torch-cpu)"]


def test_the_axes_are_logarithmic_and_have_units_and_hold_everything(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    figure = drawn("roofline", swept)
    figure.draw_without_rendering()
    (axis,) = figure.axes
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    assert axis.get_xlabel() == "FLOP per compulsory byte (log scale)"
    assert axis.get_ylabel() == "GFLOP/s (log scale)"
    for which in (axis.xaxis, axis.yaxis):
        for tick in which.get_major_ticks():
            assert float(tick.label1.get_text()) == pytest.approx(tick.get_loc())
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    for x, y in marks(figure, axis).values():
        assert left < min(x) < max(x) < right
        assert low < min(y) < max(y) < high
    assert low < 100.0 < high
    assert left < 10.0 < right  # where the ceilings meet
    assert "caches" in subtitle(figure)


def test_one_size_gives_one_mark_a_case(measured: Any, drawn: Draw) -> None:
    measured.manifest = {"peaks": [measured.build.make_peak()]}
    for name, backend in (("numpy_manual", "numpy"), ("torch_tensor", "torch-cpu"), ("tf_static_graph", "tf-graph")):
        measured.add(name, backend, gflops=50.0)
    measured.add("torch_nn", gflops=None)
    figure = drawn("roofline", measured)
    found = marks(figure, figure.axes[0])
    assert list(found) == ["numpy_manual (numpy)", "torch_tensor (torch-cpu)", "tf_static_graph (tf-graph)"]
    assert {tuple(map(len, places)) for places in found.values()} == {(1, 1)}
    assert "larger mark" not in subtitle(figure)
    colours = {sign(handle)[0] for handle in figure.legends[0].legend_handles}
    assert len(colours) == 3


def test_the_colour_tells_the_backend_and_the_marker_the_implementation(swept: Any, drawn: Draw) -> None:
    swept.manifest["peaks"].append(swept.build.make_peak("torch-cuda"))
    swept.contenders(NAMES)
    swept.line("torch_tensor", "torch-cuda")
    handles = {handle.get_label(): sign(handle) for handle in drawn("roofline", swept).legends[0].legend_handles}
    cpu, other, cuda = (
        handles[name] for name in ("torch_tensor (torch-cpu)", "torch_nn (torch-cpu)", "torch_tensor (torch-cuda)")
    )
    assert cpu[0] == other[0] != cuda[0]
    assert cpu[1:] == cuda[1:] != other[1:]


def test_twenty_cases_of_one_backend_differ(swept: Any, drawn: Draw) -> None:
    swept.contenders(LONG)
    figure = drawn("roofline", swept)
    assert len({sign(handle) for handle in figure.legends[0].legend_handles}) == 21
    assert len(marks(figure, figure.axes[0])) == 21


def test_there_is_a_panel_for_what_has_other_ceilings(swept: Any, drawn: Draw) -> None:
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
    figure = drawn("roofline", swept)
    assert {axis.get_title(loc="left"): notes(axis)[0] for axis in figure.axes} == {
        "cpu, float32, 1 CPU thread": "measured: 50.0 GFLOP/s (numpy)",
        "cpu, float32, 2 CPU threads": "measured: 90.0 GFLOP/s (numpy)",
        "cpu, float64, 2 CPU threads": "measured: 45.0 GFLOP/s (numpy)",
        "cuda, float32, 2 CPU threads": "measured: 9000 GFLOP/s (torch-cuda)",
    }
    assert [len(marks(figure, axis)) for axis in figure.axes] == [3, 3, 3, 1]


def test_devices_without_a_peak_are_left_out_and_named(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    swept.line("torch_tensor", "torch-cuda")
    figure = drawn("roofline", swept)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["cpu"]
    assert "no peak of cuda was measured" in subtitle(figure)


@pytest.mark.parametrize("peaks", [[], ["other"]])
def test_a_run_without_a_peak_of_its_devices_has_nothing_to_show(swept: Any, drawn: Draw, peaks: list[str]) -> None:
    swept.manifest["peaks"] = [swept.build.make_peak(threads=16) for _ in peaks]
    swept.contenders(NAMES)
    with pytest.raises(NothingToShowError, match=r"no peak of a device .* was measured: `bench run`"):
        drawn("roofline", swept)


def test_drawing_again_gives_the_same_bytes(swept: Any) -> None:
    swept.contenders(NAMES)
    data = RunData(swept.write())
    assert figures.picture(data, "roofline", "svg", Look()) == figures.picture(data, "roofline", "svg", Look())


@pytest.mark.parametrize("names", [["torch_nn"], LONG[:1], LONG[:9], LONG], ids=["1", "1 long", "9 long", "20 long"])
def test_no_text_meets_another_or_the_edge(
    swept: Any, drawn: Draw, layout_problems: Callable[[Figure], list[str]], look: Look, names: list[str]
) -> None:
    swept.contenders(names)
    figure = drawn("roofline", swept, look)
    assert layout_problems(figure) == []
    assert figure.get_size_inches()[1] <= 7.5 or look.width is not Width.SLIDE


def test_no_text_meets_another_in_six_panels(
    swept: Any, drawn: Draw, layout_problems: Callable[[Figure], list[str]], look: Look
) -> None:
    counts = (1, 2, 4, 8, 16, 32, 64)
    swept.manifest["peaks"] = [swept.build.make_peak(threads=each, gflops=1234.5 * each) for each in counts]
    for threads in counts:
        swept.contenders(LONG[:3], threads=threads)
    figure = drawn("roofline", swept, look)
    assert len(figure.axes) == 6
    assert "6 of 7 panels shown" in " ".join(subtitle(figure).split())
    assert layout_problems(figure) == []
