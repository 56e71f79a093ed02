from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bench.data.store import read_samples, read_summary
from bench.errors import NothingToShowError
from bench.output.figures import Look, Width
from bench.output.figures.ecdf import MOST_PANELS, MOST_POINTS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Draw = Callable[..., "Figure"]
Check = Callable[["Figure"], list[str]]
LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]


def curves(axis: Axes) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in axis.lines if not str(line.get_label()).startswith("_")}


def labels(axis: Axes) -> dict[float, str]:
    return dict(zip(axis.get_yticks(), [tick.get_text() for tick in axis.get_yticklabels()], strict=True))


def rows(axis: Axes) -> dict[str, dict[str, Any]]:
    """Of each row below the curves the process medians, the mark at the summary's, and the line's ends."""
    found: dict[str, dict[str, Any]] = {name: {} for place, name in labels(axis).items() if place < 0}
    for line in axis.lines:
        heights = set(line.get_ydata())
        if len(heights) == 1 and min(heights) < 0:
            kind = "ticks" if line.get_marker() == "|" else "mark" if line.get_marker() else "line"
            found[labels(axis)[heights.pop()]][kind] = np.asarray(line.get_xdata())
    return found


def marks(axis: Axes) -> list[tuple[float, float]]:
    """Those on the curves."""
    return [
        (line.get_xdata()[0], line.get_ydata()[0])
        for line in axis.lines
        if len(line.get_xdata()) == 1 and line.get_ydata()[0] > 0
    ]


def headline(sampled: Any) -> pd.DataFrame:
    found = read_summary(sampled.folder)
    return found[found["phase"] == "step"].set_index("implementation")


def each(sampled: Any) -> pd.Series[float]:
    """Seconds of every whole step, by implementation and process."""
    found = read_samples(sampled.folder)
    found = found[found["phase"] == "step"]
    return (found["seconds"] / found["iterations"].astype(float)).groupby(
        [found["implementation"].astype(str), found["process"]]
    )


def joined(figure: Figure) -> str:
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


