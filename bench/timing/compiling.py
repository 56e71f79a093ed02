"""The price of compiling in one process: what its first steps took beyond later ones, and what the cache did."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bench.model.device import Cache, Compilations
from bench.timing.passes import Rig, time_whole


@dataclass(frozen=True)
class Compiled:
    """The cost of compiling in one process."""

    seconds: float | None = None
    """Time of the first steps beyond that of as many steady ones; None for a step that does not compile."""
    cache: Cache = Cache.NONE
    graph_breaks: int | None = None
    """Places where the compiler could not follow the code; None where that is not known."""
    recompiles: int | None = None
    """Programs compiled after the warm-up; None where nothing was compiled, or nothing counts."""


@dataclass
class FirstSteps:
    """Runs and times the first steps of a process, one by one: whatever they compile falls on them."""

    rig: Rig
    nanoseconds: list[int] = field(default_factory=list)

    def run(self) -> int:
        """Run one step; give its time."""
        (spent,) = time_whole(self.rig, 1).nanoseconds
        self.nanoseconds.append(spent)
        return spent

    def beyond(self, iteration_nanoseconds: float) -> float:
        """Return how many seconds all of them took beyond as many steps of the time that is given."""
        return max(0.0, sum(self.nanoseconds) - len(self.nanoseconds) * iteration_nanoseconds) / 1e9


def is_empty(folder: str) -> bool:
    """Say whether a folder holds no file, nor its folders any; one that is not there is empty."""
    return not any(path.is_file() for path in Path(folder).rglob("*"))


def cache_of(found: Compilations | None, folder: str, began_empty: bool) -> Cache:
    """Say what the cache did.

    A compiler that begins with an empty folder may find there what it has left itself a moment before: that is no help
    that a later process would have, so it is cold all the same.

    Args:
        found: what has been compiled by now.
        folder: the cache's; empty if it has none.
        began_empty: whether nothing was in there when the process began.
    """
    if found is None or not folder or not found.hits + found.misses:
        return Cache.NONE
    if began_empty:
        return Cache.NONE if is_empty(folder) else Cache.COLD
    return Cache.MIXED if found.hits and found.misses else Cache.WARM if found.hits else Cache.COLD


def programs_of(found: Compilations | None) -> int:
    """Return how many programs have been compiled, as far as that is known."""
    return 0 if found is None else found.programs
