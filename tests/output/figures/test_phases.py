from __future__ import annotations

from typing import Any

import pytest

from bench.data.schema import Method
from bench.data.store import read_summary

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
    assert list(map(sum, widths(drawn("phases", measured)).values())) == pytest.approx([8.8e-4, 2.2e-4])


def test_panels_of_several_sizes_have_axes_of_their_own(swept: Any, drawn: Any) -> None:
    swept.sizes = [16, 1024]
    swept.contenders(["torch_tensor"])
    drawing = drawn("phases", swept)
    assert len({axis.get_xlim() for axis in drawing.axes}) == 2
    assert "each panel has its own axis" in drawing.words
