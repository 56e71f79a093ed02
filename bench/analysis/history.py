"""From the summaries of many runs to series: the time of one case on one machine, run after run.

A series never joins two machines, two GPUs or two clocks. A new version of a package does not begin a new series, since
what an upgrade did is what one looks for; it is told beside the run that had it first. So are variables, and how much
of the machine the run could use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from bench.analysis.packages import packages_of, sources_of
from bench.analysis.whole import is_whole
from bench.data.foreign import AnyCase, ForeignCase, ForeignRun
from bench.data.manifest import Manifest
from bench.data.run import case_of
from bench.data.schema import STEP, Method, Status
from bench.errors import DataFormatError
from bench.machine.identity import Machine, distinct, identity, machine_of, told
from bench.model.case import Case
from bench.stats.changepoint import change_points
from bench.stats.estimates import Estimate


@dataclass(frozen=True)
class RunFiles:
    """One run as it is read from its folder."""

    manifest: Manifest
    summary: pd.DataFrame
    """With the columns of `SummaryRow`."""
    gpus: Mapping[str, str] = field(default_factory=dict)
    """The GPU's name, for each backend that computed on one."""
    files: tuple[Path, ...] = ()
    """What it was read from."""

    @property
    def machine(self) -> Machine:
        """Where it ran."""
        return machine_of(self.manifest.machine)

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.files[0].parent

    def values_of(self, column: str) -> set[str]:
        """Return the values that a column of its cases has."""
        return set(map(str, self.summary[column].unique()))


def moment(created: str) -> datetime:
    """When a run began.

    Raises:
        DataFormatError: it is not a time in ISO 8601.
    """
    try:
        found = datetime.fromisoformat(created)
    except ValueError as error:
        raise DataFormatError(f"`created` is {created!r}: a run's manifest gives it in ISO 8601.") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True)
class ForeignFiles:
    """A run that was imported from another tool."""

    manifest: ForeignRun
    files: tuple[Path, ...]
    """What it was read from."""

    @property
    def machine(self) -> Machine:
        """Where it ran, as far as its file told."""
        return machine_of(self.manifest.machine)

    def values_of(self, column: str) -> set[str]:
        """Return the values that a column of its cases has."""
        return {str(case.columns[column]) for case in self.manifest.times if column in case.columns}


AnyFiles = RunFiles | ForeignFiles
Files = TypeVar("Files", bound=AnyFiles)


@dataclass(frozen=True)
class Difference:
    """What is not as it was in the case's run before."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        """In words."""
        return f"{self.name} {self.before} → {self.after}"


@dataclass(frozen=True)
class Point:
    """A case in one run."""

    run: int
    """The run's place among those of its machine, from 0."""
    run_id: str
    created: str
    revision: str | None
    seconds: Estimate | None
    """Median with its 95 % interval; None where the run has no time of the case."""
    reason: str = ""
    """Why there is no time."""
    differences: tuple[Difference, ...] = ()
    """Against the last run that has a time."""


@dataclass(frozen=True)
class Change:
    """The time changed between two runs; `ratio` is after / before, over 1 is slower."""

    before: Point
    after: Point
    p_value: float
    ratio: Estimate

    @property
    def shifts(self) -> bool:
        """False if the interval holds 1: the runs scatter otherwise than before, around the same time."""
        low, high = self.ratio.low, self.ratio.high
        return low is None or high is None or not low <= 1 <= high


@dataclass(frozen=True)
class Series:
    """One case on one machine, in the order of its runs."""

    case: AnyCase
    clock: str
    gpu: str | None
    points: tuple[Point, ...]
    changes: tuple[Change, ...]

    @property
    def measured(self) -> tuple[Point, ...]:
        """The points that have a time."""
        return tuple(point for point in self.points if point.seconds is not None)


@dataclass(frozen=True)
class History:
    """All series of one machine."""

    machine: Machine
    runs: tuple[Manifest | ForeignRun, ...]
    """In order: by `created`, then by id."""
    series: tuple[Series, ...]
    tool: str = ""
    """The other tool whose files all of it is from; empty if stepbench measured it."""


def in_order(runs: Iterable[Files]) -> list[Files]:
    """Return runs in the order in which they were measured."""
    return sorted(runs, key=lambda run: (moment(run.manifest.created), run.manifest.run_id))


def histories(
    runs: Iterable[RunFiles], phase: str = STEP, implementations: Sequence[str] = (), backend: str | None = None
) -> tuple[History, ...]:
    """Collect the series of each machine, in the order of the machines; a case without any time is left out.

    Args:
        runs: in any order.
        phase: `step`, or a phase that was timed apart; profiled times are shares of a step and make no series.
        implementations: only these; all if empty.
        backend: only this; all if None.
    """
    found = []
    for machine, ordered in _by_machine(runs):
        series = _series(ordered, phase, implementations, backend)
        found.append(History(machine, tuple(run.manifest for run in ordered), series))
    return tuple(found)


def foreign_histories(
    runs: Iterable[ForeignFiles], names: Sequence[str] = (), tool: str | None = None
) -> tuple[History, ...]:
    """Collect the series of each machine and each other tool; none joins one of ours, and no change is looked for.

    Args:
        runs: in any order.
        names: only these benchmarks; all if empty.
        tool: only this; all if None.
    """
    found = []
    by_tool: dict[str, list[ForeignFiles]] = {}
    for run in runs:
        by_tool.setdefault(run.manifest.tool, []).append(run)
    for each, every in by_tool.items():
        for machine, ordered in _by_machine(every) if tool in (None, each) else ():
            manifests = tuple(run.manifest for run in ordered)
            found.append(History(machine, manifests, _foreign_series(manifests, names), each))
    return tuple(found)


