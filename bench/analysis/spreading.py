"""How a step scales over devices: its time beside that of the plain step in one process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import pandas as pd

from bench.analysis.sound import SoundCase, sound_cases
from bench.data.manifest import Manifest
from bench.data.schema import SummaryRow
from bench.model.case import Case
from bench.model.problem import Problem
from bench.model.sizes import BATCH
from bench.stats.estimates import Estimate


class Scaling(StrEnum):
    """What the devices share out."""

    STRONG = "strong"
    """The same batch, whatever their number."""
    WEAK = "weak"
    """A batch that grows with their number."""


@dataclass(frozen=True)
class SpreadStep:
    """A step that is spread over so many devices."""

    case: Case
    speedup: Estimate
    """The time of the plain step over its own; of weak scaling so many times more, for as many times the work."""

    @property
    def devices(self) -> int:
        """The number of devices."""
        return self.case.devices

    @property
    def efficiency(self) -> Estimate:
        """The speedup over the ideal one, which is the number of devices."""
        return scaled(self.speedup, 1 / self.devices)


@dataclass(frozen=True)
class Spreading:
    """One step over several numbers of devices."""

    kind: Scaling
    base: Case
    """The plain step in one process, with the batch of one device."""
    points: tuple[SpreadStep, ...]
    """By the number of devices, from the lowest; with one device it shows what being ready to be spread costs."""

    @property
    def problem(self) -> Problem:
        """The problem of the base."""
        return self.base.problem


def spreadings(
    manifest: Manifest, rows: Sequence[SummaryRow], samples: pd.DataFrame, processes: pd.DataFrame
) -> list[Spreading]:
    """Find the steps of a run that were measured on several numbers of devices, beside their plain step.

    With the same batch on each number it is strong scaling, with a batch in proportion to it weak scaling.

    Args:
        manifest: the run's.
        rows: its summary.
        samples: a frame with the columns of `SampleRow`.
        processes: a frame with the columns of `ProcessRow`.
    """
    sound, _ = sound_cases(manifest, rows, samples, processes)
    spread = {name: facts.spreads for name, facts in manifest.implementations.items() if facts.spreads}
    cases = [case for case in sound if case.implementation in spread]
    found = []
    for kind, one_of in ((Scaling.STRONG, _with_one), (Scaling.WEAK, _with_its_part)):
        groups: dict[Case, list[Case]] = {}
        for case in cases:
            if (one := one_of(case)) is not None:
                groups.setdefault(one, []).append(case)
        for one, inside in groups.items():
            base = replace(one, implementation=spread[one.implementation])
            if len(inside) > 1 and base in sound:
                found.append(Spreading(kind, base, _points(kind, sound[base], [sound[case] for case in inside])))
    return found


def _with_one(case: Case) -> Case:
    """Return the case on one device."""
    return replace(case, devices=1)


def _with_its_part(case: Case) -> Case | None:
    """Return the case of one device's part of the batch on one device; None if the batch cannot be divided."""
    batch = case.problem.sizes.get(BATCH)
    if batch is None or batch % case.devices:
        return None
    sizes = case.problem.sizes.changed({BATCH: batch // case.devices})
    return replace(case, devices=1, problem=replace(case.problem, sizes=sizes))


def _points(kind: Scaling, base: SoundCase, cases: Iterable[SoundCase]) -> tuple[SpreadStep, ...]:
    def point(each: SoundCase) -> SpreadStep:
        work = each.case.devices if kind is Scaling.WEAK else 1
        return SpreadStep(each.case, scaled(each.speedup_over(base), work))

    return tuple(point(each) for each in sorted(cases, key=lambda each: each.case.devices))


def scaled(estimate: Estimate, factor: float) -> Estimate:
    """Return an estimate of so many times the value."""
    ends = (None if end is None else end * factor for end in (estimate.low, estimate.high))
    return Estimate(estimate.value * factor, *ends)
