from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer

from bench.data.schema import Method, Status
from bench.data.store import read_summary
from bench.output.figures import Look, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[..., "Figure"]
ALL = ("forward", "backward", "update")


def labels(axis: Axes) -> dict[int, str]:
    return {round(tick.get_loc()): tick.label1.get_text() for tick in axis.yaxis.get_major_ticks()}


def stacks(axis: Axes) -> dict[str, list[Any]]:
    """The bars of each case from left to right, by the label beside them."""
    found: dict[str, list[Any]] = {}
    for bar in axis.patches:
        found.setdefault(labels(axis)[round(bar.get_y() + bar.get_height() / 2)], []).append(bar)
    return found


def wholes(axis: Axes) -> dict[str, float]:
    """Where the diamond of each whole step is."""
    return {
        labels(axis)[round(line.get_ydata()[0])]: line.get_xdata()[0] for line in axis.lines if line.get_marker() == "D"
    }


def whiskers(axis: Axes) -> dict[str, tuple[float, float]]:
    found = {}
    for container in axis.containers:
        if isinstance(container, ErrorbarContainer):
            ((low, position), (high, _)) = container.lines[2][0].get_segments()[0]
            found[labels(axis)[round(position)]] = (low, high)
    return found


def seconds(measured: Any) -> dict[tuple[str, str], float]:
    rows = read_summary(measured.folder)
    return {(row["implementation"], row["phase"]): row["median_seconds"] for _, row in rows.iterrows()}


def test_bars_are_the_phases_of_the_file_end_to_end(measured: Any, drawn: Draw) -> None:
    measured.add("numpy_manual", "numpy", seconds=4e-4)
    measured.add("torch_tensor", seconds=9e-4)
    (axis,) = drawn("phases", measured).axes
    times = seconds(measured)
    assert list(stacks(axis)) == ["numpy_manual", "torch_tensor"]
    for name, bars in stacks(axis).items():
        left = 0.0
        for phase, bar in zip(ALL, bars, strict=True):
            assert bar.get_x() == pytest.approx(left, abs=1e-9)
            assert bar.get_width() == pytest.approx(times[name, phase] * 1e6, rel=1e-12)
            left += bar.get_width()


def test_the_whole_step_and_its_interval_are_those_of_the_file(measured: Any, drawn: Draw) -> None:
    measured.add("numpy_manual", "numpy", seconds=4e-4)
    measured.add("torch_tensor", seconds=9e-4)
    measured.add("torch_nn", seconds=5e-4, interval=False)
    (axis,) = drawn("phases", measured).axes
    rows = read_summary(measured.folder)
    rows = rows[rows["phase"] == "step"].set_index("implementation")
    assert wholes(axis) == pytest.approx((rows["median_seconds"] * 1e6).to_dict())
    found = whiskers(axis)
    assert set(found) == {"numpy_manual", "torch_tensor"}
    for name, ends in found.items():
        assert ends == pytest.approx((rows.loc[name, "low_seconds"] * 1e6, rows.loc[name, "high_seconds"] * 1e6))


