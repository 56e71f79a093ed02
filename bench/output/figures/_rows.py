"""Rows of the summary: which of them stand together in panels and on lines, and what is said about them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.data.column import sizes_in
from bench.data.schema import Status
from bench.model.case import CONDITIONS, case_columns_among, settings_among
from bench.output.figures._cast import Cast
from bench.output.names import common_words, counted, words_of

_NUMBERS = [column.name for column in CONDITIONS if issubclass(column.kind, int)]
_FATES = {Status.WRONG: "wrong", Status.FAILED: "failed", Status.TIMEOUT: "timed out", Status.SKIPPED: "skipped"}
"""What became of cases without a time, what went wrong first."""
_MOST_NAMED = 5
_MOST_PLACED = 2
"""Most cases of which it is said at which size and under which conditions they are not shown."""


def contenders(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that stand beside their workload's baseline."""
    return rows[rows["speedup"].notna() & (rows["implementation"] != rows["baseline"])]


def planned_contenders(rows: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Return those of each contender that has a speedup somewhere on the axis, of `RunData.planned`."""
    rest = [name for name in case_columns_among(rows.columns) if name != axis]
    lines: Any = rows.assign(itself=rows["implementation"] == rows["baseline"]).groupby(rest)
    inside: pd.DataFrame = rows[(lines["speedup"].transform("count") > 0) & ~lines["itself"].transform("any")]
    return inside


def along(rows: pd.DataFrame, axis: str | None) -> list[pd.DataFrame]:
    """Return the rows of each contender in the order of an axis of sizes; without an axis, those of each case."""
    groups: Any = rows.groupby([name for name in case_columns_among(rows.columns) if name != axis], sort=False)
    return [inside.sort_values(axis) if axis else inside for _, inside in groups]


def panels(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return titles and rows of panels: by workload in the order of the run, then by what else differs."""
    differing = _differing(rows)
    numbers = [name for name in differing if name in (*sizes_in(differing), *_NUMBERS)]
    found = []
    for workload in rows["workload"].unique():
        inside = rows[rows["workload"] == workload]
        inside = inside.sort_values(numbers, kind="stable") if numbers else inside
        groups: Any = inside.groupby(["workload", *differing], sort=False)
        for (_, *values), panel in groups:
            words = words_of(dict(zip(differing, values, strict=True)))
            found.append((", ".join([str(workload), *words]), panel))
    return found


def _differing(rows: pd.DataFrame) -> list[str]:
    """Return the columns of sizes and conditions that these rows do not share."""
    return [name for name in settings_among(rows.columns) if rows[name].nunique() > 1]


def varies_sizes(rows: pd.DataFrame) -> bool:
    """Tell whether some size differs between these rows."""
    return any(rows[name].nunique() > 1 for name in sizes_in(rows.columns))


def several_backends(rows: pd.DataFrame) -> bool:
    """Tell whether some implementation ran on more than one backend, so that names alone are not enough."""
    return bool(rows.groupby("implementation")["backend"].nunique().max() > 1)


def baselines(rows: pd.DataFrame) -> tuple[str, ...]:
    """Return the names of what speedups of these rows are over, in order, beside what is 1x itself."""
    return tuple(map(str, contenders(rows)["baseline"].unique()))


def over(rows: pd.DataFrame, cast: Cast) -> str:
    """Return what speedups of these rows are over, in words."""
    named = baselines(rows)
    return cast.over(named[0]) if len(named) == 1 else "the baseline"


def problem_line(rows: pd.DataFrame) -> str:
    """Return sizes and conditions in words, as far as all rows share them."""
    return common_words({name: set(rows[name]) for name in settings_among(rows.columns)})


def facts(row: pd.Series[Any], rows: pd.DataFrame) -> list[str]:
    """Return in words what tells a case apart from the others, beside its implementation."""
    workload = [str(row["workload"])] if rows["workload"].nunique() > 1 else []
    return [str(row["backend"]), *workload, *words_of({name: row[name] for name in _differing(rows)})]


def left_out(rows: pd.DataFrame, shown: pd.DataFrame, lacking: str, cast: Cast) -> list[str]:
    """Return in words which of these rows are not among those shown and why, counted and named, what is wrong first.

    Args:
        rows: `RunData.planned`.
        shown: those of them that a figure can show.
        lacking: why it cannot show others that were measured; if empty, they are not counted.
        cast: what contenders are called.
    """
    fates = rows["status"].map({status.value: word for status, word in _FATES.items()}).fillna(lacking)
    gone = rows.assign(fate=fates)[~rows.index.isin(shown.index) & (fates != "")]
    order = [*_FATES.values(), lacking]
    parts = []
    groups: Any = gone.groupby([gone["fate"].map(order.index), "backend"], sort=True)
    for (place, backend), inside in groups:
        apart = _differing(rows) if len(inside) <= _MOST_PLACED else []
        told = [
            ", ".join([cast.name(row["implementation"]), *words_of({name: row[name] for name in apart})])
            for row in inside.to_dict("records")
        ]
        names = list(dict.fromkeys(told))
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        listed = ", ".join(names[:_MOST_NAMED])
        parts.append(f"{counted(len(inside), 'case')} {order[place]} on {backend} ({listed}{more})")
    return parts
