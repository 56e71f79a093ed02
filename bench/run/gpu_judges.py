"""What the results of a GPU proof's commands answer: one function a part, from what it left to its lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from bench.data.crossing import Crossing
from bench.data.run import StoredRun, summary_rows
from bench.data.schema import Status, SummaryRow, is_headline
from bench.model.case import Mode
from bench.model.columns import SIZE_PREFIX
from bench.model.precision import Precision
from bench.run.gpu_proof import Judged, ProofLine, Ran

DOCTOR, CLOCK = "doctor", "second clock"
SAME, PLANTED = "A/A", "planted 5 %"
CROSSOVER = "crossover with the CPU"
PROGRAMS, MODES, PRECISIONS = "the nine programs", "modes", "precisions"
GPT = "small GPT: eager, compiled, CUDA graph"
TESTS = "tests marked cuda"
PROVED = (Precision.FULL, Precision.TF32, Precision.AMP_BF16, Precision.BF16)


def _line(name: str, problem: str, figure: str) -> ProofLine:
    """Answer one question: FAIL with what is wrong, or PASS, each with the figure."""
    return ProofLine(name, Judged.FAIL if problem else Judged.PASS, f"{problem} ({figure})" if problem else figure)


def judge_doctor(ran: Ran) -> list[ProofLine]:
    """Judge what `bench doctor --device --json` has said."""
    checks = json.loads(ran.output)
    clocks = [check for check in checks if check["name"] == CLOCK]
    others = [check for check in checks if check["name"] != CLOCK]
    told = "; ".join(_told(check) for check in others if not check["passed"])
    subjects = {check["subject"] for check in checks}
    figure = f"{len(others)} checks of {len(subjects)} subjects"
    lines = [_line(DOCTOR, told or ("" if others else "it checked nothing"), figure)]
    if not clocks:
        return [*lines, ProofLine(CLOCK, Judged.SKIP, "the framework has no profiler of this device")]
    bad = [check for check in clocks if not check["passed"]]
    first = (bad or clocks)[0]
    return [*lines, ProofLine(CLOCK, Judged.FAIL if bad else Judged.PASS, f"{first['subject']}: {first['detail']}")]


def _told(check: Mapping[str, str]) -> str:
    return f"{check['subject']}: {check['name']}: {check['detail']}"


def judge_trial(ran: Ran) -> list[ProofLine]:
    """Judge what `bench doctor --calibrate --device --json` has said."""
    found = json.loads(ran.output)
    same, planted = found["false_positives"], found["power"]["5%"]
    what = f"{found['implementation']}, at most {found['pairs']} pairs each"
    wrong = "" if same["happened"] == 0 < same["trials"] else "an unchanged step was called a REGRESSION"
    missed = "" if planted["happened"] == planted["trials"] > 0 else "a step slowed by 5 % was not called a REGRESSION"
    return [
        _line(SAME, ran.trouble or wrong, f"a REGRESSION in {same['happened']} of {same['trials']} trials: {what}"),
        _line(PLANTED, ran.trouble or missed, f"found in {planted['happened']} of {planted['trials']} trials: {what}"),
    ]


def judge_sweep(ran: Ran, device: str) -> list[ProofLine]:
    """Judge a sweep: one program's line on the device has to cross its line on the CPU."""
    run = StoredRun(ran.folder)
    rows = summary_rows(run.summary)
    problem = ran.trouble or _unwell(row for row in rows if row.case.device == device)
    devices = {row.case.backend: row.case.device for row in rows}
    both = [
        row
        for row in run.crossovers.to_dict("records")
        if row["a_implementation"] == row["b_implementation"]
        and {devices[row["a_backend"]], devices[row["b_backend"]]} == {"cpu", device}
    ]
    found = [row for row in both if row["status"] == Crossing.FOUND.value]
    if not found:
        seen = ", ".join(f"{row['a_implementation']}: {row['status']}" for row in both) or "no pair was compared"
        return [_line(CROSSOVER, problem or "the device and the CPU change places at no size", seen)]
    row = found[0]
    size, low, high = (f"{row[column]:.0f}" for column in ("size", "size_low", "size_high"))
    above, below = (row[f"{row[side]}_backend"] for side in ("faster_above", "faster_below"))
    axis = row["axis"].removeprefix(SIZE_PREFIX)
    told = f"{row['a_implementation']}: {above} overtakes {below} at {axis} {size} [{low} … {high}]"
    return [_line(CROSSOVER, problem, told)]


