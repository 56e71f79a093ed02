from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.analysis.rule import Criteria, Statistic, Verdict
from bench.analysis.run_verdicts import CaseVerdict, RunsJudged, judge_runs
from bench.analysis.stored import CaseTimes, case_times
from bench.data.run import StoredRun
from bench.data.schema import Method, Status
from bench.errors import NothingRanError
from bench.model.case import Case
from bench.model.step import TRAINING, Phase
from bench.stats.unpaired import detectable_shift, shift, shift_bounds, slower_p
from bench.workloads import tutorial

REGRESSION, INVALID, INCONCLUSIVE, PASS = Verdict.REGRESSION, Verdict.INVALID, Verdict.INCONCLUSIVE, Verdict.PASS
MINIMUM, MEDIAN = Statistic.MINIMUM, Statistic.MEDIAN
PHASES = ("step", *map(str, TRAINING))
Timed = tuple[dict[str, Any], Mapping[str, Sequence[Sequence[float]]]]
"""Options of a case, and its times: phase, process, sample."""
Run = Mapping[Case, CaseTimes]


def read(made: Any) -> StoredRun:
    folder = made.write()
    return StoredRun(folder)


@pytest.fixture
def run(build: ModuleType, tmp_path: Path) -> Callable[..., Run]:
    """A run written and read back, of cases with their times; options of a process go to all of them."""
    count = iter(range(100))

    def make(*cases: Timed, **process: Any) -> Run:
        made = build.HandMade(tmp_path / f"run{next(count)}")
        for options, times in cases:
            case = made.plan(**options)
            for number in range(len(times.get("step", ()))):
                phases = {phase: times[phase][number] for phase in times if phase != "step"}
                made.process(case, number, step=times["step"][number], phases=phases, **process)
        return case_times(read(made))

    return make


def given(**phases: Sequence[Sequence[float]]) -> Run:
    """The same of one case, without files."""
    return {
        key("numpy_manual"): CaseTimes(
            Status.OK, "", {name: tuple(map(np.array, found)) for name, found in phases.items()}
        )
    }


def names(*runs: Run) -> dict[Case, str]:
    return {case: f"{case.implementation} {case.backend}" for times in runs for case in times}


def judged(a: Run, b: Run, criteria: Criteria | None = None) -> RunsJudged:
    return judge_runs(a, [b], names(a, b), criteria)[0]


def only(a: Run, b: Run, criteria: Criteria | None = None) -> CaseVerdict:
    (case,) = judged(a, b, criteria).cases
    return case


def times(slowdown: float = 0.0, n: int = 10, sd: float = 0.004, base: float = 1e-3) -> list[list[float]]:
    """Three samples of each of n processes, whose logarithms are spread like normal ones, no two alike."""
    quantiles = stats.norm.ppf((np.arange(n) + 0.5) / n)
    each = base * (1 + slowdown) * np.exp(sd * quantiles)
    return [[value, value * 1.01, value * 1.02] for value in each]


def noisy(n: int = 10) -> list[list[float]]:
    return times(0.0, n, sd=0.3)


PLAIN: dict[str, Any] = {}


# Verdicts


@pytest.mark.parametrize(
    ("slowdown", "sd", "verdict"),
    [
        (0.10, 0.004, REGRESSION),
        (0.03, 0.004, REGRESSION),
        (0.008, 0.001, PASS),  # surely slower, but not by the margin
        (0.0, 0.004, PASS),
        (-0.3, 0.004, PASS),
        (0.0, 0.3, INCONCLUSIVE),
        (0.10, 0.3, INCONCLUSIVE),
    ],
)
def test_the_verdict_follows_from_the_bounds(slowdown: float, sd: float, verdict: Verdict) -> None:
    case = only(given(step=times(sd=sd)), given(step=times(slowdown, 11, sd)))
    assert case.verdict.verdict is verdict
    assert case.processes == (10, 11)
    assert case.seconds_a == pytest.approx(1e-3)
    assert case.seconds_b == pytest.approx(1e-3 * (1 + slowdown), rel=1e-6)
    assert case.case.implementation == "numpy_manual"


