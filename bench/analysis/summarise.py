"""From samples and processes to summary rows: one row a case, phase, method and depth.

Pure: the summary of a run can be made again at any time from its files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.baseline import is_fair
from bench.analysis.invalid import throttled_rounds
from bench.analysis.roofline import gemm_flops
from bench.data.schema import (
    CASE_KEY,
    DEVICE,
    FIRST_STEP,
    HOST,
    SCHEMA_VERSION,
    SIZES,
    STEP,
    CaseColumns,
    Manifest,
    Method,
    PlannedCase,
    Status,
    SummaryRow,
)
from bench.model.problem import Dtype, Problem
from bench.model.step import ALL_PHASES
from bench.model.workload import WORKLOADS, Workload
from bench.stats.estimates import Estimate, median_estimate, ratio_estimate

CaseKey = tuple[Any, ...]
PEAK_ALLOWANCE = 1.25
"""A rate may exceed the measured peak by so much: a few products on a disturbed machine do not show all it can do.
Work that was not done or not waited for shows as a multiple of the peak."""
_ROW_KEY = ("phase", "method", "clock", "depth")


def summarise(manifest: Manifest, samples: pd.DataFrame, processes: pd.DataFrame) -> list[SummaryRow]:
    """The summary of a run.

    Args:
        manifest: the run's plan: every planned case gets at least one row.
        samples: a frame with the columns of `SampleRow`.
        processes: a frame with the columns of `ProcessRow`; samples of processes without a row are left out.
    """
    finished = samples[samples["process"].isin(processes["process"])]
    invalid = throttled_rounds(processes)
    per_process = _per_process(finished[~finished["round"].isin(invalid)])
    by_case = dict(iter(per_process.groupby(list(CASE_KEY), sort=False))) if len(per_process) else {}
    outcomes = dict(iter(processes.groupby(list(CASE_KEY), sort=False))) if len(processes) else {}
    well = {key: times for key, times in by_case.items() if _status("", outcomes.get(key))[0] is Status.OK}
    rows: list[SummaryRow] = []
    for planned in _in_order(manifest.cases):
        key = tuple(planned.columns[name] for name in CASE_KEY)
        identity: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "run_id": manifest.run_id, **planned.columns}
        outcome = outcomes.get(key)
        status, reason = _status(planned.skipped, outcome)
        verified = outcome is not None and bool(outcome["verified"].all())
        times = by_case.get(key)
        if status is Status.OK and times is None:
            status, reason = Status.FAILED, "its processes gave no samples"
        common = {**identity, "status": status, "reason": reason, "verified": verified}
        if status is not Status.OK or times is None or outcome is None:
            rows.append(SummaryRow(**common, phase=STEP, processes=0 if outcome is None else len(outcome)))
            continue
        baseline = _baseline_times(planned.columns, well)
        common["invalid_rounds"] = len(invalid & set(outcome["round"]))
        peak = _peak_of(manifest, planned.columns)
        rows += _refused(_case_rows(common, times, baseline, outcome, peak), peak)
    return rows


def _in_order(cases: Sequence[PlannedCase]) -> list[PlannedCase]:
    """The cases as they were planned, those that joined a sweep later among them by their sizes."""
    if not any(item.added for item in cases):
        return list(cases)
    who = ("implementation", "backend", "threads")
    places = {tuple(item.columns[name] for name in who): place for place, item in reversed(list(enumerate(cases)))}
    return sorted(
        cases,
        key=lambda item: (
            *(item.columns[name] for name in SIZES),
            places[tuple(item.columns[name] for name in who)],
        ),
    )


def _peak_of(manifest: Manifest, columns: dict[str, str | int]) -> float | None:
    """The device's peak in GFLOP/s: the best that any backend reached on it with the same threads and format."""
    same = ("device", "dtype", "threads", "precision")
    found = [peak.gflops for peak in manifest.peaks if all(getattr(peak, name) == columns[name] for name in same)]
    return max(found, default=None)


