from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import pytest

from bench.analysis.history import Change, Difference, History, Point, Series
from bench.errors import NothingToShowError
from bench.machine.identity import Machine
from bench.output.figures import Look, RunData, data_sha256
from bench.output.figures.history import draw_histories, inputs
from bench.stats.estimates import Estimate

LONG = "implementation_with_a_really_long_name_"
MACHINE = Machine("AMD EPYC 9654 96-Core Processor (virtualised)", cpus=96, memory_gib=377)


@pytest.fixture
def made(build: ModuleType) -> Callable[..., History]:
    """A history without files: a change at each place of `at`, of the sizes that fill most room."""

    def point(run: int, seconds: float | None, new: bool) -> Point:
        created = f"2026-01-{1 + run % 28:02}T00:00:00+00:00"
        estimate = None if seconds is None else Estimate(seconds, seconds * 0.95, seconds * 1.06)
        new_things = (Difference("torch", "2.12.0+cpu", f"2.13.{run}+cpu"), Difference("numpy", "2.4.6", "2.5.0"))
        return Point(run, f"run{run}", created, "d" * 40 + "-dirty", estimate, "", new_things if new else ())

    def series(name: str, runs: int, at: tuple[int, ...], **case: Any) -> Series:
        points = [point(run, 1e-4 * (1 + sum(run >= place for place in at)), run in at) for run in range(runs)]
        if runs > 1:
            points[runs // 3] = point(runs // 3, None, False)
        changes = [Change(points[place - 1], points[place], 0.001, Estimate(0.90123, 0.89, 0.91)) for place in at]
        return Series(build.make_case(name, "torch-cpu", **case), "host", None, tuple(points), tuple(changes))

    def make(names: list[str], runs: int = 24, at: tuple[int, ...] = (), **case: Any) -> History:
        manifests = [
            build.make_manifest(run_id=f"run{run}", created=f"2026-01-{1 + run % 28:02}T00:00:00+00:00")
            for run in range(runs)
        ]
        return History(MACHINE, tuple(manifests), tuple(series(name, runs, at, **case) for name in names))

    return make


@pytest.fixture
def shown(seen: Any) -> Callable[..., Any]:
    def make(*found: History, look: Look | None = None) -> Any:
        look = look or Look()
        with mpl.rc_context(look.rc()):
            return seen(draw_histories(found, "step", look))

    return make


def points(axis: Any) -> tuple[list[int], list[float]]:
    (line,) = [line for line in axis.lines if line.get_marker() == "o"]
    return list(line.get_xdata()), list(line.get_ydata())


def intervals(axis: Any) -> dict[int, tuple[float, float]]:
    segments = [segment for lines in axis.collections for segment in lines.get_segments()]
    return {round(float(low[0])): (float(low[1]), float(high[1])) for low, high in segments}


# A history


def test_points_and_intervals_are_those_of_the_runs(made: Any, shown: Any) -> None:
    history = made(["torch_nn"], 12, at=(7,))
    drawing = shown(history)
    axis = drawing.axis
    measured = history.series[0].measured
    assert points(axis)[0] == [point.run for point in measured] == [at for at in range(12) if at != 4]
    assert points(axis)[1] == pytest.approx([point.seconds.value for point in measured])
    assert list(drawing.ticks("y")) == ["100 µs", "150 µs", "200 µs"]
    assert intervals(axis) == {point.run: pytest.approx((point.seconds.low, point.seconds.high)) for point in measured}
    low, high = axis.get_ylim()
    assert low < min(min(ends) for ends in intervals(axis).values())
    assert high > max(max(ends) for ends in intervals(axis).values())


def test_changes_are_lines_with_sizes_and_gaps_are_crosses_beside_which_is_no_number(made: Any, shown: Any) -> None:
    drawing = shown(made(["torch_nn"], at=(10, 14)))
    axis = drawing.axis
    assert [line.get_xdata()[0] for line in axis.lines if line.get_linestyle() == "--"] == [9.5, 13.5]
    assert [text.get_text() for text in axis.texts].count("-9.9 % at ddddddd+") == 2
    (crosses,) = [line for line in axis.lines if line.get_marker() == "x"]
    assert list(crosses.get_xdata()) == [8]
    low, high = axis.get_ylim()
    assert 0 < crosses.get_ydata()[0] < (points(axis)[1][0] - low) / (high - low)  # a share of the panel's height
    assert list(drawing.keys) == ["change, 1 % level", "a, b, …: something new, see foot", "no time"]
    ends = [end for pair in intervals(axis).values() for end in pair]
    room, ticks = (max(ends) - min(ends)) * 0.11, list(axis.get_yticks())
    assert len(ticks) >= 3
    assert low + room < min(ends) - room < min(ticks) < max(ticks) < max(ends) + room


def test_letters_are_explained_at_the_foot_and_the_oldest_become_stars(made: Any, shown: Any) -> None:
    places = tuple(range(4, 24, 2))
    drawing = shown(made(["torch_nn"], at=places))
    axis = drawing.axis
    left, right = axis.get_xlim()
    letters = {
        text.get_text(): round(left + text.xy[0] * (right - left)) for text in axis.texts if len(text.get_text()) == 1
    }
    # The gap at run 8 has nothing new, so nine of ten; the oldest is a star.
    told = [place for place in places if place != 8]
    assert letters == dict(zip("abcdefgh", told[1:], strict=True))
    (stars,) = [line for line in axis.lines if line.get_marker() == "*"]
    assert list(stars.get_xdata()) == told[:1]
    foot = drawing.words
    for letter, place in letters.items():
        assert f"{letter}: torch 2.12.0+cpu → 2.13.{place}+cpu, numpy 2.4.6 → 2.5.0;" in foot
    assert "*: earlier news, told by the table of `bench history`" in foot
    assert f"{MACHINE}: 24 runs, 2026-01-01 00:00 to 2026-01-24 00:00 UTC" in foot


@pytest.mark.parametrize(
    ("count", "runs", "at"),
    [
        (1, 24, (3, 21)),
        (3, 24, (10, 14, 20)),
        (4, 24, (3, 10, 14, 21)),
        (12, 24, (12, 20)),
        (2, 1, ()),
        (2, 2, ()),
        (2, 200, ()),
        (4, 100, tuple(range(1, 100))),
    ],
)
def test_no_text_meets_another_or_the_edge(
    made: Any, shown: Any, look: Look, count: int, runs: int, at: tuple[int, ...]
) -> None:
    history = made([LONG if index % 3 == 0 else f"torch_{index}" for index in range(count)], runs, at)
    if len(at) > 50:  # something new in each run, which changed nothing
        history = replace(history, series=tuple(replace(series, changes=()) for series in history.series))
    other = replace(history, machine=Machine("Another", cpus=4, memory_gib=8))
    assert shown(history, *[other] * (count == 3), look=look).problems() == []


# The history of a run


@pytest.fixture
def runs(new: Callable[[str, Path], Any], tmp_path: Path) -> Callable[..., Path]:
    """Add a run of a day; gives its folder."""

    def add(day: int, times: dict[str, float], **manifest: Any) -> Path:
        made = new("measured", tmp_path / f"run{day}")
        for name, seconds in times.items():
            made.add(name, seconds=seconds, phases=None)
        made.manifest = {"run_id": f"run{day}", "created": f"2026-01-{day:02}T00:00:00+00:00"} | manifest
        folder: Path = made.write()
        return folder

    return add


def test_a_run_shows_its_cases_over_all_runs_beside_it(runs: Any, drawn: Any) -> None:
    runs(1, {"torch_nn": 1e-4, "torch_optim": 3e-4})
    this = runs(2, {"torch_tensor": 2e-4, "torch_nn": 1.1e-4, "torch_alone": 1.0})
    runs(3, {"torch_nn": 1.2e-4, "torch_tensor": 2.1e-4})
    runs(4, {"torch_nn": 9.0}, machine={"cpu": "Another", "cpus_usable": 4})
    drawing = drawn("history", this)
    assert drawing.titles == ["torch_nn", "torch_tensor"]
    assert points(drawing.axes[0]) == ([0, 1, 2], pytest.approx([1e-4, 1.1e-4, 1.2e-4]))
    assert points(drawing.axes[1]) == ([1, 2], pytest.approx([2e-4, 2.1e-4]))
    assert "3 runs, 2026-01-01 00:00 to 2026-01-03 00:00 UTC" in drawing.words


def test_runs_are_labelled_with_their_day_or_minute(made: Any, shown: Any) -> None:
    drawing = shown(made(["torch_nn"], 3))
    assert list(drawing.ticks("x")) == ["2026-01-01", "2026-01-02", "2026-01-03"]
    many = shown(made(["torch_nn"], 56))  # two runs on each of 28 days
    assert all(label.endswith("\n00:00") for label in many.ticks("x"))
    assert list(many.axis.get_xticks())[:: len(many.axis.get_xticks()) - 1] == [0, 55]


def test_it_is_drawn_from_all_those_runs(runs: Any) -> None:
    this, other = runs(2, {"torch_nn": 1e-4}), runs(1, {"torch_nn": 1e-4})
    runs(3, {"torch_nn": 1e-4}, machine={"cpu": "Another"})
    assert [path.relative_to(this.parent).as_posix() for path in inputs(RunData(this))] == [
        f"{run.name}/{name}" for run in (other, this) for name in ("manifest.json", "summary.csv")
    ]
    before = data_sha256(RunData(this), "history")
    runs(4, {"torch_nn": 1e-4})
    assert data_sha256(RunData(this), "history") != before


@pytest.mark.parametrize(
    "other",
    [None, {"times": {"torch_tensor": 1.0}}, {"times": {"torch_nn": 1.0}, "machine": {"cpu": "Another"}}],
    ids=["alone", "other cases", "another machine"],
)
def test_a_run_without_another_of_its_cases_has_nothing_to_show(
    runs: Any, drawn: Any, other: dict[str, Any] | None
) -> None:
    this = runs(2, {"torch_nn": 1e-4})
    if other:
        runs(1, **other)
    with pytest.raises(NothingToShowError, match=r"^no other run beside it is of this machine and has one of its"):
        drawn("history", this)