def _by_machine(runs: Iterable[Files]) -> list[tuple[Machine, list[Files]]]:
    """Give the runs of each machine in their order."""
    ordered = in_order(runs)
    machines = distinct(run.machine for run in ordered)
    groups: dict[int, list[Files]] = {}
    for run in ordered:
        groups.setdefault(machines.index(run.machine), []).append(run)
    return [(machines[place], found) for place, found in groups.items()]


def _foreign_series(runs: Sequence[ForeignRun], names: Sequence[str]) -> tuple[Series, ...]:
    points: dict[ForeignCase, list[Point]] = {}
    before: dict[str, str] | None = None
    for place, run in enumerate(runs):
        now = {"measured by": run.measured_by, **{name: told(name, value) for name, value in run.machine.items()}}
        changed = () if before is None else _differences(before, now)
        before = now
        for case, each in run.times.items():
            if not names or case.name in names:
                seconds = Estimate(each.seconds, each.low, each.high)
                points.setdefault(case, []).append(_point(place, run, seconds, "", changed))
    return tuple(Series(case, "", None, tuple(found), ()) for case, found in points.items())


def _series(
    runs: Sequence[RunFiles], phase: str, implementations: Sequence[str], backend: str | None
) -> tuple[Series, ...]:
    points: dict[tuple[Case, str, str | None], list[Point]] = {}
    gaps: dict[Case, list[Point]] = {}
    last: dict[tuple[Case, str, str | None], dict[str, str]] = {}
    variables = sorted({name for run in runs for name in run.manifest.environment})
    for place, run in enumerate(runs):
        for row in _rows(run.summary, phase, implementations, backend).to_dict("records"):
            case = case_of(row)
            reason = _gap(row)
            if reason:
                gaps.setdefault(case, []).append(_point(place, run.manifest, None, reason))
                continue
            key = (case, str(row["clock"]), run.gpus.get(case.backend))
            now = _conditions(run.manifest, row, variables)
            changed = _differences(last.get(key, now), now)
            last[key] = now
            ends = (_known(row[name]) for name in ("low_seconds", "high_seconds"))
            seconds = Estimate(float(row["median_seconds"]), *ends)
            points.setdefault(key, []).append(_point(place, run.manifest, seconds, "", changed))
    found = []
    for key, measured in points.items():
        case, clock, gpu = key
        every = sorted([*measured, *gaps.get(case, [])], key=lambda point: point.run)
        found.append(Series(case, clock, gpu, tuple(every), _changes(measured)))
    return tuple(found)


def _rows(summary: pd.DataFrame, phase: str, implementations: Sequence[str], backend: str | None) -> pd.DataFrame:
    """Choose the rows with a time of the phase, and those of cases that have none."""
    staged = (summary["phase"] == phase) & (summary["method"] == Method.STAGED.value) & summary["variant"].isna()
    wanted = is_whole(summary) if phase == STEP else staged
    wanted |= summary["status"] != Status.OK.value
    if implementations:
        wanted &= summary["implementation"].isin(implementations)
    if backend is not None:
        wanted &= summary["backend"] == backend
    return summary[wanted]


def _gap(row: Mapping[Any, Any]) -> str:
    """Why a row gives no point; empty if it gives one."""
    if row["status"] != Status.OK.value:
        return f"{row['status']}: {row['reason']}"
    if pd.isna(row["median_seconds"]) or row["median_seconds"] <= 0:
        return "its clock stood still"
    return ""


def _point(
    place: int,
    run: Manifest | ForeignRun,
    seconds: Estimate | None,
    reason: str,
    changed: tuple[Difference, ...] = (),
) -> Point:
    return Point(place, run.run_id, run.created, run.git_revision, seconds, reason, changed)


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def _conditions(manifest: Manifest, row: Mapping[Any, Any], variables: Iterable[str]) -> dict[str, str]:
    """Return what may explain a change of this case, by name; of the packages, those that count for it.

    Args:
        manifest: the run's.
        row: of its summary.
        variables: all that any run of the machine had.
    """
    own = row["implementation"]
    deciding = (*packages_of(manifest, row["backend"]), *manifest.step_packages.get(own, ()))
    found = {name: version for name, version in manifest.packages.items() if name in deciding}
    found |= {"stepbench": manifest.stepbench}
    here = identity(manifest.machine)
    used = [name for name, value in here.items() if name not in Machine.__dataclass_fields__ and value is not None]
    found |= {name: told(name, here[name]) for name in used}
    found |= {"system": str(manifest.machine["system"])} if manifest.machine.get("system") else {}
    found |= {name: value for name in variables if (value := manifest.variable(name)) is not None}
    found |= manifest.facts.get(row["backend"], {})
    return found | sources_of(manifest, own, row["backend"])


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[Difference, ...]:
    """List what both runs record, and differently; what one alone records says more about stepbench."""
    return tuple(Difference(name, before[name], now[name]) for name in now if before.get(name, now[name]) != now[name])


def _changes(points: Sequence[Point]) -> tuple[Change, ...]:
    """Find changes of the median; points without a time are not among `points`."""
    medians = [point.seconds.value for point in points if point.seconds is not None]
    return tuple(
        Change(points[found.index - 1], points[found.index], found.p_value, found.ratio)
        for found in change_points(medians)
    )
