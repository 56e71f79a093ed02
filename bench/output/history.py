"""The history of a machine as tables and as JSON."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.analysis.history import Change, History, Point, Series
from bench.data.schema import STEP
from bench.output.terminal import plain_table
from bench.output.text import duration, duration_interval, significant
from bench.stats.changepoint import ALPHA, fewest_values

MOST_SHOWN = 3
"""With more series than this their single runs are left to --json and to a choice with -i."""
_TELLING = ("dtype", "batch", "d_in", "hidden", "d_out", "threads", "mode", "clock", "gpu")
_MOST_NOTES = 8
_REVISION = 7


def short(revision: str | None) -> str:
    """A revision as people quote it, marked with + if files differed from it."""
    if revision is None:
        return "no revision"
    return revision[:_REVISION] + ("+" if revision.endswith("-dirty") else "")


def day(created: str) -> str:
    """The date and minute of a run."""
    return created[:16].replace("T", " ")


def span(history: History) -> str:
    """How many runs there are, and from when to when."""
    first, last = day(history.runs[0].created), day(history.runs[-1].created)
    if len(history.runs) == 1:
        return f"1 run, {first} UTC"
    return f"{len(history.runs)} runs, {first} to {last} UTC"


def facts(series: Series) -> dict[str, Any]:
    """What names a series: the case's columns, its clock and its GPU."""
    return {**series.columns, "clock": series.clock, "gpu": series.gpu}


def telling(series: Sequence[Series]) -> list[str]:
    """The columns that tell these series apart beside implementation and backend."""
    return [name for name in _TELLING if len({facts(item)[name] for item in series}) > 1]


def size_of(change: Change) -> str:
    """How much longer or shorter a change made the step."""
    if not change.shifts:
        return "scatter"
    return f"{'+' if change.ratio.value >= 1 else '-'}{significant(abs(change.ratio.value - 1) * 100, 2)} %"


def history_table(history: History, phase: str = STEP) -> RenderableType:
    """One machine: its series, their changes, and the single runs if there are few series."""
    series = history.series
    head = f"{history.machine}: {span(history)}; {phase if phase == STEP else f'{phase} phase'}"
    parts: list[RenderableType] = [Text(head, style="bold"), _series_table(series), Text()]
    if any(item.changes for item in series):
        parts += [Text("Changes", style="bold"), _change_table(series), Text()]
    if len(series) <= MOST_SHOWN and len(history.runs) > 1:
        for item in series:
            parts += [Text(_title(item, series), style="bold"), _point_table(item), Text()]
    return Group(*parts, *(Text(note) for note in notes(history)))


def _title(item: Series, among: Sequence[Series]) -> str:
    more = "".join(f", {name} {facts(item)[name]}" for name in telling(among))
    return f"{item.columns['implementation']} on {item.columns['backend']}{more}"


def _names(item: Series, extra: Sequence[str]) -> list[Text]:
    found = facts(item)
    return [Text("-" if found[name] is None else str(found[name])) for name in ("implementation", "backend", *extra)]


def _series_table(series: Sequence[Series]) -> Table:
    extra = telling(series)
    numbers = ["runs", "first", "last", "its 95 % interval", "last / first", "changes"]
    table = plain_table("implementation", "backend", *extra, *numbers, right=numbers)
    for item in series:
        first, last = (item.measured[index].seconds for index in (0, -1))
        assert first is not None  # noqa: S101 - `measured` holds no other
        assert last is not None  # noqa: S101
        alone = len(item.measured) < 2
        table.add_row(
            *_names(item, extra),
            str(len(item.measured)),
            duration(first.value),
            "-" if alone else duration(last.value),
            duration_interval(last.low, last.high),
            "-" if alone else significant(last.value / first.value),
            str(len(item.changes)) if item.changes else "-",
        )
    return table


def _change_table(series: Sequence[Series]) -> Table:
    extra = telling(series)
    numbers = ["after / before", "95 % interval", "p"]
    words = ["between", "and"]
    table = plain_table(
        "implementation", "backend", *extra, *numbers, *words, right=numbers, wrap=["implementation", *words]
    )
    for item in series:
        for change in item.changes:
            ratio = change.ratio
            known = ratio.low is not None and ratio.high is not None
            table.add_row(
                *_names(item, extra),
                f"{ratio.value:.3f}" if change.shifts else "scatter",
                f"{ratio.low:.3f} … {ratio.high:.3f}" if known else "-",
                f"{change.p_value:.3f}",
                *(Text(f"{point.run_id} ({short(point.revision)})") for point in (change.before, change.after)),
            )
    return table


