from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from matplotlib.container import ErrorbarContainer

from bench.data.store import read_summary
from bench.errors import NothingToShowError
from bench.output.figures import Look

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[..., "Figure"]
Check = Callable[["Figure"], list[str]]
LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]


def taxed(measured: Any, name: str, tax: float | None, backend: str = "torch-cpu", **more: Any) -> None:
    ends = {} if tax is None else {"sync_tax": tax, "sync_tax_low": tax - 0.012, "sync_tax_high": tax + 0.034}
    measured.add(name, backend, **(ends | more))


def labels(axis: Axes) -> dict[int, str]:
    return {round(tick.get_loc()): tick.label1.get_text() for tick in axis.yaxis.get_major_ticks()}


def bars(axis: Axes) -> dict[str, tuple[float, float]]:
    """Where each bar begins, and by how much it goes to the right."""
    return {
        labels(axis)[round(bar.get_y() + bar.get_height() / 2)]: (bar.get_x(), bar.get_width()) for bar in axis.patches
    }


def whiskers(axis: Axes) -> dict[str, tuple[float, float]]:
    found = {}
    for container in axis.containers:
        if isinstance(container, ErrorbarContainer):
            ((low, position), (high, _)) = container.lines[2][0].get_segments()[0]
            found[labels(axis)[round(position)]] = (low, high)
    return found


def headline(measured: Any) -> pd.DataFrame:
    found = read_summary(measured.folder)
    return found[found["phase"] == "step"].set_index("implementation")


def joined(figure: Figure) -> str:
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


def test_bars_and_whiskers_are_those_of_the_file_in_percent(measured: Any, drawn: Draw) -> None:
    for name, tax in (("numpy_manual", 0.001), ("torch_tensor", -0.02), ("torch_nn", 0.25)):
        taxed(measured, name, tax)
    (axis,) = drawn("sync_tax", measured).axes
    rows = headline(measured)
    assert list(bars(axis)) == list(rows.index)
    for name, (start, width) in bars(axis).items():
        assert start == 0.0
        assert width == pytest.approx(rows.loc[name, "sync_tax"] * 100)
        ends = rows.loc[name, "sync_tax_low"] * 100, rows.loc[name, "sync_tax_high"] * 100
        assert whiskers(axis)[name] == pytest.approx(ends)


def test_the_axis_is_in_percent_with_a_line_at_0_and_holds_everything(measured: Any, drawn: Draw) -> None:
    taxed(measured, "numpy_manual", 0.05)
    taxed(measured, "torch_optim", -0.2, workload="mlp_bias_adam")
    figure = drawn("sync_tax", measured)
    figure.draw_without_rendering()
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["mlp_sgd", "mlp_bias_adam"]
    assert len({axis.get_xlim() for axis in figure.axes}) == 1
    for axis in figure.axes:
        low, high = axis.get_xlim()
        ends = [end for pair in whiskers(axis).values() for end in pair]
        assert low < min(ends) < max(ends) < high
        assert low < 0 < high
        assert [line.get_xdata() for line in axis.lines if line.get_marker() in ("", "None")][-1] == [0, 0]
        ticks = {tick.label1.get_text(): tick.get_loc() for tick in axis.xaxis.get_major_ticks()}
        assert ticks["0 %"] == 0
        for text, place in ticks.items():
            assert re.fullmatch(r"[+-][\d.]+ %|0 %", text)
            assert float(text.removesuffix(" %")) == pytest.approx(place)
    assert "whole step" in figure.axes[-1].get_xlabel()


def test_an_axis_of_positive_taxes_begins_at_0(measured: Any, drawn: Draw) -> None:
    taxed(measured, "numpy_manual", 0.5)
    (axis,) = drawn("sync_tax", measured).axes
    low, high = axis.get_xlim()
    assert -5 < low < 0
    assert high > 53.4


