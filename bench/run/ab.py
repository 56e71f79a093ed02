"""A against B: pairs in two stages within a time budget, then a verdict for each case.

Stage 1 measures a few pairs of every case. What is clearly fine stops there. Everything else is decided by *fresh*
pairs alone: looking at pairs, measuring more and looking again would find a slowdown in pure noise sooner or later.
How many pairs a stage has is settled before it begins.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.analysis.decision import PhaseChange, after_first_stage, after_second_stage, changed_phases
from bench.analysis.rule import ColumnVerdict, FamilyVerdict, Statistic, Verdict
from bench.analysis.verdict import Family, PairedColumn, judge
from bench.data.schema import STEP, PairRow
from bench.data.store import append_pairs
from bench.errors import ChildError
from bench.model.step import STAGES
from bench.run.asking import Truths
from bench.run.matching import Match
from bench.run.pairs import A, B, Pair, PairCase
from bench.run.terms import Terms
from bench.run.watcher import Watcher
from bench.stats.paired import pair_value, pairs_needed

PHASES = (STEP, *STAGES)


@dataclass(frozen=True)
class Decided:
    """A case's verdict and how it came about."""

    verdict: FamilyVerdict
    stage: int
    """1 if there were first pairs only, 2 if fresh ones decided; 0 if a side is missing, wrong or died."""
    seconds_a: float | None = None
    """Seconds of a whole step of side A; see `typical_seconds`."""
    seconds_b: float | None = None
    changed: tuple[PhaseChange, ...] = ()
    """The phases that got slower, the one that adds most first."""


