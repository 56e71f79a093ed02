"""From the histories of machines to those of single steps: one case over all the runs that measured it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from bench.analysis.history import History, Point, Series
from bench.model.case import Case


@dataclass(frozen=True)
class StepHistory:
    """One case over its runs."""

    case: Case
    histories: tuple[History, ...]
    """One for each series of the case: those of two machines, clocks or GPUs are never joined."""

    @property
    def runs(self) -> frozenset[tuple[str, str]]:
        """The runs that tell of it, each by its id and when it began."""
        return frozenset((run.run_id, run.created) for each in self.histories for run in each.runs)

    @property
    def times(self) -> int:
        """The number of runs that have a time of it."""
        return len({(at.run_id, at.created) for each in self.histories for at in each.series[0].measured})


def by_step(found: Iterable[History], fewest: int = 2) -> list[StepHistory]:
    """Return the history of each case, in the order of the cases' columns.

    Args:
        found: of each machine; what another tool measured is left out.
        fewest: how many runs must have a time of a case; one that fewer have is left out.
    """
    cases: dict[Case, list[History]] = {}
    for history in found:
        for series in history.series:
            if isinstance(series.case, Case):
                cases.setdefault(series.case, []).append(alone(history, series))
    steps = [StepHistory(case, tuple(each)) for case, each in cases.items()]
    return sorted((step for step in steps if step.times >= fewest), key=lambda step: _place(step.case))


def _place(case: Case) -> list[tuple[str, bool, Any]]:
    """Return what orders cases: the workload, then the other columns, numbers as such."""
    columns = {"workload": case.workload, **case.columns}
    return [(name, isinstance(value, str), value) for name, value in columns.items()]


def alone(history: History, series: Series) -> History:
    """Return the history of one series and of no other: with the runs that tell of it, numbered anew."""
    places = {run: place for place, run in enumerate(sorted({point.run for point in series.points}))}

    def moved(point: Point) -> Point:
        return replace(point, run=places[point.run])

    points = tuple(map(moved, series.points))
    changes = tuple(
        replace(change, before=moved(change.before), after=moved(change.after)) for change in series.changes
    )
    runs = tuple(history.runs[run] for run in places)
    return History(history.machine, runs, (replace(series, points=points, changes=changes),))
