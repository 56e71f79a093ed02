from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.data.run import StoredRun
from bench.data.store import read_summary
from bench.output.figures import Look, Width
from bench.output.figures.ecdf import MOST_PANELS, MOST_POINTS

LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]


def curves(axis: Any) -> dict[str, Any]:
    return {str(line.get_label()): line for line in axis.lines if not str(line.get_label()).startswith("_")}


def rows(drawing: Any) -> dict[str, dict[str, Any]]:
    """Of each row below the curves the process medians, the mark at the summary's, and the line's ends."""
    found: dict[str, dict[str, Any]] = {name: {} for name, place in drawing.ticks("y").items() if place < 0}
    for line in drawing.axis.lines:
        heights = set(line.get_ydata())
        if len(heights) == 1 and min(heights) < 0:
            kind = "ticks" if line.get_marker() == "|" else "mark" if line.get_marker() else "line"
            found[drawing.name(heights.pop())][kind] = np.asarray(line.get_xdata())
    return found


def marks(axis: Any) -> list[tuple[float, float]]:
    """Those on the curves."""
    points = [line.get_xydata()[0] for line in axis.lines if len(line.get_xdata()) == 1]
    return [(x, y) for x, y in points if y > 0]


def headline(sampled: Any) -> pd.DataFrame:
    found = read_summary(sampled.folder)
    return found[found["phase"] == "step"].set_index("implementation")


def each(sampled: Any) -> Any:
    """Seconds of every whole step, by implementation and process."""
    found = StoredRun(sampled.folder).joined
    found = found[found["phase"] == "step"]
    seconds = found["seconds"] / found["iterations"].astype(float)
    return seconds.groupby([found["implementation"].astype(str), found["process"]])


@pytest.fixture
def two(sampled: Any) -> Any:
    """A baseline of eight processes, and a slower case of five."""
    sampled.add("numpy_manual", "numpy")
    sampled.add("torch_tensor", seconds=6e-4, processes=5)
    return sampled


def test_a_curve_is_the_share_of_samples_that_took_at_most_so_long(two: Any, drawn: Any) -> None:
    found = curves(drawn("ecdf", two).axis)
    assert list(found) == ["numpy_manual", "torch_tensor"]
    samples = each(two).apply(list).groupby(level=0).sum()
    for name, line in found.items():
        times = np.sort(samples[name])
        assert line.get_drawstyle() == "steps-post"
        assert line.get_xdata()[1:] == pytest.approx(times, rel=1e-12)
        assert line.get_ydata() == pytest.approx(np.arange(len(times) + 1) / len(times))


def test_rows_show_the_medians_of_processes_and_of_the_table_which_is_on_the_curve(two: Any, drawn: Any) -> None:
    drawing = drawn("ecdf", two)
    found, table, medians = rows(drawing), headline(two), each(two).median()
    assert list(found) == ["numpy_manual", "torch_tensor"]
    for name, row in found.items():
        own = np.sort(medians[name])
        assert row["ticks"] == pytest.approx(own, rel=1e-12)
        assert row["line"] == pytest.approx(own[[0, -1]], rel=1e-12)
        assert row["mark"][0] == pytest.approx(table.loc[name, "median_seconds"], rel=1e-12)
    assert [x for x, _ in marks(drawing.axis)] == pytest.approx(list(table["median_seconds"]), rel=1e-12)
    for (x, y), line in zip(marks(drawing.axis), curves(drawing.axis).values(), strict=True):
        assert y == pytest.approx((line.get_xdata()[1:] <= x).mean())
        assert 0.2 < y < 0.8
    low, median, high = (
        f"{table.loc['numpy_manual', f'{end}_seconds'] * 1e6:.0f}" for end in ("low", "median", "high")
    )
    assert drawing.beside()["numpy_manual"] == f"{median} µs  [{low} … {high} µs]"


def test_the_subtitle_counts_samples_flags_and_processes(sampled: Any, drawn: Any) -> None:
    sampled.add("numpy_manual", "numpy", flags={(0, 1): "preempted", (2, 3): "preempted stolen"})
    sampled.add("torch_tensor", processes=5, samples=1000, flags={(4, 0): "pressure"})
    assert "float32, 2 CPU threads; 5,080 samples (3 flagged) of 13 processes;" in drawn("ecdf", sampled).words
    assert headline(sampled)["flagged"].sum() == 3