def test_evidence_is_what_the_estimators_give_for_minima_and_medians() -> None:
    draw = np.random.default_rng(3)
    a, b = np.exp(draw.normal(0, 0.02, (9, 4))), np.exp(draw.normal(0.02, 0.02, (12, 4)))
    found = judged(given(step=a), given(step=b))
    assert found.tests == 2
    for each, reduce in zip(found.cases[0].verdict.columns[0].evidence, (np.min, np.median), strict=True):
        pair = np.log(reduce(a, axis=1)), np.log(reduce(b, axis=1))
        assert each.slowdown == pytest.approx(math.expm1(shift(*pair)))
        assert (each.low, each.high) == pytest.approx(tuple(math.expm1(end) for end in shift_bounds(*pair, 0.01)))
        assert each.p == pytest.approx(slower_p(*pair))
        assert each.detectable == pytest.approx(detectable_shift(*pair, 0.005))
    ps = sorted((each.p, each.adjusted_p) for each in found.cases[0].verdict.columns[0].evidence)
    assert ps[0][1] == pytest.approx(2 * ps[0][0])
    assert ps[1][1] == pytest.approx(max(ps[1][0], ps[0][1]))
    assert [each.statistic for each in found.cases[0].verdict.columns[0].evidence] == [MINIMUM, MEDIAN]


def test_a_slowdown_of_few_samples_is_seen_by_the_median_alone() -> None:
    usual = times()
    tail = [[each[0], each[1] * 1.3, each[2] * 1.3] for each in times(n=11)]
    case = only(given(step=usual), given(step=tail))
    assert [each.verdict for each in case.verdict.columns[0].evidence] == [PASS, REGRESSION]
    assert case.verdict.reason.startswith("step: the median is slower by 30.0%")


def test_minima_are_taken_over_equally_many_samples() -> None:
    """Run A had ten times the budget of B, and is not slower for it."""
    draw = np.random.default_rng(5)
    long, short = 1 + draw.exponential(0.2, (12, 100)), 1 + draw.exponential(0.2, (12, 5))
    case = only(given(step=long), given(step=short))
    first = np.log(long[:, :5].min(axis=1)), np.log(short.min(axis=1))
    assert case.verdict.columns[0].evidence[0].slowdown == pytest.approx(math.expm1(shift(*first)))
    assert case.verdict.columns[0].evidence[0].p > 0.05
    assert slower_p(np.log(long.min(axis=1)), first[1]) < 0.001, "over all samples it would have looked slower"


def test_the_phase_that_got_slower_is_named() -> None:
    a = given(**{phase: times() for phase in PHASES})
    slow = {"step": times(0.05, 11), "forward": times(0.2, 11), "backward": times(0.0, 11), "update": times(0.0, 11)}
    case = only(a, given(**slow))
    assert [column.name for column in case.verdict.columns] == list(PHASES)
    assert [column.verdict for column in case.verdict.columns] == [REGRESSION, REGRESSION, PASS, PASS]
    assert [change.phase for change in case.changed] == [Phase.FORWARD]
    assert case.changed[0].seconds == pytest.approx(2e-4, rel=1e-3)


@pytest.mark.parametrize("n", [1, 4])
def test_too_few_processes_leave_it_open_and_it_is_said_how_many_would_do(n: int) -> None:
    for slowdown in (0.0, 5.0):
        case = only(given(step=times(n=n)), given(step=times(slowdown, n)))
        assert case.verdict.verdict is INCONCLUSIVE
        assert case.verdict.reason == f"step: {n} against {n} processes give no bound, 5 of each run do"
    five = only(given(step=times(n=5)), given(step=times(0.001, n=5)))
    assert five.verdict.verdict is PASS


def test_a_pass_among_too_many_tests_does_not_claim_to_have_been_able_to_see() -> None:
    five = {phase: times(n=5) for phase in PHASES}
    case = only(given(**five), given(**{phase: times(0.001, n=5) for phase in PHASES}))
    assert case.verdict.verdict is PASS
    assert "so few processes for so many cases could not have shown any slowdown" in case.verdict.reason


# INVALID


def test_a_case_that_one_run_lacks_is_invalid(run: Callable[..., Run]) -> None:
    other: dict[str, Any] = {"implementation": "torch_nn", "backend": "torch-cpu"}
    both = run((PLAIN, {"step": times()}), (other, {"step": times()}))
    one = run((PLAIN, {"step": times(0.001, 11)}))
    for a, b, letter in ((both, one, "B"), (one, both, "A")):
        fine, lost = judged(a, b).cases
        assert fine.verdict.verdict is PASS
        assert lost.verdict.verdict is INVALID
        assert lost.verdict.reason == f"step: run {letter} does not have it"
        assert (lost.seconds_a, lost.seconds_b, lost.processes) == (None, None, (0, 0))
        assert judged(a, b).verdict is INVALID


@pytest.mark.parametrize("status", [Status.FAILED, Status.WRONG, Status.TIMEOUT])
def test_a_case_that_failed_or_was_wrong_in_one_run_is_invalid(
    run: Callable[..., Run], build: ModuleType, tmp_path: Path, status: Status
) -> None:
    made = build.HandMade(tmp_path / "bad")
    case = made.plan()
    for number, seconds in enumerate(times(5.0, 12)):
        made.process(case, number, step=seconds, status=Status.OK if number else status, reason="" if number else "bad")
    bad = case_times(read(made))
    good = run((PLAIN, {"step": times()}))
    for a, b, letter in ((good, bad, "B"), (bad, good, "A")):
        found = only(a, b)
        assert found.verdict.verdict is INVALID
        assert found.verdict.reason == f"step: {status} in run {letter}: bad"


