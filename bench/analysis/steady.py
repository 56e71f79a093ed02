"""What speaks against one number for a case: its steps drift, its memory grows, or its processes come in two kinds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median, median_low

import numpy as np

from bench.stats.estimates import RoundKey, Turns, by_machine, machine_in
from bench.stats.steady import FEWEST_TURNS, Trend, trend, two_kinds, two_sided_p

UNSTEADY = "not steady: "
"""The beginning of the remark on a case whose steps have no one time."""
_RISK = 0.001
"""How often a process, or a case, whose steps are all alike is said to drift."""
_LEAST = 0.05
"""The smallest change that counts."""
_JUMP, _RISK_OF_JUMP = 1.5, 0.01
"""How many times as long a step takes after a jump, and its risk, which is higher: noise hardly ever looks like one."""
_FEWEST_READINGS = 6
_SURELY_GROWING = 2.8
"""The least z of a trend that counts: that of six readings in order, which is chance once in 720 times."""
_LEAST_BYTES = 1 << 20
"""The least growth while a process is sampled that counts: allocators keep a little more now and then."""


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


def _jumps(processes: Sequence[Turns]) -> bool:
    """Say whether in all processes every turn of the last half is far slower, or faster, than all of the first fifth.

    If turns were alike, those of a process's first fifth would be all of the fastest, or of the slowest, once in so
    many times as there are ways to draw their number from all that are compared.
    """
    chance, directions = 2.0, set()
    for turns in processes:
        times = [turns[number] for number in sorted(turns)]
        first, last = times[: max(1, len(times) // 5)], times[-(len(times) // 2) :]
        directions.add(1 if min(last) > _JUMP * max(first) else -1 if _JUMP * max(last) < min(first) else 0)
        chance /= math.comb(len(first) + len(last), len(first))
    return directions in ({1}, {-1}) and chance < _RISK_OF_JUMP


def growth(memory: Sequence[tuple[int, int]]) -> float | None:
    """Return by how many bytes a process's memory grows an iteration; 0 where that may be chance, or comes to an end.

    What an allocator keeps grows in a few steps, or ever more slowly: so each third must have its part of the growth.

    Args:
        memory: iterations so far, and bytes held then, as time goes on.

    Returns:
        None if there are too few readings to say.
    """
    if len(memory) < _FEWEST_READINGS:
        return None
    held = [nbytes for _, nbytes in memory]
    ends = [round(third * (len(held) - 1) / 3) for third in range(4)]
    least = 3 * min(held[late] - held[early] for early, late in pairwise(ends))
    if least < _LEAST_BYTES or trend(held).z < _SURELY_GROWING:
        return 0.0
    (first, start), (last, end) = memory[0], memory[-1]
    return (end - start) / max(1, last - first)


def remark(rounds: Mapping[RoundKey, Turns], growths: Sequence[float] = ()) -> str:
    """Say that a case is not steady, as all its processes together show, or that its processes are of two kinds.

    Args:
        rounds: times of whole steps by round and turn, as processes took them.
        growths: by how many bytes the memory of each process grows an iteration.
    """
    trends = [found for turns in rounds.values() if (found := _trend(turns)) is not None]
    if trends:
        change = float(np.median([each.change for each in trends]))
        z = sum(each.z for each in trends) / math.sqrt(len(trends))
        if _surely(z, change) or (len(trends) == len(rounds) and _jumps([*rounds.values()])):
            times = f"{1 + change:.2f} times as long at the end of a process as at its beginning"
            return f"{UNSTEADY}its steps take {times} (median of {len(trends)}); it has no speedup"
    if growths and (gained := median_low(growths)) > 0:  # more than half of them grow
        more = f"its process holds {_told(gained, _BYTES)} more after each step (median of {len(growths)})"
        return f"{UNSTEADY}{more}; it has no speedup"
    kinds = two_kinds(_levelled(rounds)) if rounds else None
    if kinds is None:
        return ""
    low, high = (_told(seconds, _SECONDS) for seconds in kinds.seconds)
    few, others = kinds.counts
    return f"of two kinds: {low} in {few} process{'es' if few != 1 else ''}, {high} in {others}"


def _levelled(rounds: Mapping[RoundKey, Turns]) -> list[float]:
    """Return the time of each round, as if all machines were alike: two machines are no two kinds of process."""
    times = {key: float(np.median([*turns.values()])) for key, turns in rounds.items()}
    levels = {machine: median(values) for machine, values in by_machine(times.items()).items()}
    middle = median(levels.values())
    return [time * middle / levels[machine_in(key)] if levels[machine_in(key)] else time for key, time in times.items()]


_SECONDS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
_BYTES = (("MB", 1e6), ("kB", 1e3), ("B", 1.0))


def _told(value: float, units: Sequence[tuple[str, float]]) -> str:
    unit, size = next((each for each in units if value >= each[1]), units[-1])
    number = value / size
    return f"{number:.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"
