"""Performance profiles: how often a contender is the fastest, and how far behind it is elsewhere.

After Dolan and Moré, "Benchmarking optimization software with performance profiles", Mathematical Programming 91, 2002.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import pandas as pd

from bench.analysis.baseline import baselines_of
from bench.analysis.sound import SoundCase, sound_cases
from bench.data.manifest import ImplementationFacts, Manifest
from bench.data.schema import SummaryRow
from bench.model.case import CONDITIONS, Case
from bench.model.problem import Problem
from bench.stats.estimates import (
    Estimate,
    RoundKey,
    by_machine,
    exponential,
    mean_of_means,
    round_log_ratios,
    rounds_estimate,
)

_TOLD_APART = tuple(column.name for column in CONDITIONS if column.name != "dtype")


@dataclass(frozen=True)
class Entrant:
    """Cases that count as one contender over all problems; the fastest of them stands for it in each.

    Where all problems are of one workload it is an implementation on a backend. Implementations of several workloads
    have different names: there it is all those on a backend that compile, or all those that do not.
    """

    implementation: str
    """Empty where the implementations of a backend count as one."""
    backend: str
    compiles: bool
    """Whether its implementations compile; False where each is an entrant of its own."""
    conditions: tuple[tuple[str, str | int], ...]
    """Names and values of the conditions."""


@dataclass(frozen=True)
class Profile:
    """One contender over all problems."""

    entrant: Entrant
    ratios: tuple[float | None, ...]
    """Its time over that of the fastest entrant, problem by problem, from 1; None where it has no time."""
    speedup: Estimate | None
    """The geometric mean of its speedups over the baseline; None if it has none."""
    compared: int
    """The number of problems behind that mean."""
    is_baseline: bool
    """Whether it is the baseline itself wherever it has a time."""

    @property
    def lacking(self) -> int:
        """The number of problems that it has no time for."""
        return self.ratios.count(None)

    def share(self, factor: float) -> float:
        """Return the share of all problems in which it is within a factor of the fastest."""
        return sum(ratio is not None and ratio <= factor for ratio in self.ratios) / len(self.ratios)

    @property
    def steps(self) -> list[tuple[float, float]]:
        """The factors at which its share rises, each with the share from there on."""
        return [(ratio, self.share(ratio)) for ratio in sorted({ratio for ratio in self.ratios if ratio is not None})]


@dataclass(frozen=True)
class Profiles:
    """All contenders, the best on the whole first."""

    problems: tuple[tuple[str, Problem], ...]
    """Workload and problem of each."""
    profiles: tuple[Profile, ...]
    left_out: int
    """The number of cases that were tried and are wrong, unsteady or not verified; they count as not measured."""


def profiles(
    manifest: Manifest, rows: Sequence[SummaryRow], samples: pd.DataFrame, processes: pd.DataFrame
) -> Profiles:
    """Compare the contenders of a run over its problems; sizes that a sweep added around crossovers do not count.

    Args:
        manifest: the run's.
        rows: its summary.
        samples: a frame with the columns of `SampleRow`.
        processes: a frame with the columns of `ProcessRow`.
    """
    sound, others = sound_cases(manifest, rows, samples, processes)
    added = {Case.from_columns(item.columns) for item in manifest.cases if item.added}
    known = {case: each for case, each in sound.items() if case not in added}
    problems = tuple(dict.fromkeys((case.workload, case.problem) for case in known))
    one = len({workload for workload, _ in problems}) == 1
    fastest: dict[Entrant, dict[tuple[str, Problem], SoundCase]] = {}
    for case, each in known.items():
        theirs = fastest.setdefault(entrant_of(case, one, manifest.implementations), {})
        at = (case.workload, case.problem)
        if at not in theirs or each.seconds.value < theirs[at].seconds.value:
            theirs[at] = each
    best = {at: min(theirs[at].seconds.value for theirs in fastest.values() if at in theirs) for at in problems}
    rules, found = baselines_of(manifest), []
    for entrant, theirs in fastest.items():
        ratios = tuple(theirs[at].seconds.value / best[at] if at in theirs else None for at in problems)
        over = {case: rules[case.workload].of(case, known) for case in (each.case for each in theirs.values())}
        logs = [round_log_ratios(known[b].rounds, known[a].rounds) for a, b in over.items() if b is not None]
        groups = [each for each in logs if each]
        itself = all(case == other for case, other in over.items())
        found.append(Profile(entrant, ratios, mean_speedup(groups), len(groups), itself))
    if not found:
        return Profiles((), (), len(others))
    return Profiles(problems, tuple(_order(found)), len(set(others) - added))


def entrant_of(case: Case, one_workload: bool, facts: Mapping[str, ImplementationFacts]) -> Entrant:
    """Say which contender a case counts for."""
    conditions = tuple((name, case.columns[name]) for name in _TOLD_APART)
    if one_workload:
        return Entrant(case.implementation, case.backend, False, conditions)
    compiles = facts.get(case.implementation, ImplementationFacts()).compiles
    return Entrant("", case.backend, compiles, conditions)


def mean_speedup(groups: Sequence[Mapping[RoundKey, float]]) -> Estimate | None:
    """Return the geometric mean of speedups; None if there is none.

    Its interval combines those of the problems: it says how well the mean over these problems is known, and nothing
    about others. It is unknown if that of any problem is, and where there are several machines: what one of them
    differs by falls on all problems, which are not independent then.

    Args:
        groups: of each problem, the logarithms of the speedup by round.
    """
    if not groups:
        return None
    if any(len(by_machine(group.items())) > 1 for group in groups):
        return exponential(Estimate(fmean(rounds_estimate(group).value for group in groups)))
    return exponential(mean_of_means([[*group.values()] for group in groups]))


def _order(found: Sequence[Profile]) -> list[Profile]:
    """Sort by the mean logarithm of the ratios; a lacking problem counts as the largest ratio of all."""
    largest = max(ratio for profile in found for ratio in profile.ratios if ratio is not None)
    return sorted(found, key=lambda profile: sum(math.log(ratio or largest) for ratio in profile.ratios))
