"""From samples and processes to summary rows: one row a case, phase, method and variant.

Pure: the summary of a run can be made again at any time from its files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from bench.analysis.baseline import Baseline, baselines_of
from bench.analysis.invalid import throttled_rounds
from bench.analysis.phases import shares_of, stages_of, sync_tax
from bench.analysis.roofline import ceilings
from bench.analysis.steady import UNSTEADY, remark
from bench.analysis.whole import by_round, is_whole, round_keys, whole_steps_by_turn
from bench.data.manifest import CountedWork, Manifest, PlannedCase
from bench.data.run import cases_by_process
from bench.data.schema import FIRST_STEP, HOST, PHASES, STEP, Method, Status, SummaryRow, is_headline
from bench.machine.disturbance import LAUNCH_BOUND
from bench.model.case import Case
from bench.model.device import COLD_STARTS, Cache
from bench.model.sizes import BATCH
from bench.model.workload import WORKLOADS
from bench.stats.estimates import Estimate, RoundKey, Turns, speedup_estimate, times_estimate

PEAK_ALLOWANCE = 1.25
"""A rate may exceed the measured peak by so much. One that exceeds it by more shows that the products were disturbed:
the peak is then unknown."""
IMPOSSIBLE = 3.0
"""From this multiple of the measured peak on work was not done, or not waited for: a right step on a machine that
others kept busy came to 1.7 times its peak."""
_REFUSED = "impossible: "
"""The beginning of the reason of a case that did more than its device can."""
ERRORS = ("loss_error", "gradient_error", "change_error", "result_error")
"""Columns of processes.csv that say how far a process was from the truth, each in one respect."""
_ROW_KEY = ["phase", "method", "clock", "variant"]
_MIXED = -1
"""Stands for a row over the workload's own mix of variants where an unknown value could not be grouped by."""


@dataclass(frozen=True)
class _Found:
    """What a run found out about one case."""

    case: Case
    status: Status
    reason: str
    outcome: pd.DataFrame
    """Its processes."""
    times: pd.DataFrame
    """Its times; see `_per_process`. None of rounds that do not count."""
    rounds: Mapping[RoundKey, Turns]
    """Times of its whole steps by round and turn."""
    peak: float | None = None
    """The most that its device was measured to do, in GFLOP/s."""
    counted: CountedWork | None = None
    """The counted operations of its workload, if the author does not give its cost."""

    @property
    def whole(self) -> pd.DataFrame:
        """Times of whole steps, one row a process."""
        return self.times[self.times["whole"]]

    @property
    def steady(self) -> bool:
        """Whether its time is one number."""
        return not self.reason.startswith(UNSTEADY)

    @property
    def verified(self) -> bool:
        """Agreement of all its processes with the oracle."""
        return len(self.outcome) > 0 and bool(self.outcome["verified"].all())


def summarise(manifest: Manifest, samples: pd.DataFrame, processes: pd.DataFrame) -> list[SummaryRow]:
    """Summarise a run.

    Args:
        manifest: the run's plan: every planned case gets at least one row.
        samples: a frame with the columns of `SampleRow`.
        processes: a frame with the columns of `ProcessRow`; samples of processes without a row are left out.
    """
    invalid = throttled_rounds(processes)
    cases = cases_by_process(processes)
    counting = processes[~processes["round"].isin(invalid)]
    times = _per_process(samples[samples["process"].isin(counting["process"])], counting)
    by_case = dict(iter(times.groupby(times["process"].map(cases), sort=False))) if len(times) else {}
    rounds = by_round(whole_steps_by_turn(samples, manifest.turns), counting, cases)
    outcomes = dict(iter(processes.groupby(processes["process"].map(cases), sort=False))) if len(processes) else {}
    found = []
    for planned in _in_order(manifest.cases):
        case = Case.from_columns(planned.columns)
        here = by_case.get(case, times.iloc[:0])
        outcome = outcomes.get(case, processes.iloc[:0])
        counted = manifest.work_of(case.workload, case.problem.sizes)
        status = _status(planned.skipped, outcome)
        found.append(_judged(manifest, _Found(case, *status, outcome, here, rounds.get(case, {}), counted=counted)))
    well = {item.case: item for item in found if item.status is Status.OK and item.steady}
    rules = baselines_of(manifest)
    rows: list[SummaryRow] = []
    for item in found:
        common: dict[str, Any] = {
            "run_id": manifest.run_id,
            "case": item.case,
            "status": item.status,
            "reason": item.reason,
            "verified": item.verified,
        }
        if item.status is not Status.OK:
            rows.append(SummaryRow(**common, phase=STEP, processes=len(item.outcome)))
            continue
        common["invalid_rounds"] = len(invalid & set(item.outcome["round"]))
        speedups = _speedups(item, rules[item.case.workload], well) if item.steady else {}
        rows += _case_rows({**common, **_beside_time(item)}, item, speedups)
    return rows