def test_cases_without_a_tax_are_named_and_not_drawn(measured: Any, drawn: Draw) -> None:
    taxed(measured, "numpy_manual", 0.0)
    taxed(measured, "tf_static_graph", None, "tf-graph")
    taxed(measured, "torch_fused", None)
    figure = drawn("sync_tax", measured)
    (axis,) = figure.axes
    assert list(bars(axis)) == ["numpy_manual"]
    assert "not timed apart, so without one: tf_static_graph, torch_fused" in joined(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["torch-cpu"]


def test_of_many_cases_without_a_tax_some_are_named(measured: Any, drawn: Draw) -> None:
    taxed(measured, "numpy_manual", 0.0)
    for name in LONG:
        taxed(measured, name, None)
    assert f"without one: {', '.join(LONG[:4])} and 16 more" in joined(drawn("sync_tax", measured))


def test_with_a_tax_for_all_nothing_is_said_of_others(measured: Any, drawn: Draw) -> None:
    taxed(measured, "numpy_manual", 0.01)
    assert "without one" not in joined(drawn("sync_tax", measured))


def test_without_an_interval_there_is_no_whisker_and_one_number(measured: Any, drawn: Draw) -> None:
    taxed(measured, "numpy_manual", 0.013)
    measured.add("torch_nn", sync_tax=-0.02)
    (axis,) = drawn("sync_tax", measured).axes
    assert list(whiskers(axis)) == ["numpy_manual"]
    texts = {labels(axis)[text.xy[1]]: text.get_text() for text in axis.texts}
    assert texts == {"numpy_manual": "+1.3 %  [+0.1 … +4.7 %]", "torch_nn": "-2.0 %"}


def test_a_run_without_any_has_nothing_to_show(measured: Any, drawn: Draw) -> None:
    taxed(measured, "tf_static_graph", None, "tf-graph")
    with pytest.raises(NothingToShowError, match=r"^no case has its phases timed apart"):
        drawn("sync_tax", measured)


def test_backends_differ_in_colour_and_hatch(measured: Any, drawn: Draw) -> None:
    taxed(measured, "torch_nn", 0.1)
    taxed(measured, "torch_nn", 0.2, "torch-cuda")
    figure = drawn("sync_tax", measured)
    (axis,) = figure.axes
    assert len({(bar.get_facecolor(), bar.get_hatch()) for bar in axis.patches}) == 2
    assert list(bars(axis)) == ["torch_nn (torch-cpu)", "torch_nn (torch-cuda)"]


@pytest.mark.parametrize("names", [["torch_nn"], LONG[:9], LONG], ids=["1", "9 long", "20 long"])
def test_no_text_meets_another_or_the_edge(
    measured: Any, drawn: Draw, layout_problems: Check, look: Look, names: list[str]
) -> None:
    for number, name in enumerate(names):
        taxed(measured, name, 0.11 * (number - 3))
        taxed(measured, f"{name}_fused", None)
    assert layout_problems(drawn("sync_tax", measured, look)) == []


@pytest.mark.parametrize("largest", [0.0004, 0.0123, 0.36, 25.0])
def test_no_text_meets_another_however_large(
    measured: Any, drawn: Draw, layout_problems: Check, look: Look, largest: float
) -> None:
    measured.add("torch_nn", sync_tax=largest, sync_tax_low=-largest / 3, sync_tax_high=largest * 1.1)
    measured.add(LONG[0], sync_tax=largest / 2, sync_tax_low=0.0, sync_tax_high=largest)
    assert layout_problems(drawn("sync_tax", measured, look)) == []


def test_no_text_meets_another_with_all_workloads(
    measured: Any, drawn: Draw, layout_problems: Check, look: Look
) -> None:
    for workload in ("mlp_sgd", "mlp_bias_sgd", "mlp_bias_adam", "mlp_dynamic"):
        taxed(measured, LONG[0], 0.00123, workload=workload)
        taxed(measured, "torch_nn", -0.002, "torch-cuda", workload=workload)
    assert layout_problems(drawn("sync_tax", measured, look)) == []