def _refused(rows: list[SummaryRow], peak: float | None) -> list[SummaryRow]:
    """The rows of a case, or a single one that refuses it if it went faster than the device can."""
    for row in rows:
        if row.phase == STEP and row.gflops is not None and peak is not None and row.gflops > PEAK_ALLOWANCE * peak:
            reason = (
                f"impossible: {row.gflops:.0f} GFLOP/s, where the device's measured peak is {peak:.0f}; "
                "part of the step was not done or not waited for"
            )
            identity = {item.name: getattr(row, item.name) for item in fields(CaseColumns)}
            return [SummaryRow(**identity, phase=STEP, status=Status.WRONG, reason=reason, verified=row.verified)]
    return rows


def _per_process(samples: pd.DataFrame) -> pd.DataFrame:
    """One row a process, phase, method, clock and depth: median and minimum of seconds an iteration."""
    flagged = samples["flags"] != ""
    frame = samples[["process", *_ROW_KEY]].assign(
        flagged=flagged,
        each=samples["seconds"] / samples["iterations"].astype(float),
        depth=samples["depth"].astype("Int64").fillna(-1),
    )
    keys = ["process", *_ROW_KEY]
    grouped = frame.groupby(keys, sort=False, observed=True)
    result = grouped["each"].agg(["median", "min", "count"])
    result["flagged"] = grouped["flagged"].sum()
    result["clean"] = frame[~flagged].groupby(keys, sort=False, observed=True)["each"].median()
    # A process measures one case: its columns are looked up once, not grouped by a million times.
    cases = samples.drop_duplicates("process")[[*CASE_KEY, "round", "process"]]
    found = result.reset_index().merge(cases, on="process", how="left")
    texts = found.select_dtypes("category").columns
    return found.astype(dict.fromkeys(texts, object))


def _status(skipped: str, outcome: pd.DataFrame | None) -> tuple[Status, str]:
    if skipped:
        return Status.SKIPPED, skipped
    if outcome is None or not len(outcome):
        return Status.SKIPPED, "the run ended before its turn came: finish it with --resume, or raise --budget"
    bad = outcome[outcome["status"] != Status.OK.value]
    if len(bad):
        return Status(bad["status"].iloc[0]), str(bad["reason"].iloc[0])
    return Status.OK, ""


def _whole_steps(times: pd.DataFrame) -> pd.DataFrame:
    """The headline: whole steps by the host clock, over the workload's own mix of depths."""
    chosen = (times["phase"] == STEP) & (times["method"] == Method.WHOLE.value) & (times["depth"] == -1)
    return times[chosen & (times["clock"] == HOST)]


def _baseline_times(columns: dict[str, str | int], well: dict[CaseKey, pd.DataFrame]) -> pd.DataFrame | None:
    """Whole steps of the case that this one's speedup is stated over; None if the run holds none that is well."""
    wanted = WORKLOADS[str(columns["workload"])].baseline
    for key, times in well.items():
        other = dict(zip(CASE_KEY, key, strict=True))
        if other["implementation"] == wanted and is_fair(columns, other):
            return _whole_steps(times)
    return None


