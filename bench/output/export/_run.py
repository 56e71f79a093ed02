"""The benchmarks of a run, from which every format is made, with names that mean the same in every run.

One benchmark is one row of summary.csv that has a time: a case, a phase, how it was obtained and by which clock.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.data.manifest import Manifest
from bench.data.run import StoredRun, cases_by_process, summary_rows
from bench.data.schema import Status, SummaryRow
from bench.data.store import SAMPLES
from bench.errors import DataFormatError
from bench.model.case import CONDITIONS
from bench.output.content.notes import unmeasured
from bench.output.content.summary import Summary, is_baseline
from bench.output.document import plain
from bench.output.export._wanted import Metric, Wanted
from bench.stats.estimates import Estimate

_LACKING = {
    Metric.TIME: "it has no time",
    Metric.SPEEDUP: "it has no baseline beside it, or is one",
    Metric.THROUGHPUT: "only a whole step of a batch has one",
}
_ROW_KEY = ("phase", "method", "clock", "variant")


@dataclass(frozen=True)
class Process:
    """The times of one process for one benchmark."""

    number: int
    seconds: tuple[float, ...]
    """Of one iteration, one value a sample, in the order in which they were taken."""
    iterations: tuple[int, ...]
    """How many iterations each sample covers."""
    peak_bytes: int | None


@dataclass(frozen=True)
class Benchmark:
    """One row of the summary that has a time, and the processes behind it; times in seconds an iteration."""

    row: SummaryRow
    median: float
    processes: tuple[Process, ...]
    """Empty if the run's samples were not kept."""

    @property
    def columns(self) -> dict[str, str | int]:
        """Columns of the case and of the row, those that are unknown left out."""
        own = {name: getattr(self.row, name) for name in _ROW_KEY}
        return {**self.row.case.columns, **{name: value for name, value in own.items() if value is not None}}

    @property
    def label(self) -> str:
        """The part of the name that is equal for benchmarks to be compared: `mlp_sgd-64x1000x100x10-float32-...`."""
        case, row, conditions = self.row.case, self.row, []
        for column in CONDITIONS:
            value = column.value_in(case)
            if value != column.usual:
                conditions.append(str(value) if column.name == "dtype" else f"{column.name}={value}")
        sizes = "x".join(map(str, case.problem.sizes.values()))
        variant = [] if row.variant is None else [f"variant={row.variant}"]
        return "-".join([case.workload, sizes, *conditions, str(row.method), str(row.clock), *variant])

    @property
    def name(self) -> str:
        """A name that is unique in its run and the same in every run: `implementation/backend/phase[label]`.

        It depends on nothing but the row itself, also where a run holds only one dtype or size: tools compare by name
        alone, so a run of other sizes must not carry the same names.
        """
        return f"{self.row.case.implementation}/{self.row.case.backend}/{self.row.phase}[{self.label}]"

    @property
    def samples(self) -> int:
        """Number of samples of all processes."""
        return self.row.samples

    def tells(self, metric: Metric) -> bool:
        """Say whether it has a metric that is worth telling, as the speedup of a baseline over itself is not."""
        return self.measured(metric) is not None and not (metric is Metric.SPEEDUP and is_baseline(self.row))

    def measured(self, metric: Metric) -> Estimate | None:
        """Return a metric with its 95 % interval: seconds, baseline / this, or rows of the batch per second.

        None if it has none.
        """
        row = self.row
        if metric is Metric.TIME:
            return Estimate(self.median, row.low_seconds, row.high_seconds)
        if metric is Metric.SPEEDUP:
            return None if row.speedup is None else Estimate(row.speedup, row.speedup_low, row.speedup_high)
        if row.per_second is None:
            return None
        ends = (row.per_second * self.median / end if end else None for end in (row.high_seconds, row.low_seconds))
        return Estimate(row.per_second, *ends)


@dataclass(frozen=True)
class Run:
    """A run to be exported: files on disk, never a live one."""

    manifest: Manifest
    benchmarks: tuple[Benchmark, ...]
    """Benchmarks in the order of summary.csv; never empty."""
    left_out: tuple[str, ...]
    """Sentences about the cases without a time, those that went wrong first."""
    has_samples: bool
    """Whether its samples were kept; the summary stands without them."""
    metric: Metric | None = None
    """What is told of each; None: what the format tells by default."""

    @classmethod
    def read(cls, folder: Path, wanted: Wanted) -> Run:
        """Read what was chosen of a run.

        Raises:
            UsageError: the run has no such implementation or phase.
            DataFormatError: a file is missing, damaged or of another version, its files contradict each other, or
                nothing was measured.
        """
        run, kept = StoredRun(folder), (folder / SAMPLES).exists()
        processes, found = _processes(run) if kept else {}, []
        rows = wanted.cases_of(summary_rows(run.summary))
        for row in wanted.times_of(rows):
            if row.status is Status.OK and row.median_seconds is not None:
                key = (row.case, *(getattr(row, name) for name in _ROW_KEY))
                found.append(Benchmark(row, row.median_seconds, tuple(processes.get(key, ()))))
                if kept and not found[-1].processes:
                    raise DataFormatError(f"{folder / SAMPLES} has no samples of {found[-1].name}: restore the file.")
        if not found:
            raise DataFormatError(f"{folder} has no case of your choice that was measured: there is nothing to export.")
        left_out = [plain(words) for words in unmeasured(Summary(rows, run.manifest))]
        metric = wanted.metric or Metric.TIME
        tells = [each.tells(metric) for each in found]
        having = tuple(each for each, told in zip(found, tells, strict=True) if told)
        without = [each for each, told in zip(found, tells, strict=True) if not told]
        left_out += [f"{each.name}: {_LACKING[metric]}" for each in without]
        if not having:
            raise DataFormatError(
                f"{folder} has no {metric} of what you chose, since {_LACKING[metric]}: choose others."
            )
        kept_rows = tuple(each for each in found if each not in without)
        return cls(run.manifest, kept_rows, tuple(left_out), kept, wanted.metric)

    def require_samples(self, tool: str) -> None:
        """Refuse to go on without samples.

        Raises:
            DataFormatError: they were not kept.
        """
        if not self.has_samples:
            raise DataFormatError(
                f"{tool} takes single samples, and run {self.manifest.run_id} has no {SAMPLES}: restore the file, or "
                "choose a format of medians: bencher or github-action-benchmark."
            )


def to_json(data: Any) -> str:
    """Write JSON in ASCII. Nothing that is not a number gets here as one; `allow_nan` is a defect's last trap."""
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def _processes(run: StoredRun) -> dict[tuple[Any, ...], list[Process]]:
    """Collect the samples of finished processes by what tells one benchmark of a run from the others."""
    cases = cases_by_process(run.processes)
    known: Any = run.processes.set_index("process")["peak_bytes"].dropna().items()
    peaks = {int(number): int(peak) for number, peak in known}
    samples = run.samples[run.samples["process"].isin(run.processes["process"])]
    each = samples["seconds"] / samples["iterations"].astype(float)
    groups = samples.assign(each=each).groupby(["process", *_ROW_KEY], sort=False, dropna=False, observed=True)
    listed: Any = groups[["each", "iterations"]].agg(list)
    found: dict[tuple[Any, ...], list[Process]] = {}
    for (number, *texts, variant), seconds, iterations in listed.itertuples(name=None):
        key = (cases[int(number)], *map(str, texts), None if pd.isna(variant) else int(variant))
        process = Process(int(number), tuple(seconds), tuple(map(int, iterations)), peaks.get(int(number)))
        found.setdefault(key, []).append(process)
    return found