def test_a_phase_that_one_run_lacks_and_a_clock_that_stood_still_are_invalid(run: Callable[..., Run]) -> None:
    full = run((PLAIN, {"step": times(), "forward": times()}))
    fused = run((PLAIN, {"step": times(0.001, 11)}))
    still = run((PLAIN, {"step": times(0.001, 11), "forward": [[0.0, 1.0, 1.0]] * 11}))
    for other, reason in ((fused, "run B has no forward times"), (still, "run B has forward times that are not")):
        case = only(full, other)
        assert [column.verdict for column in case.verdict.columns] == [PASS, INVALID]
        assert case.verdict.verdict is INVALID
        assert case.verdict.reason.startswith(f"forward: {reason}")
    assert "run A has no forward times" in only(fused, full).verdict.reason


def test_what_is_invalid_takes_no_part_in_the_correction(run: Callable[..., Run]) -> None:
    other: dict[str, Any] = {"implementation": "torch_nn", "backend": "torch-cpu"}
    a, b = run((PLAIN, {"step": times()})), run((PLAIN, {"step": times(0.01, 11)}))
    beside = run((PLAIN, {"step": times()}), (other, {"step": times()}))
    assert judged(beside, b).cases[0].verdict == judged(a, b).cases[0].verdict
    assert judged(beside, b).tests == 2


def test_what_both_runs_skipped_is_named_and_left_out_but_not_what_one_skipped(
    run: Callable[..., Run], build: ModuleType, tmp_path: Path
) -> None:
    cuda: dict[str, Any] = {"implementation": "torch_nn", "backend": "torch-cuda"}
    runs = []
    for name in "ab":
        made = build.HandMade(tmp_path / name)
        made.plan(**cuda, skipped="no CUDA device")
        for number, seconds in enumerate(times(n=10)):
            made.process(made.plan() if not number else build.make_case(), number, step=seconds)
        runs.append(case_times(read(made)))
    found = judged(*runs)
    assert found.left_out == {"torch_nn torch-cuda": "no CUDA device"}
    assert [case.verdict.verdict for case in found.cases] == [PASS]
    without = run((PLAIN, {"step": times(0.001, 11)}))
    assert judged(runs[0], without).left_out == found.left_out, "no run has tried it"
    there = run((PLAIN, {"step": times(0.001, 11)}), (cuda, {"step": times()}))
    (reason,) = (case.verdict.reason for case in judged(runs[0], there).cases if case.verdict.verdict is INVALID)
    assert reason == "step: skipped in run A: no CUDA device"


def test_throttled_rounds_are_left_out(run: Callable[..., Run], build: ModuleType, tmp_path: Path) -> None:
    made = build.HandMade(tmp_path / "hot")
    case = made.plan()
    for number, seconds in enumerate([*times(0.001, 11), *times(9.0, 4)]):
        made.process(case, number, step=seconds, throttled="thermal" if number > 10 else "")
    found = only(run((PLAIN, {"step": times()})), case_times(read(made)))
    assert found.processes == (10, 11)
    assert found.verdict.verdict is PASS


def test_only_whole_and_staged_times_by_the_host_clock_count(
    run: Callable[..., Run], build: ModuleType, tmp_path: Path
) -> None:
    a = run((PLAIN, {"step": times(), "forward": times()}))
    profiled = run((PLAIN, {"step": times(0.001, 11), "forward": times(9.0, 11)}), method=Method.PROFILED)
    assert "run B has no forward times" in only(a, profiled).verdict.reason
    single = run((PLAIN, {"step": times(0.001, 11), "forward": times(0.0, 11)}), by_variant={0: [9.0] * 9}, first=9.0)
    assert only(a, single).verdict.verdict is PASS
    made = build.HandMade(tmp_path / "device")
    made.process(made.plan(), step=[1.0], phases={"forward": [1.0]})
    device = read(made)
    clock = device.samples["clock"].astype("str")
    device.samples["clock"] = clock.where(device.samples["phase"] != "step", "device")
    assert "run B has no step times" in only(a, case_times(device)).verdict.reason


def test_runs_without_a_case_in_common_have_nothing_to_compare(run: Callable[..., Run]) -> None:
    a, b = run((PLAIN, {"step": times()})), run(({"threads": 1}, {"step": times()}))
    with pytest.raises(NothingRanError, match="share no case"):
        judged(a, b)


