"""The history of a machine: its series, their changes, and the runs behind them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bench.analysis.history import Change, History, Point, Series
from bench.data.schema import STEP
from bench.output.document import (
    Block,
    Bullets,
    Cell,
    Head,
    Heading,
    Row,
    RowGroup,
    Table,
    Words,
    numbers,
    prose,
    table,
)
from bench.output.names import counted, day, facts, short, size_of, span, telling, told
from bench.output.text import duration, duration_interval, interval, significant
from bench.stats.changepoint import ALPHA, fewest_values

MOST_SHOWN = 3
"""With more series than this their single runs are left to --json and to a choice with -i."""
_MOST_NOTES = 8


def history_blocks(history: History, phase: str = STEP) -> list[Block]:
    """Return one machine: its series, their changes, and the single runs if there are few series."""
    series = history.series
    blocks: list[Block] = [
        Heading(f"{history.machine}: {span(history)}; {phase if phase == STEP else f'{phase} phase'}"),
        _series_table(series),
    ]
    if any(item.changes for item in series):
        blocks.append(_change_table(series))
    if len(series) <= MOST_SHOWN and len(history.runs) > 1:
        blocks.append(runs_table("runs", (), series))
    return [*blocks, Bullets(tuple(notes(history)))]


def runs_table(name: str, caption: Words, series: Sequence[Series]) -> Table:
    """Return the runs of each series, with what was new in them."""
    heads = [Head("begun, UTC"), Head("run", wraps=True), Head("revision", spare=1), Head("median", True, unit="s")]
    heads += [Head("95 % interval", True, unit="s", spare=1), Head("what changed", wraps=True)]
    extra = telling(series)
    groups = tuple(RowGroup(_title(item, extra), tuple(_rows(item))) for item in series)
    return Table(name, caption, tuple(heads), groups)


def _rows(item: Series) -> list[Row]:
    changed = {change.after.run: f"changed: {size_of(change)}" for change in item.changes}
    rows = []
    for point in item.points:
        names = (Cell(day(point.created)), Cell(point.run_id), Cell(short(point.revision)))
        if (seconds := point.seconds) is None:
            rows.append(Row((*names, Cell("-"), Cell("-"), Cell(point.reason))))
            continue
        ends = (seconds.low, seconds.high)
        times = (Cell(duration(seconds.value), (seconds.value,)), Cell(duration_interval(*ends), ends))
        remarks = [*([changed[point.run]] if point.run in changed else []), *map(str, point.differences)]
        rows.append(Row((*names, *times, Cell("; ".join(remarks)))))
    return rows


def _title(item: Series, extra: Sequence[str]) -> str:
    case = item.case
    return ", ".join([f"{case.implementation} on {case.backend}", case.workload, *told(item, extra)])


def _names(item: Series, extra: Sequence[str]) -> list[Cell]:
    found = facts(item)
    values = [found.get(name) for name in ("implementation", "backend", *extra)]
    return [Cell("-" if value is None else str(value)) for value in values]


def _name_heads(extra: Sequence[str]) -> list[Head]:
    return [Head("implementation", wraps=True), Head("backend"), *map(Head, extra)]


def _series_table(series: Sequence[Series]) -> Table:
    extra = telling(series)
    rows = []
    for item in series:
        first, last = (item.measured[index].seconds for index in (0, -1))
        assert first is not None  # noqa: S101 - `measured` holds no other
        assert last is not None  # noqa: S101
        single = len(item.measured) < 2
        times = [Cell("-" if single else duration(last.value)), Cell(duration_interval(last.low, last.high))]
        ratio = Cell("-" if single else significant(last.value / first.value))
        runs, changes = str(len(item.measured)), str(len(item.changes)) if item.changes else "-"
        rows.append([*_names(item, extra), Cell(runs), Cell(duration(first.value)), *times, ratio, Cell(changes)])
    heads = [*_name_heads(extra), *numbers("runs", "first", "last")]
    heads += [*numbers("its 95 % interval", spare=1), *numbers("last / first", "changes")]
    return table("series", (), heads, rows)


def _change_table(series: Sequence[Series]) -> Table:
    extra = telling(series)
    rows = [
        [
            *_names(item, extra),
            Cell(f"{change.ratio.value:.3f}" if change.shifts else "scatter"),
            Cell(interval(change.ratio.low, change.ratio.high, "{:.3f}".format)),
            Cell(f"{change.p_value:.3f}"),
            *(Cell(f"{point.run_id} ({short(point.revision)})") for point in (change.before, change.after)),
        ]
        for item in series
        for change in item.changes
    ]
    heads = [*_name_heads(extra), *numbers("after / before"), *numbers("95 % interval", "p", spare=1)]
    return table("changes", ("Changes",), [*heads, Head("between", wraps=True), Head("and", wraps=True)], rows)


def notes(history: History) -> list[Words]:
    """Return what else a reader must know."""
    series, needed = history.series, fewest_values()
    if len(history.runs) == 1:
        return [
            prose("One run is no history yet: run `bench run` again on this machine, and the next one joins it here.")
        ]
    found = _differences(series)
    if len(series) > MOST_SHOWN:
        found.append(prose("To see the single runs of up to {} cases, choose them with `-i NAME`.", str(MOST_SHOWN)))
        found += _gaps(series)
    few = sum(len(item.measured) < needed for item in series)
    if few:
        which = "these" if few == len(series) else f"{few} of the {len(series)} series"
        found.append(prose("It takes {} runs to tell a change from noise; {} have fewer.", str(needed), which))
    if few < len(series):
        found.append(
            prose(
                "Noise alone shows a change in {} % of series (E-divisive, permutation test). A change says when, not "
                "why: the machine itself may have changed.",
                f"{ALPHA * 100:g}",
            )
        )
    if any(not change.shifts for item in series for change in item.changes):
        found.append(prose("scatter: runs differ more, or less, from one another than before, around the same time."))
    return found


def _differences(series: Sequence[Series]) -> list[Words]:
    """Return what was new in which run, each thing once."""
    seen: dict[str, list[str]] = {}
    for point in sorted((point for item in series for point in item.points), key=lambda point: point.run):
        told = seen.setdefault(point.run_id, [])
        told += [text for text in map(str, point.differences) if text not in told]
    found = [prose("New in run {}: {}.", run_id, ", ".join(told)) for run_id, told in seen.items() if told]
    if len(found) <= _MOST_NOTES:
        return found
    more = prose("{} earlier runs with something new are in `--json`.", str(len(found) - _MOST_NOTES))
    return [*found[-_MOST_NOTES:], more]


def _gaps(series: Sequence[Series]) -> list[Words]:
    extra = telling(series)
    found = []
    for item in series:
        reasons = Counter(point.reason for point in item.points if point.seconds is None)
        found += [
            prose("{} has no time in {}: {}", _title(item, extra), counted(count, "run"), why)
            for why, count in reasons.items()
        ]
    more = prose("{} more gaps are in `--json`.", str(len(found) - _MOST_NOTES))
    return found if len(found) <= _MOST_NOTES else [*found[:_MOST_NOTES], more]


def history_json(histories: Sequence[History]) -> list[dict[str, Any]]:
    """Return all that is known, for programs; unknown values are null."""
    return [
        {
            "machine": dataclasses.asdict(history.machine),
            "runs": [
                {"run_id": run.run_id, "created": run.created, "git_revision": run.git_revision} for run in history.runs
            ],
            "series": [
                {
                    **facts(item),
                    "points": [_point_json(point) for point in item.points],
                    "changes": [_change_json(change) for change in item.changes],
                }
                for item in history.series
            ],
        }
        for history in histories
    ]


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "before": change.before.run_id,
        "before_revision": change.before.revision,
        "after": change.after.run_id,
        "after_revision": change.after.revision,
        "ratio": change.ratio.value,
        "ratio_low": change.ratio.low,
        "ratio_high": change.ratio.high,
        "p_value": change.p_value,
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
