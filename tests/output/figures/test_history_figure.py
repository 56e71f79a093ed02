from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from bench.analysis.history import Change, Difference, History, Machine, Point, Series
from bench.analysis.stats import Estimate
from bench.data.schema import CASE_KEY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONG = "implementation_with_a_really_long_name_"
MACHINE = Machine("AMD EPYC 9654 96-Core Processor (virtualised)", 96, 377)


@pytest.fixture
def made(build: ModuleType) -> Callable[..., History]:
    """A history without files: a change at each place of `at`, of the sizes that fill most room."""

    def point(run: int, seconds: float | None, new: bool) -> Point:
        created = f"2026-01-{1 + run % 28:02}T00:00:00+00:00"
        estimate = None if seconds is None else Estimate(seconds, seconds * 0.95, seconds * 1.06)
        new_things = (Difference("torch", "2.12.0+cpu", f"2.13.{run}+cpu"), Difference("numpy", "2.4.6", "2.5.0"))
        return Point(run, f"run{run}", created, "d" * 40 + "-dirty", estimate, "", new_things if new else ())

    def series(name: str, runs: int, at: tuple[int, ...], **case: Any) -> Series:
        known = build.planned_case(build.make_case(name, "torch-cpu", **case)).columns
        points = [point(run, 1e-4 * (1 + sum(run >= place for place in at)), run in at) for run in range(runs)]
        if runs > 1:
            points[runs // 3] = point(runs // 3, None, False)
        changes = [Change(points[place - 1], points[place], 0.001, Estimate(0.90123, 0.89, 0.91)) for place in at]
        return Series({key: known[key] for key in CASE_KEY}, "host", None, tuple(points), tuple(changes))

    def make(names: list[str], runs: int = 24, at: tuple[int, ...] = (), **case: Any) -> History:
        manifests = [
            build.make_manifest(run_id=f"run{run}", created=f"2026-01-{1 + run % 28:02}T00:00:00+00:00")
            for run in range(runs)
        ]
        return History(MACHINE, tuple(manifests), tuple(series(name, runs, at, **case) for name in names))

    return make


@pytest.fixture
def history_figure() -> Callable[..., Figure]:
    import matplotlib as mpl

    mpl.use("agg")
    from bench.output.figures import _style
    from bench.output.history_figure import draw

    def make(*found: History) -> Figure:
        with mpl.rc_context(_style.RC):
            return draw(found)

    return make


@pytest.mark.parametrize(
    ("count", "at"), [(1, (3, 21)), (3, (10, 14, 20)), (4, (3, 21)), (4, (10, 14, 20)), (12, (12, 20))]
)
def test_no_text_meets_another_or_the_edge(
    made: Callable[..., History],
    history_figure: Callable[..., Figure],
    layout_problems: Callable[[Figure], list[str]],
    count: int,
    at: tuple[int, ...],
) -> None:
    names = [f"{LONG}{index}" if index % 2 == 0 else f"torch_{index}" for index in range(count)]
    assert layout_problems(history_figure(made(names, at=at))) == []


@pytest.mark.parametrize("runs", [1, 2, 5, 200])
def test_no_text_meets_another_however_many_runs(
    made: Callable[..., History],
    history_figure: Callable[..., Figure],
    layout_problems: Callable[[Figure], list[str]],
    runs: int,
) -> None:
    assert layout_problems(history_figure(made(["torch_nn", LONG], runs))) == []


def test_no_text_meets_another_with_two_machines_and_several_sizes(
    made: Callable[..., History],
    history_figure: Callable[..., Figure],
    layout_problems: Callable[[Figure], list[str]],
) -> None:
    histories = [made([LONG, "torch_nn", "torch_optim"], at=(12,), threads=threads) for threads in (1, 16)]
    assert layout_problems(history_figure(*histories)) == []
