"""The ladder of a workload: what makes its step fast, one change after another.

The rule chooses the rungs; nobody does. The first is the workload's baseline on the CPU, with the fewest threads and at
full precision. Then each kind of change is tried in the order of `Kind`. Of the cases that differ in this respect alone
from the rung to build on, the next rung is the one that is fastest by the turns that both took. If that is slower, it
stays to be seen, and the next rung builds on the same one as it did. On another device, compiling and lower precisions
are tried again. If some other case is faster than the last rung, it comes on top: a ladder ends with the fastest case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from bench.analysis.baseline import Baseline, baselines_of
from bench.analysis.sound import SoundCase, sound_cases
from bench.data.manifest import ImplementationFacts, Manifest
from bench.data.schema import SummaryRow
from bench.model.case import CASE_COLUMNS, Case, Mode
from bench.model.precision import Precision
from bench.model.problem import Problem
from bench.stats.estimates import Estimate

_PRECISIONS = list(Precision)
CLIMBED = frozenset({"precision", *(column.name for column in CASE_COLUMNS if column.contender)})
"""Columns in which the cases of one ladder may differ."""


class Kind(StrEnum):
    """The respect in which a rung differs from the one that it builds on, in the order in which they are tried."""

    FIRST = "first"
    PROGRAM = "program"
    """Another implementation that does not compile."""
    THREADS = "threads"
    """The same implementation with more threads."""
    COMPILED = "compiled"
    """An implementation that compiles."""
    PRECISION = "precision"
    """The same implementation at a lower precision."""
    DEVICE = "device"
    """Another device: the same implementation if it was measured there, else the fastest."""
    OWN = "own"
    """An implementation that is written for this device only, such as one that replays a CUDA graph."""
    FASTEST = "fastest"
    """The fastest of all cases, in whatever it differs."""


_AGAIN = (Kind.COMPILED, Kind.PRECISION)
"""Kinds that are tried again on another device."""


@dataclass(frozen=True)
class Rung:
    """One case of a ladder."""

    kind: Kind
    case: Case
    seconds: Estimate
    """The time of its step."""
    before: int | None
    """The number of the rung that it builds on; None for the first."""
    over_before: Estimate
    """The time of that rung over its own."""
    over_first: Estimate
    """The time of the first rung over its own."""

    @property
    def slower(self) -> bool:
        """Whether it is slower than what it builds on, so that nothing builds on it."""
        return self.over_before.value < 1


@dataclass(frozen=True)
class Ladder:
    """The rungs of one workload with one problem."""

    workload: str
    problem: Problem
    mode: Mode
    devices: int
    rungs: tuple[Rung, ...]
    left_out: int
    """The number of its cases that were tried and are wrong, unsteady or not verified, and so cannot be rungs."""


def ladders(
    manifest: Manifest, rows: Sequence[SummaryRow], samples: pd.DataFrame, processes: pd.DataFrame
) -> list[Ladder]:
    """Make a ladder of each workload, problem, mode and number of devices that has at least two rungs.

    Sizes that a sweep added around crossovers have none.
    A device that computes in the host's memory has nothing to transfer: there a case stands for both modes.

    Args:
        manifest: the run's.
        rows: its summary.
        samples: a frame with the columns of `SampleRow`.
        processes: a frame with the columns of `ProcessRow`.
    """
    sound, others = sound_cases(manifest, rows, samples, processes)
    rules, found = baselines_of(manifest), []
    added = {Case.from_columns(item.columns) for item in manifest.cases if item.added}
    for key in dict.fromkeys(_key(case) for case in sound if case not in added):
        inside = [each for each in sound.values() if _belongs(each.case, key)]
        rungs = climb(inside, rules[key[0]], manifest.implementations)
        if len(rungs) > 1:
            found.append(Ladder(*key, rungs, sum(_belongs(case, key) for case in others)))
    return found


def climb(cases: Sequence[SoundCase], baseline: Baseline, facts: Mapping[str, ImplementationFacts]) -> tuple[Rung, ...]:
    """Choose the rungs among cases of one workload, problem and mode; none without the baseline.

    Args:
        cases: those that may be rungs.
        baseline: the first rung, whose conditions count as far as they are set.
        facts: what is known of the implementations; one without is not known to compile.
    """
    firsts = [each for each in cases if _is_first(each.case, baseline)]
    if not firsts:
        return ()
    first = min(firsts, key=lambda each: (each.case.device != "cpu", each.case.threads, _rank(each.case)))
    rungs = [Rung(Kind.FIRST, first.case, first.seconds, None, Estimate(1.0), Estimate(1.0))]
    below, at, tried, kinds = first, 0, {first.case}, [*Kind][1:]
    while kinds:
        kind = kinds.pop(0)
        fit = _candidates(kind, below, [each for each in cases if each.case not in tried], facts)
        over, chosen = max(((each.speedup_over(below), each) for each in fit), key=_factor, default=(None, first))
        if over is None or (kind is Kind.FASTEST and over.value <= 1):
            continue
        tried.add(chosen.case)
        rungs.append(Rung(kind, chosen.case, chosen.seconds, at, over, chosen.speedup_over(first)))
        if not rungs[-1].slower:
            below, at = chosen, len(rungs) - 1
            kinds = [*(_AGAIN if kind is Kind.DEVICE else ()), *kinds]
    return tuple(rungs)


def _factor(item: tuple[Estimate, SoundCase]) -> float:
    return item[0].value


_Key = tuple[str, Problem, Mode, int]


def _key(case: Case) -> _Key:
    return case.workload, case.problem, case.mode, case.devices


def _belongs(case: Case, key: _Key) -> bool:
    workload, problem, mode, devices = key
    modes = {mode, mode.on_host} if case.device == "cpu" else {mode}
    return (case.workload, case.problem, case.devices) == (workload, problem, devices) and case.mode in modes


def _is_first(case: Case, baseline: Baseline) -> bool:
    known = {name: str(value) for name, value in case.columns.items()}
    named = case.implementation == baseline.implementation and baseline.backend in ("", case.backend)
    return named and all(known[name] == value for name, value in baseline.settings)


def _rank(case: Case) -> int:
    """Return how low a precision is."""
    return _PRECISIONS.index(case.precision)


def _candidates(
    kind: Kind, below: SoundCase, cases: Iterable[SoundCase], facts: Mapping[str, ImplementationFacts]
) -> list[SoundCase]:
    """List the cases that differ in this respect, and in no other, from the rung below."""
    at = below.case
    unknown = ImplementationFacts()

    def compiles(case: Case) -> bool:
        return facts.get(case.implementation, unknown).compiles

    def own(case: Case) -> bool:
        return case.device != "cpu" and bool(facts.get(case.implementation, unknown).devices)

    def here(case: Case, *but: str) -> bool:
        """Say whether a case is like the rung below in all these respects but some."""
        return all(case.columns[name] == at.columns[name] for name in CLIMBED - {"backend", "framework", *but})

    def plain(case: Case) -> bool:
        return not compiles(case) and not own(case)

    tests: dict[Kind, Callable[[Case], bool]] = {
        Kind.PROGRAM: lambda case: here(case, "implementation") and plain(case),
        Kind.THREADS: lambda case: here(case, "threads") and case.threads > at.threads,
        Kind.COMPILED: lambda case: here(case, "implementation") and compiles(case) and not compiles(at),
        Kind.PRECISION: lambda case: here(case, "precision") and _rank(case) > _rank(at),
        Kind.DEVICE: lambda case: (
            here(case, "implementation", "device") and case.device not in ("cpu", at.device) and not own(case)
        ),
        Kind.OWN: lambda case: here(case, "implementation") and own(case) and not own(at),
    }
    if kind is Kind.FASTEST:
        return [*cases]
    found = [each for each in cases if tests[kind](each.case)]
    same = [each for each in found if each.case.implementation == at.implementation]
    return same if kind is Kind.DEVICE and same else found
