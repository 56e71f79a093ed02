"""Runs made by hand: known numbers, written and read the way those of a real run are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.summarise import summarise
from bench.data.manifest import Manifest, Peak, PlannedCase, WorkloadFacts
from bench.data.schema import (
    DEVICE,
    FIRST_STEP,
    STEP,
    Method,
    ProcessRow,
    SampleRow,
    Status,
    SummaryRow,
)
from bench.data.store import (
    PROCESSES,
    SAMPLES,
    SUMMARY,
    RunStore,
    read_manifest,
    read_processes,
    read_samples,
    to_csv,
)
from bench.model.backends import BACKENDS
from bench.model.case import Case, Mode
from bench.model.precision import Precision
from bench.model.problem import Problem
from bench.model.workload import WORKLOADS
from bench.workloads import tutorial

RUN_ID = "20260102-030405-6"
CPU = "Imaginary Processor 3000 @ 2.80GHz"


def make_case(
    implementation: str = "numpy_manual",
    backend: str = "numpy",
    workload: str = "mlp_sgd",
    threads: int = 2,
    problem: Problem | None = None,
    mode: Mode = Mode.RESIDENT_WARM,
    precision: Precision = Precision.FULL,
    devices: int = 1,
) -> Case:
    """A case; the tutorial's sizes unless told otherwise."""
    found, problem = BACKENDS[backend], problem or tutorial()
    who = (implementation, workload, backend, found.framework, found.device)
    return Case(*who, problem, threads, mode, precision, devices)


def make_peak(backend: str = "numpy", **changes: Any) -> Peak:
    """What a device can do at most: 100 GFLOP/s unless told otherwise."""
    values: dict[str, Any] = {
        "backend": backend,
        "device": BACKENDS[backend].device,
        "dtype": "float32",
        "threads": 2,
        "precision": "full",
        "gflops": 100.0,
        "matmul_size": 1024,
        "gigabytes_per_second": 10.0,
        "copy_bytes": 1 << 26,
    }
    return Peak(**(values | changes))


def planned_case(case: Case, skipped: str = "") -> PlannedCase:
    """A case as the manifest holds it."""
    return PlannedCase(columns=case.columns, skipped=skipped)


def make_manifest(**changes: Any) -> Manifest:
    """A manifest of a machine that does not exist."""
    values: dict[str, Any] = {
        "run_id": RUN_ID,
        "created": "2026-01-02T03:04:05+00:00",
        "stepbench": "0.1.0",
        "command": ["bench", "run"],
        "seed": 0,
        "budget_seconds": 60.0,
        "rounds": None,
        "rounds_done": 8,
        "ended_by": "budget",
        "wall_seconds": 58.25,
        "machine": {
            "cpu": CPU,
            "cpus": 2,
            "cpus_usable": 2,
            "memory_bytes": 8_000_000_000,
            "system": "Linux 6.1",
            "python": "3.12.1",
        },
        "packages": {"numpy": "2.4.6", "torch": "2.13.0+cpu", "tensorflow": "2.21.0", "pandas": "3.1.1"},
        "cases": [],
        "workloads": {
            item.name: WorkloadFacts(title=item.title, baseline=item.baseline, sizes=list(item.sizes))
            for item in WORKLOADS.values()
        },
    }
    return Manifest(**(values | changes))


def sample_row(**changes: Any) -> SampleRow:
    """One sample: a whole step of one second."""
    values: dict[str, Any] = {
        "phase": STEP,
        "method": Method.WHOLE,
        "clock": "host",
        "process": 0,
        "turn": 0,
        "iterations": 1,
        "seconds": 1.0,
    }
    return SampleRow(**(values | changes))


def process_row(case: Case | None = None, **changes: Any) -> ProcessRow:
    """One process that went well."""
    values: dict[str, Any] = {"device_name": CPU, "round": 0, "process": 0, "status": Status.OK, "verified": True}
    return ProcessRow(run_id=RUN_ID, case=case or make_case(), **(values | changes))


