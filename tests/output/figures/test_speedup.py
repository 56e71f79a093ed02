from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from matplotlib.container import ErrorbarContainer

from bench.data.schema import Status
from bench.data.store import read_summary
from bench.errors import NothingToShowError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[[str, Any], "Figure"]


def bars(axis: Axes) -> dict[str, tuple[float, float]]:
    """Start and end of each bar, by the label beside it."""
    labels = {round(tick.get_loc()): tick.label1.get_text() for tick in axis.yaxis.get_major_ticks()}
    return {
        labels[round(bar.get_y() + bar.get_height() / 2)]: (bar.get_x(), bar.get_x() + bar.get_width())
        for bar in axis.patches
    }


def whiskers(axis: Axes) -> dict[str, tuple[float, float]]:
    """Both ends of each interval, by the label beside it."""
    labels = {round(tick.get_loc()): tick.label1.get_text() for tick in axis.yaxis.get_major_ticks()}
    found = {}
    for container in axis.containers:
        if isinstance(container, ErrorbarContainer):
            ((low, position), (high, _)) = container.lines[2][0].get_segments()[0]
            found[labels[round(position)]] = (low, high)
    return found


def headline(measured: Any) -> pd.DataFrame:
    rows = read_summary(measured.folder)
    return rows[rows["phase"] == "step"].set_index("implementation")


def test_bars_end_at_the_speedups_of_the_file(measured: Any, drawn: Draw) -> None:
    measured.contenders(["torch_tensor", "torch_nn", "torch_autograd"])
    (axis,) = drawn("speedup", measured).axes
    rows = headline(measured).drop("numpy_manual")
    found = bars(axis)
    assert list(found) == list(rows.index)
    for name, (start, end) in found.items():
        assert start == 1.0
        assert end == pytest.approx(rows.loc[name, "speedup"], rel=1e-12)


def test_whiskers_end_at_the_intervals_of_the_file(measured: Any, drawn: Draw) -> None:
    measured.contenders(["torch_tensor", "torch_nn", "torch_autograd"])
    (axis,) = drawn("speedup", measured).axes
    rows = headline(measured).drop("numpy_manual")
    found = whiskers(axis)
    assert list(found) == list(rows.index)
    for name, ends in found.items():
        assert ends == pytest.approx((rows.loc[name, "speedup_low"], rows.loc[name, "speedup_high"]), rel=1e-12)


def test_the_first_case_is_at_the_top_and_everything_fits(measured: Any, drawn: Draw) -> None:
    measured.contenders(["torch_tensor", "torch_nn", "torch_autograd"])
    (axis,) = drawn("speedup", measured).axes
    places = {tick.label1.get_text(): tick.get_loc() for tick in axis.yaxis.get_major_ticks()}
    assert list(places) == sorted(places, key=lambda name: -places[name])
    low, high = axis.get_xlim()
    ends = [end for pair in (*bars(axis).values(), *whiskers(axis).values()) for end in pair]
    assert low <= min(ends) < max(ends) <= high
    assert low <= 0.5 < 2.0 <= high


def test_twice_as_fast_and_half_as_fast_are_equally_long(measured: Any, drawn: Draw) -> None:
    measured.contenders([])
    measured.add("torch_half", speedup=0.5)
    measured.add("torch_twice", speedup=2.0)
    (axis,) = drawn("speedup", measured).axes
    assert axis.get_xscale() == "log"
    left, middle, right = axis.transData.transform([(0.5, 0), (1.0, 0), (2.0, 0)])[:, 0]
    assert middle - left == pytest.approx(right - middle)


def test_each_workload_has_a_panel_whose_title_has_the_baselines_time(measured: Any, drawn: Draw) -> None:
    measured.add("numpy_manual", "numpy", seconds=3.599e-4, speedup=1.0)
    measured.add("torch_tensor", speedup=1.2)
    measured.add("numpy_adam", "numpy", "mlp_bias_adam", seconds=7.04e-3, speedup=1.0)
    measured.add("torch_optim", "torch-cpu", "mlp_bias_adam", speedup=0.8)
    figure = drawn("speedup", measured)
    assert [axis.get_title(loc="left") for axis in figure.axes] == [
        "mlp_sgd: 1x is numpy_manual at 360 µs a step",
        "mlp_bias_adam: 1x is numpy_adam at 7.04 ms a step",
    ]
    assert [list(bars(axis)) for axis in figure.axes] == [["torch_tensor"], ["torch_optim"]]
    assert len({axis.get_xlim() for axis in figure.axes}) == 1