@pytest.mark.parametrize("style", Style)
def test_each_phase_has_its_own_colour_from_dark_to_light(measured: Any, drawn: Draw, style: Style) -> None:
    from bench.output.figures._look import THEMES

    measured.contenders(["torch_tensor"])
    figure = drawn("phases", measured, Look(style=style))
    colours = [to_hex(bar.get_facecolor()).upper() for bar in stacks(figure.axes[0])["torch_tensor"]]
    assert colours == [THEMES[style].phases[phase] for phase in ALL]
    brightness = [sum(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for colour in colours]
    assert brightness == sorted(brightness)
    assert [text.get_text() for text in figure.legends[0].get_texts()][:3] == list(ALL)


@pytest.mark.parametrize(
    ("slowest", "unit", "scale"), [(9e-4, "µs", 1e6), (1.5e-3, "ms", 1e3), (0.9, "ms", 1e3), (2.0, "s", 1.0)]
)
def test_the_axis_has_the_unit_of_the_slowest(
    measured: Any, drawn: Draw, slowest: float, unit: str, scale: float
) -> None:
    measured.add("numpy_manual", "numpy", seconds=slowest / 3)
    measured.add("torch_tensor", seconds=slowest)
    (axis,) = drawn("phases", measured).axes
    assert axis.get_xlabel() == f"time of one step ({unit})"
    assert wholes(axis)["torch_tensor"] == pytest.approx(slowest * scale)


def test_profiled_shares_are_scaled_to_the_whole_step_and_hatched(measured: Any, drawn: Draw) -> None:
    measured.add("torch_tensor", seconds=4e-4)
    measured.add("tf_static_graph", "tf-graph", seconds=8e-4, phases=Method.PROFILED)
    figure = drawn("phases", measured)
    bars = stacks(figure.axes[0])
    assert [bar.get_width() for bar in bars["tf_static_graph"]] == pytest.approx([240.0, 400.0, 160.0])
    assert all(bar.get_hatch() for bar in bars["tf_static_graph"])
    assert not any(bar.get_hatch() for bar in bars["torch_tensor"])
    assert "share by profiler" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_without_profiled_cases_the_legend_does_not_speak_of_them(measured: Any, drawn: Draw) -> None:
    measured.contenders(["torch_tensor"])
    figure = drawn("phases", measured)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [*ALL, "whole step with 95 % interval"]


def test_a_fused_case_without_a_profile_has_only_its_whole_step(measured: Any, drawn: Draw) -> None:
    measured.add("numpy_manual", "numpy")
    measured.add("torch_fused", phases=None)
    (axis,) = drawn("phases", measured).axes
    assert set(stacks(axis)) == {"numpy_manual"}
    assert set(wholes(axis)) == {"numpy_manual", "torch_fused"}


def test_everything_fits_on_the_axis(measured: Any, drawn: Draw) -> None:
    measured.add("numpy_manual", "numpy", seconds=4e-4)
    measured.add("torch_tensor", seconds=9e-4, stretch=1.5)
    measured.contenders(["torch_optim"], "mlp_bias_adam")
    figure = drawn("phases", measured)
    assert len({axis.get_xlim() for axis in figure.axes}) == 1
    for axis in figure.axes:
        low, high = axis.get_xlim()
        ends = [bar.get_x() + bar.get_width() for bars in stacks(axis).values() for bar in bars]
        ends += [end for pair in whiskers(axis).values() for end in pair] + list(wholes(axis).values())
        assert low == 0
        assert max(ends) < high


def test_panels_are_workloads_in_their_order_with_the_first_case_at_the_top(measured: Any, drawn: Draw) -> None:
    measured.contenders(["torch_optim"], "mlp_bias_adam")
    measured.contenders(["torch_tensor", "torch_nn"])
    figure = drawn("phases", measured)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["mlp_sgd", "mlp_bias_adam"]
    places = labels(figure.axes[0])
    assert [places[at] for at in sorted(places, reverse=True)] == ["numpy_manual", "torch_tensor", "torch_nn"]


def test_times_stand_beside_their_bars(measured: Any, drawn: Draw) -> None:
    measured.add("numpy_manual", "numpy", seconds=3.599e-4)
    measured.add("torch_tensor", seconds=1.0804e-3)
    (axis,) = drawn("phases", measured).axes
    assert {labels(axis)[text.xy[1]]: text.get_text() for text in axis.texts} == {
        "numpy_manual": "360 µs",
        "torch_tensor": "1.08 ms",
    }


def test_the_same_implementation_on_two_devices_keeps_its_phases_apart(measured: Any, drawn: Draw) -> None:
    measured.add("torch_tensor", "torch-cpu", seconds=8e-4)
    measured.add("torch_tensor", "torch-cuda", seconds=2e-4)
    (axis,) = drawn("phases", measured).axes
    widths = [sum(bar.get_width() for bar in bars) for bars in stacks(axis).values()]
    assert widths == pytest.approx([880.0, 220.0])
    assert len(set(labels(axis).values())) == 2


def test_cases_that_were_not_measured_and_single_depths_are_left_out(measured: Any, drawn: Draw) -> None:
    measured.add("numpy_dynamic", "numpy", "mlp_dynamic")
    measured.add("numpy_dynamic", "numpy", "mlp_dynamic", seconds=9.0, variant=3, phases=None)
    measured.rows.append(
        measured.build.summary_row(
            measured.build.make_case("torch_nn", "torch-cuda", "mlp_bias_sgd"),
            status=Status.SKIPPED,
            reason="absent",
            method=None,
            clock=None,
        )
    )
    (axis,) = drawn("phases", measured).axes
    assert list(wholes(axis)) == ["numpy_dynamic"]
    assert axis.get_xlabel() == "time of one step (µs)"
