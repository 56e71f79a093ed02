"""What every format is made from: the benchmarks of a run, with names that mean the same in every run.

One benchmark is one row of summary.csv that has a time: a case, a phase, how it was obtained and by which clock.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.data.manifest import Manifest
from bench.data.run import StoredRun, case_of, cases_by_process
from bench.data.schema import Status
from bench.data.store import SAMPLES, SUMMARY
from bench.errors import DataFormatError
from bench.model.case import CONDITIONS, Case

_ROW_KEY = ("phase", "method", "clock", "variant")


@dataclass(frozen=True)
class Identity:
    """What tells one benchmark of a run from the others."""

    case: Case
    phase: str
    method: str
    clock: str
    variant: int | None

    @classmethod
    def of(cls, case: Case, row: Mapping[str, Any]) -> Identity:
        """Take it from a row of summary.csv or of samples.csv."""
        variant = None if pd.isna(row["variant"]) else int(row["variant"])
        return cls(case, str(row["phase"]), str(row["method"]), str(row["clock"]), variant)

    @property
    def columns(self) -> dict[str, str | int]:
        """Columns of the case and of the row, those that are unknown left out."""
        own = {name: getattr(self, name) for name in _ROW_KEY}
        return {**self.case.columns, **{name: value for name, value in own.items() if value is not None}}

    @property
    def label(self) -> str:
        """What must be equal for two benchmarks to be comparable, for example `mlp_sgd-64x1000x100x10-float32-...`."""
        conditions = []
        for column in CONDITIONS:
            value = column.value_in(self.case)
            if value != column.usual:
                conditions.append(str(value) if column.name == "dtype" else f"{column.name}={value}")
        sizes = "x".join(map(str, self.case.problem.sizes.values()))
        variant = [] if self.variant is None else [f"variant={self.variant}"]
        return "-".join([self.case.workload, sizes, *conditions, self.method, self.clock, *variant])

    @property
    def name(self) -> str:
        """A name that is unique in its run and the same in every run: `implementation/backend/phase[label]`.

        It depends on nothing but the row itself, also where a run holds only one dtype or size: tools compare by name
        alone, so a run of other sizes must not carry the same names.
        """
        return f"{self.case.implementation}/{self.case.backend}/{self.phase}[{self.label}]"


@dataclass(frozen=True)
class Process:
    """One process's times of one benchmark."""

    number: int
    seconds: tuple[float, ...]
    """Of one iteration, one value a sample, in the order in which they were taken."""
    iterations: tuple[int, ...]
    """How many iterations each sample covers."""
    peak_bytes: int | None

    @property
    def median(self) -> float:
        """The process as one number, seconds an iteration."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Benchmark:
    """One row of the summary with the processes behind it; times in seconds an iteration."""

    identity: Identity
    median: float
    low: float | None
    high: float | None
    """End of the 95 % interval, as `low` is; None where there were too few processes for one."""
    processes: tuple[Process, ...]

    @property
    def name(self) -> str:
        """Name of the benchmark; see `Identity.name`."""
        return self.identity.name

    @property
    def samples(self) -> int:
        """Number of samples of all processes."""
        return sum(len(process.seconds) for process in self.processes)


@dataclass(frozen=True)
class Run:
    """What is exported: files on disk, never a live run."""

    manifest: Manifest
    benchmarks: tuple[Benchmark, ...]
    """Benchmarks in the order of summary.csv; never empty."""

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Read a run.

        Raises:
            DataFormatError: a file is missing, damaged or of another version, its files contradict each other, or
                nothing was measured.
        """
        run = StoredRun(folder)
        measured = run.summary[(run.summary["status"] == Status.OK.value) & run.summary["median_seconds"].notna()]
        if not len(measured):
            raise DataFormatError(f"{folder} has no case that was measured: there is nothing to export.")
        processes = _processes(run)
        found = []
        for record in measured.to_dict("records"):
            row = {str(key): value for key, value in record.items()}
            identity = Identity.of(case_of(row), row)
            if identity not in processes:
                raise DataFormatError(f"{folder / SAMPLES} has no samples of {identity.name}: restore the file.")
            ends = (_finite(row[f"{stem}_seconds"], identity.name, folder) for stem in ("median", "low", "high"))
            median, low, high = ends
            assert median is not None  # noqa: S101 - chosen so above
            found.append(Benchmark(identity, median, low, high, processes[identity]))
        return cls(run.manifest, tuple(found))


def to_json(data: Any) -> str:
    """Write JSON in ASCII. Nothing that is not a number gets here as one; `allow_nan` is a defect's last trap."""
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def _finite(value: float, name: str, folder: Path) -> float | None:
    """Check a time of summary.csv; None for an empty cell."""
    if math.isnan(value):
        return None
    if not math.isfinite(value) or value < 0:
        raise DataFormatError(f"{folder / SUMMARY} is damaged: {name} took {value} s; restore the file.")
    return value


def _processes(run: StoredRun) -> dict[Identity, tuple[Process, ...]]:
    """Collect the samples of finished processes by benchmark."""
    cases = cases_by_process(run.processes)
    known: Any = run.processes.set_index("process")["peak_bytes"].dropna().items()
    peaks = {int(number): int(peak) for number, peak in known}
    samples = run.samples[run.samples["process"].isin(run.processes["process"])]
    each = samples["seconds"] / samples["iterations"].astype(float)
    odd = samples.index[~((each >= 0) & (each < math.inf))]
    if len(odd):
        path = run.folder / SAMPLES
        raise DataFormatError(f"{path} is damaged: line {odd[0] + 2} gives no time; restore the file.")
    keys = [*_ROW_KEY, "process"]
    groups = samples.assign(each=each).groupby(keys, sort=False, dropna=False, observed=True)
    listed: Any = groups[["each", "iterations"]].agg(list)
    found: dict[Identity, list[Process]] = {}
    for key, seconds, iterations in zip(listed.index, listed["each"], listed["iterations"], strict=True):
        row = dict(zip(keys, key, strict=True))
        number = int(row["process"])
        process = Process(number, tuple(seconds), tuple(map(int, iterations)), peaks.get(number))
        found.setdefault(Identity.of(cases[number], row), []).append(process)
    return {identity: tuple(processes) for identity, processes in found.items()}
