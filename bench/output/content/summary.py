"""The rows of summary.csv, as those who write about a run ask for them, and what its cases are called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bench.analysis.baseline import Baseline, baselines_of
from bench.data.manifest import Manifest
from bench.data.schema import DEVICE, Method, Status, SummaryRow, is_headline
from bench.model.case import Case
from bench.model.case import differing as differing_in
from bench.model.precision import Precision
from bench.output.document import Strong, Words
from bench.output.names import common_words, words_of

if TYPE_CHECKING:
    import pandas as pd


def name_of(row: SummaryRow) -> Words:
    """Return the name of a case for a sentence."""
    return (Strong(row.case.implementation), f" on {row.case.backend}")


def folder_of(manifest: Manifest) -> str:
    """Return the folder of a run, as commands name it."""
    return f"results/{manifest.run_id}"


def is_baseline(row: SummaryRow) -> bool:
    """Return whether a case is what the speedups of its workload are over."""
    return row.case.implementation == row.baseline


def compiles(row: SummaryRow) -> bool:
    """Return whether a case is compiled when it first runs."""
    return row.compile_cold_seconds is not None or row.compile_warm_seconds is not None


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
        self.by_case: dict[Case, list[SummaryRow]] = {}
        for row in self.rows:
            self.by_case.setdefault(row.case, []).append(row)
        settings = [row.case.conditions for row in self.measured]
        names = dict.fromkeys(name for values in settings for name in values)
        self._values = {name: {values.get(name, 0) for values in settings} for name in names}
        self.differing = differing_in(row.case for row in self.measured)
        """The sizes and conditions that the measured cases do not share."""
        self.shared = common_words(self._values)
        """The conditions that all measured cases share, in words."""
        inside = {row.case.workload for row in self.measured}
        self.workloads = [name for name in manifest.workloads if name in inside]
        """The workloads with a measured case, in the order of the manifest."""
        self.has_device = any(row.clock == DEVICE for row in self.rows)
        """Whether a device's own clock was read."""
        self.has_profiled = any(row.method is Method.PROFILED for row in self.rows)
        """Whether a framework's own profiler divided a step."""

    def title(self, workload: str) -> str:
        """Return a few words about a workload, among them that it is not verified if it is not."""
        facts = self.manifest.workloads[workload]
        return f"{facts.title}; not verified: {facts.unverified}" if facts.unverified else facts.title

    def baseline(self, workload: str) -> str:
        """Return what speedups of a workload are over, and if there is none, what they would be over."""
        named = {str(row.baseline) for row in self.contenders if row.case.workload == workload}
        return named.pop() if len(named) == 1 else baselines_of(self.manifest)[workload].implementation

    def cure(self, workload: str) -> str:
        """Return the option that adds what speedups of a workload are over, where cases lack it."""
        wanted = Baseline.parse(self.baseline(workload)).implementation
        there = [row.case for row in self.measured if row.case.implementation == wanted]
        if there and all(case.precision is not Precision.FULL for case in there):
            return f"--precision full,{there[0].precision}"
        if there and all(case.device != "cpu" for case in there):
            return f"--baseline {wanted}"
        return f"--implementation {wanted}"

    @property
    def frame(self) -> pd.DataFrame:
        """The measured whole steps as `bench.analysis.scaling` takes them."""
        import pandas as pd

        from bench.analysis.scaling import frame_of

        rows = pd.DataFrame([vars(row) for row in self.measured])
        return rows.join(frame_of(row.case for row in self.measured))

    def find(self, row: SummaryRow, phase: str, clock: str) -> SummaryRow | None:
        """Return another row of the same case, over the workload's own mix of variants."""
        wanted = (phase, clock, None)
        return next((each for each in self.by_case[row.case] if (each.phase, each.clock, each.variant) == wanted), None)

    def by_variant(self, row: SummaryRow) -> dict[int, SummaryRow]:
        """Return the single steps of a case by variant; none if its amount of work does not vary."""
        return {other.variant: other for other in self.by_case[row.case] if other.variant is not None}

    def variants(self, rows: Iterable[SummaryRow]) -> dict[str, list[SummaryRow]]:
        """Return rows in the order of the workloads, those under the same conditions together, by what they share.

        Where they are of several workloads, each is named.
        """
        order = list(self.manifest.workloads)
        ordered = sorted(rows, key=lambda row: order.index(row.case.workload))
        several = len({row.case.workload for row in ordered}) > 1
        found: dict[str, list[SummaryRow]] = {}
        for row in ordered:
            title = self.place(row) if several else ", ".join(self.telling(row))
            found.setdefault(title, []).append(row)
        return found

    def telling(self, row: SummaryRow) -> tuple[str, ...]:
        """Return the conditions that tell a case from the run's others, in words."""
        known = row.status is Status.OK and row.median_seconds is not None
        apart = self.differing if known else self.planned_apart
        return tuple(words_of({name: row.case.columns.get(name) for name in apart}))

    @cached_property
    def planned_apart(self) -> list[str]:
        """The sizes and conditions that the cases do not share, those without a time included."""
        return differing_in(row.case for row in self.headlines)

    def place(self, row: SummaryRow) -> str:
        """Return the workload and what else tells a case from the run's others."""
        return ", ".join([row.case.workload, *self.telling(row)])

    def values(self, name: str) -> list[Any]:
        """Return the distinct values of a size or condition, in order."""
        return sorted(self._values[name])
