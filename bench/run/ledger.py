"""How sure a run is of each case so far, and so where its remaining time goes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from bench.analysis.baseline import baselines
from bench.model.case import Case
from bench.run.plan import Planned
from bench.stats.estimates import MIN_PROCESSES, Estimate, RoundKey, Turns, number_in, speedup_estimate, times_estimate

MIN_ROUNDS = MIN_PROCESSES
"""Rounds over all cases before time is given out by need: an interval needs so many processes."""


class Ledger:
    """Times of whole steps by case, round and turn.

    What a case is judged by is the interval of its speedup, which pairs it with its baseline in the same rounds; a
    baseline, or a case without one in the run, is judged by its own time only where nothing else is. Of several
    machines it is how well these very machines are known: what they leave open about others no round can narrow.
    """

    def __init__(self, planned: Sequence[Planned], baseline: str = "") -> None:
        """Prepare; `baseline` is what was chosen to state speedups over, empty if nothing was."""
        self._chosen = baseline
        self._seconds: dict[Case, dict[RoundKey, Turns]] = {}
        self._own: dict[str, str] = {}
        self._baselines: dict[Case, Case | None] = {}
        self._judged: list[Case] = []
        self._out: set[Case] = set()
        self.add(planned)

    def add(self, planned: Sequence[Planned]) -> None:
        """Add cases that join the run; those that are skipped do not."""
        for item in planned:
            if not item.skipped:
                self._seconds.setdefault(item.case, {})
                self._own[item.case.workload] = item.implementation.workload.baseline
        self._look_up()

    def _look_up(self) -> None:
        """Look up who is judged, and over which baseline."""
        cases = [case for case in self._seconds if case not in self._out]
        rules = baselines(self._chosen, self._own, self._seconds)
        over = {case: rules[case.workload].of(case, cases) for case in self._seconds}
        self._baselines = {case: None if other == case else other for case, other in over.items()}
        contenders = [case for case in cases if self._baselines[case] is not None]
        paired = {*contenders, *(self._baselines[case] for case in contenders)}
        self._judged = [*contenders, *(case for case in cases if case not in paired)]

    def baseline_of(self, case: Case) -> Case | None:
        """Look up what a case's speedup is over; None for a baseline itself and where the run holds none."""
        return self._baselines[case]

    def rounds_of(self, case: Case) -> Mapping[RoundKey, Turns]:
        """Return the times of a case by round; none if it is new to the run."""
        return self._seconds.get(case, {})

    def record(self, case: Case, key: RoundKey, turns: Turns) -> None:
        """Record what a process of a case found in a round; a round may hold several of one case."""
        self._seconds[case][key] = {**self._seconds[case].get(key, {}), **turns}

    def forget(self, number: int) -> None:
        """Forget round `number`, which is invalid for all cases."""
        for seconds in self._seconds.values():
            for key in [key for key in seconds if number_in(key) == number]:
                del seconds[key]

    def drop(self, case: Case) -> None:
        """Drop a case from the run; those whose baseline it is are judged by their own time."""
        self._out.add(case)
        self._look_up()

    def estimate(self, case: Case) -> Estimate | None:
        """Estimate a case's speedup if there is a baseline, else its time; None before the first round."""
        mine, baseline = self._seconds[case], self._baselines[case]
        if baseline is None:
            times = [(key, median(turns.values())) for key, turns in mine.items()]
            return times_estimate(times, here=True) if mine else None
        return speedup_estimate(self._seconds[baseline], mine, here=True)

    def width(self, case: Case) -> float:
        """Return half the interval over the estimate; infinite while there is no interval."""
        estimate = self.estimate(case)
        halfwidth = None if estimate is None else estimate.halfwidth
        return math.inf if halfwidth is None else halfwidth

    def widest(self) -> tuple[Case, float] | None:
        """Return the case that the run is least sure of, with its width; None if nothing is judged."""
        widths = [(case, self.width(case)) for case in self._judged]
        return max(widths, key=lambda item: item[1], default=None)

    def needing(self, within: float) -> list[Case]:
        """List the wider half of the cases whose width is more than `within`, each with its baseline."""
        missing = sorted((case for case in self._judged if self.width(case) > within), key=self.width, reverse=True)
        chosen = missing[: -(-len(missing) // 2)]
        baselines = [self._baselines[case] for case in chosen]
        return list(dict.fromkeys([*chosen, *(case for case in baselines if case is not None)]))
