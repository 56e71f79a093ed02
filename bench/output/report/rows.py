"""The rows of summary.csv as they are asked for by a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.analysis.baseline import is_fair
from bench.data.schema import CASE_KEY, Method, Status, SummaryRow, columns_of, is_headline
from bench.output.text import VARIANT

if TYPE_CHECKING:
    import pandas as pd

CaseKey = tuple[Any, ...]
"""The values of `CASE_KEY`."""


def summary_rows(frame: pd.DataFrame) -> list[SummaryRow]:
    """Rows of a frame as `SummaryRow`; an empty cell is None again."""
    columns = columns_of(SummaryRow)
    found = []
    for record in frame.to_dict("records"):
        values: dict[str, Any] = {}
        for column in columns:
            value = record[column.name]
            unknown = value == "" if column.kind is str else value is None or value != value or str(value) == "<NA>"
            values[column.name] = None if unknown and column.optional else column.kind(value)
        values["status"] = Status(values["status"])
        values["method"] = None if values["method"] is None else Method(values["method"])
        found.append(SummaryRow(**values))
    return found


def key_of(row: SummaryRow) -> CaseKey:
    """What tells cases apart."""
    return tuple(getattr(row, name) for name in CASE_KEY)


def key_texts(row: SummaryRow) -> dict[str, str]:
    """The same with the names of the columns, as texts."""
    return {name: str(getattr(row, name)) for name in CASE_KEY}


def variant_of(row: SummaryRow) -> tuple[Any, ...]:
    """Sizes, number format, threads, mode and precision."""
    return tuple(getattr(row, name) for name in VARIANT)


class Summary:
    """All rows of a run, and those that are asked for often."""

    def __init__(self, rows: Sequence[SummaryRow]) -> None:
        self.rows = tuple(rows)
        self.headlines = tuple(row for row in self.rows if is_headline(row))
        """One a case: its whole step, or why there is none."""
        self.measured = tuple(
            row for row in self.headlines if row.status is Status.OK and row.median_seconds is not None
        )
        self.contenders = tuple(
            row for row in self.measured if row.speedup is not None and row.implementation != row.baseline
        )
        """Cases with a speedup, the baselines themselves not among them."""
        self.by_case: dict[CaseKey, list[SummaryRow]] = {}
        for row in self.rows:
            self.by_case.setdefault(key_of(row), []).append(row)

    def find(self, row: SummaryRow, phase: str, clock: str) -> SummaryRow | None:
        """Another row of the same case, over the workload's own mix of depths."""
        others = self.by_case[key_of(row)]
        return next(
            (other for other in others if (other.phase, other.clock, other.depth) == (phase, clock, None)), None
        )

    def baseline_of(self, row: SummaryRow) -> SummaryRow | None:
        """What a case's speedup is over."""
        columns = _columns(row)
        return next(
            (
                other
                for other in self.measured
                if other.implementation == row.baseline and is_fair(columns, _columns(other))
            ),
            None,
        )

    def on_cpu(self, row: SummaryRow) -> SummaryRow | None:
        """The same program on the CPU, under the same conditions; None for one that is on the CPU itself."""
        columns = _columns(row)
        return next(
            (
                other
                for other in self.measured
                if other.implementation == row.implementation != row.baseline
                and row.device != "cpu"
                and is_fair(columns, _columns(other))
            ),
            None,
        )

    @property
    def differing(self) -> list[str]:
        """The columns of `VARIANT` that the measured cases do not share."""
        return [name for name in VARIANT if len({getattr(row, name) for row in self.measured}) > 1]

    def shared(self, rows: Iterable[SummaryRow] | None = None) -> dict[str, set[Any]]:
        """The values of each column of `VARIANT`, for `bench.output.text.common_words`."""
        chosen = self.measured if rows is None else tuple(rows)
        return {name: {getattr(row, name) for row in chosen} for name in VARIANT}


def _columns(row: SummaryRow) -> Mapping[str, Any]:
    return {name: getattr(row, name) for name in CASE_KEY}