def test_the_axis_is_logarithmic_with_units_and_holds_everything(sampled: Any, drawn: Any) -> None:
    sampled.add("numpy_manual", "numpy")
    sampled.add("torch_tensor", seconds=6e-3)
    drawing = drawn("ecdf", sampled)
    assert drawing.axis.get_xscale() == "log"
    assert drawing.axis.get_xlabel() == "time of one step (log scale)"
    low, high = drawing.axis.get_xlim()
    ends = [end for line in curves(drawing.axis).values() for end in line.get_xdata()[[0, -1]]]
    assert low < min(ends) < max(ends) < high
    assert list(drawing.ticks("x")) == ["500 µs", "1 ms", "2 ms", "5 ms"]
    assert list(drawing.ticks("y"))[:3] == ["100 %", "50 %", "0 %"]


def test_a_long_tail_is_cut_off_and_counted(sampled: Any, drawn: Any) -> None:
    sampled.add("numpy_manual", "numpy", samples=100)
    sampled.write()
    text = (sampled.folder / "samples.csv").read_text().splitlines()
    place = next(at for at, line in enumerate(text) if ",step," in line)
    cells, column = text[place].split(","), text[0].split(",").index("seconds")
    cells[column] = str(float(cells[column]) * 100)
    (sampled.folder / "samples.csv").write_text("\n".join([*text[:place], ",".join(cells), *text[place + 1 :]]) + "\n")
    drawing = drawn("ecdf", sampled.folder)
    (line,) = curves(drawing.axis).values()
    assert "1 sample lies beyond the right edge" in drawing.words
    assert (line.get_xdata() > drawing.axis.get_xlim()[1]).sum() == 1
    assert line.get_ydata()[-1] == 1.0


def test_many_samples_are_reduced_to_quantiles(sampled: Any, drawn: Any) -> None:
    sampled.add("numpy_manual", "numpy", samples=400)
    (line,) = curves(drawn("ecdf", sampled).axis).values()
    x, y = line.get_xdata(), line.get_ydata()
    assert len(x) == MOST_POINTS + 1
    times = np.sort(np.concatenate(list(each(sampled).apply(np.asarray))))
    assert (x[0], x[-1]) == (times[0], times[-1])
    assert np.searchsorted(times, x[1:], side="right") / len(times) == pytest.approx(y[1:])


def test_twenty_cases_can_be_told_apart(sampled: Any, drawn: Any) -> None:
    for name in LONG:
        sampled.add(name, processes=2, samples=3)
    axis = drawn("ecdf", sampled).axis
    assert len({(line.get_color(), line.get_linestyle()) for line in curves(axis).values()}) == 20
    signs = [(line.get_color(), line.get_marker()) for line in axis.lines if len(line.get_xdata()) == 1]
    assert (len(signs), len(set(signs))) == (40, 20)  # on the curve and in the row


def test_a_case_looks_alike_in_all_panels_of_its_workload(sampled: Any, drawn: Any) -> None:
    for threads, names in ((1, ["numpy_manual", "torch_nn", "torch_tensor"]), (2, ["torch_tensor", "numpy_manual"])):
        for name in names:
            sampled.add(name, processes=2, threads=threads)
    drawing = drawn("ecdf", sampled)
    assert drawing.titles == ["mlp_sgd, 1 CPU thread", "mlp_sgd, 2 CPU threads"]
    one, two = ({name: line.get_color() for name, line in curves(axis).items()} for axis in drawing.axes)
    assert list(two) == ["torch_tensor", "numpy_manual"]
    assert two == {name: one[name] for name in two}


@pytest.mark.parametrize("width", Width)
def test_of_many_panels_some_are_shown_and_how_many_is_said(sampled: Any, drawn: Any, width: Width) -> None:
    most = MOST_PANELS[width]
    for count in range(1, most + 3):
        sampled.add("numpy_manual", "numpy", processes=1, samples=2, phases=False, threads=count)
    drawing = drawn("ecdf", sampled, Look(width))
    assert drawing.titles[0] == "mlp_sgd, 1 CPU thread"
    assert drawing.titles[-1] == f"mlp_sgd, {most + 2} CPU threads"
    shown = len(drawing.titles)
    assert 2 < shown <= most
    assert f"{shown} of {most + 2} panels, the others are in summary.csv" in drawing.words


def test_throttled_rounds_are_left_out_and_only_seen_among_the_samples(sampled: Any, drawn: Any) -> None:
    sampled.add("numpy_manual", "numpy", row=lambda number: {"throttled": "heat" if number == 2 else ""})
    folder = sampled.write()
    drawing = drawn("ecdf", folder)
    assert "70 samples (0 flagged) of 7 processes" in drawing.words
    assert len(rows(drawing)["numpy_manual"]["ticks"]) == 7
    assert len(curves(drawing.axis)["numpy_manual"].get_xdata()) == 71
    assert "80 samples" in drawn("samples", folder).words
