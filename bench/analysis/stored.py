"""The times of a stored run's cases, process by process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.analysis.invalid import throttled_rounds
from bench.analysis.summarise import summarise
from bench.analysis.whole import is_whole
from bench.data.run import StoredRun, cases_by_process
from bench.data.schema import HOST, STEP, Method, Status
from bench.model.case import Case
from bench.model.step import STAGES
from bench.stats import Floats

PHASES = (STEP, *STAGES)


@dataclass(frozen=True)
class CaseTimes:
    """A case of one run."""

    status: Status
    reason: str = ""
    """Why it is not `ok`."""
    columns: Mapping[str, tuple[Floats, ...]] = field(default_factory=dict)
    """Of `step` and the phases timed apart: seconds an iteration in the order of measuring, one array a process."""


def case_times(run: StoredRun) -> dict[Case, CaseTimes]:
    """Collect the times of every case of a run's plan by the host's clock; throttled rounds are left out.

    A case has the status that the summary gives it, so one that failed in any process has failed.
    """
    valid = ~run.processes["round"].isin(throttled_rounds(run.processes))
    good = run.processes[valid & (run.processes["status"] == Status.OK.value)]
    cases, samples = cases_by_process(good), run.samples
    staged = samples["phase"].isin(PHASES[1:]) & (samples["method"] == Method.STAGED.value)
    host = (samples["clock"] == HOST) & samples["variant"].isna() & samples["process"].isin(good["process"])
    chosen = samples[is_whole(samples) & samples["process"].isin(good["process"]) | host & staged]
    chosen = chosen.sort_values("turn", kind="stable")
    each = chosen["seconds"] / chosen["iterations"].astype(float)
    grouped: Any = each.groupby([chosen["process"], chosen["phase"]], observed=True)
    columns: dict[Case, dict[str, list[Floats]]] = {}
    for (process, phase), times in grouped:
        columns.setdefault(cases[int(process)], {}).setdefault(phase, []).append(times.to_numpy(dtype=float))
    found: dict[Case, CaseTimes] = {}
    for row in summarise(run.manifest, samples, run.processes):  # all rows of a case tell the same status
        own = {name: tuple(times) for name, times in columns.get(row.case, {}).items()}
        found.setdefault(row.case, CaseTimes(row.status, row.reason, own))
    return found


def trouble(a: CaseTimes | None, b: CaseTimes | None, letters: str = "AB") -> str:
    """Why a case cannot be compared: it is missing, failed, wrong or was skipped in a run; empty if it can."""
    for letter, case in zip(letters, (a, b), strict=True):
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
