"""The rows of summary.csv, as those who write about a run ask for them, and what its cases are called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bench.data.manifest import Manifest
from bench.data.schema import (
    CASE_KEY,
    DEVICE,
    Method,
    Status,
    SummaryRow,
    columns_of,
    is_headline,
)
from bench.model.workload import WORKLOADS
from bench.output.document import Strong, Words
from bench.output.names import VARIANT, common_words, variant_word

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis.stored import CaseKey


def summary_rows(frame: pd.DataFrame) -> list[SummaryRow]:
    """Return the rows of a frame as `SummaryRow`; an empty cell is None again."""
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
    """Return what tells cases apart."""
    return tuple(getattr(row, name) for name in CASE_KEY)


def key_texts(row: SummaryRow) -> dict[str, str]:
    """Return what tells cases apart as texts, by the names of the columns."""
    return {name: str(getattr(row, name)) for name in CASE_KEY}


def label(row: SummaryRow) -> str:
    """Return the name of a case inside its workload and variant."""
    return f"{row.implementation} on {row.backend}"


def name_of(row: SummaryRow) -> Words:
    """Return the name of a case for a sentence."""
    return (Strong(row.implementation), f" on {row.backend}")


def folder_of(manifest: Manifest) -> str:
    """Return the folder of a run, as commands name it."""
    return f"results/{manifest.run_id}"


def is_baseline(row: SummaryRow) -> bool:
    """Return whether a case is what the speedups of its workload are over."""
    return row.implementation == row.baseline


@dataclass(frozen=True)
class Variant:
    """The measured cases of one workload under the same conditions."""

    workload: str
    words: tuple[str, ...]
    """What tells it from the run's other variants of that workload."""
    rows: tuple[SummaryRow, ...]


class Summary:
    """All rows of a run, and those that are asked for often."""

    def __init__(self, rows: Sequence[SummaryRow], manifest: Manifest) -> None:
        self.rows, self.manifest = tuple(rows), manifest
        self.headlines = tuple(row for row in self.rows if is_headline(row))
        """One for each case: its whole step, or why there is none."""
        self.measured = tuple(
            row for row in self.headlines if row.status is Status.OK and row.median_seconds is not None
        )
        self.contenders = tuple(row for row in self.measured if row.speedup is not None and not is_baseline(row))
        """Cases with a speedup over another one."""
        self.by_case: dict[CaseKey, list[SummaryRow]] = {}
        for row in self.rows:
            self.by_case.setdefault(key_of(row), []).append(row)
        self._values = {name: {getattr(row, name) for row in self.measured} for name in VARIANT}
        self.differing = [name for name, values in self._values.items() if len(values) > 1]
        """The columns of `VARIANT` that the measured cases do not share."""
        self.shared = common_words(self._values)
        """What all measured cases have in common, in words."""
        inside = {row.workload for row in self.measured}
        self.workloads = [name for name in WORKLOADS if name in inside]
        """The workloads with a measured case, in their fixed order."""
        self.has_device = any(row.clock == DEVICE for row in self.rows)
        """Whether a device's own clock was read."""
        self.has_profiled = any(row.method is Method.PROFILED for row in self.rows)
        """Whether a framework's own profiler divided a step."""

    def title(self, workload: str) -> str:
        """Return a few words about a workload."""
        return WORKLOADS[workload].title

    def baseline(self, workload: str) -> str:
        """Return the implementation that speedups of a workload are over."""
        named = (row.baseline for row in self.rows if row.workload == workload and row.baseline)
        return next(named, WORKLOADS[workload].baseline)

    @property
    def frame(self) -> pd.DataFrame:
        """The measured whole steps as `bench.analysis.scaling` takes them."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.measured])

    def find(self, row: SummaryRow, phase: str, clock: str) -> SummaryRow | None:
        """Return another row of the same case, over the workload's own mix of depths."""
        others = self.by_case[key_of(row)]
        return next(
            (other for other in others if (other.phase, other.clock, other.depth) == (phase, clock, None)), None
        )

    def by_depth(self, row: SummaryRow) -> dict[int, SummaryRow]:
        """Return the single steps of a case by depth; none if its depth does not vary."""
        return {other.depth: other for other in self.by_case[key_of(row)] if other.depth is not None}

    def variants(self, rows: Iterable[SummaryRow]) -> list[Variant]:
        """Return rows in the order of the workloads, those of one variant together."""
        found: dict[tuple[Any, ...], list[SummaryRow]] = {}
        for row in rows:
            found.setdefault((row.workload, *(getattr(row, name) for name in VARIANT)), []).append(row)
        order = list(WORKLOADS)
        return [
            Variant(alike[0].workload, self.telling(alike[0]), tuple(alike))
            for _, alike in sorted(found.items(), key=lambda item: order.index(item[0][0]))
        ]

    def telling(self, row: SummaryRow) -> tuple[str, ...]:
        """Return the conditions that tell a case from the run's others, in words."""
        return tuple(variant_word(name, getattr(row, name)) for name in self.differing)

    def place(self, row: SummaryRow) -> str:
        """Return the workload and what else tells a case from the run's others."""
        return ", ".join([row.workload, *self.telling(row)])

    def values(self, name: str) -> list[Any]:
        """Return the distinct values of a column of `VARIANT`, in order."""
        return sorted(self._values[name])
