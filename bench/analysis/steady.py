"""What speaks against one number for a case: its steps drift inside processes, or processes come in two kinds."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from bench.stats.estimates import Turns
from bench.stats.steady import FEWEST_TURNS, Trend, trend, two_kinds, two_sided_p

UNSTEADY = "not steady: "
"""How the remark on a case begins whose steps have no one time."""
_RISK = 0.001
"""How often a process, or a case, whose steps are all alike is said to drift."""
_LEAST = 0.05
"""A smaller change is left alone."""


def drift(turns: Turns) -> float:
    """Return by what part a process's step changes as it goes on; 0 where that may be chance."""
    found = _trend(turns)
    return 0.0 if found is None or not _surely(found.z, found.change) else found.change


def _trend(turns: Turns) -> Trend | None:
    if len(turns) < FEWEST_TURNS or min(turns.values()) <= 0:
        return None
    return trend([turns[number] for number in sorted(turns)])


def _surely(z: float, change: float) -> bool:
    return two_sided_p(z) < _RISK and abs(change) > _LEAST and (z > 0) == (change > 0)


def remark(rounds: Mapping[int, Turns]) -> str:
    """Say that a case is not steady, as all its processes together show, or that its processes are of two kinds.

    Args:
        rounds: times of whole steps by round and turn, as processes took them.
    """
    trends = [found for turns in rounds.values() if (found := _trend(turns)) is not None]
    if trends:
        change = float(np.median([each.change for each in trends]))
        if _surely(sum(each.z for each in trends) / math.sqrt(len(trends)), change):
            times = f"{1 + change:.2f} times as long at the end of a process as at its beginning"
            return f"{UNSTEADY}its steps take {times} (median of {len(trends)}); it has no speedup"
    kinds = two_kinds([float(np.median([*turns.values()])) for turns in rounds.values()]) if rounds else None
    if kinds is None:
        return ""
    (low, high), (few, more) = map(_told, kinds.seconds), kinds.counts
    return f"of two kinds: {low} in {few} processes, {high} in {more}"


def _told(seconds: float) -> str:
    units = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
    unit, size = next((each for each in units if seconds >= each[1]), units[-1])
    number = seconds / size
    return f"{number:.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"
