from __future__ import annotations

import re
from typing import Any

import pytest

from bench.data.store import read_summary
from bench.errors import NothingToShowError

LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]


def test_bars_and_whiskers_are_those_of_the_file_in_percent(measured: Any, drawn: Any) -> None:
    for name, tax in (("numpy_manual", 0.001), ("torch_tensor", -0.02), ("torch_nn", 0.25)):
        measured.add(name, tax=tax)
    drawing = drawn("sync_tax", measured)
    rows = read_summary(measured.folder)
    rows = rows[rows["phase"] == "step"].set_index("implementation")
    assert list(drawing.bars()) == list(rows.index)
    for name, (bar,) in drawing.bars().items():
        tax, low, high = (rows.loc[name, f"sync_tax{end}"] * 100 for end in ("", "_low", "_high"))
        assert (bar.get_x(), bar.get_width()) == (0.0, pytest.approx(tax))
        assert drawing.whiskers()[name] == pytest.approx((low, high))


def test_the_axis_is_in_percent_with_a_line_at_0(measured: Any, drawn: Any) -> None:
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


def test_cases_without_a_tax_are_named_and_not_drawn(measured: Any, drawn: Any) -> None:
    measured.add("numpy_manual", tax=0.0)
    measured.add("tf_static_graph", "tf-graph")
    measured.add("torch_fused")
    drawing = drawn("sync_tax", measured)
    assert list(drawing.bars()) == ["numpy_manual"]
    assert "not timed apart, so without a bar: tf_static_graph, torch_fused" in drawing.words
    assert list(drawing.keys) == ["torch-cpu"]


@pytest.mark.parametrize(("names", "told"), [([], None), (LONG, f"without a bar: {', '.join(LONG[:4])} and 16 more")])
def test_of_many_cases_without_a_tax_some_are_named(
    measured: Any, drawn: Any, names: list[str], told: str | None
) -> None:
    measured.add("numpy_manual", tax=0.0)
    for name in names:
        measured.add(name)
    words = drawn("sync_tax", measured).words
    assert told in words if told else "without a bar" not in words


def test_numbers_stand_beside_their_bars(measured: Any, drawn: Any) -> None:
    measured.add("numpy_manual", tax=0.013)
    measured.add("torch_nn", tax=-0.02, interval=False)
    assert drawn("sync_tax", measured).beside() == {"numpy_manual": "+1.3 %  [+0.1 … +4.7 %]", "torch_nn": "-2.0 %"}


def test_a_run_without_any_has_nothing_to_show(measured: Any, drawn: Any) -> None:
    measured.add("tf_static_graph", "tf-graph")
    with pytest.raises(NothingToShowError, match=r"^no case has its phases timed apart"):
        drawn("sync_tax", measured)
