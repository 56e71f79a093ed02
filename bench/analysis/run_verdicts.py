"""Verdicts over stored runs, each against the first, by the rule of `bench ab`.

Runs were measured at two times, so their processes are two groups and no pairs. Bounds are wider than those of pairs,
since what the machine does to a process is not taken off by a partner. How it drifted from one run to the other is in
no bound at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np

from bench.analysis.compare import Comparable
from bench.analysis.decision import PhaseChange, changed_phases, share_of
from bench.analysis.rule import (
    ColumnVerdict,
    Criteria,
    Evidence,
    FamilyVerdict,
    Statistic,
    Verdict,
    column_verdict,
    evidence_of,
    family_verdict,
    worst,
)
from bench.analysis.stored import PHASES, CaseTimes, trouble, untried
from bench.data.schema import STEP
from bench.errors import NothingRanError
from bench.model.case import Case
from bench.stats import Floats
from bench.stats.paired import step_down_families
from bench.stats.unpaired import detectable_shift, processes_needed, shift, shift_bounds, slower_p

Groups = tuple[Floats, Floats]
"""The logarithms of A's and of B's times, one a process."""


@dataclass(frozen=True)
class CaseVerdict:
    """The verdict of one case and what it rests on."""

    case: Case
    verdict: FamilyVerdict
    processes: tuple[int, int]
    """Those of A and of B that timed a whole step."""
    seconds_a: float | None = None
    """Whole step of run A: the median over processes of their minimum."""
    seconds_b: float | None = None
    changed: tuple[PhaseChange, ...] = ()
    """The phases that got slower, the one that adds most first."""


@dataclass(frozen=True)
class RunsJudged:
    """The verdicts over a run against the first one."""

    cases: tuple[CaseVerdict, ...]
    left_out: Mapping[str, str]
    """Cases that neither run measured, by name, with the reason."""
    tests: int
    """How many were corrected together: statistics of columns of cases of all runs that were judged."""

    @property
    def verdict(self) -> Verdict:
        """That of the worst case."""
        return worst(case.verdict.verdict for case in self.cases)


def without_times(
    a: Mapping[Comparable, CaseTimes], b: Mapping[Comparable, CaseTimes], names: Mapping[Comparable, str]
) -> dict[Comparable, str]:
    """Find the cases that no run measured or tried to, with the reason: nobody can say anything about them.

    Raises:
        NothingRanError: of the other cases none is in both runs.
    """
    left_out = {key: reason for key in names if (reason := untried(a.get(key), b.get(key)))}
    if not any(key in a and key in b for key in names.keys() - left_out):
        raise NothingRanError(
            "The two runs share no case that was measured: choose runs of the same implementations, sizes, threads and "
            "modes."
        )
    return left_out


def judge_runs(
    a: Mapping[Case, CaseTimes],
    others: Sequence[Mapping[Case, CaseTimes]],
    names: Mapping[Case, str],
    criteria: Criteria | None = None,
) -> list[RunsJudged]:
    """Judge each case of each other run: is it slower there than in run A?

    A case is a family; its columns are the whole step and the phases that were timed apart, each seen by the minimum
    and the median of each process. A statistic is tested by the one-sided Mann-Whitney test, and its p is corrected by
    Holm's method over all statistics, columns, cases and runs. It makes no use of how columns hang together, as the
    shared flips of pairs do, nor of the runs' having A in common: the correction keeps its promise and costs more than
    it need.

    A minimum falls with the number of samples that it is taken over, and runs of other budgets take more or fewer. So
    it is taken over the first samples of each process, as many as the process with the fewest has on either side.

    Args:
        a: the run to compare with, from `case_times`.
        others: the runs to judge, which are called B, C ...
        names: of the cases to judge, in their order; no two alike.
        criteria: the default ones if None.

    Raises:
        NothingRanError: A shares no case with one of them that either measured.
    """
    criteria = criteria or Criteria()
    pairs = []
    for letter, b in zip(ascii_uppercase[1:], others, strict=False):
        left_out = without_times(a, b, names)
        kept = {key: _prepare(a.get(key), b.get(key), f"A{letter}") for key in names if key not in left_out}
        pairs.append((kept, {names[key]: reason for key, reason in left_out.items()}))
    groups = [
        column[statistic]
        for cases, _ in pairs
        for columns in cases.values()
        for column in columns.values()
        if not isinstance(column, str)
        for statistic in Statistic
    ]
    p = [slower_p(*pair) for pair in groups]
    adjusted = [family[0] for family in step_down_families([[each] for each in p])]
    found = iter(zip(p, adjusted, strict=True))
    return [
        RunsJudged(
            tuple(_case_verdict(key, names[key], columns, found, len(p), criteria) for key, columns in cases.items()),
            left_out,
            len(p),
        )
        for cases, left_out in pairs
    ]


def _prepare(one: CaseTimes | None, other: CaseTimes | None, letters: str) -> dict[str, str | dict[Statistic, Groups]]:
    """Collect the values of each column, or why there are none to judge."""
    reason = trouble(one, other, letters)
    if reason or one is None or other is None:
        return {STEP: reason}
    timed = [phase for phase in PHASES if phase == STEP or phase in one.columns or phase in other.columns]
    sides = [{phase: each.columns.get(phase, ()) for phase in timed} for each in (one, other)]
    return {phase: _column(phase, sides[0][phase], sides[1][phase], letters) for phase in timed}


def _column(phase: str, a: tuple[Floats, ...], b: tuple[Floats, ...], letters: str) -> str | dict[Statistic, Groups]:
    for letter, side in zip(letters, (a, b), strict=True):
        if not side:
            return f"run {letter} has no {phase} times"
        if not all((times > 0).all() and np.isfinite(times).all() for times in side):
            return f"run {letter} has {phase} times that are not positive"
    fewest = min(len(times) for times in (*a, *b))

    def minima(side: tuple[Floats, ...]) -> Floats:
        return np.log([times[:fewest].min() for times in side])

    def medians(side: tuple[Floats, ...]) -> Floats:
        return np.log([np.median(times) for times in side])

    return {Statistic.MINIMUM: (minima(a), minima(b)), Statistic.MEDIAN: (medians(a), medians(b))}


def _evidence(
    statistic: Statistic, pair: Groups, p: tuple[float, float], share: float, tests: int, criteria: Criteria
) -> Evidence:
    logs = (shift(*pair), *shift_bounds(*pair, criteria.alpha))
    reach = detectable_shift(*pair, criteria.alpha / tests, criteria.power)
    return evidence_of(statistic, logs, p, reach, criteria, share=share)


def _case_verdict(
    key: Case,
    name: str,
    columns: Mapping[str, str | dict[Statistic, Groups]],
    found: Iterator[tuple[float, float]],
    tests: int,
    criteria: Criteria,
) -> CaseVerdict:
    """Judge a case, whose p values are what `found` gives next."""
    need = processes_needed(criteria.alpha)
    verdicts = []
    seconds: tuple[dict[str, float], dict[str, float]] = ({}, {})
    processes = (0, 0)
    for phase, values in columns.items():
        if isinstance(values, str):
            verdicts.append(ColumnVerdict(phase, Verdict.INVALID, values))
            continue
        a, b = values[Statistic.MINIMUM]
        seconds[0][phase], seconds[1][phase] = (float(np.exp(np.median(side))) for side in (a, b))
        if phase == STEP:
            processes = (len(a), len(b))
        no_bound = f"{len(a)} against {len(b)} processes give no bound, {need} of each run do"
        share = share_of(phase, seconds[0])
        evidence = tuple(_evidence(each, values[each], next(found), share, tests, criteria) for each in Statistic)
        verdicts.append(column_verdict(phase, evidence, criteria, no_bound, "processes"))
    verdict = family_verdict(name, verdicts)
    changed = changed_phases(verdict, seconds[0])
    return CaseVerdict(key, verdict, processes, seconds[0].get(STEP), seconds[1].get(STEP), changed)
