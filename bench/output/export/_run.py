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
from bench.data.schema import CASE_KEY, SIZES, Status
from bench.data.store import SAMPLES, SUMMARY, read_manifest, read_processes, read_samples, read_summary
from bench.errors import DataFormatError
from bench.model.device import Precision

_ROW_KEY = ("phase", "method", "clock", "depth")
_SPELLED = {
    "implementation",
    "backend",
    "framework",
    "device",
    "workload",
    "dtype",
    *SIZES,
    "threads",
    "mode",
    "precision",
}


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

    columns: dict[str, str | int]
    """What identifies it: the case's columns, then phase, method, clock and, if it has one, depth."""
    median: float
    low: float | None
    high: float | None
    """Ends of the 95 % interval; None where there were too few processes for one."""
    processes: tuple[Process, ...]

    @property
    def label(self) -> str:
        """What must be equal for two benchmarks to be comparable, for example `mlp_sgd-float32-...`; see `name`."""
        return _label(self.columns)

    @property
    def name(self) -> str:
        """Unique in its run and the same in every run.

        `implementation/backend/phase[workload-dtype-NxD_inxHxD_out-threads-mode-method-clock]`, with the precision if
        it is not full and the depth where there is one. It depends on nothing but the row itself, also where a run
        holds only one dtype or size: tools compare by name alone, so a run of other sizes must not carry the same
        names.
        """
        return _name(self.columns)

    @property
    def samples(self) -> int:
        """Samples of all processes."""
        return sum(len(process.seconds) for process in self.processes)


@dataclass(frozen=True)
class Run:
    """What is exported: files on disk, never a live run."""

    manifest: Manifest
    benchmarks: tuple[Benchmark, ...]
    """In the order of summary.csv; never empty."""

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Read a run.

        Raises:
            DataFormatError: a file is missing, damaged or of another version, its files contradict each other, or
                nothing was measured.
        """
        manifest, summary = read_manifest(folder), read_summary(folder)
        measured = summary[(summary["status"] == Status.OK.value) & summary["median_seconds"].notna()]
        if not len(measured):
            raise DataFormatError(f"{folder} has no case that was measured: there is nothing to export.")
        processes = _processes(folder)
        found = []
        for row in measured.to_dict("records"):
            columns = _identity({str(key): value for key, value in row.items()})
            name = _name(columns)
            if name not in processes:
                raise DataFormatError(f"{folder / SAMPLES} has no samples of {name}: restore the file.")
            median, low, high = (_finite(row[f"{stem}_seconds"], name, folder) for stem in ("median", "low", "high"))
            assert median is not None  # noqa: S101 - chosen so above
            found.append(Benchmark(columns, median, low, high, processes[name]))
        return cls(manifest, tuple(found))


def to_json(data: Any) -> str:
    """JSON text in ASCII. Nothing that is not a number gets here as one; `allow_nan` would be a defect's last trap."""
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def _identity(row: Mapping[str, Any]) -> dict[str, str | int]:
    """The columns that tell benchmarks apart; those that are unknown are left out."""
    return {name: row[name] for name in (*CASE_KEY, *_ROW_KEY) if not pd.isna(row[name])}


def _label(columns: Mapping[str, str | int]) -> str:
    sizes = "x".join(str(columns[name]) for name in SIZES)
    words = [columns["workload"], columns["dtype"], sizes, f"{columns['threads']}threads", columns["mode"]]
    words += [f"{name}={columns[name]}" for name in CASE_KEY if name not in _SPELLED and name in columns]
    if columns["precision"] != Precision.FULL:
        words.append(columns["precision"])
    words += [columns["method"], columns["clock"]]
    if "depth" in columns:
        words.append(f"depth{columns['depth']}")
    return "-".join(map(str, words))


def _name(columns: Mapping[str, str | int]) -> str:
    return f"{columns['implementation']}/{columns['backend']}/{columns['phase']}[{_label(columns)}]"


def _finite(value: float, name: str, folder: Path) -> float | None:
    """A time of summary.csv; None for an empty cell."""
    if math.isnan(value):
        return None
    if not math.isfinite(value) or value < 0:
        raise DataFormatError(f"{folder / SUMMARY} is damaged: {name} took {value} s; restore the file.")
    return value


def _processes(folder: Path) -> dict[str, tuple[Process, ...]]:
    """The samples of finished processes by the benchmark's name."""
    rows, samples = read_processes(folder), read_samples(folder)
    known: Any = rows.set_index("process")["peak_bytes"].dropna().items()
    peaks = {int(number): int(peak) for number, peak in known}
    samples = samples[samples["process"].isin(rows["process"])]
    each = samples["seconds"] / samples["iterations"].astype(float)
    odd = samples.index[~((each >= 0) & (each < math.inf))]
    if len(odd):
        raise DataFormatError(f"{folder / SAMPLES} is damaged: line {odd[0] + 2} gives no time; restore the file.")
    keys = [*CASE_KEY, *_ROW_KEY]
    groups = samples.assign(each=each).groupby([*keys, "process"], sort=False, dropna=False, observed=True)
    listed: Any = groups[["each", "iterations"]].agg(list)
    found: dict[str, list[Process]] = {}
    for (*values, number), seconds, iterations in zip(listed.index, listed["each"], listed["iterations"], strict=True):
        name = _name(_identity(dict(zip(keys, values, strict=True))))
        process = Process(int(number), tuple(seconds), tuple(map(int, iterations)), peaks.get(int(number)))
        found.setdefault(name, []).append(process)
    return {name: tuple(processes) for name, processes in found.items()}
