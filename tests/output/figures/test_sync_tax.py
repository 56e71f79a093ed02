from __future__ import annotations

import re
from typing import Any

import pytest

LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]


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


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], ""),
        (["torch_fused", "torch_nn"], "not timed apart, so without a bar: torch_fused, torch_nn"),
        (LONG, f"not timed apart, so without a bar: {', '.join(LONG[:4])} and 16 more"),
    ],
)
def test_cases_without_a_tax_are_named_and_not_drawn(measured: Any, drawn: Any, names: list[str], told: str) -> None:
    measured.add("numpy_manual", tax=0.0)
    for name in names:
        measured.add(name, "tf-graph")
    drawing = drawn("sync_tax", measured)
    assert (list(drawing.bars()), list(drawing.keys)) == (["numpy_manual"], ["torch-cpu"])
    assert told in drawing.words
    assert bool(told) == ("without a bar" in drawing.words)
