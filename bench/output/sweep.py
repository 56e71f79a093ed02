"""The result of a sweep for the terminal: sizes side by side, then who overtakes whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.analysis.scaling import Contender, Plane, main_axis, planes
from bench.data.manifest import Manifest
from bench.data.schema import (
    Crossing,
    Status,
    SummaryRow,
    is_headline,
)
from bench.model.workload import WORKLOADS
from bench.output.table import notes_of
from bench.output.terminal import plain_table
from bench.output.text import duration, factor, significant, variant_word

_COLUMN = 10
"""Letters that a size takes in the table."""
_NAME = 44
_MOST_CROSSOVERS = 12


def sweep_table(
    rows: Sequence[SummaryRow], manifest: Manifest, crossovers: pd.DataFrame, width: int, folder: str = "RUN"
) -> RenderableType:
    """One table a workload and slice: a contender a row, a size a column; then crossovers, then what is missing.

    Args:
        rows: the summary.
        manifest: the run's.
        crossovers: a frame with the columns of `CrossoverRow`.
        width: letters that fit.
        folder: how the user calls the run.
    """
    headline = [row for row in rows if is_headline(row)]
    measured = pd.DataFrame([asdict(row) for row in headline if row.status is Status.OK])
    found = planes(measured) if len(measured) else ()
    parts: list[RenderableType] = []
    if found:
        axis = main_axis(found)
        for plane in found:
            if plane.axis == axis:
                parts += [Text(heading(plane, found), style="bold"), _plane_table(plane, manifest, width), Text()]
    if len(crossovers):
        parts += [Text("Crossovers", style="bold"), *(Text(line) for line in crossover_lines(crossovers)), Text()]
    return Group(*parts, *(Text(note) for note in notes_of(rows, manifest, folder)))


def heading(plane: Plane, among: Sequence[Plane]) -> str:
    """What a plane is of, in words: the workload, and what is fixed in it but not in all others."""
    differing = [
        name
        for name, value in plane.fixed.items()
        if any(name in other.fixed and other.fixed[name] != value for other in among if other.axis == plane.axis)
    ]
    words = [variant_word(name, plane.fixed[name]) for name in differing]
    title = WORKLOADS[plane.workload].title
    return f"{', '.join([f'{plane.workload}: {title}', *words])}; speedup over NumPy by {axis_word(plane.axis)}"


def axis_word(axis: str) -> str:
    """How people call a size."""
    return axis.replace("_", "-")


def _plane_table(plane: Plane, manifest: Manifest, width: int) -> Table:
    asked = {int(size) for size in manifest.axes.get(plane.axis, ()) if not isinstance(size, str)}
    sizes = [size for size in plane.sizes if size in asked] or list(plane.sizes)
    room = max(2, (width - _NAME) // _COLUMN)
    shown = [size for index, size in enumerate(sizes) if len(sizes) <= room or _kept(index, len(sizes), room)]
    several = len({line.contender.threads for line in plane.lines}) > 1
    names = [f"{size:,}" for size in shown]
    table = plain_table("implementation", "backend", *(["threads"] if several else []), *names, right=names)
    for line in plane.lines:
        who = line.contender
        by_size = {int(row[plane.axis]): row for row in line.rows.to_dict("records")}
        cells = [_cell(by_size.get(size, {})) for size in shown]
        table.add_row(who.implementation, who.backend, *([str(who.threads)] if several else []), *cells)
    return table


def _kept(index: int, count: int, room: int) -> bool:
    """Whether a column is shown where not all have room: the first, the last, and evenly between them."""
    return index in {round(place * (count - 1) / (room - 1)) for place in range(room)}


def _cell(row: Mapping[Any, Any]) -> str:
    """The speedup, or of a baseline its time."""
    if not row:
        return "-"
    if row["implementation"] == row["baseline"] or pd.isna(row["speedup"]):
        return duration(float(row["median_seconds"]))
    return factor(float(row["speedup"]))


def crossover_lines(crossovers: pd.DataFrame) -> list[str]:
    """Each crossover as a sentence, found ones first; the rest counted."""
    told = [crossover_sentence(row) for row in crossover_records(crossovers)]
    if len(told) > _MOST_CROSSOVERS:
        told = [*told[:_MOST_CROSSOVERS], f"and {len(told) - _MOST_CROSSOVERS} more: see crossovers.csv"]
    return told


def crossover_records(crossovers: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of crossovers.csv as dictionaries: found ones first, then undecided ones, then those that never cross."""
    order = [Crossing.FOUND.value, Crossing.UNDECIDED.value, Crossing.NEVER.value]
    rows = [{str(key): value for key, value in row.items()} for row in crossovers.to_dict("records")]
    return sorted(rows, key=lambda row: order.index(row["status"]))


def crossover_sentence(row: dict[str, Any]) -> str:
    """What one row of crossovers.csv says."""
    a, b = (side_of(row, side) for side in ("a", "b"))
    axis = axis_word(row["axis"])
    where = f"{row['workload']}, {axis} {row['smallest']:,} to {row['largest']:,}"
    if row["status"] == Crossing.FOUND.value:
        first, second = (a, b) if row["faster_below"] == "a" else (b, a)
        ends = f"{significant(row['size_low'])} … {significant(row['size_high'])}"
        return f"{row['workload']}: {second} overtakes {first} at {axis} {significant(row['size'])} [{ends}]"
    if row["status"] == Crossing.NEVER.value:
        first, second = (a, b) if row["faster_below"] == "a" else (b, a)
        return f"{where}: {first} is faster than {second} at every size"
    return f"{where}: between {a} and {b} the intervals do not decide"


def side_of(row: dict[str, Any], side: str) -> str:
    """One contender of a crossover, with its threads where the other has others."""
    who = Contender(*(row[f"{side}_{name}"] for name in ("implementation", "backend", "threads")))
    other = "b" if side == "a" else "a"
    if row["a_threads"] == row["b_threads"]:
        alike = row[f"{other}_implementation"] == who.implementation
        return f"{who.implementation} on {who.backend}" if alike else who.implementation
    return f"{who.implementation} with {who.threads} thread{'' if who.threads == 1 else 's'}"
