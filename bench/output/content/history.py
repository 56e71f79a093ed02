"""The history of a machine: its series, their changes, and the runs behind them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.analysis.history import History, Point, Series
from bench.data.foreign import ForeignRun
from bench.data.schema import STEP
from bench.model.case import Case
from bench.output.content.passages import passages
from bench.output.document import Block, Bullets, Cell, Head, Heading, Line, Table, Words, grouped, numbers, table
from bench.output.names import counted, day, facts, makers, short, size_of, span, telling, told
from bench.output.text import duration, duration_interval, interval, significant
from bench.stats.changepoint import ALPHA, fewest_values

RunKey = tuple[str, str]
"""A run by its id and when it began, since two may have the same id."""
MOST_SHOWN = 3
"""With more series than this their single runs are left to --json and to a choice with -i."""
_MOST_NOTES = 8


def history_blocks(history: History, phase: str = STEP) -> list[Block]:
    """Return one machine: its series, their changes, and the single runs if there are few series."""
    series = history.series
    blocks: list[Block] = [
        Heading(f"{history.machine}: {span(history)}; {_what(history, phase)}"),
        series_table("series", (), series),
    ]
    if any(item.changes for item in series):
        blocks.append(change_table("changes", "Changes", series))
    if len(series) <= MOST_SHOWN and len(history.runs) > 1:
        blocks.append(runs_table("runs", (), series))
    return [*blocks, Bullets(notes(history))]


def _what(history: History, phase: str) -> str:
    if history.tool:
        return makers(history)
    return phase if phase == STEP else f"{phase} phase"


def runs_table(name: str, caption: Words, series: Sequence[Series], pages: Mapping[RunKey, str] | None = None) -> Table:
    """Return the runs of each series, with what was new in them.

    Args:
        name: the table's.
        caption: the table's.
        series: what it is of.
        pages: the page of each run that has one, for a table on a page that names its only series itself.
    """
    heads = [Head("begun, UTC"), Head("run", wraps=True), Head("revision", spare=1), Head("median", True, unit="s")]
    heads += [Head("95 % interval", True, unit="s", spare=1), Head("what changed", wraps=True)]
    extra = telling(series)
    titles = [_title(item, extra) for item in series] if pages is None else [""] * len(series)
    lines = (_lines(item, pages or {}) for item in series)
    return grouped(name, caption, heads, zip(titles, lines, strict=True))


def _lines(item: Series, pages: Mapping[RunKey, str]) -> Iterable[Line]:
    changed = {change.after.run: f"changed: {size_of(change)}" for change in item.changes}
    for point in item.points:
        run = Cell(point.run_id, target=pages.get((point.run_id, point.created), ""))
        names = (day(point.created), run, short(point.revision))
        if (seconds := point.seconds) is None:
            yield [*names, "-", "-", point.reason]
            continue
        ends = (seconds.low, seconds.high)
        times = (Cell(duration(seconds.value), (seconds.value,)), Cell(duration_interval(*ends), ends))
        remarks = [*([changed[point.run]] if point.run in changed else []), *map(str, point.differences)]
        yield [*names, *times, "; ".join(remarks)]


def _title(item: Series, extra: Sequence[str]) -> str:
    return ", ".join([item.case.label, item.case.workload, *told(item, extra)])


def _names(item: Series, extra: Sequence[str]) -> list[str]:
    found = facts(item)
    values = [found.get(name) for name in ("implementation", "backend", *extra)]
    return ["-" if value is None else str(value) for value in values]


def _name_heads(extra: Sequence[str]) -> list[Head]:
    return [Head("implementation", wraps=True), Head("backend"), *map(Head, extra)]


def series_table(
    name: str, caption: Words | str, series: Sequence[Series], pages: Mapping[Case, str] | None = None
) -> Table:
    """Return one row for each series: its first and its last time.

    Args:
        name: the table's.
        caption: the table's.
        series: what it is of.
        pages: the page of each case that has one.
    """
    extra = telling(series)
    rows: list[Line] = []
    for item in series:
        known = [point.seconds for point in item.points if point.seconds is not None]
        first, last, single = known[0], known[-1], len(known) < 2
        who, *names = _names(item, extra)
        page = pages.get(item.case, "") if pages and isinstance(item.case, Case) else ""
        row: list[Cell | str] = [Cell(who, target=page), *names, str(len(known)), duration(first.value)]
        row += ["-" if single else duration(last.value), duration_interval(last.low, last.high)]
        rows.append([*row, "-" if single else significant(last.value / first.value), str(len(item.changes) or "-")])
    heads = [*_name_heads(extra), *numbers("runs", "first", "last")]
    heads += [*numbers("its 95 % interval", spare=1), *numbers("last / first", "changes")]
    return table(name, caption, heads, rows)


def change_table(name: str, caption: str, series: Sequence[Series]) -> Table:
    """Return one row for each change of a time."""
    extra = telling(series)
    rows = [
        [
            *_names(item, extra),
            f"{change.ratio.value:.3f}" if change.shifts else "scatter",
            interval(change.ratio.low, change.ratio.high, "{:.3f}".format),
            f"{change.p_value:.3f}",
            *(f"{point.run_id} ({short(point.revision)})" for point in (change.before, change.after)),
        ]
        for item in series
        for change in item.changes
    ]
    heads = [*_name_heads(extra), *numbers("after / before"), *numbers("95 % interval", "p", spare=1)]
    return table(name, caption, [*heads, Head("between", wraps=True), Head("and", wraps=True)], rows)


def notes(history: History, in_table: bool = False) -> tuple[Words, ...]:
    """Return what else a reader must know.

    Args:
        history: of a machine.
        in_table: whether a table beside them tells what was new in each run.
    """
    series, needed = history.series, fewest_values()
    extra, news = telling(series), dict[str, dict[str, None]]()
    for point in sorted((point for item in series for point in item.points), key=lambda point: point.run):
        news.setdefault(point.run_id, {}).update(dict.fromkeys(map(str, point.differences)))
    gaps = Counter(
        (_title(item, extra), point.reason) for item in series for point in item.points if point.seconds is None
    )
    return passages(
        "history.txt",
        tool=history.tool,
        over=sorted(
            {each.over for run in history.runs if isinstance(run, ForeignRun) for each in run.benchmarks} - {""}
        ),
        runs=len(history.runs),
        series=len(series),
        shown=MOST_SHOWN,
        most=_MOST_NOTES,
        news=[(run_id, ", ".join(words)) for run_id, words in news.items() if words and not in_table],
        gaps=[(*gap, count) for gap, count in gaps.items()],
        needed=needed,
        few=sum(len(item.measured) < needed for item in series),
        alpha=f"{ALPHA * 100:g}",
        scatter=any(not change.shifts for item in series for change in item.changes),
        counted=counted,
    )


def _over(history: History) -> list[str]:
    """Return what the intervals of another tool's benchmarks are over."""
    foreign = [run for run in history.runs if isinstance(run, ForeignRun)]
    return sorted({each.over for run in foreign for each in run.benchmarks if each.low is not None})


def history_json(histories: Sequence[History]) -> list[dict[str, Any]]:
    """Return all that is known, for programs; unknown values are null."""
    return [
        {
            "machine": dataclasses.asdict(history.machine),
            "measured_by": history.tool or "stepbench",
            "runs": [run.model_dump(include={"run_id", "created", "git_revision"}) for run in history.runs],
            "series": list(map(_series_json, history.series)),
        }
        for history in histories
    ]


def _series_json(item: Series) -> dict[str, Any]:
    changes = [
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
    ]
    return {**facts(item), "points": list(map(_point_json, item.points)), "changes": changes}


def _point_json(point: Point) -> dict[str, Any]:
    median, low, high = (None,) * 3 if point.seconds is None else dataclasses.astuple(point.seconds)
    return {
        "run_id": point.run_id,
        "created": point.created,
        "git_revision": point.revision,
        "median_seconds": median,
        "low_seconds": low,
        "high_seconds": high,
        "reason": point.reason,
        "differences": [dataclasses.asdict(found) for found in point.differences],
    }
