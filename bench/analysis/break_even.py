"""When compiling has paid: the total time of a case that compiles beside that of one that does not.

Total time = build + what the first steps take beyond steady ones (compiling is in it) + steps x the time of one. Each
case that compiles is held against the fastest one that does not, of the same workload, sizes, conditions and backend;
where that backend has none, against what its speedups are over. The difference of steps comes from turns of the same
number, that of starts from processes: so all that a table says of speedups holds here as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.baseline import Baseline, baselines_of
from bench.analysis.summarise import rounds_of_cases
from bench.data.manifest import Manifest
from bench.data.run import cases_by_process
from bench.data.schema import FIRST_STEP, Status, SummaryRow, is_headline
from bench.model.case import Case
from bench.model.device import COLD_STARTS, Cache
from bench.stats.break_even import BreakEven, Mean, break_even, quantile
from bench.stats.estimates import RoundKey, Turns

CACHES = {Cache.COLD: COLD_STARTS, Cache.WARM: (Cache.WARM,)}
"""Values of the column `cache` that count as a start with an empty cache (without a cache, any start) or a filled one.
"""


@dataclass(frozen=True)
class Spending:
    """The time that a case takes in all."""

    start: Mean
    """Seconds that a process spends before its steps are steady, beyond these steps themselves."""
    step: Mean
    """Seconds of one step."""

    def total(self, steps: float) -> tuple[float, float | None]:
        """Return the seconds after so many steps, and half their 95 % interval where it is known."""
        value = self.start.value + steps * self.step.value
        if self.start.error is None or self.step.error is None:
            return value, None
        variances = self.start.error**2, (steps * self.step.error) ** 2
        t = quantile([*zip(variances, (self.start.count, self.step.count), strict=True)])
        return value, t * float(np.sqrt(sum(variances)))


@dataclass(frozen=True)
class Payoff:
    """When compiling pays in one case, with an empty or a filled cache."""

    case: Case
    over: Case
    """The case that it is held against."""
    cache: Cache
    """`COLD` or `WARM`."""
    compiled: Spending
    other: Spending
    after: BreakEven


def payoffs(
    manifest: Manifest, rows: Sequence[SummaryRow], samples: pd.DataFrame, processes: pd.DataFrame
) -> list[Payoff]:
    """Work out when compiling pays, for each measured case that compiles.

    Args:
        manifest: the run's.
        rows: its summary.
        samples: a frame with the columns of `SampleRow`.
        processes: a frame with the columns of `ProcessRow`.
    """
    heads = {row.case: row for row in rows if is_headline(row) and row.status is Status.OK}
    compiling = [row.case for row in heads.values() if {row.compile_cold_seconds, row.compile_warm_seconds} != {None}]
    if not compiling or len(set(processes["machine"])) > 1:  # an interval would need machines as its outer level
        return []
    rounds = rounds_of_cases(manifest, rows, samples, processes)
    starts = _starts(rounds, samples, processes)
    plain = [case for case in heads if case in rounds and case in starts and case not in compiling]
    rules = baselines_of(manifest)
    found = []
    for case in compiling:
        over = _partner(case, plain, rounds, rules[case.workload])
        if over is None or case not in rounds:
            continue
        shared = sorted(rounds[case].keys() & rounds[over].keys())
        if not shared:
            continue
        saved = Mean.of([_saved(rounds[over][number], rounds[case][number]) for number in shared])
        other = Spending(Mean.of(starts[over].start), _step(rounds[over]))
        for cache, labels in CACHES.items():
            known = starts[case][starts[case].cache.isin(labels)].start
            if len(known):
                mine = Spending(Mean.of(known), _step(rounds[case]))
                found.append(Payoff(case, over, cache, mine, other, break_even(mine.start, other.start, saved)))
    return found


def _partner(
    case: Case, plain: Sequence[Case], rounds: Mapping[Case, Mapping[RoundKey, Turns]], rule: Baseline
) -> Case | None:
    """Find the case that one that compiles is held against; None if it was not measured."""
    here = (case.backend, case.problem, case.conditions)
    alike = [
        other
        for other in plain
        if other.workload == case.workload and (other.backend, other.problem, other.conditions) == here
    ]
    return min(alike, key=lambda other: _step(rounds[other]).value, default=None) or rule.of(case, plain)


def _step(rounds: Mapping[RoundKey, Turns]) -> Mean:
    """Return the time of one step, each round's the median of its turns."""
    return Mean.of([float(np.median([*turns.values()])) for turns in rounds.values()])


def _saved(other: Turns, mine: Turns) -> float:
    """Return by how much a step of one takes less than one of the other: the median over the turns that both took."""
    shared = other.keys() & mine.keys()
    if shared:
        return float(np.median([other[turn] - mine[turn] for turn in shared]))
    return float(np.median([*other.values()]) - np.median([*mine.values()]))


def _starts(
    rounds: Mapping[Case, Mapping[RoundKey, Turns]], samples: pd.DataFrame, processes: pd.DataFrame
) -> dict[Case, pd.DataFrame]:
    """Return for each case the start of each process, in seconds, and what the cache did for it.

    Where nothing says what all first steps took, the first one alone does.
    """
    cases = cases_by_process(processes)
    first = samples[samples["phase"] == FIRST_STEP].groupby("process")["seconds"].first()
    frame = processes[["process", "cache", "build_seconds", "compile_seconds"]].copy()
    frame["case"] = frame["process"].map(cases)
    frame = frame[frame["case"].isin(list(rounds))]
    steady = frame["case"].map(lambda case: _step(rounds[case]).value)
    beyond = (frame["process"].map(first) - steady).clip(lower=0)
    frame["start"] = frame["build_seconds"] + frame["compile_seconds"].astype(float).fillna(beyond.astype(float))
    frame = frame.dropna(subset=["start"])
    groups: Any = frame.groupby("case", sort=False)
    return dict(iter(groups))
