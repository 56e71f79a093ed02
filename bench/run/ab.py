"""A against B: pairs from look to look within a time budget, then a verdict for each case.

Every case is measured up to its first look, those that are not decided there up to the next, and so on. What a look
decides, and at which risk, is `bench.analysis.verdict`'s business.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.analysis.decision import PhaseChange, changed_phases, share_of
from bench.analysis.rule import ColumnVerdict, FamilyVerdict, Statistic, Verdict
from bench.analysis.verdict import Family, PairedColumn, judge
from bench.data.pairs import PairRow, append_pairs
from bench.data.schema import STEP
from bench.errors import ChildError
from bench.model.step import STAGES
from bench.run.asking import Truths
from bench.run.forecast import foresee
from bench.run.lanes import Lanes, PairDone, PairTask
from bench.run.matching import Match
from bench.run.pairs import A, B, Pair, PairCase
from bench.run.terms import Terms
from bench.run.watcher import Watcher
from bench.stats import Floats
from bench.stats.looks import planned_looks
from bench.stats.paired import pair_value

PHASES = (STEP, *STAGES)
_GRACE_SECONDS = 30.0
"""How long after the budget a first look may end: without it nothing is known."""


@dataclass(frozen=True)
class Decided:
    """A case's verdict and how it came about."""

    verdict: FamilyVerdict
    looks: int
    """How many looks it took; 0 if a side is missing, wrong or died, or if the budget did not hold the first."""
    seconds_a: float | None = None
    """Seconds of a whole step of side A, by the statistic that decides; see `typical_seconds`."""
    seconds_b: float | None = None
    changed: tuple[PhaseChange, ...] = ()
    """The phases that got slower, the one that adds most first."""


