from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from bench.data.schema import Status
from bench.data.store import read_summary
from bench.errors import NothingToShowError

NAMES = ["torch_tensor", "torch_nn", "torch_autograd"]


def contenders(measured: Any) -> pd.DataFrame:
    rows = read_summary(measured.folder)
    return rows[rows["phase"] == "step"].set_index("implementation").drop("numpy_manual")


def test_bars_and_whiskers_end_at_the_speedups_and_intervals_of_the_file(measured: Any, drawn: Any) -> None:
    measured.contenders(NAMES)
    drawing = drawn("speedup", measured)
    rows = contenders(measured)
    assert list(drawing.bars()) == list(drawing.whiskers()) == list(rows.index)
    for name, (bar,) in drawing.bars().items():
        assert bar.get_x() == 1.0
        assert 1.0 + bar.get_width() == pytest.approx(rows.loc[name, "speedup"], rel=1e-12)
        ends = rows.loc[name, "speedup_low"], rows.loc[name, "speedup_high"]
        assert drawing.whiskers()[name] == pytest.approx(ends, rel=1e-12)


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


def test_numbers_stand_beside_their_bars(measured: Any, drawn: Any) -> None:
    measured.contenders([])
    measured.add("torch_tensor", speedup=2.0)
    measured.add("torch_nn", speedup=0.4567, interval=False)
    assert drawn("speedup", measured).beside() == {"torch_tensor": "2.00x   [1.70 … 2.24]", "torch_nn": "0.457x"}


def test_cases_without_a_baseline_are_left_out(measured: Any, drawn: Any) -> None:
    measured.contenders(["torch_tensor"])
    measured.add("torch_module", "torch-cpu", "mlp_bias_sgd")
    drawing = drawn("speedup", measured)
    assert [list(drawing.bars(axis)) for axis in drawing.axes] == [["torch_tensor"]]


@pytest.mark.parametrize("speedup", [None, 1.0])
def test_without_a_baseline_beside_another_case_there_is_nothing_to_show(
    measured: Any, drawn: Any, speedup: float | None
) -> None:
    measured.add("numpy_manual" if speedup else "torch_tensor", speedup=speedup)
    with pytest.raises(NothingToShowError, match=r"^no case stands beside .* so there is no speedup to show"):
        drawn("speedup", measured)


def test_a_baseline_that_failed_later_does_not_break_the_figure(measured: Any, drawn: Any) -> None:
    measured.rows.append(measured.build.summary_row(status=Status.FAILED, reason="died", method=None, clock=None))
    measured.add("torch_tensor", speedup=2.0)
    assert drawn("speedup", measured).titles == ["mlp_sgd: 1x is numpy_manual"]