def rounds_of_cases(
    manifest: Manifest, rows: Sequence[SummaryRow], samples: pd.DataFrame, processes: pd.DataFrame
) -> dict[Case, dict[RoundKey, Turns]]:
    """Give the whole steps of each case by round and turn, in seconds, of the cases that the summary calls well.

    Throttled rounds are left out.

    Args:
        manifest: the run's.
        rows: its summary.
        samples: a frame with the columns of `SampleRow`.
        processes: a frame with the columns of `ProcessRow`.
    """
    counting = processes[~processes["round"].isin(throttled_rounds(processes))]
    fine = [row for row in rows if is_headline(row) and row.status is Status.OK]
    well = {row.case for row in fine if not row.reason.startswith(UNSTEADY)}
    found = by_round(whole_steps_by_turn(samples, manifest.turns), counting, cases_by_process(counting))
    return {case: rounds for case, rounds in found.items() if case in well}


def exceeds_peak(manifest: Manifest, row: SummaryRow) -> bool:
    """Say whether a case did more than its device was measured to do: then the peak is in doubt, or the step is."""
    if row.status is not Status.OK:
        return row.reason.startswith(_REFUSED)
    return row.gflops is not None and row.peak_fraction is None and ceilings(manifest.peaks, row.case) is not None


def _in_order(cases: Sequence[PlannedCase]) -> list[PlannedCase]:
    """Sort the cases as they were planned, those that joined a sweep later among them by their sizes."""
    if not any(item.added for item in cases):
        return list(cases)
    made = [Case.from_columns(item.columns) for item in cases]
    places = {case.contender: place for place, case in reversed(list(enumerate(made)))}
    order = sorted(
        range(len(cases)), key=lambda index: (*made[index].problem.sizes.values(), places[made[index].contender])
    )
    return [cases[index] for index in order]


def _judged(manifest: Manifest, found: _Found) -> _Found:
    """Say what became of a case. One that failed in any process has failed; one that was impossibly fast is wrong."""
    case, times = found.case, found.times
    if found.status is not Status.OK:
        return found
    if not len(times):
        return replace(found, status=Status.FAILED, reason="its processes gave no samples")
    steps: Any = times[times["phase"] == STEP].groupby(["method", "clock", "variant"])["median"].median().items()
    known = [_gflops(case, STEP, _variant(number), seconds) for (_, _, number), seconds in steps]
    rate = max((each for each in known if each is not None), default=0.0)
    best = ceilings(manifest.peaks, case)
    peak = None if best is None else best.products.gflops
    if peak is not None and rate > IMPOSSIBLE * peak:
        reason = (
            f"{_REFUSED}{rate:.0f} GFLOP/s, where the device's measured peak is {peak:.0f}; "
            "part of the step was not done or not waited for"
        )
        return replace(found, status=Status.WRONG, reason=reason)
    growths = found.outcome["growth_bytes"].dropna().tolist()
    believed = peak if peak is not None and rate <= PEAK_ALLOWANCE * peak else None
    return replace(found, peak=believed, reason=remark(found.rounds, growths) if manifest.turns else "")


def _status(skipped: str, outcome: pd.DataFrame) -> tuple[Status, str]:
    if skipped:
        return Status.SKIPPED, skipped
    if not len(outcome):
        return Status.SKIPPED, "the run ended before its turn came: finish it with --resume, or raise --budget"
    bad = outcome[outcome["status"] != Status.OK.value]
    if len(bad):
        return Status(bad["status"].iloc[0]), str(bad["reason"].iloc[0])
    return Status.OK, ""


def _gflops(
    case: Case, phase: str, variant: int | None, seconds: float, counted: CountedWork | None = None
) -> float | None:
    """Work out the rate of matrix products, by what was `counted` where the author of the workload gives no cost.

    None if nobody knows how many there are, or if no time passed.
    """
    workload = WORKLOADS.get(case.workload)
    flops = None if workload is None else workload.flops(case.problem, phase, variant)
    if flops is None and counted is not None:
        flops = counted.of(phase)
    return flops / seconds / 1e9 if flops is not None and seconds > 0 else None


def _variant(number: Any) -> int | None:
    return None if number == _MIXED else int(number)


def _per_process(samples: pd.DataFrame, processes: pd.DataFrame) -> pd.DataFrame:
    """Reduce samples to one row a process, phase, method, clock and variant: seconds an iteration, and their round."""
    flagged = samples["flags"] != ""
    frame = samples[["process", *_ROW_KEY]].assign(
        flagged=flagged,
        launch_bound=samples["flags"].str.contains(LAUNCH_BOUND, regex=False),
        each=samples["seconds"] / samples["iterations"].astype(float),
        whole=is_whole(samples),
        variant=samples["variant"].astype("Int64").fillna(_MIXED),
    )
    keys = ["process", *_ROW_KEY]
    grouped = frame.groupby(keys, sort=False, observed=True)
    result = grouped["each"].agg(["median", "min", "count"])
    result["flagged"] = grouped["flagged"].sum()
    result["launch_bound"] = grouped["launch_bound"].sum()
    result["whole"] = grouped["whole"].first()
    result["clean"] = frame[~flagged].groupby(keys, sort=False, observed=True)["each"].median()
    found = result.reset_index().merge(processes[["process", "round", "machine"]], on="process", how="left")
    texts = found.select_dtypes("category").columns
    return found.astype(dict.fromkeys(texts, object))