def test_the_axis_says_what_it_shows(measured: Any, drawn: Draw) -> None:
    measured.contenders(["torch_tensor"])
    figure = drawn("speedup", measured)
    figure.draw_without_rendering()
    (axis,) = figure.axes
    assert "speedup over NumPy" in axis.get_xlabel()
    assert "log scale" in axis.get_xlabel()
    low, high = axis.get_xlim()
    ticks = {tick.get_loc(): tick.label1.get_text() for tick in axis.xaxis.get_major_ticks()}
    assert ticks[1.0] == "1x"
    assert len([place for place in ticks if low <= place <= high]) >= 3
    for place, text in ticks.items():
        assert float(text.removesuffix("x")) == pytest.approx(place, rel=0.05)
        assert text.endswith("x")


def test_numbers_stand_beside_their_bars(measured: Any, drawn: Draw) -> None:
    measured.contenders([])
    measured.add("torch_tensor", speedup=2.0)
    measured.add("torch_nn", speedup=0.4567, interval=False)
    (axis,) = drawn("speedup", measured).axes
    places = {tick.get_loc(): tick.label1.get_text() for tick in axis.yaxis.get_major_ticks()}
    texts = {places[text.xy[1]]: text.get_text() for text in axis.texts}
    assert texts == {"torch_tensor": "2.00x   [1.70 … 2.24]", "torch_nn": "0.457x"}


def test_without_an_interval_there_is_no_whisker(measured: Any, drawn: Draw) -> None:
    measured.contenders([])
    measured.add("torch_tensor", speedup=2.0)
    measured.add("torch_nn", speedup=0.5, interval=False)
    (axis,) = drawn("speedup", measured).axes
    assert list(whiskers(axis)) == ["torch_tensor"]
    assert set(bars(axis)) == {"torch_tensor", "torch_nn"}


def test_cases_that_were_not_measured_or_have_no_baseline_are_left_out(measured: Any, drawn: Draw) -> None:
    measured.contenders(["torch_tensor"])
    measured.add("torch_nn", "torch-cuda", status=Status.SKIPPED, reason="absent", phases=None)
    measured.add("torch_module", "torch-cpu", "mlp_bias_sgd")
    figure = drawn("speedup", measured)
    assert [list(bars(axis)) for axis in figure.axes] == [["torch_tensor"]]


def test_single_depths_are_not_drawn(measured: Any, drawn: Draw) -> None:
    measured.contenders(["torch_dynamic"], "mlp_dynamic")
    measured.add("torch_dynamic", "torch-cpu", "mlp_dynamic", speedup=9.0, phases=None, variant=2)
    (axis,) = drawn("speedup", measured).axes
    assert list(bars(axis)) == ["torch_dynamic"]


def test_backends_differ_in_colour_and_hatch_and_are_in_the_legend(measured: Any, drawn: Draw) -> None:
    measured.contenders(["torch_tensor"], backends=["torch-cpu", "torch-cuda"])
    measured.add("tf_static_graph", "tf-graph", speedup=0.5)
    figure = drawn("speedup", measured)
    (axis,) = figure.axes
    looks = {(bar.get_facecolor(), bar.get_hatch()) for bar in axis.patches}
    assert len(looks) == 3
    assert len({hatch for _, hatch in looks}) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["tf-graph", "torch-cpu", "torch-cuda"]
    labels = [tick.label1.get_text() for tick in axis.yaxis.get_major_ticks()]
    assert len(set(labels)) == 3
    assert sum("torch-cuda" in text for text in labels) == 1


def test_a_run_of_baselines_says_that_there_is_nothing_to_compare(measured: Any, drawn: Draw) -> None:
    measured.contenders([])
    with pytest.raises(NothingToShowError, match=r"^no case stands beside .* so there is no speedup to show"):
        drawn("speedup", measured)


def test_a_baseline_that_was_not_measured_gives_no_speedup(measured: Any, drawn: Draw) -> None:
    measured.add("torch_tensor")
    with pytest.raises(NothingToShowError, match="no speedup to show"):
        drawn("speedup", measured)


def test_a_baseline_that_failed_later_does_not_break_the_figure(measured: Any, drawn: Draw) -> None:
    measured.rows.append(measured.build.summary_row(status=Status.FAILED, reason="died", method=None, clock=None))
    measured.add("torch_tensor", speedup=2.0)
    assert drawn("speedup", measured).axes
