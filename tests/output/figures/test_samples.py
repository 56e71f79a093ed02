from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bench.data.store import read_samples, read_summary
from bench.errors import NothingToShowError
from bench.machine import disturbance
from bench.model import condition
from bench.model.case import Mode
from bench.model.problem import Problem
from bench.output.figures import Look, Width
from bench.output.figures.samples import BARS, MEANING, MOST_DOTS, MOST_FLAGGED

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[..., "Figure"]
Check = Callable[["Figure"], list[str]]
LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]


def points(axis: Axes) -> dict[str, Any]:
    """Place and height of each point, by the kind of its flag; `calm` without one."""
    return {
        str(line.get_label()): np.column_stack([line.get_xdata(), line.get_ydata()])
        for line in axis.lines
        if not str(line.get_label()).startswith("_")
    }


def taken(sampled: Any, implementation: str) -> pd.DataFrame:
    """The whole steps of a case in the order in which they were taken."""
    found = read_samples(sampled.folder)
    found = found[(found["phase"] == "step") & (found["implementation"] == implementation)]
    found = found.sort_values(["round", "process", "sample"], ignore_index=True)
    return found.assign(each=found["seconds"] / found["iterations"].astype(float))


def joined(figure: Figure) -> str:
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


def keys(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def titles(figure: Figure) -> list[str]:
    return [axis.get_title(loc="left") for axis in figure.axes if axis.axison]


def bands(axis: Axes) -> list[tuple[float, float]]:
    (found,) = axis.collections
    return [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in found.get_paths()]


FLAGS = {(0, 1): "preempted", (0, 2): "preempted pressure", (3, 0): "stolen", (5, 9): "preempted"}


def test_each_sample_is_a_point_in_the_order_of_measuring(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy", flags=FLAGS)
    sampled.add("torch_tensor", seconds=6e-4)
    figure = drawn("samples", sampled)
    for axis, name in zip(figure.axes, titles(figure), strict=True):
        frame = taken(sampled, name)
        calm = frame[frame["flags"] == ""]
        assert points(axis)["calm"][:, 0] == pytest.approx(calm.index.to_numpy())
        assert points(axis)["calm"][:, 1] == pytest.approx(calm["each"].to_numpy(), rel=1e-12)


def test_flagged_samples_are_marked_by_kind_and_counted_as_in_the_file(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy", flags=FLAGS)
    sampled.add("torch_tensor", flags={(1, 1): "preempted"})
    figure = drawn("samples", sampled)
    axis = figure.axes[titles(figure).index("numpy_manual")]
    frame = taken(sampled, "numpy_manual")
    for kind, count in (("preempted", 3), ("pressure", 1), ("stolen", 1)):
        own = frame[frame["flags"].str.split().map(lambda words, kind=kind: kind in words)]
        assert len(own) == count
        assert points(axis)[kind] == pytest.approx(np.column_stack([own.index, own["each"]]), rel=1e-12)
    assert keys(figure) == [
        "not flagged",
        "preempted: the kernel took a CPU away (4)",
        "stolen: the hypervisor gave a CPU to others (1)",
        "pressure: tasks waited for a CPU (1)",
    ]
    summary = read_summary(sampled.folder)
    assert summary[summary["phase"] == "step"]["flagged"].sum() == 5
    assert "whole steps: 160 samples, 5 of them flagged;" in joined(figure)


def test_every_flag_that_there_is_has_words_and_a_look_of_its_own(sampled: Any, drawn: Draw) -> None:
    known = {
        value
        for module in (disturbance, condition)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    }
    assert set(MEANING) == known
    sampled.add("numpy_manual", "numpy", flags={(0, at): kind for at, kind in enumerate([*MEANING, "new_kind"])})
    figure = drawn("samples", sampled)
    (axis,) = figure.axes
    lines = {line.get_label(): line for line in axis.lines}
    looks = {(lines[kind].get_marker(), lines[kind].get_markeredgecolor()) for kind in (*MEANING, "new_kind", "calm")}
    assert len({marker for marker, _ in looks}) == len({colour for _, colour in looks}) == len(MEANING) + 2
    assert keys(figure)[1:] == [*(f"{kind}: {words} (1)" for kind, words in MEANING.items()), "new_kind (1)"]


def test_the_most_disturbed_cases_come_first(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy")
    sampled.add("torch_nn", samples=40, flags={(0, 0): "stolen", (1, 0): "stolen"})
    sampled.add("torch_tensor", flags={(0, 0): "stolen"})
    assert titles(drawn("samples", sampled)) == ["torch_tensor", "torch_nn", "numpy_manual"]


@pytest.mark.parametrize(("width", "most"), [(Width.COLUMN, 8), (Width.PAGE, 12), (Width.SLIDE, 9)])
def test_of_many_cases_so_many_are_shown_and_said(sampled: Any, drawn: Draw, width: Width, most: int) -> None:
    for number in range(14):
        sampled.add(f"torch_{number}", processes=1, flags={(0, 0): "stolen"} if number >= 12 else {})
    figure = drawn("samples", sampled, Look(width))
    assert titles(figure) == ["torch_12", "torch_13", *(f"torch_{number}" for number in range(most - 2))]
    assert f"{most} of 14 cases, the most disturbed first" in joined(figure)


def test_shades_alternate_with_the_processes(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy", processes=5, samples=4)
    figure = drawn("samples", sampled)
    assert bands(figure.axes[0]) == [(3.5, 7.5), (11.5, 15.5)]
    assert "shades alternate with each process;" in joined(figure)


def test_shades_are_thinned_where_there_are_many_processes(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy", processes=60, samples=2, phases=False)
    figure = drawn("samples", sampled)
    assert "shades alternate with every 3 processes;" in joined(figure)
    found = bands(figure.axes[0])
    assert len(found) == 10
    assert found[0] == (5.5, 11.5)


def test_the_axis_has_units_everything_and_the_tables_median(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy", flags={(0, 0): "stolen"})
    figure = drawn("samples", sampled)
    figure.draw_without_rendering()
    (axis,) = figure.axes
    assert axis.get_yscale() == "log"
    assert axis.get_xlabel() == "samples, in their order"
    ticks = [tick.label1.get_text() for tick in axis.yaxis.get_major_ticks()]
    assert len(ticks) >= 2
    assert all(re.fullmatch(r"[\d.]+ µs", text) for text in ticks)
    heights = np.concatenate([found[:, 1] for found in points(axis).values()])
    low, high = axis.get_ylim()
    assert low < heights.min() < heights.max() < high
    assert axis.get_xlim()[0] < 0 < 79 < axis.get_xlim()[1]
    (median,) = [line.get_ydata()[0] for line in axis.lines if str(line.get_label()).startswith("_")]
    assert median == pytest.approx(read_summary(sampled.folder)["median_seconds"].iloc[0], rel=1e-12)


def test_many_samples_become_bars_but_flagged_ones_stay(sampled: Any, drawn: Draw) -> None:
    flags = {(1, 5): "stolen", (1, 6): "stolen", (2, 7): "pressure"}
    sampled.add("numpy_manual", "numpy", processes=4, samples=MOST_DOTS // 3, flags=flags)
    figure = drawn("samples", sampled)
    (axis,) = figure.axes
    found, frame = points(axis), taken(sampled, "numpy_manual")
    assert found["stolen"] == pytest.approx(np.array([(place, frame["each"][place]) for place in (1205, 1206)]))
    assert found["pressure"][0] == pytest.approx((2407, frame["each"][2407]))
    bars = found["bars"].reshape(-1, 3, 2)
    assert len(bars) == len(found["calm"]) == BARS
    calm = frame[frame["flags"] == ""]["each"]
    assert np.nanmin(bars[:, :, 1]) == calm.min()
    assert np.nanmax(bars[:, :, 1]) == calm.max()
    first = frame["each"][:40]
    assert bars[0, :2, 1] == pytest.approx((first.min(), first.max()))
    assert found["calm"][0] == pytest.approx((19.5, first.median()))
    assert "bars from the shortest to the longest with dots at the medians" in joined(figure)
    assert "longest in each bar" not in joined(figure)


def test_of_very_many_flagged_samples_the_longest_of_each_bar_are_marked(sampled: Any, drawn: Draw) -> None:
    every = {(process, sample): "stolen" for process in range(2) for sample in range(MOST_FLAGGED // 2 + 5)}
    sampled.add("numpy_manual", "numpy", processes=2, samples=MOST_FLAGGED // 2 + 100, flags=every)
    figure = drawn("samples", sampled)
    (axis,) = figure.axes
    assert "of the flagged ones only the longest in each bar is marked" in joined(figure)
    assert keys(figure)[1].endswith(f"({MOST_FLAGGED + 10:,})")
    frame = taken(sampled, "numpy_manual")
    marked = points(axis)["stolen"]
    assert BARS * 0.8 < len(marked) <= BARS
    assert marked[:, 1].max() == frame[frame["flags"] != ""]["each"].max()
    assert marked[:, 1] == pytest.approx(frame["each"].to_numpy()[marked[:, 0].astype(int)], rel=1e-12)


def test_what_tells_cases_apart_stands_below_their_names(sampled: Any, drawn: Draw) -> None:
    sampled.add("torch_nn", "torch-cpu", "mlp_bias_sgd", processes=1)
    sampled.add("torch_tensor", processes=1, threads=1)
    figure = drawn("samples", sampled)
    assert [axis.texts[0].get_text() for axis in figure.axes] == [
        "torch-cpu; mlp_bias_sgd; 2 CPU threads",
        "torch-cpu; mlp_sgd; 1 CPU thread",
    ]


def test_throttled_rounds_are_shown(sampled: Any, drawn: Draw) -> None:
    sampled.add("torch_tensor", row=lambda number: {"throttled": "heat" if number == 2 else ""})
    assert len(points(drawn("samples", sampled).axes[0])["calm"]) == 80


def test_a_case_whose_clock_stood_still_is_left_out(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy", seconds=0.0, phases=False)
    with pytest.raises(NothingToShowError):
        drawn("samples", sampled)
    sampled.add("torch_tensor")
    shutil.rmtree(sampled.folder)
    figure = drawn("samples", sampled)
    assert "80 samples" in joined(figure)
    assert len(figure.axes) == 1


def test_a_run_without_samples_has_nothing_to_show(measured: Any, drawn: Draw) -> None:
    measured.contenders(["torch_tensor"])
    with pytest.raises(NothingToShowError, match=r"^samples\.csv holds no whole step"):
        drawn("samples", measured)


@pytest.mark.parametrize("names", [["torch_nn"], LONG[:9], LONG], ids=["1", "9 long", "20 long"])
def test_no_text_meets_another_or_the_edge(
    sampled: Any, drawn: Draw, layout_problems: Check, look: Look, names: list[str]
) -> None:
    kinds = list(MEANING)
    for index, name in enumerate(names):
        flags = {(0, at): kind for at, kind in enumerate(kinds)}
        workload = "mlp_sgd" if index % 2 else "mlp_bias_adam"
        sampled.add(name, workload=workload, processes=2, seconds=9e-4 * 1.3**index, flags=flags, threads=1 + index % 2)
    assert layout_problems(drawn("samples", sampled, look)) == []


def test_no_text_meets_another_where_much_tells_cases_apart(
    sampled: Any, drawn: Draw, layout_problems: Check, look: Look
) -> None:
    for number in range(4):
        problem = Problem(batch=64 << number, d_in=1000 + number, hidden=100 + number, d_out=10 + number)
        mode = list(Mode)[number % len(Mode)]
        sampled.add(LONG[number], "torch-cpu", processes=2, problem=problem, threads=1 + number, mode=mode)
    figure = drawn("samples", sampled, look)
    assert layout_problems(figure) == []
    assert all("…" in axis.texts[0].get_text() for axis in figure.axes)