# Simulated runs: what one process does to all of its times is shared by its columns.


def key(name: str = "a") -> Case:
    return Case(name, "mlp_sgd", "numpy", "numpy", "cpu", tutorial(), 2)


def drawn(
    draw: np.random.Generator, name: str = "a", n: int = 10, sd: float = 0.03, shifts: Sequence[float] = (0, 0, 0, 0)
) -> Run:
    common = draw.normal(size=(n, 1, 1))
    noise = sd * (math.sqrt(0.5) * common + math.sqrt(0.5) * draw.standard_t(5, (n, 4, 5)))
    seconds = np.exp(noise + np.log1p(np.asarray(shifts))[None, :, None])
    return {key(name): CaseTimes(Status.OK, "", {phase: tuple(seconds[:, h]) for h, phase in enumerate(PHASES)})}


def verdict_of(a: Run, b: Run, criteria: Criteria) -> Verdict:
    return judge_runs(a, [b], {each: each.implementation for each in a}, criteria)[0].verdict


def most(count: int, probability: float) -> int:
    return int(stats.binom.ppf(0.999, count, probability))


STRICT = Criteria(alpha=0.05, margin=0.0, tolerance=0.05)
"""No margin: then a REGRESSION is as likely as the tests alone make it."""


@pytest.mark.parametrize(
    ("alpha", "cases"),
    [(0.05, 3), (0.01, 1), *(pytest.param(*each, marks=pytest.mark.slow) for each in ((0.05, 1), (0.01, 3)))],
)
def test_runs_that_are_alike_show_a_regression_no_more_often_than_alpha(alpha: float, cases: int) -> None:
    draw, count, false = np.random.default_rng(71), 300 // cases, 0
    criteria = replace(STRICT, alpha=alpha)
    for _ in range(count):
        sides = [{k: v for i in range(cases) for k, v in drawn(draw, str(i)).items()} for _ in "ab"]
        false += verdict_of(sides[0], sides[1], criteria) is REGRESSION
    assert false <= most(count, alpha)


def test_a_single_test_errs_about_as_often_as_it_may() -> None:
    """Not so careful that it says nothing: with one column there is little to correct for."""
    draw, count, false = np.random.default_rng(72), 600, 0
    for _ in range(count):
        sides = [{key(): CaseTimes(Status.OK, "", {"step": tuple(draw.normal(1, 0.03, (12, 1)))})} for _ in "ab"]
        false += verdict_of(sides[0], sides[1], STRICT) is REGRESSION
    assert 0.3 * 0.05 * count <= false <= most(count, 0.05)


def test_ten_processes_of_three_percent_spread_see_ten_percent() -> None:
    draw, count = np.random.default_rng(73), 50
    seen = 0
    for _ in range(count):
        a, b = drawn(draw), drawn(draw, shifts=(0.1, 0.1, 0.1, 0.1))
        seen += verdict_of(a, b, Criteria()) is REGRESSION
    assert seen >= 0.95 * count


def test_a_slowdown_at_the_tolerance_passes_no_more_often_than_alpha() -> None:
    draw, count, passed = np.random.default_rng(74), 500, 0
    criteria = Criteria(alpha=0.05, margin=0.0499, tolerance=0.05)
    for _ in range(count):
        sides = [
            {key(): CaseTimes(Status.OK, "", {"step": tuple(np.exp(draw.normal(at, 0.03, (12, 1))))})}
            for at in (0.0, math.log(1.05))
        ]
        passed += verdict_of(sides[0], sides[1], criteria) is PASS
    assert 0.3 * 0.05 * count <= passed <= most(count, 0.05)


@pytest.mark.slow
def test_runs_read_from_files_err_no_more_often_either(run: Callable[..., Run]) -> None:
    """The whole way from a run's files to its verdicts: many cases, each judged as if it were alone."""
    draw, count = np.random.default_rng(75), 15

    def fresh(slowdown: float) -> Run:
        cases = []
        for number in range(count):
            noise = draw.normal(0, 0.02, (8, 1)) + draw.normal(0, 0.01, (len(PHASES), 8, 3))
            seconds = (1 + slowdown) * np.exp(noise)
            cases.append(({"implementation": f"case{number}"}, dict(zip(PHASES, seconds, strict=True))))
        return run(*cases)

    usual, alike, slower = fresh(0.0), fresh(0.0), fresh(0.2)

    def regressions(b: Run) -> int:
        found = [judge_runs(usual, [b], {each: each.implementation}, STRICT)[0].verdict for each in usual]
        return sum(verdict is REGRESSION for verdict in found)

    assert regressions(alike) <= most(count, 0.05)
    assert regressions(slower) == count