class TwoStages:
    """Measures the cases of a match in two stages and judges them."""

    def __init__(
        self,
        match: Match,
        measure: Callable[[PairCase], Pair],
        truths: Truths,
        watcher: Watcher,
        terms: Terms,
        folder: Path,
        *,
        renew: Callable[[int], None] = lambda number: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            match: the cases.
            measure: measures a pair.
            truths: the oracle's files.
            watcher: is told about progress.
            terms: pairs and budget, what a verdict takes, and the seed.
            folder: where pairs.csv is; its name is that of the comparison.
            renew: called before every pair of a case with its number, to renew interpreters.
            now: a clock in seconds.
        """
        self._match, self._measure_pair, self._truths, self._watcher = match, measure, truths, watcher
        self._volume, self._criteria, self._seed = terms.volume, terms.criteria, terms.seed
        self._folder, self._run_id, self._renew, self._now = folder, folder.resolve().name, renew, now
        self._end = now() + terms.volume.budget_seconds
        self._broken: dict[str, str] = {}
        self._seconds: dict[str, float] = {}
        """What one pair of a case cost."""
        self._renewals: list[float] = []
        """What renewing cost before each pair of all cases."""
        self._pairs: dict[tuple[str, int], list[Pair]] = {}

    def decide(self) -> list[Decided]:
        """Measure both stages; a verdict for every case of the match, what cannot be compared included."""
        cases = list(self._match.cases)
        self._stage(1, cases, self._volume.first)
        first = after_first_stage(self._judge(cases, 1), self._criteria)
        again = [case for case in cases if case.label in first.again]
        live = [case for case in again if case.label not in self._broken]
        pairs, needed = self._affordable(live), pairs_needed(self._criteria.alpha, max(1, len(live)))
        if live and pairs >= needed:
            self._stage(2, live, pairs)
            verdicts, stage = after_second_stage(first, self._judge(again, 2)), 2
        else:
            verdicts, stage = (*first.fine, *(self._undecided(case, needed) for case in live)), 1
        stages = {case.label: stage for case in again}
        found = {verdict.name: verdict for verdict in verdicts}
        found |= {label: _invalid(label, why) for label, why in self._broken.items()}
        decided = [self._decided(found[case.label], stages.get(case.label, 1)) for case in cases]
        return decided + [Decided(_invalid(label, why), 0) for label, why in self._match.unmatched.items()]

    def _undecided(self, case: PairCase, needed: int) -> FamilyVerdict:
        """Leave open what the first stage did not decide: there is no time for fresh pairs, or too few are allowed.

        Args:
            case: the case.
            needed: the fewest fresh pairs that could show a slowdown.
        """
        reason = f"its first pairs left it open, and the budget has no room for {needed} fresh ones: raise --budget"
        if self._volume.second < needed:
            reason = f"its first pairs left it open, and it takes {needed} fresh ones to decide: raise --more-pairs"
        return FamilyVerdict(case.label, Verdict.INCONCLUSIVE, reason, ())

    def _affordable(self, cases: Sequence[PairCase]) -> int:
        """Return how many pairs of each of these cases the rest of the budget holds, at most as many as planned."""
        each = self._cost(cases)
        return min(self._volume.second, int((self._end - self._now()) / each)) if each else self._volume.second

    def _cost(self, cases: Sequence[PairCase]) -> float:
        """Return the seconds that one pair of each of these cases takes, renewed interpreters included."""
        renewing = sum(self._renewals) / len(self._renewals) if self._renewals else 0.0
        return renewing + sum(self._seconds.get(case.label, 0.0) for case in cases)

    def _stage(self, stage: int, cases: Sequence[PairCase], pairs: int) -> None:
        """Measure pair after pair of all cases in turn, so that a drift of the machine falls on all."""
        order = random.Random(f"{self._seed}/{stage}")  # noqa: S311 - an order, not a secret
        number = 0
        while number < pairs:
            turn = [case for case in cases if case.label not in self._broken]
            if not turn:
                return
            order.shuffle(turn)
            began = self._now()
            self._renew(number)
            self._renewals.append(self._now() - began)
            for case in turn:
                self._watcher.pairing(case.case, number, pairs)
                self._measure(case, stage, number)
            number += 1
            if stage == 1 and number == 1:  # one pair of each has shown what they cost
                pairs = self._first_pairs(turn)

    def _first_pairs(self, cases: Sequence[PairCase]) -> int:
        """Return the pairs of the first stage: as planned or as half the budget holds, but enough to show something."""
        each = self._cost(cases)
        affordable = int(0.5 * self._volume.budget_seconds / each) if each else self._volume.first
        return min(self._volume.first, max(affordable, pairs_needed(self._criteria.alpha)))

    def _measure(self, case: PairCase, stage: int, number: int) -> None:
        began = self._now()
        try:
            self._truths.path(case.a)  # before either side asks: what is true is side A's to say
            pair = self._measure_pair(case)
        except ChildError as error:
            self._broken[case.label] = str(error)
            return
        self._seconds[case.label] = self._now() - began
        self._pairs.setdefault((case.label, stage), []).append(pair)
        append_pairs(self._folder, rows_of_pair(self._run_id, case, stage, number, pair))

    def _judge(self, cases: Sequence[PairCase], stage: int) -> Sequence[FamilyVerdict]:
        families = [self._family(case, stage) for case in cases]
        return judge(families, np.random.default_rng(self._seed), self._criteria)

    def _family(self, case: PairCase, stage: int) -> Family:
        pairs = self._pairs.get((case.label, stage), [])
        if (broken := self._broken.get(case.label)) is not None or not pairs:
            return Family(case.label, 0, (PairedColumn(STEP, invalid=broken or "no pair was measured"),))
        return family_of(case.label, pairs)

    def _decided(self, verdict: FamilyVerdict, stage: int) -> Decided:
        pairs = self._pairs.get((verdict.name, stage), [])
        if verdict.name in self._broken or not pairs:
            return Decided(verdict, 0)
        times = {side: typical_seconds(pairs, side) for side in (A, B)}
        return Decided(verdict, stage, times[A][STEP], times[B][STEP], changed_phases(verdict, times[A]))


def _invalid(name: str, reason: str) -> FamilyVerdict:
    """Return the verdict on a case that has no pairs to judge."""
    return FamilyVerdict(name, Verdict.INVALID, reason, (ColumnVerdict(STEP, Verdict.INVALID, reason),))


def typical_seconds(pairs: Sequence[Pair], side: str) -> dict[str, float]:
    """Return the seconds an iteration of each phase: medians over pairs of the median over turns of their minima."""
    phases = pairs[0].turns[0][side].minimum
    by_pair = {
        phase: [np.median([found[side].minimum[phase] for found in pair.turns]) for pair in pairs] for phase in phases
    }
    return {phase: float(np.median(values)) / 1e9 for phase, values in by_pair.items()}


def family_of(name: str, pairs: Sequence[Pair], baseline: str = A, contender: str = B) -> Family:
    """Collect what pairs say about a case, phase by phase.

    Args:
        name: the case's name.
        pairs: at least one.
        baseline: the arm to compare with.
        contender: the arm to judge.
    """
    arms = (baseline, contender)
    # One side may be fused where the other is not: what both have is compared.
    phases = [phase for phase in PHASES if all(phase in pairs[0].turns[0][arm].minimum for arm in arms)]
    return Family(name, len(pairs), tuple(_column(pairs, phase, arms) for phase in phases))


def _column(pairs: Sequence[Pair], phase: str, arms: tuple[str, str]) -> PairedColumn:
    """Collect what pairs say about one phase; one that is too short for the clock is invalid."""
    for arm in arms:
        if any(found[arm].minimum[phase] <= 0 for pair in pairs for found in pair.turns):
            return PairedColumn(phase, invalid=f"the clock saw no time pass on side {arm}")
    values = {statistic: [_value(pair, phase, statistic, arms) for pair in pairs] for statistic in Statistic}
    return PairedColumn(phase, values)


def _value(pair: Pair, phase: str, statistic: Statistic, arms: tuple[str, str]) -> float:
    """Return the log ratio of one pair."""
    sides = [[getattr(found[arm], statistic.value)[phase] for found in pair.turns] for arm in arms]
    return pair_value(*sides)


def rows_of_pair(run_id: str, case: PairCase, stage: int, number: int, pair: Pair) -> list[PairRow]:
    """Make the rows of one pair."""
    cases = {A: case.a.case, B: case.b.case}
    return [
        PairRow(
            run_id=run_id,
            case=cases[side],
            stage=stage,
            pair=number,
            turn=index,
            side=side,
            phase=phase,
            minimum_seconds=found[side].minimum[phase] / 1e9,
            median_seconds=found[side].median[phase] / 1e9,
        )
        for index, found in enumerate(pair.turns)
        for side in found
        for phase in found[side].minimum
    ]
