"""Cases along a size: which lines a run holds where one size of the problem varies and all else stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.data.column import sizes_in
from bench.model.case import CASE_COLUMNS, Case, Contender, case_columns_among

_KINDS = {column.name: int if issubclass(column.kind, int) else str for column in CASE_COLUMNS if column.contender}
_CONTENDER = list(_KINDS)


@dataclass(frozen=True, eq=False)
class Line:
    """One contender at several sizes."""

    contender: Contender
    rows: pd.DataFrame
    """Rows as they were given, in the order of the plane's axis, one a size."""


@dataclass(frozen=True, eq=False)
class Plane:
    """Lines that may stand in one panel: the same workload, everything but one size alike."""

    workload: str
    axis: str
    """Column of the size that varies."""
    common: dict[str, Any]
    """Columns that all cases share, the workload among them."""
    lines: tuple[Line, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """All values of the axis, in order."""
        return tuple(sorted({int(size) for line in self.lines for size in line.rows[self.axis]}))

    def case(self, contender: Contender, size: int) -> Case:
        """Make the case of a contender at a size."""
        return Case.from_columns({**self.common, **dict(contender.columns), self.axis: size})


def frame_of(cases: Iterable[Case]) -> pd.DataFrame:
    """Put cases into a frame, one a row; 0 stands for a size that a workload does not have."""
    frame = pd.DataFrame([case.columns for case in cases])
    sizes = sizes_in(frame.columns)
    return frame.astype(dict.fromkeys(sizes, "Int64")).fillna(dict.fromkeys(sizes, 0))


def planes(rows: pd.DataFrame) -> tuple[Plane, ...]:
    """Find the planes of a run, by workload in the order of the rows and then by axis; none if no size varies.

    Args:
        rows: one a case, with the columns of cases: headline rows of a summary, or the cases of a plan.
    """
    return tuple(
        plane
        for workload in rows["workload"].unique()
        for axis in sizes_in(rows.columns)
        for plane in _along(rows[rows["workload"] == workload], str(workload), axis)
    )


def _along(rows: pd.DataFrame, workload: str, axis: str) -> list[Plane]:
    if rows[axis].nunique() < 2:
        return []
    names = [name for name in case_columns_among(rows.columns) if name != axis and name not in _KINDS]
    found = []
    groups: Any = rows.groupby(names, sort=False)
    for values, group in groups:
        lines = tuple(
            Line(_contender(key), line.sort_values(axis))
            for key, line in group.groupby(_CONTENDER, sort=False)
            if line[axis].nunique() > 1
        )
        if lines:
            shared = dict(zip(names, values, strict=True))
            for name in sizes_in(names):
                if not shared[name]:
                    del shared[name]  # a size of other workloads
            found.append(Plane(workload, axis, shared, lines))
    return found


def apart(plane: Plane, among: Iterable[Plane]) -> dict[str, Any]:
    """Return the columns that tell a plane from others beside its workload, with its values."""
    every = list(among)
    return {
        name: value
        for name, value in plane.common.items()
        if name != "workload" and any(other.common.get(name) != value for other in every)
    }


def contender_of(row: Mapping[Any, Any], prefix: str = "") -> Contender:
    """Take a contender from a row: of crossovers.csv with `a_` or `b_` before the names of its columns."""
    return _contender(row[f"{prefix}{name}"] for name in _CONTENDER)


def _contender(key: Iterable[Any]) -> Contender:
    return Contender(tuple((name, _KINDS[name](value)) for name, value in zip(_CONTENDER, key, strict=True)))


def main_axis(found: Iterable[Plane]) -> str:
    """Choose the axis that a figure shows where several vary: the one with most sizes, the first of equals."""
    counts: dict[str, int] = {}
    for plane in found:
        counts[plane.axis] = max(counts.get(plane.axis, 0), len(plane.sizes))
    return max(counts, key=lambda axis: counts[axis])