def _beside_time(item: _Found) -> dict[str, Any]:
    """Reduce to one value what each process of a case says beside its times."""
    compiled, cache = item.outcome["compile_seconds"], item.outcome["cache"]
    largest = ("peak_bytes", "framework_bytes", "reserved_bytes", "graph_breaks", "recompiles")
    return {
        **{name: _largest(item.outcome[name]) for name in largest},
        "compile_cold_seconds": _known(compiled[cache.isin(COLD_STARTS)].median()),
        "compile_warm_seconds": _known(compiled[cache == Cache.WARM].median()),
        "error": _known(item.outcome[list(ERRORS)].max(axis=None)),
        **{name: _known(item.outcome[name].median()) for name in ("energy_joules", "communication_share")},
        "machines": " ".join(sorted(set(item.outcome["machine"]))),
        "unsettled": int((item.outcome["warmup_settled"] == False).sum()),  # noqa: E712 - unknown is neither
    }


def _largest(values: pd.Series[Any]) -> int | None:
    found = values.max()
    return None if pd.isna(found) else int(found)


def _step_peaks(outcome: pd.DataFrame) -> dict[str, int]:
    """Find the largest peak of the whole step and of each phase in any process, as far as they tell."""
    found = {} if (step := _largest(outcome["step_peak_bytes"])) is None else {STEP: step}
    for pair in " ".join(outcome["phase_peaks"].dropna()).split():
        phase, _, count = pair.partition("=")
        found[phase] = max(found.get(phase, 0), int(count))
    return found


def _case_rows(common: dict[str, Any], item: _Found, speedups: dict[str, Any]) -> list[SummaryRow]:
    """Make the rows of a case that is well; its speedups stand in that of its whole steps."""
    stages, batch = stages_of(item.times), item.case.problem.sizes.get(BATCH)
    shares, tax = shares_of(stages), sync_tax(stages, item.whole)
    peaks = _step_peaks(item.outcome)
    groups: Any = item.times.groupby(_ROW_KEY, sort=False)
    keyed: list[tuple[tuple[Any, ...], pd.DataFrame]] = [(tuple(key), group) for key, group in groups]
    keyed.sort(key=lambda pair: (pair[0][2] != HOST, pair[0][3], PHASES.index(pair[0][0]), pair[0][1]))
    rows = []
    for (phase, method, clock, number), group in keyed:
        estimate = times_estimate(zip(round_keys(group).values(), group["median"], strict=True))
        variant = _variant(number)
        row: dict[str, Any] = {
            "phase": phase,
            "method": Method(method),
            "clock": clock,
            "variant": variant,
            "processes": len(group),
            "samples": int(group["count"].sum()),
            "median_seconds": estimate.value,
            "low_seconds": estimate.low,
            "high_seconds": estimate.high,
            "minimum_seconds": float(group["min"].median()),
            "flagged": int(group["flagged"].sum()),
            "launch_bound": None if clock == HOST else int(group["launch_bound"].sum()),
            "clean_median_seconds": _known(group["clean"].median()),
            "share": shares.get((phase, method, clock)),
            "step_peak_bytes": None if method == Method.PROFILED.value or variant is not None else peaks.get(phase),
        }
        if phase != FIRST_STEP and method != Method.PROFILED.value:
            row["gflops"] = rate = _gflops(item.case, phase, variant, estimate.value, item.counted)
            row["peak_fraction"] = None if rate is None or not item.peak else rate / item.peak
        if phase == STEP and variant is None and clock == HOST:
            row |= _ends("sync_tax", tax, "sync_tax")
            row |= speedups
            row["per_second"] = batch / estimate.value if batch and estimate.value > 0 else None
        rows.append(SummaryRow(**common, **row))
    return rows


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def _ends(value: str, estimate: Estimate | None, stem: str) -> dict[str, float | None]:
    if estimate is None:
        return {}
    return {value: estimate.value, f"{stem}_low": estimate.low, f"{stem}_high": estimate.high}


def _speedups(item: _Found, rule: Baseline, well: Mapping[Case, _Found]) -> dict[str, Any]:
    """Estimate the speedup over the baseline, and over the same implementation at full precision."""
    case, found = item.case, {}
    over = rule.of(case, well)
    if over is not None and (estimate := speedup_estimate(well[over].rounds, item.rounds)) is not None:
        found = {"baseline": rule.named(case, over), **_ends("speedup", estimate, "speedup")}
    at_full = Baseline.itself_at_full(case).of(case, well)
    if at_full is not None and at_full != case:
        found |= _ends("precision_speedup", speedup_estimate(well[at_full].rounds, item.rounds), "precision_speedup")
    return found