def _case_rows(
    common: dict[str, Any],
    times: pd.DataFrame,
    baseline: pd.DataFrame | None,
    outcome: pd.DataFrame,
    device_peak: float | None,
) -> list[SummaryRow]:
    workload, problem = _workload_and_problem(common)
    shares, tax = _shares(times), _sync_tax(times)
    peak = _known(outcome["peak_bytes"].max())
    energy = _known(outcome["energy_joules"].median())
    unsettled = int((outcome["warmup_settled"] == False).sum())  # noqa: E712 - unknown is neither
    rows = []
    order = {STEP: 0, FIRST_STEP: 1, **{str(phase): 2 + index for index, phase in enumerate(ALL_PHASES)}}
    groups: Any = times.groupby(list(_ROW_KEY), sort=False)
    keyed: list[tuple[tuple[Any, ...], pd.DataFrame]] = [(tuple(key), group) for key, group in groups]
    keyed.sort(key=lambda item: (item[0][2] != HOST, item[0][3], order[item[0][0]], item[0][1]))
    for (phase, method, clock, depth), group in keyed:
        estimate = median_estimate(group["median"])
        flops = gemm_flops(workload, problem, phase, None if depth < 0 else float(depth))
        row: dict[str, Any] = {
            "phase": phase,
            "method": Method(method),
            "clock": clock,
            "depth": None if depth < 0 else int(depth),
            "processes": len(group),
            "samples": int(group["count"].sum()),
            "median_seconds": estimate.value,
            "low_seconds": estimate.low,
            "high_seconds": estimate.high,
            "minimum_seconds": float(group["min"].median()),
            "flagged": int(group["flagged"].sum()),
            "clean_median_seconds": _known(group["clean"].median()),
            "unsettled": unsettled,
            "share": shares.get((phase, method, clock)),
            "energy_joules": energy,
            "peak_bytes": None if peak is None else int(peak),
        }
        if flops is not None and estimate.value > 0 and phase != FIRST_STEP and method != Method.PROFILED.value:
            row["gflops"] = flops / estimate.value / 1e9
            row["peak_fraction"] = None if not device_peak else row["gflops"] / device_peak
        if phase == STEP and depth < 0 and clock == HOST:
            row |= _ends("sync_tax", tax, "sync_tax")
            row |= _speedup(workload, group, baseline)
        rows.append(SummaryRow(**common, **row))
    return rows


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def _workload_and_problem(common: dict[str, Any]) -> tuple[Workload, Problem]:
    sizes = {name: int(common[name]) for name in SIZES}
    return WORKLOADS[common["workload"]], Problem(dtype=Dtype(common["dtype"]), **sizes)


def _ends(value: str, estimate: Estimate | None, stem: str) -> dict[str, float | None]:
    if estimate is None:
        return {}
    return {value: estimate.value, f"{stem}_low": estimate.low, f"{stem}_high": estimate.high}


def _by_round(times: pd.DataFrame) -> pd.Series[float]:
    return times.groupby("round")["median"].median()


def _speedup(workload: Workload, times: pd.DataFrame, baseline: pd.DataFrame | None) -> dict[str, Any]:
    if baseline is None:
        return {}
    pairs = pd.concat([_by_round(baseline), _by_round(times)], axis=1, join="inner")
    pairs = pairs[(pairs > 0).all(axis=1)]  # a clock that stood still gives no ratio
    if not len(pairs):
        return {}
    estimate = ratio_estimate(pairs.iloc[:, 0], pairs.iloc[:, 1])
    return {"baseline": workload.baseline, **_ends("speedup", estimate, "speedup")}


def _phase_medians(times: pd.DataFrame, method: Method, clock: str = HOST) -> pd.DataFrame:
    """Per process, one column a phase; empty if a phase is missing."""
    of_kind = (times["method"] == method.value) & (times["clock"] == clock)
    chosen = times[of_kind & times["phase"].isin([str(phase) for phase in ALL_PHASES])]
    table = chosen.pivot_table(index="process", columns="phase", values="median")
    return table.dropna() if table.shape[1] == len(ALL_PHASES) else table.iloc[:0]


def _shares(times: pd.DataFrame) -> dict[tuple[str, str, str], float]:
    """Each phase's part of the phases' sum, as a median over processes."""
    shares: dict[tuple[str, str, str], float] = {}
    for method, clock in product(Method, (HOST, DEVICE)):
        table = _phase_medians(times, method, clock)
        table = table[table.sum(axis=1) > 0]  # a profiler that saw no phase has no shares to tell
        if len(table):
            parts = table.div(table.sum(axis=1), axis=0).median()
            parts /= parts.sum()
            shares |= {(str(phase), method.value, clock): float(part) for phase, part in parts.items()}
    return shares


def _sync_tax(times: pd.DataFrame) -> Estimate | None:
    """Sum of the phases timed apart over the whole step of the same process, minus 1."""
    phases = _phase_medians(times, Method.STAGED).sum(axis=1).rename("phases")
    whole = _whole_steps(times).set_index("process")["median"]
    pairs = pd.concat([phases, whole], axis=1, join="inner")
    pairs = pairs[(pairs > 0).all(axis=1)]
    if not len(pairs):
        return None
    ratio = ratio_estimate(np.asarray(pairs["phases"]), np.asarray(pairs["median"]))
    low, high = (None if end is None else end - 1 for end in (ratio.low, ratio.high))
    return Estimate(ratio.value - 1, low, high)
