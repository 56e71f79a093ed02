from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.data.run import StoredRun
from bench.data.store import read_summary
from bench.machine import disturbance
from bench.model import condition
from bench.output.figures import Look, Width
from bench.output.figures.samples import BARS, FLAGS, MOST_DOTS


def points(axis: Any) -> dict[str, Any]:
    """Place and height of each point, by the kind of its flag; `calm` without one."""
    return {
        str(line.get_label()): np.column_stack([line.get_xdata(), line.get_ydata()])
        for line in axis.lines
        if not str(line.get_label()).startswith("_")
    }


def taken(sampled: Any, implementation: str) -> pd.DataFrame:
    """The whole steps of a case in the order in which they were taken."""
    found = StoredRun(sampled.folder).joined
    found = found[(found["phase"] == "step") & (found["implementation"] == implementation)]
    found = found.sort_values(["round", "process", "turn"], ignore_index=True)
    return found.assign(each=found["seconds"] / found["iterations"].astype(float))


def bands(axis: Any) -> list[tuple[float, float]]:
    (found,) = axis.collections
    return [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in found.get_paths()]


SOME = {(0, 1): "preempted", (0, 2): "preempted pressure", (3, 0): "stolen", (5, 9): "preempted"}


def test_each_sample_is_a_point_in_the_order_of_measuring(sampled: Any, drawn: Any) -> None:
    sampled.add("numpy_manual", "numpy", flags=SOME)
    sampled.add("torch_tensor", seconds=6e-4)
    drawing = drawn("samples", sampled)
    for axis, name in zip(drawing.axes, drawing.titles, strict=True):
        frame = taken(sampled, name)
        calm = frame[frame["flags"] == ""]
        assert points(axis)["calm"][:, 0] == pytest.approx(calm.index.to_numpy())
        assert points(axis)["calm"][:, 1] == pytest.approx(calm["each"].to_numpy(), rel=1e-12)


def test_flagged_samples_are_marked_by_kind_and_counted_as_in_the_file(sampled: Any, drawn: Any) -> None:
    sampled.add("numpy_manual", "numpy", flags=SOME)
    sampled.add("torch_tensor", flags={(1, 1): "preempted"})
    drawing = drawn("samples", sampled)
    axis = drawing.axes[drawing.titles.index("numpy_manual")]
    frame = taken(sampled, "numpy_manual")
    for kind, count in (("preempted", 3), ("pressure", 1), ("stolen", 1)):
        own = frame[frame["flags"].str.split().map(lambda words, kind=kind: kind in words)]
        assert len(own) == count
        assert points(axis)[kind] == pytest.approx(np.column_stack([own.index, own["each"]]), rel=1e-12)
    assert list(drawing.keys) == [
        "not flagged",
        "preempted: the kernel took a CPU away (4)",
        "stolen: the hypervisor gave a CPU to others (1)",
        "pressure: tasks waited for a CPU (1)",
    ]
    summary = read_summary(sampled.folder)
    assert summary[summary["phase"] == "step"]["flagged"].sum() == 5
    assert "whole steps: 160 samples, 5 of them flagged;" in drawing.words


def test_every_flag_that_there_is_has_words_and_a_look_of_its_own(sampled: Any, drawn: Any) -> None:
    known = {
        value
        for module in (disturbance, condition)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    }
    assert set(FLAGS) == known
    sampled.add("numpy_manual", "numpy", flags={(0, at): kind for at, kind in enumerate([*FLAGS, "new_kind"])})
    drawing = drawn("samples", sampled)
    axis = drawing.axis
    lines = {line.get_label(): line for line in axis.lines}
    looks = {(lines[kind].get_marker(), lines[kind].get_markeredgecolor()) for kind in (*FLAGS, "new_kind", "calm")}
    assert len({marker for marker, _ in looks}) == len(FLAGS) + 2
    theme = Look().theme
    assert {colour for _, colour in looks} == {theme.ink, theme.alarm, "none"}  # colours are those of contenders
    assert axis.lines[-1].get_markerfacecolor() == "none"
    assert lines["calm"].get_markerfacecolor() == theme.baseline
    assert list(drawing.keys)[1:] == [*(f"{kind}: {words} (1)" for kind, (words, *_) in FLAGS.items()), "new_kind (1)"]


def test_the_most_disturbed_cases_come_first_with_what_tells_them_apart(sampled: Any, drawn: Any) -> None:
    sampled.add("numpy_manual", "numpy", threads=1)
    sampled.add("torch_nn", "torch-cpu", "mlp_bias_sgd", samples=40, flags={(0, 0): "stolen", (1, 0): "stolen"})
    sampled.add("torch_tensor", flags={(0, 0): "stolen"})
    told = {axis.get_title(loc="left"): axis.texts[0].get_text() for axis in drawn("samples", sampled).axes}
    assert list(told.items()) == [
        ("torch_tensor", "torch-cpu; mlp_sgd; 2 CPU threads"),
        ("torch_nn", "torch-cpu; mlp_bias_sgd; 2 CPU threads"),
        ("numpy_manual", "numpy; mlp_sgd; 1 CPU thread"),
    ]