def test_a_curve_is_the_share_of_samples_that_took_at_most_so_long(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy")
    sampled.add("torch_tensor", seconds=6e-4)
    (axis,) = drawn("ecdf", sampled).axes
    found = curves(axis)
    assert list(found) == ["numpy_manual", "torch_tensor"]
    samples = each(sampled).apply(list).groupby(level=0).sum()
    for name, line in found.items():
        times = np.sort(samples[name])
        assert line.get_drawstyle() == "steps-post"
        assert line.get_xdata()[1:] == pytest.approx(times, rel=1e-12)
        assert line.get_ydata() == pytest.approx(np.arange(len(times) + 1) / len(times))


def test_marks_are_the_medians_of_the_table_on_curve_and_row(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy")
    sampled.add("torch_tensor", seconds=6e-4)
    (axis,) = drawn("ecdf", sampled).axes
    table = headline(sampled)["median_seconds"]
    assert [x for x, _ in marks(axis)] == pytest.approx(list(table), rel=1e-12)
    assert {name: row["mark"][0] for name, row in rows(axis).items()} == pytest.approx(table.to_dict(), rel=1e-12)
    for (x, y), line in zip(marks(axis), curves(axis).values(), strict=True):
        assert y == pytest.approx((line.get_xdata()[1:] <= x).mean())  # on its curve
        assert 0.2 < y < 0.8


def test_rows_show_the_median_of_each_process_and_how_far_they_spread(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy")
    sampled.add("torch_tensor", seconds=6e-4, processes=5)
    (axis,) = drawn("ecdf", sampled).axes
    medians = each(sampled).median()
    assert list(rows(axis)) == ["numpy_manual", "torch_tensor"]
    for name, row in rows(axis).items():
        own = np.sort(medians[name])
        assert row["ticks"] == pytest.approx(own, rel=1e-12)
        assert row["line"] == pytest.approx(own[[0, -1]], rel=1e-12)


def test_the_subtitle_counts_samples_flags_and_processes(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy", flags={(0, 1): "preempted", (2, 3): "preempted stolen"})
    sampled.add("torch_tensor", processes=5, samples=1000, flags={(4, 0): "pressure"})
    text = joined(drawn("ecdf", sampled))
    assert (
        "batch 64, d-in 1000, hidden 100, d-out 10, float32, 2 CPU threads; 5,080 samples (3 flagged) of 13 processes;"
        in text
    )
    assert headline(sampled)["flagged"].sum() == 3


def test_numbers_beside_the_rows_are_those_of_the_table(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy")
    sampled.add("torch_tensor", seconds=6e-3, processes=3)
    (axis,) = drawn("ecdf", sampled).axes
    places = {name: place for place, name in labels(axis).items()}
    texts = {text.xy[1]: text.get_text() for text in axis.texts}
    row = headline(sampled).loc["numpy_manual"]
    low, high = (f"{row[name] * 1e6:.0f}" for name in ("low_seconds", "high_seconds"))
    assert texts[places["numpy_manual"]] == f"{row['median_seconds'] * 1e6:.0f} µs  [{low} … {high} µs]"
    assert texts[places["torch_tensor"]] == f"{headline(sampled).loc['torch_tensor', 'median_seconds'] * 1e3:.2f} ms"


def test_the_axis_is_logarithmic_with_units_and_holds_everything(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy")
    sampled.add("torch_tensor", seconds=6e-3)
    figure = drawn("ecdf", sampled)
    figure.draw_without_rendering()
    (axis,) = figure.axes
    assert axis.get_xscale() == "log"
    assert axis.get_xlabel() == "time of one step (log scale)"
    low, high = axis.get_xlim()
    ends = [end for line in curves(axis).values() for end in line.get_xdata()[[0, -1]]]
    assert low < min(ends) < max(ends) < high
    ticks = [tick.label1.get_text() for tick in axis.xaxis.get_major_ticks()]
    assert len(ticks) >= 2
    assert all(text.endswith(("µs", "ms")) for text in ticks)
    assert [labels(axis)[place] for place in (0.0, 0.5, 1.0)] == ["0 %", "50 %", "100 %"]


def test_a_long_tail_is_cut_off_and_counted(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy", samples=100)
    sampled.write()
    text = (sampled.folder / "samples.csv").read_text().splitlines()
    place = next(at for at, line in enumerate(text) if ",step," in line)
    cells = text[place].split(",")
    column = text[0].split(",").index("seconds")
    cells[column] = str(float(cells[column]) * 100)
    (sampled.folder / "samples.csv").write_text("\n".join([*text[:place], ",".join(cells), *text[place + 1 :]]) + "\n")
    figure = drawn("ecdf", sampled.folder)
    (axis,) = figure.axes
    (line,) = curves(axis).values()
    assert "1 sample lies beyond the right edge" in joined(figure)
    assert (line.get_xdata() > axis.get_xlim()[1]).sum() == 1
    assert line.get_ydata()[-1] == 1.0


def test_many_samples_are_reduced_to_quantiles(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy", samples=400)
    (axis,) = drawn("ecdf", sampled).axes
    (line,) = curves(axis).values()
    x, y = line.get_xdata(), line.get_ydata()
    assert len(x) == MOST_POINTS + 1
    times = np.sort(np.concatenate(list(each(sampled).apply(np.asarray))))
    assert (x[0], x[-1]) == (times[0], times[-1])
    assert np.searchsorted(times, x[1:], side="right") / len(times) == pytest.approx(y[1:])


def test_twenty_cases_can_be_told_apart(sampled: Any, drawn: Draw) -> None:
    for name in LONG:
        sampled.add(name, processes=2, samples=3)
    (axis,) = drawn("ecdf", sampled).axes
    looks = [(line.get_color(), line.get_linestyle()) for line in curves(axis).values()]
    assert len(set(looks)) == 20
    signs = [(line.get_color(), line.get_marker()) for line in axis.lines if len(line.get_xdata()) == 1]
    assert len(signs) == 40  # on the curve and in the row
    assert len(set(signs)) == 20


def test_a_case_looks_alike_in_all_panels_of_its_workload(sampled: Any, drawn: Draw) -> None:
    for threads, names in ((1, ["numpy_manual", "torch_nn", "torch_tensor"]), (2, ["torch_tensor", "numpy_manual"])):
        for name in names:
            sampled.add(name, processes=2, threads=threads)
    figure = drawn("ecdf", sampled)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["mlp_sgd, 1 CPU thread", "mlp_sgd, 2 CPU threads"]
    one, two = ({name: line.get_color() for name, line in curves(axis).items()} for axis in figure.axes)
    assert list(two) == ["torch_tensor", "numpy_manual"]
    assert two == {name: one[name] for name in two}


@pytest.mark.parametrize("width", Width)
def test_of_many_panels_the_first_are_shown_and_said(sampled: Any, drawn: Draw, width: Width) -> None:
    most = MOST_PANELS[width]
    for count in range(1, most + 3):
        sampled.add("numpy_manual", "numpy", processes=1, samples=2, phases=False, threads=count)
    figure = drawn("ecdf", sampled, Look(width))
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == [f"mlp_sgd, {count} CPU thread{'s' if count > 1 else ''}" for count in range(1, most + 1)]
    assert f"the first {most} of {most + 2} panels" in joined(figure)


def test_throttled_rounds_are_left_out_as_in_the_table(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy", row=lambda number: {"throttled": "heat" if number == 2 else ""})
    figure = drawn("ecdf", sampled)
    (axis,) = figure.axes
    assert "70 samples (0 flagged) of 7 processes" in joined(figure)
    assert len(rows(axis)["numpy_manual"]["ticks"]) == 7
    assert len(curves(axis)["numpy_manual"].get_xdata()) == 71


def test_a_case_whose_clock_stood_still_is_left_out(sampled: Any, drawn: Draw) -> None:
    sampled.add("numpy_manual", "numpy", seconds=0.0, phases=False)
    with pytest.raises(NothingToShowError):
        drawn("ecdf", sampled)
    sampled.add("torch_tensor")
    shutil.rmtree(sampled.folder)
    figure = drawn("ecdf", sampled)
    assert "80 samples" in joined(figure)
    assert len(figure.axes) == 1


def test_a_run_without_samples_has_nothing_to_show(measured: Any, drawn: Draw) -> None:
    measured.contenders(["torch_tensor"])
    with pytest.raises(NothingToShowError, match=r"^samples\.csv holds no whole step"):
        drawn("ecdf", measured)


@pytest.mark.parametrize("names", [["torch_nn"], LONG[:9], LONG], ids=["1", "9 long", "20 long"])
def test_no_text_meets_another_or_the_edge(
    sampled: Any, drawn: Draw, layout_problems: Check, look: Look, names: list[str]
) -> None:
    for index, name in enumerate(names):
        sampled.add(name, processes=6, samples=2, seconds=9e-4 * 1.3**index)
    assert layout_problems(drawn("ecdf", sampled, look)) == []


def test_no_text_meets_another_with_all_workloads_and_several_backends(
    sampled: Any, drawn: Draw, layout_problems: Check, look: Look
) -> None:
    for workload in ("mlp_sgd", "mlp_bias_sgd", "mlp_bias_adam", "mlp_dynamic"):
        for backend in ("torch-cpu", "torch-cuda"):
            sampled.add(LONG[0], backend, workload, processes=6, samples=2)
    assert layout_problems(drawn("ecdf", sampled, look)) == []
