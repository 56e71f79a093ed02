"""Figures of bars: words around them, names and numbers beside them, and which sizes of a sweep they show."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bench.data.schema import Method, Status
from bench.data.store import read_summary
from bench.output.figures import Look, RunData, Style, Width
from bench.output.figures._look import contrast
from bench.workloads import tutorial

FIGURES = pytest.mark.parametrize("name", ["speedup", "phases", "sync_tax"])
OVER = {"speedup": ("speedup", 1.0, 1.0), "sync_tax": ("sync_tax", 0.0, 100.0)}
"""The column whose value a bar ends at, where it begins, and the factor of its axis."""
LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]
SIZES = (8, 16, 32, 64, 128, 256, 512, 1024)


@FIGURES
def test_subtitle_and_footer_say_what_was_measured_where(measured: Any, drawn: Any, look: Look, name: str) -> None:
    measured.contenders(["torch_tensor"])
    words = drawn(name, measured, look).words
    known = (measured.build.CPU, "2 CPUs", "Python 3.12.1", "stepbench 0.1.0", f"run {measured.build.RUN_ID}")
    for part in ("batch 64, d-in 1000, hidden 100, d-out 10, float32, 2 CPU threads; ", *known):
        assert part in words


@FIGURES
def test_panels_are_workloads_with_the_fastest_case_at_the_top(measured: Any, drawn: Any, name: str) -> None:
    measured.contenders(["torch_tensor", "torch_nn"])
    measured.contenders(["torch_optim"], "mlp_bias_adam")
    drawing = drawn(name, measured)
    assert [title.partition(":")[0] for title in drawing.titles] == ["mlp_sgd", "mlp_bias_adam"]
    assert len({axis.get_xlim() for axis in drawing.axes}) == 1
    places = drawing.ticks("y")
    assert list(places) == sorted(places, key=lambda label: -places[label])
    assert list(places)[-2:] == ["torch_nn", "torch_tensor"]


@FIGURES
def test_everything_fits_on_the_axis_and_an_unknown_interval_has_no_whisker(
    measured: Any, drawn: Any, name: str
) -> None:
    measured.contenders(["torch_tensor", "torch_autograd"])
    measured.add("torch_nn", speedup=0.2, tax=-0.02, seconds=9e-4, interval=False)
    drawing = drawn(name, measured)
    low, high = drawing.axis.get_xlim()
    ends = [end for pair in drawing.whiskers().values() for end in pair]
    bars = [bar for found in drawing.bars().values() for bar in found]
    ends += [end for bar in bars for end in (bar.get_x(), bar.get_x() + bar.get_width())]
    assert low <= min(ends) < max(ends) <= high
    assert {"torch_tensor", "torch_autograd"} <= drawing.whiskers().keys() <= drawing.bars().keys() - {"torch_nn"}


@FIGURES
def test_cases_that_were_not_measured_and_single_depths_are_left_out(measured: Any, drawn: Any, name: str) -> None:
    measured.contenders(["torch_dynamic"], "mlp_dynamic")
    measured.add("torch_dynamic", workload="mlp_dynamic", speedup=9.0, seconds=9.0, tax=9.0, phases=None, variant=2)
    measured.add("torch_nn", "torch-cuda", status=Status.SKIPPED, reason="absent", phases=None)
    drawing = drawn(name, measured)
    assert list(drawing.bars())[-1:] == ["torch_dynamic"]
    assert all("9.00" not in text for text in drawing.beside().values())


@FIGURES
def test_an_implementation_on_several_backends_is_told_apart(measured: Any, drawn: Any, name: str) -> None:
    measured.contenders(["torch_tensor"], backends=["torch-cpu", "torch-cuda"])
    names = list(drawn(name, measured).bars())
    assert names[-2:] == ["torch_tensor (torch-cpu)", "torch_tensor (torch-cuda)"]


@pytest.mark.parametrize("name", ["speedup", "sync_tax"])
def test_backends_differ_in_colour_and_hatch_and_are_in_the_legend(measured: Any, drawn: Any, name: str) -> None:
    measured.contenders(["torch_tensor"], backends=["torch-cpu", "torch-cuda"])
    measured.add("tf_static_graph", "tf-graph", speedup=0.5, tax=0.1)
    drawing = drawn(name, measured)
    looks = {(bar.get_facecolor(), bar.get_hatch()) for bar in drawing.axis.patches[-3:]}
    assert len(looks) == len({hatch for _, hatch in looks}) == 3
    assert list(drawing.keys)[-3:] == ["tf-graph", "torch-cpu", "torch-cuda"]


@FIGURES
def test_common_names_and_titles_are_whole_beside_each_other_on_a_slide(measured: Any, drawn: Any, name: str) -> None:
    for workload in ("mlp_sgd", "mlp_bias_sgd", "mlp_bias_adam"):
        measured.contenders(["torch_custom_function"], workload)
    drawing = drawn(name, measured, Look(Width.SLIDE))
    assert all("torch_custom_function" in drawing.ticks("y", axis) for axis in drawing.axes)
    assert not [title for title in drawing.titles if "…" in title]


@pytest.fixture
def many_sizes(swept: Any) -> Any:
    """Nine contenders at eight sizes, the smallest of which joined the sweep to find a crossover."""
    swept.axis, swept.sizes = "hidden", [*SIZES[1:], SIZES[0]]
    names = [f"torch_{number}" for number in range(9)]
    swept.contenders(names)
    backends = {"numpy_manual": "numpy"} | dict.fromkeys(names, "torch-cpu")
    make = swept.build.make_case
    swept.manifest["cases"] = [
        swept.build.planned_case(make(*pair, problem=tutorial(hidden=size))).model_copy(update={"added": size == 8})
        for size in swept.sizes
        for pair in backends.items()
    ]
    return swept


@pytest.mark.parametrize(
    ("name", "width"), [("speedup", Width.COLUMN), ("speedup", Width.SLIDE), ("phases", Width.PAGE)]
)
def test_a_sweep_shows_as_many_of_its_sizes_as_fit(many_sizes: Any, drawn: Any, name: str, width: Width) -> None:
    """The first, the last and some between, small to large; never one that was added around a crossover."""
    drawing = drawn(name, many_sizes, Look(width))
    shown = [int(match[1]) for title in drawing.titles if (match := re.search(r"hidden (\d+)", title))]
    assert shown == sorted(shown)
    assert (shown[0], shown[-1]) == (16, 1024)
    assert len(shown) == len(drawing.titles) < len(SIZES) - 1
    assert f"{len(shown)} of {len(SIZES)} panels" in drawing.words
    assert drawing.figure.get_figheight() <= 9.4


@pytest.mark.parametrize("name", OVER)
def test_bars_and_whiskers_end_at_the_numbers_of_the_file(measured: Any, drawn: Any, name: str) -> None:
    measured.contenders(["torch_tensor", "torch_nn", "torch_autograd"])
    drawing, (column, begin, scale) = drawn(name, measured), OVER[name]
    rows = read_summary(measured.folder)
    rows = rows[rows["phase"] == "step"].sort_values("median_seconds").set_index("implementation")
    assert list(drawing.bars()) == list(drawing.whiskers()) == [each for each in rows.index if each in drawing.bars()]
    assert {"torch_tensor", "torch_nn", "torch_autograd"} <= drawing.bars().keys()
    for implementation, (bar,) in drawing.bars().items():
        value, low, high = (rows.loc[implementation, f"{column}{end}"] * scale for end in ("", "_low", "_high"))
        assert (bar.get_x(), bar.get_x() + bar.get_width()) == pytest.approx((begin, value), rel=1e-12)
        assert drawing.whiskers()[implementation] == pytest.approx((low, high), rel=1e-12)


def test_a_sweeps_axis_does_not_hold_the_sizes_that_have_no_panel(swept: Any, drawn: Any) -> None:
    swept.sizes = [2**power for power in range(2, 14)]
    swept.contenders(["torch_tensor", "torch_nn"])
    folder = swept.write()
    titles = drawn("speedup", folder).titles
    (hidden, *_) = (size for size in swept.sizes if not any(f"batch {size}:" in title for title in titles))
    summary = read_summary(folder)
    far = (summary["size.batch"] == hidden) & (summary["implementation"] == "torch_nn")
    data = RunData(folder)
    data.summary.loc[far, ["speedup", "speedup_low", "speedup_high"]] = 0.001
    drawing = drawn("speedup", data)
    assert drawing.titles == titles
    assert drawing.axes[0].get_xlim()[0] > 0.01


@pytest.mark.parametrize("style", Style)
def test_a_whisker_is_seen_on_the_palest_and_on_the_darkest_segment(measured: Any, drawn: Any, style: Style) -> None:
    measured.contenders(["torch_nn"])
    look = Look(style=style)
    drawing = drawn("phases", measured, look)
    for box in drawing.axis.containers:
        for part in getattr(box, "lines", ((), (), ()))[1]:
            (stroke,) = part.get_path_effects()
            width, edge = stroke._gc["linewidth"], stroke._gc["foreground"]
            assert width >= 2.5 * part.get_markeredgewidth()
            for shade in look.theme.phases.values():
                assert max(contrast(edge, shade), contrast(part.get_markeredgecolor(), shade)) > 3
            assert contrast(edge, part.get_markeredgecolor()) > 7


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("speedup", {"torch_tensor": "2.00x   [1.70 … 2.24]", "torch_nn": "0.457x"}),
        ("sync_tax", {"torch_tensor": "+1.3 %  [+0.1 … +4.7 %]", "torch_nn": "-2.0 %"}),
        ("phases", {"torch_tensor": "360 µs", "torch_nn": "1.08 ms"}),
    ],
)
def test_numbers_stand_beside_their_bars(measured: Any, drawn: Any, name: str, texts: dict[str, str]) -> None:
    measured.add("torch_tensor", speedup=2.0, tax=0.013, seconds=3.599e-4)
    measured.add("torch_nn", speedup=0.4567, tax=-0.02, seconds=1.0804e-3, interval=False)
    assert drawn(name, measured).beside() == texts


@pytest.mark.parametrize(
    ("name", "width"),
    [
        pytest.param(name, width, marks=[pytest.mark.slow] * (at != place))
        for at, name in enumerate(["speedup", "phases", "sync_tax"])
        for place, width in enumerate(Width)
    ],
)
def test_bars_of_a_figure_are_equally_thick(measured: Any, drawn: Any, name: str, width: Width) -> None:
    """Also where panels of one case and of many stand beside each other."""
    measured.contenders([f"torch_{number}" for number in range(7)])
    measured.contenders(["torch_module"], "mlp_bias_sgd")
    measured.contenders(["torch_optim", "torch_nn"], "mlp_bias_adam")
    drawing = drawn(name, measured, Look(width))
    drawing.figure.draw_without_rendering()
    thick = [bar.get_window_extent().height for axis in drawing.axes for bar in axis.patches]
    assert len(thick) > 9
    assert max(thick) < 1.02 * min(thick)


# Speedup


def test_twice_as_fast_and_half_as_fast_are_equally_long(measured: Any, drawn: Any) -> None:
    measured.contenders([])
    measured.add("torch_half", speedup=0.5)
    measured.add("torch_twice", speedup=2.0)
    axis = drawn("speedup", measured).axis
    assert axis.get_xscale() == "log"
    left, middle, right = axis.transData.transform([(0.5, 0), (1.0, 0), (2.0, 0)])[:, 0]
    assert middle - left == pytest.approx(right - middle)


def test_each_workload_has_a_panel_whose_title_has_the_baselines_time(measured: Any, drawn: Any) -> None:
    measured.add("numpy_manual", "numpy", seconds=3.599e-4, speedup=1.0)
    measured.add("torch_tensor", speedup=1.2)
    measured.add("numpy_adam", "numpy", "mlp_bias_adam", seconds=7.04e-3, speedup=1.0)
    measured.add("torch_optim", "torch-cpu", "mlp_bias_adam", speedup=0.8)
    measured.add("torch_module", "torch-cpu", "mlp_bias_sgd")  # without a baseline
    drawing = drawn("speedup", measured)
    assert drawing.titles == [
        "mlp_sgd: 1x is numpy_manual at 360 µs a step",
        "mlp_bias_adam: 1x is numpy_adam at 7.04 ms a step",
    ]
    assert [list(drawing.bars(axis)) for axis in drawing.axes] == [["torch_tensor"], ["torch_optim"]]


def test_the_axis_of_speedup_says_what_it_shows(measured: Any, drawn: Any) -> None:
    measured.contenders(["torch_tensor"])
    drawing = drawn("speedup", measured)
    assert drawing.axis.get_xlabel().startswith("speedup over ")
    assert "log scale" in drawing.axis.get_xlabel()
    assert list(drawing.ticks("x")) == ["0.25x", "0.5x", "1x", "2x"]


def test_a_baseline_that_failed_later_does_not_break_the_figure(measured: Any, drawn: Any) -> None:
    measured.rows.append(measured.build.summary_row(status=Status.FAILED, reason="died", method=None, clock=None))
    measured.add("torch_tensor", speedup=2.0)
    assert drawn("speedup", measured).titles == ["mlp_sgd: 1x is numpy_manual"]


# Sync tax


def test_the_axis_of_sync_tax_is_in_percent_with_a_line_at_0(measured: Any, drawn: Any) -> None:
    measured.add("numpy_manual", tax=0.05)
    measured.add("torch_optim", workload="mlp_bias_adam", tax=-0.2)
    drawing = drawn("sync_tax", measured)
    for axis in drawing.axes:
        assert [line.get_xdata() for line in axis.lines if line.get_marker() in ("", "None")][-1] == [0, 0]
        ticks = drawing.ticks("x", axis)
        assert ticks["0 %"] == 0
        for text, place in ticks.items():
            assert re.fullmatch(r"[+-][\d.]+ %|0 %", text)
            assert float(text.removesuffix(" %")) == pytest.approx(place)
    assert "whole step" in drawing.axes[-1].get_xlabel()


def test_an_axis_of_positive_taxes_begins_at_0(measured: Any, drawn: Any) -> None:
    measured.add("numpy_manual", tax=0.5)
    low, high = drawn("sync_tax", measured).axis.get_xlim()
    assert -5 < low < 0
    assert high > 53.4


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], ""),
        (["torch_fused"], "Not shown: 1 case with phases not timed apart on tf-graph (torch_fused)."),
        (LONG, f"Not shown: 20 cases with phases not timed apart on tf-graph ({', '.join(LONG[:5])} and 15 more)."),
    ],
)
def test_cases_without_a_tax_are_named_and_not_drawn(measured: Any, drawn: Any, names: list[str], told: str) -> None:
    measured.add("numpy_manual", tax=0.0)
    for name in names:
        measured.add(name, "tf-graph")
    drawing = drawn("sync_tax", measured)
    assert (list(drawing.bars()), list(drawing.keys)) == (["numpy_manual"], ["torch-cpu"])
    assert told in drawing.words
    assert bool(told) == ("Not shown" in drawing.words)


# Phases

ALL = ("forward", "backward", "update")


def wholes(drawing: Any) -> dict[str, float]:
    """Where the diamond of each whole step is."""
    diamonds = [line for line in drawing.axes[0].lines if line.get_marker() == "D"]
    return {drawing.name(line.get_ydata()[0]): line.get_xdata()[0] for line in diamonds}


def widths(drawing: Any) -> dict[str, list[float]]:
    return {name: [bar.get_width() for bar in bars] for name, bars in drawing.bars().items()}


def test_bars_are_the_phases_of_the_file_end_to_end(measured: Any, drawn: Any) -> None:
    measured.add("numpy_manual", "numpy", seconds=4e-4)
    measured.add("torch_tensor", seconds=9e-4, stretch=1.5)
    measured.add("torch_fused", phases=None)
    drawing = drawn("phases", measured)
    times = read_summary(measured.folder).set_index(["implementation", "phase"])["median_seconds"]
    assert list(drawing.bars()) == ["numpy_manual", "torch_tensor"]
    assert set(wholes(drawing)) == {"numpy_manual", "torch_tensor", "torch_fused"}
    for name, bars in drawing.bars().items():
        left = 0.0
        for phase, bar in zip(ALL, bars, strict=True):
            assert bar.get_x() == pytest.approx(left, abs=1e-15)
            assert bar.get_width() == pytest.approx(times[name, phase], rel=1e-12)
            left += bar.get_width()
    assert drawing.axis.get_xlim()[1] > 9e-4 * 1.5
    assert list(drawing.keys) == [*ALL, "whole step with 95 % interval"]


def test_the_whole_step_and_its_interval_are_those_of_the_file(measured: Any, drawn: Any) -> None:
    measured.add("numpy_manual", "numpy", seconds=4e-4)
    measured.add("torch_tensor", seconds=9e-4)
    measured.add("torch_nn", seconds=5e-4, interval=False)
    drawing = drawn("phases", measured)
    rows = read_summary(measured.folder)
    rows = rows[rows["phase"] == "step"].set_index("implementation")
    assert wholes(drawing) == pytest.approx(rows["median_seconds"].to_dict())
    assert set(drawing.whiskers()) == {"numpy_manual", "torch_tensor"}
    for name, ends in drawing.whiskers().items():
        assert ends == pytest.approx((rows.loc[name, "low_seconds"], rows.loc[name, "high_seconds"]))


def test_the_axis_has_the_unit_of_the_slowest(measured: Any, drawn: Any) -> None:
    measured.add("numpy_manual", "numpy", seconds=5e-4)
    measured.add("torch_tensor", seconds=1.5e-3, stretch=0.9)
    drawing = drawn("phases", measured)
    assert drawing.axis.get_xlabel() == "time of one step"
    assert {"0 ms", "0.5 ms", "1 ms", "1.5 ms"} <= set(drawing.ticks("x"))
    assert drawing.axis.get_xlim() == (0, pytest.approx(1.5e-3 * 1.08 * 1.04))


def test_profiled_shares_are_scaled_to_the_whole_step_and_hatched(measured: Any, drawn: Any) -> None:
    measured.add("torch_tensor", seconds=4e-4)
    measured.add("tf_static_graph", "tf-graph", seconds=8e-4, phases=Method.PROFILED)
    drawing = drawn("phases", measured)
    assert widths(drawing)["tf_static_graph"] == pytest.approx([2.4e-4, 4e-4, 1.6e-4])
    assert all(bar.get_hatch() for bar in drawing.bars()["tf_static_graph"])
    assert not any(bar.get_hatch() for bar in drawing.bars()["torch_tensor"])
    assert "share by profiler" in drawing.keys


def test_the_same_implementation_on_two_devices_keeps_its_phases_apart(measured: Any, drawn: Any) -> None:
    measured.add("torch_tensor", "torch-cpu", seconds=8e-4)
    measured.add("torch_tensor", "torch-cuda", seconds=2e-4)
    assert list(map(sum, widths(drawn("phases", measured)).values())) == pytest.approx([2.2e-4, 8.8e-4])


def test_panels_of_several_sizes_have_axes_of_their_own(swept: Any, drawn: Any) -> None:
    swept.sizes = [16, 1024]
    swept.contenders(["torch_tensor"])
    drawing = drawn("phases", swept)
    assert len({axis.get_xlim() for axis in drawing.axes}) == 2
    assert "each panel has its own axis" in drawing.words
