"""The result of a sweep: sizes side by side, then who overtakes whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bench.analysis.scaling import Plane, apart, main_axis, planes
from bench.data.store import SUMMARY
from bench.output.content import notes
from bench.output.content.crossovers import Crossovers
from bench.output.content.result import tables
from bench.output.content.summary import Summary
from bench.output.document import Block, Cell, Head, Line, Table, numbers, table
from bench.output.names import spaced, words_of
from bench.output.text import duration, factor


def sweep_blocks(summary: Summary, crossovers: Crossovers, folder: str, columns: Sequence[str] = ()) -> list[Block]:
    """Return what `bench sweep` shows at its end.

    Args:
        summary: the run's rows.
        crossovers: the run's.
        folder: how the user calls the run's folder.
        columns: names of the columns of a table of all cases, which is shown if there are any.
    """
    more = tables(summary, columns) if columns else []
    return [*by_size(summary), *more, *crossovers.blocks(), notes.below_the_tables(summary, folder)]


def by_size(summary: Summary) -> list[Block]:
    """Return a table for each workload and slice along the axis with most sizes."""
    found = planes(summary.frame) if summary.measured else ()
    axis = main_axis(found) if found else ""
    shown = [plane for plane in found if plane.axis == axis]
    wanted = {int(size) for size in summary.manifest.axes.get(axis, ()) if not isinstance(size, str)}
    made: list[Block] = []
    for number, plane in enumerate(shown, start=1):
        words = words_of(apart(plane, shown))
        title = ", ".join([f"{plane.workload}: {summary.title(plane.workload)}", *words])
        caption = f"{title}; speedup over {summary.baseline(plane.workload)} by {spaced(axis)}"
        # Sizes that were added around crossovers have no column.
        asked = [size for size in plane.sizes if size in wanted] or list(plane.sizes)
        made.append(_plane_table(f"sizes-{number}", plane, caption, asked))
    return made


def _plane_table(name: str, plane: Plane, caption: str, sizes: Sequence[int]) -> Table:
    """Return a table with a row for each contender and a column for each size."""
    several = len({line.contender.threads for line in plane.lines}) > 1
    heads = [Head("implementation", wraps=True), Head("backend"), *(numbers("threads") if several else [])]
    heads += [Head(f"{size:,}", right=True, spare=_spare(place, len(sizes))) for place, size in enumerate(sizes)]
    rows: list[Line] = []
    for line in plane.lines:
        who = line.contender
        by_size = {int(row[plane.axis]): row for row in line.rows.to_dict("records")}
        words = [who.implementation, who.backend, *([str(who.threads)] if several else [])]
        rows.append([*words, *(_cell(by_size.get(size, {})) for size in sizes)])
    return table(name, caption, heads, rows, SUMMARY)


def _spare(place: int, count: int) -> int:
    """Return how soon a size is left out: never the first and the last, last the middle, then the quarters."""
    level = 0
    while place not in {round(part * (count - 1) / 2**level) for part in range(2**level + 1)}:
        level += 1
    return level


def _cell(row: Mapping[Any, Any]) -> Cell:
    """Return the speedup, or for a baseline its time."""
    if not row:
        return Cell("-")
    if row["implementation"] == row["baseline"] or pd.isna(row["speedup"]):
        seconds = float(row["median_seconds"])
        return Cell(duration(seconds), (seconds,))
    speedup = float(row["speedup"])
    return Cell(factor(speedup), (speedup,))