def judge_programs(ran: Ran, device: str) -> list[ProofLine]:
    """Judge a run with intervals: every program on the device is right, and its speedup has one."""
    mine = [row for row in summary_rows(StoredRun(ran.folder).summary) if row.case.device == device]
    whole = _timed(mine)
    unsure = sorted(row.case.implementation for row in whole if row.speedup_low is None)
    problem = ran.trouble or _unwell(mine)
    if not problem and unsure:
        problem = f"no interval of a speedup: {', '.join(unsure)}"
    figure = f"{len(whole)} cases on the device"
    if known := [row for row in whole if row.speedup is not None]:
        best = max(known, key=lambda row: row.speedup or 0.0)
        figure += f", the fastest {best.case.implementation}: {best.speedup:.3g}x over {best.baseline}"
    return [_line(PROGRAMS, problem, figure)]


def judge_modes(ran: Ran) -> list[ProofLine]:
    """Judge a run in all modes: each program and precision was timed in each of them."""
    rows = summary_rows(StoredRun(ran.folder).summary)
    times: dict[tuple[str, Precision], dict[Mode, float]] = {}
    for row in _timed(rows):
        key = row.case.implementation, row.case.precision
        times.setdefault(key, {})[row.case.mode] = row.median_seconds or 0.0
    problem = ran.trouble or _unwell(rows)
    if not problem and any(set(each) != set(Mode) for each in times.values()):
        problem = "not every program was timed in all modes"
    told = []
    for mode in Mode:
        both = [each for each in times.values() if mode in each and each.get(Mode.RESIDENT_WARM)]
        if both:
            told.append(f"{mode} {median(each[mode] / each[Mode.RESIDENT_WARM] for each in both):.2f}x")
    count = sum(map(len, times.values()))
    return [_line(MODES, problem, f"{count} cases; median time over that of the first: {', '.join(told) or 'none'}")]


def judge_gpt(ran: Ran) -> list[ProofLine]:
    """Judge the run of the small GPT: all ways to run it are right, and each precision but full is less exact."""
    rows = summary_rows(StoredRun(ran.folder).summary)
    problem = ran.trouble or _unwell(rows)
    whole = _timed(rows)
    full = [row for row in whole if row.case.precision is Precision.FULL]
    times = ", ".join(f"{row.case.implementation} {(row.median_seconds or 0.0) * 1e3:.3f} ms" for row in full)
    errors: dict[str, dict[Precision, float]] = {}
    for row in whole:
        if row.error is not None:
            errors.setdefault(row.case.implementation, {})[row.case.precision] = row.error
    known = {each: [found[each] for found in errors.values() if each in found] for each in PROVED}
    told = [f"{precision} {max(found):.1e}" for precision, found in known.items() if found]
    figure = f"largest relative error: {', '.join(told) or 'none'}"
    return [_line(GPT, problem, times or "no times"), _line(PRECISIONS, problem or _unreal(errors), figure)]


def _unreal(errors: Mapping[str, Mapping[Precision, float]]) -> str:
    """Name a precision that was not measured everywhere, or was not in force; empty if there is none."""
    for name, found in errors.items():
        if lacking := [each for each in PROVED if each not in found]:
            return f"{name} has no error at {', '.join(lacking)}"
        if odd := [each for each in PROVED[1:] if found[each] <= found[Precision.FULL]]:
            return f"{name} is as exact at {', '.join(odd)} as at full, so that was not in force"
    return "" if errors else "no error is known"


def judge_tests(ran: Ran) -> list[ProofLine]:
    """Judge what pytest has said."""
    lines = ran.output.splitlines()
    counted = [line for line in lines if re.search(r"\d+ (passed|failed|errors?|skipped|deselected)\b", line)]
    last = counted[-1].strip("= ") if counted else "pytest counted no tests"
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    if not ran.trouble and "passed" not in last:
        return [ProofLine(TESTS, Judged.SKIP, last)]
    return [_line(TESTS, "; ".join(failed) or ran.trouble, last)]


def _timed(rows: Iterable[SummaryRow]) -> list[SummaryRow]:
    """Pick the headlines of the cases that have a time."""
    return [row for row in rows if is_headline(row) and row.median_seconds is not None]


def _unwell(rows: Iterable[SummaryRow]) -> str:
    """Name the cases that are not well; empty if all are, and there are some."""
    known: Sequence[SummaryRow] = list(rows)
    if not known:
        return "nothing was measured on the device"
    bad = [row for row in known if row.status is not Status.OK]
    if not bad:
        return ""
    case = bad[0].case
    return f"{len(bad)} not ok, such as {case.implementation} ({case.mode}, {case.precision}): {bad[0].reason}"