@pytest.mark.parametrize(("width", "most"), [(Width.COLUMN, 7), (Width.PAGE, 12), (Width.SLIDE, 9)])
def test_of_many_cases_so_many_are_shown_and_said(sampled: Any, drawn: Any, width: Width, most: int) -> None:
    for number in range(14):
        sampled.add(f"torch_{number}", processes=1, flags={(0, 0): "stolen"} if number >= 12 else {})
    drawing = drawn("samples", sampled, Look(width))
    assert drawing.titles == ["torch_12", "torch_13", *(f"torch_{number}" for number in range(most - 2))]
    assert f"{most} of 14 cases, the most disturbed of each contender first" in drawing.words


def test_every_contender_is_shown_before_one_is_shown_twice(sampled: Any, drawn: Any) -> None:
    for threads in range(1, 15):
        sampled.add("torch_nn", processes=1, samples=3, threads=threads, flags={(0, 0): "stolen"})
    for name in ("torch_tensor", "torch_module"):
        sampled.add(name, processes=1, samples=3)
    titles = drawn("samples", sampled, Look(Width.COLUMN)).titles
    assert sorted(set(titles)) == ["torch_module", "torch_nn", "torch_tensor"]
    assert titles.count("torch_nn") == len(titles) - 2


@pytest.mark.parametrize(("processes", "each", "first"), [(5, "each process", 4), (60, "every 3 processes", 12)])
def test_shades_alternate_with_so_many_processes(
    sampled: Any, drawn: Any, processes: int, each: str, first: int
) -> None:
    sampled.add("numpy_manual", "numpy", processes=processes, samples=4, phases=False)
    drawing = drawn("samples", sampled)
    assert bands(drawing.axes[0])[:2] == [(first - 0.5, 2 * first - 0.5), (3 * first - 0.5, 4 * first - 0.5)]
    assert f"shades alternate with {each};" in drawing.words


def test_the_axis_has_units_everything_and_the_tables_median(sampled: Any, drawn: Any) -> None:
    sampled.add("numpy_manual", "numpy", flags={(0, 0): "stolen"})
    drawing = drawn("samples", sampled)
    axis = drawing.axis
    assert axis.get_yscale() == "log"
    assert axis.get_xlabel() == "samples, in their order"
    ticks = drawing.ticks("y")
    assert len(ticks) >= 2
    assert all(re.fullmatch(r"[\d.]+ µs", text) for text in ticks)
    heights = np.concatenate([found[:, 1] for found in points(axis).values()])
    low, high = axis.get_ylim()
    assert low < heights.min() < heights.max() < high
    assert axis.get_xlim()[0] < 0 < 79 < axis.get_xlim()[1]
    (median,) = [line.get_ydata()[0] for line in axis.lines if str(line.get_label()).startswith("_")]
    assert median == pytest.approx(read_summary(sampled.folder)["median_seconds"].iloc[0], rel=1e-12)


def test_many_samples_become_bars_that_keep_the_longest_of_each_flag(sampled: Any, drawn: Any) -> None:
    flags = {(1, 5): "stolen", (1, 6): "stolen", (2, 7): "pressure"}
    sampled.add("numpy_manual", "numpy", processes=4, samples=MOST_DOTS // 3, flags=flags)
    drawing = drawn("samples", sampled)
    found, frame = points(drawing.axis), taken(sampled, "numpy_manual")
    place = max((1205, 1206), key=lambda place: frame["each"][place])
    assert found["stolen"] == pytest.approx(np.array([(place, frame["each"][place])]))
    assert found["pressure"] == pytest.approx(np.array([(2407, frame["each"][2407])]))
    bars = found["bars"].reshape(-1, 3, 2)
    assert len(bars) == len(found["calm"]) == BARS
    calm = frame[frame["flags"] == ""]["each"]
    assert np.nanmin(bars[:, :, 1]) == calm.min()
    assert np.nanmax(bars[:, :, 1]) == calm.max()
    first = frame["each"][:40]
    assert bars[0, :2, 1] == pytest.approx((first.min(), first.max()))
    assert found["calm"][0] == pytest.approx((19.5, first.median()))
    assert "bars from the shortest to the longest with dots at the medians, the longest of each flag" in drawing.words
    assert list(drawing.keys)[1].endswith("others (2)")
