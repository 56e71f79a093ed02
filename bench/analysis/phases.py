"""The phases of a step beside the whole: their shares, and what timing them apart costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.data.schema import HOST, Method
from bench.model.step import DATA, FORWARD, STAGES, TRAINING
from bench.stats.estimates import Estimate, ratio_estimate


@dataclass(frozen=True)
class Stages:
    """The stages of a case's processes side by side, timed with one method and clock."""

    names: list[str]
    seconds: Mapping[str, NDArray[np.float64]]
    """What each process took for each stage, in the order of `names`."""


def stages_of(times: pd.DataFrame) -> dict[tuple[str, str], Stages]:
    """Put the stages of each process side by side by method and clock, where they are a whole step.

    Args:
        times: one row a process, phase, method and clock of a case; of several, the variants, the mean counts.
    """
    found: defaultdict[tuple[str, str], defaultdict[str, defaultdict[str, list[float]]]]
    found = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    columns = times.loc[times["phase"].isin(STAGES), ["method", "clock", "process", "phase", "median"]]
    for method, clock, process, phase, seconds in zip(*(columns[name].tolist() for name in columns), strict=True):
        if not np.isnan(seconds):
            found[method, clock][process][phase].append(seconds)
    sides = {}
    for kind, processes in found.items():
        names = sorted({phase for taken in processes.values() for phase in taken})
        if {phase for name in names for phase in name.split("+")} - {*DATA} in ({*FORWARD}, {*TRAINING}):
            full = {process: taken for process, taken in sorted(processes.items()) if len(taken) == len(names)}
            seconds = {process: np.array([np.mean(taken[name]) for name in names]) for process, taken in full.items()}
            sides[kind] = Stages(names, seconds)
    return sides


def shares_of(sides: Mapping[tuple[str, str], Stages]) -> dict[tuple[str, str, str], float]:
    """Work out each phase's part of the phases' sum, as a median over processes."""
    shares: dict[tuple[str, str, str], float] = {}
    for (method, clock), stages in sides.items():
        # A profiler that saw no phase has no shares to tell.
        parts = [seconds / seconds.sum() for seconds in stages.seconds.values() if seconds.sum() > 0]
        if parts:
            middle = np.median(parts, axis=0)
            middle /= middle.sum()
            shares |= {(name, method, clock): float(part) for name, part in zip(stages.names, middle, strict=True)}
    return shares


def sync_tax(sides: Mapping[tuple[str, str], Stages], whole: pd.DataFrame) -> Estimate | None:
    """Relate the sum of the phases timed apart to the whole step of the same process, minus 1."""
    if (staged := sides.get((Method.STAGED.value, HOST))) is None:
        return None
    steps = dict(zip(whole["process"].tolist(), whole["median"].tolist(), strict=True))
    sums = {process: float(seconds.sum()) for process, seconds in staged.seconds.items()}
    both = [process for process, phases in sums.items() if phases > 0 < steps.get(process, 0.0)]
    if not both:
        return None
    ratio = ratio_estimate([sums[process] for process in both], [steps[process] for process in both])
    low, high = (None if end is None else end - 1 for end in (ratio.low, ratio.high))
    return Estimate(ratio.value - 1, low, high)
