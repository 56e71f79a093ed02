"""Where one contender overtakes another along a size, with an interval.

Of two contenders, every size that both were measured at gives ln(T_a / T_b), the mean over the rounds that both ran
in, with its 95 % interval. A size is *decided* if that interval leaves out 0. Where two decided sizes next to each
other disagree, the contenders change places in between: the means and both ends of the intervals are joined by
straight lines over the logarithm of the size, the crossover is where the means' line meets 0, and its interval is
where 0 lies between the ends' lines. That is the set of sizes at which a test would not tell the two apart (inverting
a test, as Fieller's interval does). It covers as well as the intervals it is made from wherever the ratio is close to
a power of the size between two measured sizes; measuring more sizes inside the interval makes that harmless.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.baseline import baselines_of
from bench.analysis.scaling import Plane, frame_of, planes
from bench.analysis.summarise import rounds_of_cases
from bench.data.crossing import Crossing, CrossoverRow
from bench.data.manifest import Manifest
from bench.data.schema import SummaryRow
from bench.model.case import Case, Contender
from bench.stats.estimates import Estimate, RoundKey, Turns, round_log_ratios, rounds_estimate

Rounds = Mapping[RoundKey, Turns]
"""Seconds of a whole step by round and turn."""
Lookup = Callable[[Case], Rounds]
"""The rounds of a case; empty if it was not measured."""


@dataclass(frozen=True)
class SizePoint:
    """Two contenders at one size; logarithms, so that 0 is a draw and a positive value means that B is faster."""

    size: int
    ratio: Estimate

    @property
    def leader(self) -> str:
        """`a` or `b` if one is faster for certain, else empty."""
        if self.ratio.low is None or self.ratio.high is None:
            return ""
        return "a" if self.ratio.high < 0 else "b" if self.ratio.low > 0 else ""


@dataclass(frozen=True)
class Overtaking:
    """One contender overtakes the other."""

    below: str
    """`a` or `b`: who is faster below the size; the other one is above."""
    size: Estimate
    """Always with both ends."""


def pairs(plane: Plane, baselines: Collection[str]) -> list[tuple[Contender, Contender]]:
    """Pair those to be compared: the same program with other threads; with as many, what is not alike in its backend.

    Args:
        plane: the lines.
        baselines: implementations that are compared with all others of their workload, whatever the backends.
    """

    def compared(a: Contender, b: Contender) -> bool:
        if a["threads"] != b["threads"]:
            return a.program == b.program
        return a["backend"] != b["backend"] or bool({a.implementation, b.implementation} & {*baselines})

    return [both for both in combinations([line.contender for line in plane.lines], 2) if compared(*both)]


def points(a: Mapping[int, Rounds], b: Mapping[int, Rounds], here: bool = False) -> list[SizePoint]:
    """Both contenders at each size at which they share rounds, in the order of sizes.

    Args:
        a: by size; the times of each round.
        b: the same of the other.
        here: as in `rounds_estimate`.
    """
    logs = {size: round_log_ratios(a[size], b[size]) for size in sorted(a.keys() & b.keys())}
    return [SizePoint(size, rounds_estimate(each, here)) for size, each in logs.items() if each]


def changes(measured: Sequence[SizePoint]) -> list[Overtaking]:
    """Find the crossovers between decided sizes that disagree; none if no two do.

    Args:
        measured: as `points` gives them; those without an interval are left out.
    """
    known = [point for point in measured if point.ratio.low is not None]
    decided = [index for index, point in enumerate(known) if point.leader]
    return [
        _change(known[left : right + 1])
        for left, right in pairwise(decided)
        if known[left].leader != known[right].leader
    ]


def _change(between: Sequence[SizePoint]) -> Overtaking:
    """Locate the crossover between the first and the last of these, which are decided and disagree."""
    logs = np.log([point.size for point in between])
    sign = 1.0 if between[0].leader == "a" else -1.0  # rising through 0
    means = sign * np.array([point.ratio.value for point in between])
    near, far = (
        sign * np.array([getattr(point.ratio, end) for point in between], dtype=float)
        for end in (("high", "low") if sign > 0 else ("low", "high"))
    )
    middle = _meetings(logs, means)
    low, high = _meetings(logs, near)[0], _meetings(logs, far)[-1]
    value = middle[len(middle) // 2]  # an odd number: it begins below 0 and ends above
    return Overtaking(between[0].leader, Estimate(math.exp(value), math.exp(low), math.exp(high)))


def _meetings(logs: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> list[float]:
    """Find where the line through points passes from below 0 to 0 or above, or back."""
    found = []
    for (x0, y0), (x1, y1) in pairwise(zip(logs, values, strict=True)):
        if (y0 < 0) != (y1 < 0):
            found.append(float(x0 + (x1 - x0) * y0 / (y0 - y1)))
    return found


def verdict(measured: Sequence[SizePoint]) -> Crossing:
    """Say what the points tell about the two contenders' order."""
    if changes(measured):
        return Crossing.FOUND
    leaders = {point.leader for point in measured}
    return Crossing.NEVER if leaders in ({"a"}, {"b"}) else Crossing.UNDECIDED


def crossovers(
    manifest: Manifest, rows: Sequence[SummaryRow], samples: pd.DataFrame, processes: pd.DataFrame
) -> list[CrossoverRow]:
    """Make the rows of crossovers.csv: at least one for each pair of contenders in each plane.

    Args:
        manifest: the run's plan.
        rows: its summary: only cases that are well in it count.
        samples: a frame with the columns of `SampleRow`.
        processes: a frame with the columns of `ProcessRow`.
    """
    cases = [Case.from_columns(item.columns) for item in manifest.cases if not item.skipped]
    found = planes(frame_of(cases)) if cases else ()
    if not found:
        return []
    rounds = rounds_of_cases(manifest, rows, samples, processes)
    over = {rule.implementation for rule in baselines_of(manifest).values()}
    return [
        row
        for plane in found
        for a, b in pairs(plane, over)
        for row in _rows(manifest.run_id, plane, a, b, pair_points(plane, a, b, lambda case: rounds.get(case, {})))
    ]


def pair_points(plane: Plane, a: Contender, b: Contender, lookup: Lookup, here: bool = False) -> list[SizePoint]:
    """Hold two contenders of a plane against each other at each of its sizes; `here` is that of `rounds_estimate`."""
    one, other = ({size: lookup(plane.case(contender, size)) for size in plane.sizes} for contender in (a, b))
    return points(one, other, here)


def _rows(run_id: str, plane: Plane, a: Contender, b: Contender, measured: Sequence[SizePoint]) -> list[CrossoverRow]:
    if not measured:
        return []
    common: dict[str, Any] = {
        "run_id": run_id,
        "axis": plane.axis,
        "common": plane.common,
        "a": a,
        "b": b,
        "status": verdict(measured),
        "smallest": measured[0].size,
        "largest": measured[-1].size,
        "sizes": len(measured),
    }
    found = changes(measured)
    if not found:
        return [CrossoverRow(**common, faster_below=measured[0].leader, faster_above=measured[-1].leader)]
    return [
        CrossoverRow(
            **common,
            crossing=number,
            faster_below=change.below,
            faster_above="b" if change.below == "a" else "a",
            size=change.size.value,
            size_low=change.size.low,
            size_high=change.size.high,
        )
        for number, change in enumerate(found)
    ]