def summary_row(case: Case | None = None, **changes: Any) -> SummaryRow:
    """One measured whole step."""
    values: dict[str, Any] = {"run_id": RUN_ID, "phase": STEP, "status": Status.OK, "verified": True}
    if changes.get("status", Status.OK) is Status.OK:  # what could not run has no method, no clock and no samples
        values |= {"method": Method.WHOLE, "clock": "host", "processes": 8, "samples": 80}
    return SummaryRow(case=case or make_case(), **(values | changes))


class HandMade:
    """A run below `folder` that is filled process by process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.planned: list[PlannedCase] = []
        self.samples: list[SampleRow] = []
        self.processes: list[ProcessRow] = []
        self.next_process = 0

    def plan(self, *names: Any, skipped: str = "", **options: Any) -> Case:
        """Plan a case; the arguments are those of `make_case`."""
        case = make_case(*names, **options)
        self.planned.append(planned_case(case, skipped))
        return case

    def process(
        self,
        case: Case,
        round: int = 0,  # noqa: A002 - the column's name
        *,
        step: Iterable[float] = (),
        phases: Mapping[str, Iterable[float]] | None = None,
        method: Method = Method.STAGED,
        on_device: Mapping[str, Iterable[float]] | None = None,
        device_method: Method = Method.BATCHED,
        by_variant: Mapping[int, Iterable[float]] | None = None,
        first: float | None = None,
        iterations: int = 1,
        finished: bool = True,
        **row: Any,
    ) -> int:
        """One process with its samples, in seconds an iteration; without a row of its own if it is not finished."""
        number = self.next_process
        self.next_process += 1

        def add(phase: str, seconds: Iterable[float], count: int = iterations, **options: Any) -> None:
            self.samples += [
                sample_row(
                    phase=phase,
                    process=number,
                    turn=index,
                    iterations=count,
                    seconds=each * count,
                    **options,
                )
                for index, each in enumerate(seconds)
            ]

        if first is not None:
            add(FIRST_STEP, [first], 1)
        add(STEP, step)
        for phase, seconds in (phases or {}).items():
            add(phase, seconds, method=method)
        for phase, seconds in (on_device or {}).items():
            add(phase, seconds, method=Method.WHOLE if phase == STEP else device_method, clock=DEVICE)
        for variant, seconds in (by_variant or {}).items():
            add(STEP, seconds, 1, variant=variant)
        if finished:
            self.processes.append(process_row(case, round=round, process=number, **row))
        return number

    def write(self, **manifest: Any) -> Path:
        """Put the run on disk."""
        made = make_manifest(cases=self.planned, **manifest)
        RunStore.create(self.folder, made)
        (self.folder / SAMPLES).write_text(to_csv(SampleRow, self.samples), encoding="utf-8")
        processes = [replace(row, run_id=made.run_id) for row in self.processes]
        (self.folder / PROCESSES).write_text(to_csv(ProcessRow, processes), encoding="utf-8")
        return self.folder

    def frames(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Samples and processes, written and read back."""
        folder = self.write()
        return read_samples(folder), read_processes(folder)

    def summary(self, **manifest: Any) -> list[SummaryRow]:
        """Write everything, read it back and summarise it."""
        folder = self.write(**manifest)
        return summarise(read_manifest(folder), read_samples(folder), read_processes(folder))


def write_summary_run(folder: Path, rows: Iterable[SummaryRow], **manifest: Any) -> Path:
    """A run of which only the summary matters, as figures read it."""
    rows = list(rows)
    cases = {row.case: row.reason if row.status is Status.SKIPPED else "" for row in rows}
    planned = [planned_case(case, skipped) for case, skipped in cases.items()]
    made = make_manifest(**({"cases": planned} | manifest))
    store = RunStore.create(folder, made)
    store.write_summary([replace(row, run_id=made.run_id) for row in rows])
    assert (folder / SUMMARY).is_file()
    return folder
