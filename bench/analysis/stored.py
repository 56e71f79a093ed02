"""A stored run, and the times of its cases, process by process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from bench.analysis.invalid import throttled_rounds
from bench.analysis.summarise import summarise
from bench.data.schema import CASE_KEY, HOST, STEP, Manifest, Method, Status
from bench.model.step import ALL_PHASES
from bench.stats import Floats

CaseKey = tuple[Any, ...]
"""The values of `CASE_KEY`."""
PHASES = (STEP, *map(str, ALL_PHASES))


@dataclass(frozen=True)
class StoredRun:
    """A run as `bench.data.store` reads it."""

    manifest: Manifest
    samples: pd.DataFrame
    processes: pd.DataFrame


@dataclass(frozen=True)
class CaseTimes:
    """A case of one run."""

    status: Status
    reason: str = ""
    """Why it is not `ok`."""
    columns: Mapping[str, tuple[Floats, ...]] = field(default_factory=dict)
    """Of `step` and the phases timed apart: seconds an iteration in the order of measuring, one array a process."""


def case_times(run: StoredRun) -> dict[CaseKey, CaseTimes]:
    """Every case of a run's plan, by the host's clock; throttled rounds are left out.

    A case has the status that the summary gives it, so one that failed in any process has failed.
    """
    valid = ~run.processes["round"].isin(throttled_rounds(run.processes))
    good = run.processes[valid & (run.processes["status"] == Status.OK.value)]
    keys = {int(row["process"]): tuple(row[name] for name in CASE_KEY) for row in good.to_dict("records")}
    samples = run.samples
    whole = (samples["phase"] == STEP) & (samples["method"] == Method.WHOLE.value)
    staged = samples["phase"].isin(PHASES[1:]) & (samples["method"] == Method.STAGED.value)
    host = (samples["clock"] == HOST) & samples["depth"].isna() & samples["process"].isin(good["process"])
    chosen = samples[host & (whole | staged)].sort_values("sample", kind="stable")
    each = chosen["seconds"] / chosen["iterations"].astype(float)
    grouped: Any = each.groupby([chosen["process"], chosen["phase"]], observed=True)
    columns: dict[CaseKey, dict[str, list[Floats]]] = {}
    for (process, phase), times in grouped:
        columns.setdefault(keys[int(process)], {}).setdefault(phase, []).append(times.to_numpy(dtype=float))
    found: dict[CaseKey, CaseTimes] = {}
    for row in summarise(run.manifest, samples, run.processes):  # all rows of a case tell the same status
        key = tuple(getattr(row, name) for name in CASE_KEY)
        own = {name: tuple(times) for name, times in columns.get(key, {}).items()}
        found.setdefault(key, CaseTimes(row.status, row.reason, own))
    return found


def trouble(a: CaseTimes | None, b: CaseTimes | None) -> str:
    """Why a case cannot be compared: it is missing, failed, wrong or was skipped in a run; empty if it can."""
    for letter, case in (("A", a), ("B", b)):
        if case is None:
            return f"run {letter} does not have it"
        if case.status is not Status.OK:
            return f"{case.status} in run {letter}: {case.reason}"
    return ""


def untried(a: CaseTimes | None, b: CaseTimes | None) -> str:
    """Why neither run measured a case, if both skipped it or one did and the other does not have it; else empty."""
    sides = [case for case in (a, b) if case is not None]
    skipped = all(case.status is Status.SKIPPED for case in sides)
    return " / ".join(dict.fromkeys(case.reason for case in sides)) if skipped else ""