def _point_table(item: Series) -> Table:
    changed = {change.after.run: change for change in item.changes}
    table = plain_table(
        "created", "run", "revision", "median", "95 % interval", "", right=["median", "95 % interval"], wrap=["run", ""]
    )
    for point in item.points:
        seconds = point.seconds
        remarks = [f"changed: {size_of(changed[point.run])}"] if seconds and point.run in changed else []
        remarks += [point.reason] if seconds is None else [str(found) for found in point.differences]
        table.add_row(
            day(point.created),
            Text(point.run_id),
            Text(short(point.revision)),
            duration(None if seconds is None else seconds.value),
            "-" if seconds is None else duration_interval(seconds.low, seconds.high),
            Text("; ".join(remarks)),
        )
    return table


def notes(history: History) -> list[str]:
    """What else a reader must know."""
    series, needed = history.series, fewest_values()
    if len(history.runs) == 1:
        return ["One run is no history yet: run `bench run` again on this machine, and the next will stand beside it."]
    found = _difference_notes(series)
    if len(series) > MOST_SHOWN:
        found.append(f"The single runs of up to {MOST_SHOWN} cases are shown if you choose them: add -i NAME.")
        found += _gap_notes(series)
    few = sum(len(item.measured) < needed for item in series)
    if few:
        which = "these" if few == len(series) else f"{few} of the {len(series)} series"
        found.append(f"A change can be told from noise in {needed} runs or more; {which} have fewer.")
    if few < len(series):
        found.append(
            f"Mere noise shows a change in {ALPHA * 100:g} % of series (E-divisive, permutation test). A change says "
            "when, not why: the machine itself may have changed."
        )
    if any(not change.shifts for item in series for change in item.changes):
        found.append("scatter: the runs differ more or less from one another than before, around the same time.")
    return found


def _difference_notes(series: Sequence[Series]) -> list[str]:
    """What was new in which run, each said once."""
    seen: dict[str, list[str]] = {}
    for point in sorted((point for item in series for point in item.points), key=lambda point: point.run):
        told = seen.setdefault(point.run_id, [])
        told += [text for text in map(str, point.differences) if text not in told]
    found = [f"New in run {run_id}: {', '.join(told)}." for run_id, told in seen.items() if told]
    return _shortened(found, "runs with something new", newest=True)


def _gap_notes(series: Sequence[Series]) -> list[str]:
    found = []
    for item in series:
        reasons = Counter(point.reason for point in item.points if point.seconds is None)
        name = _title(item, series)
        found += [
            f"{name} has no time in {count} run{'s' if count > 1 else ''}: {why}" for why, count in reasons.items()
        ]
    return _shortened(found, "gaps")


def _shortened(lines: list[str], what: str, newest: bool = False) -> list[str]:
    if len(lines) <= _MOST_NOTES:
        return lines
    kept = lines[-_MOST_NOTES:] if newest else lines[:_MOST_NOTES]
    return [*kept, f"{len(lines) - _MOST_NOTES} {'earlier' if newest else 'more'} {what} are in --json."]


def history_json(histories: Sequence[History]) -> list[dict[str, Any]]:
    """All that is known, for programs; unknown values are null."""
    return [
        {
            "machine": dataclasses.asdict(history.machine),
            "runs": [
                {"run_id": run.run_id, "created": run.created, "git_revision": run.git_revision} for run in history.runs
            ],
            "series": [_series_json(item) for item in history.series],
        }
        for history in histories
    ]


def _series_json(item: Series) -> dict[str, Any]:
    return {
        **facts(item),
        "points": [_point_json(point) for point in item.points],
        "changes": [
            {
                "before": change.before.run_id,
                "before_revision": change.before.revision,
                "after": change.after.run_id,
                "after_revision": change.after.revision,
                "ratio": change.ratio.value,
                "ratio_low": change.ratio.low,
                "ratio_high": change.ratio.high,
                "p_value": change.p_value,
            }
            for change in item.changes
        ],
    }


def _point_json(point: Point) -> dict[str, Any]:
    seconds = point.seconds
    return {
        "run_id": point.run_id,
        "created": point.created,
        "git_revision": point.revision,
        "median_seconds": None if seconds is None else seconds.value,
        "low_seconds": None if seconds is None else seconds.low,
        "high_seconds": None if seconds is None else seconds.high,
        "reason": point.reason,
        "differences": [dataclasses.asdict(found) for found in point.differences],
    }