class Looks:
    """Measures the cases of a match from look to look and judges them."""

    def __init__(
        self,
        match: Match,
        lanes: Lanes,
        truths: Truths,
        watcher: Watcher,
        terms: Terms,
        folder: Path,
        *,
        renew: Callable[[int], None] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            match: the cases.
            lanes: measure pairs.
            truths: the oracle's files.
            watcher: is told about progress.
            terms: pairs and budget, what a verdict takes, and the seed.
            folder: where pairs.csv is; its name is that of the comparison.
            renew: called with the number of a pair before it is measured of all cases, to renew interpreters; None if
                none are.
            now: a clock in seconds.
        """
        self._match, self._lanes, self._truths, self._watcher = match, lanes, truths, watcher
        self._volume, self._criteria, self._seed = terms.volume, terms.criteria, terms.seed
        self._folder, self._run_id, self._renew, self._now = folder, folder.resolve().name, renew, now
        self._end = now() + terms.volume.budget_seconds
        self._broken: dict[str, str] = {}
        self._seconds: dict[str, float] = {}
        """The time of the last pair of each case."""
        self._renewals: list[float] = []
        """The time that each renewal of the interpreters took."""
        self._found: dict[str, dict[int, Pair]] = {}
        """Pairs by case and number."""
        self._looks = planned_looks(terms.volume.pairs, terms.criteria.alpha)

    def decide(self) -> list[Decided]:
        """Measure and judge; a verdict for every case of the match, what cannot be compared included."""
        going = list(self._match.cases)
        found: dict[str, FamilyVerdict] = {}
        began = 0
        for number, look in enumerate(self._looks, 1):
            if number == 1:
                self._stage(number, going, range(began := 1), look)  # it shows what a pair costs
                if self._found:
                    self._foresee(going, look)
            if not self._affordable(going, look - began, _GRACE_SECONDS if number == 1 else 0.0):
                break
            self._stage(number, going, range(began, look), look)
            found = {verdict.name: verdict for verdict in self._judge()}
            going = [case for case in going if not found[case.label].decided]
            began = look
            if not going:
                break
        for case in going:
            before = found.get(case.label) or _unseen(case.label, Verdict.INCONCLUSIVE, f"{began} pair is too few")
            reason = f"{before.reason}; the budget has no room for its next pairs: raise --budget"
            found[case.label] = replace(before, reason=reason)
        found |= {label: _unseen(label, Verdict.INVALID, why) for label, why in self._broken.items()}
        decided = [self._decided(found[case.label]) for case in self._match.cases]
        return decided + [
            Decided(_unseen(label, Verdict.INVALID, why), 0) for label, why in self._match.unmatched.items()
        ]

    def _foresee(self, cases: Sequence[PairCase], look: int) -> None:
        """Tell how many pairs the budget holds, and how many a first look takes."""
        left, budget = self._end + _GRACE_SECONDS - self._now(), self._volume.budget_seconds
        found = foresee("pair of each case", self._cost(cases), look, "a first look", left=left, budget=budget)
        self._watcher.foreseen(found)

    def _affordable(self, cases: Sequence[PairCase], pairs: int, grace: float) -> bool:
        """Say whether the rest of the budget, and a grace in seconds, holds so many pairs of each of these cases."""
        return self._now() + pairs * self._cost(cases) <= self._end + grace

    def _cost(self, cases: Sequence[PairCase]) -> float:
        """Return the seconds that one pair of each of these cases takes, renewed interpreters included."""
        renewing = sum(self._renewals) / len(self._renewals) if self._renewals else 0.0
        shared = {True: len(self._lanes), False: 1}
        return renewing + sum(self._seconds.get(case.label, 0.0) / shared[case.on_host] for case in cases)

    def _stage(self, look: int, cases: Sequence[PairCase], numbers: range, of: int) -> None:
        """Measure pair after pair of all cases in turn, so that a drift of the machine falls on all.

        Pairs in the host's memory are measured side by side; those on another device follow, one at a time.
        """
        for some in [numbers] if self._renew is None else [range(number, number + 1) for number in numbers]:
            if all(case.label in self._broken for case in cases):
                return
            if self._renew is not None:
                began = self._now()
                self._renew(some.start)
                self._renewals.append(self._now() - began)
            tasks = [PairTask(case, number) for number in some for case in self._shuffled(cases, number)]
            for on_host, lanes in ((True, None), (False, 1)):
                those = [task for task in tasks if task.case.on_host is on_host]
                with closing(self._lanes.run(self._announced(those, of), lanes)) as measured:
                    for done in measured:
                        self._take(look, done)

    def _shuffled(self, cases: Sequence[PairCase], number: int) -> Sequence[PairCase]:
        return random.Random(f"{self._seed}/{number}").sample(cases, len(cases))  # noqa: S311 - an order, not a secret

    def _announced(self, tasks: Iterable[PairTask], of: int) -> Iterator[PairTask]:
        """Give out what can still be measured, one when there is room for it."""
        for task in tasks:
            if task.case.label in self._broken:
                continue
            try:
                self._truths.path(task.case.a)  # before either side asks: what is true is side A's to say
            except ChildError as error:
                self._broken[task.case.label] = str(error)
                continue
            self._watcher.pairing(task.case.case, task.number, of)
            yield task

    def _take(self, look: int, done: PairDone) -> None:
        case, number = done.task.case, done.task.number
        if isinstance(done.found, ChildError):
            self._broken[case.label] = str(done.found)
            return
        self._seconds[case.label] = done.seconds
        self._found.setdefault(case.label, {})[number] = done.found
        append_pairs(self._folder, rows_of_pair(self._run_id, case, look, number, done.found))

    def _pairs(self, label: str) -> list[Pair]:
        """Return a case's pairs in the order of their numbers."""
        return [pair for _, pair in sorted(self._found.get(label, {}).items())]

    def _judge(self) -> Sequence[FamilyVerdict]:
        return judge([self._family(case) for case in self._match.cases], self._seed, self._criteria)

    def _family(self, case: PairCase) -> Family:
        pairs = self._pairs(case.label)
        if (broken := self._broken.get(case.label)) is not None or not pairs:
            return Family(case.label, 0, (PairedColumn(STEP, invalid=broken or "no pair was measured"),))
        return family_of(case.label, pairs, self._looks)

    def _decided(self, verdict: FamilyVerdict) -> Decided:
        pairs = self._pairs(verdict.name)
        if verdict.name in self._broken or len(pairs) not in self._looks:
            return Decided(verdict, 0)
        shown = verdict.columns[0].deciding
        statistic = Statistic.MINIMUM if shown is None else shown.statistic
        a, b = (typical_seconds(pairs, side, statistic) for side in (A, B))
        looks = self._looks.index(len(pairs)) + 1
        return Decided(verdict, looks, a[STEP], b[STEP], changed_phases(verdict, typical_seconds(pairs, A)))


def _unseen(name: str, verdict: Verdict, reason: str) -> FamilyVerdict:
    """Return the verdict on a case whose pairs no look has judged."""
    return FamilyVerdict(name, verdict, reason, (ColumnVerdict(STEP, verdict, reason),))


def typical_seconds(pairs: Sequence[Pair], side: str, statistic: Statistic = Statistic.MINIMUM) -> dict[str, float]:
    """Return the seconds an iteration of each phase: medians over pairs of the median over turns of one statistic."""
    by_pair = {phase: _over_turns(pairs, side, phase, statistic) for phase in pairs[0].turns[0][side].minimum}
    return {phase: float(np.median(values)) / 1e9 for phase, values in by_pair.items()}


def _over_turns(pairs: Sequence[Pair], side: str, phase: str, statistic: Statistic = Statistic.MINIMUM) -> Floats:
    """Return the median over turns of one statistic of a side, in nanoseconds, one a pair."""
    return np.array([np.median([getattr(it[side], statistic.value)[phase] for it in pair.turns]) for pair in pairs])


def family_of(
    name: str, pairs: Sequence[Pair], looks: tuple[int, ...] = (), baseline: str = A, contender: str = B
) -> Family:
    """Collect what pairs say about a case, phase by phase.

    Args:
        name: the case's name.
        pairs: at least one.
        looks: after how many pairs it is judged; at these alone if empty.
        baseline: the arm to compare with.
        contender: the arm to judge.
    """
    arms = (baseline, contender)
    # One side may be fused where the other is not: what both have is compared.
    phases = [phase for phase in PHASES if all(phase in pairs[0].turns[0][arm].minimum for arm in arms)]
    seconds = typical_seconds(pairs, baseline)
    columns = tuple(replace(_column(pairs, phase, arms), share=share_of(phase, seconds)) for phase in phases)
    steps = [_over_turns(pairs, arm, STEP) for arm in arms]
    sides = None if columns[0].invalid else (np.log(steps[0]), np.log(steps[1]))
    return Family(name, len(pairs), columns, looks, sides)


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


def rows_of_pair(run_id: str, case: PairCase, look: int, number: int, pair: Pair) -> list[PairRow]:
    """Make the rows of one pair."""
    cases = {A: case.a.case, B: case.b.case}
    return [
        PairRow(
            run_id=run_id,
            case=cases[side],
            stage=look,
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
