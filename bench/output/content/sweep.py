"""The result of a sweep: sizes side by side, then who overtakes whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bench.analysis.scaling import Plane, main_axis, planes
from bench.data.store import SUMMARY
from bench.output.content import notes
from bench.output.content.crossovers import Crossovers
from bench.output.content.result import introduction, tables
from bench.output.content.summary import Summary
from bench.output.document import Block, Bullets, Cell, Head, Line, Section, Table, numbers, table
from bench.output.names import spaced, variant_word
from bench.output.text import duration, factor


def sweep_blocks(summary: Summary, crossovers: Crossovers, folder: str) -> list[Block]:
    """Return what `bench sweep` shows at its end.

    Args:
        summary: the run's rows.
        crossovers: the run's.
        folder: how the user calls the run's folder.
    """
    return [*_by_size(summary), *crossovers.blocks(), notes.below_the_tables(summary, folder)]


def section(summary: Summary, crossovers: Crossovers) -> Section:
    """Return the section of a report that sums a sweep up."""
    found = notes.explanations(summary)
    explained = [Bullets(tuple(found))] if found else []
    blocks = (introduction(summary), *_by_size(summary), *explained, *crossovers.blocks())
    return Section("result", "Result", blocks)


def all_cases(summary: Summary, crossovers: Crossovers) -> Section:
    """Return the section of a report with the long tables of a sweep."""
    return Section("cases", "All cases", (*tables(summary), *([crossovers.table()] if crossovers.records else [])))


def _by_size(summary: Summary) -> list[Block]:
    """Return a table for each workload and slice along the axis with most sizes."""
    found = planes(summary.frame) if summary.measured else ()
    axis = main_axis(found) if found else ""
    shown = [plane for plane in found if plane.axis == axis]
    return [
        _plane_table(f"sizes-{number}", plane, _heading(summary, plane, shown), _asked(summary, plane))
        for number, plane in enumerate(shown, start=1)
    ]


def _heading(summary: Summary, plane: Plane, among: Sequence[Plane]) -> str:
    """Return the workload, and what is fixed in a plane but not in all others."""
    words = [
        variant_word(name, value)
        for name, value in plane.common.items()
        if name != "workload" and any(other.common.get(name) != value for other in among)
    ]
    title = ", ".join([f"{plane.workload}: {summary.title(plane.workload)}", *words])
    return f"{title}; speedup over {summary.baseline(plane.workload)} by {spaced(plane.axis)}"


def _asked(summary: Summary, plane: Plane) -> list[int]:
    """Return the sizes that were asked for, not those that were added around crossovers."""
    asked = {int(size) for size in summary.manifest.axes.get(plane.axis, ()) if not isinstance(size, str)}
    return [size for size in plane.sizes if size in asked] or list(plane.sizes)


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
