"""Cases along a size: which lines a run holds where one size of the problem varies and all else stays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.data.schema import SIZES
from bench.model.workload import WORKLOADS

_ELSE = ("dtype", "mode", "precision")
_CONTENDER = ("implementation", "backend", "threads")


@dataclass(frozen=True)
class Contender:
    """Who computes: the same along a line."""

    implementation: str
    backend: str
    threads: int

    def __str__(self) -> str:
        """In words."""
        return f"{self.implementation} on {self.backend}, {self.threads} thread{'' if self.threads == 1 else 's'}"


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
    """The size that varies, one of `SIZES`."""
    fixed: dict[str, Any]
    """The other sizes, dtype, mode and precision."""
    lines: tuple[Line, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """All values of the axis, in order."""
        return tuple(sorted({int(size) for line in self.lines for size in line.rows[self.axis]}))


def planes(rows: pd.DataFrame) -> tuple[Plane, ...]:
    """The planes of a run, by workload in their fixed order and then by axis; none if no size varies.

    Args:
        rows: one a case, with the `CASE_KEY` columns: headline rows of a summary, or the cases of a plan.
    """
    found = []
    for workload in WORKLOADS:
        inside = rows[rows["workload"] == workload]
        for axis in SIZES:
            if inside[axis].nunique() > 1:
                found += _along(inside, workload, axis)
    return tuple(found)


def _along(rows: pd.DataFrame, workload: str, axis: str) -> list[Plane]:
    names = [*(name for name in SIZES if name != axis), *_ELSE]
    found = []
    groups: Any = rows.groupby(names, sort=False)
    for values, group in groups:
        lines = tuple(
            Line(Contender(str(key[0]), str(key[1]), int(key[2])), line.sort_values(axis))
            for key, line in group.groupby(list(_CONTENDER), sort=False)
            if line[axis].nunique() > 1
        )
        if lines:
            found.append(Plane(workload, axis, dict(zip(names, values, strict=True)), lines))
    return found


def main_axis(found: Iterable[Plane]) -> str:
    """The axis that a figure shows where several vary: the one with most sizes, the first of equals."""
    counts: dict[str, int] = {}
    for plane in found:
        counts[plane.axis] = max(counts.get(plane.axis, 0), len(plane.sizes))
    return max(counts, key=lambda axis: counts[axis])
