"""The numbers of the history figure: a row a run, not a row a case of this run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.output.history import day, facts, short, size_of, telling
from bench.output.report.model import Cell, Column, Group, Row, Table, Words
from bench.output.text import duration, duration_interval

if TYPE_CHECKING:
    from bench.analysis.history import Series
    from bench.output.figures import RunData


def history_table(data: RunData, name: str, caption: Words) -> Table:
    """The runs behind each case that has been measured more than once."""
    shown = [series for history in data.histories for series in history.series if len(series.measured) > 1]
    extra = telling(shown)
    columns = (
        Column("run"),
        Column("begun, UTC"),
        Column("revision"),
        Column("step", right=True, unit="s"),
        Column("95 % interval", right=True, unit="s"),
        Column("change", wraps=True),
    )
    return Table(name, caption, columns, tuple(Group(_title(series, extra), _rows(series)) for series in shown))


def _title(series: Series, extra: list[str]) -> str:
    known = facts(series)
    words = [f"{known['implementation']} on {known['backend']}", str(known["workload"])]
    return ", ".join([*words, *(f"{name} {known[name]}" for name in extra)])


def _rows(series: Series) -> tuple[Row, ...]:
    changes = {change.after.run: size_of(change) for change in series.changes}
    found = []
    for point in series.points:
        seconds = point.seconds
        names = (Cell(point.run_id), Cell(day(point.created)), Cell(short(point.revision)))
        if seconds is None:
            numbers = (Cell("-"), Cell("-"), Cell(point.reason))
        else:
            ends = (seconds.low, seconds.high)
            numbers = (
                Cell(duration(seconds.value), (seconds.value,)),
                Cell(duration_interval(*ends), ends),
                Cell(changes.get(point.run, "")),
            )
        found.append(Row((*names, *numbers)))
    return tuple(found)
