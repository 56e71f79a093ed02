from __future__ import annotations

from typing import Any

import pytest

from bench.data.schema import Status


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
    drawing = drawn("speedup", measured)
    assert drawing.titles == [
        "mlp_sgd: 1x is numpy_manual at 360 µs a step",
        "mlp_bias_adam: 1x is numpy_adam at 7.04 ms a step",
    ]
    assert [list(drawing.bars(axis)) for axis in drawing.axes] == [["torch_tensor"], ["torch_optim"]]


def test_the_axis_says_what_it_shows(measured: Any, drawn: Any) -> None:
    measured.contenders(["torch_tensor"])
    drawing = drawn("speedup", measured)
    assert drawing.axis.get_xlabel().startswith("speedup over ")
    assert "log scale" in drawing.axis.get_xlabel()
    assert list(drawing.ticks("x")) == ["0.25x", "0.5x", "1x", "2x"]


def test_cases_without_a_baseline_are_left_out(measured: Any, drawn: Any) -> None:
    measured.contenders(["torch_tensor"])
    measured.add("torch_module", "torch-cpu", "mlp_bias_sgd")
    drawing = drawn("speedup", measured)
    assert [list(drawing.bars(axis)) for axis in drawing.axes] == [["torch_tensor"]]


def test_a_baseline_that_failed_later_does_not_break_the_figure(measured: Any, drawn: Any) -> None:
    measured.rows.append(measured.build.summary_row(status=Status.FAILED, reason="died", method=None, clock=None))
    measured.add("torch_tensor", speedup=2.0)
    assert drawn("speedup", measured).titles == ["mlp_sgd: 1x is numpy_manual"]
