"""What a comparison is asked for beside its two sides: `bench ab`, `bench gate` and the pytest plugin share it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.analysis.rule import Criteria
from bench.model.problem import Problem
from bench.run.ab import Volume
from bench.run.contest import Comparison, compare_sides
from bench.run.matching import Match, match
from bench.run.plan import check_devices
from bench.run.runner import Watcher
from bench.run.sides import Side


@dataclass(frozen=True)
class Terms:
    """What is compared, how much is measured, and what a verdict takes."""

    names: tuple[str, ...] = ()
    """Only these implementations; all if empty."""
    devices: tuple[str, ...] = ()
    """Only these kinds of device; all if empty."""
    problem: Problem = field(default_factory=Problem)
    threads: int = 1
    volume: Volume = field(default_factory=Volume)
    criteria: Criteria = field(default_factory=Criteria)
    timeout: float = 30.0
    """Longest silence of a process, in seconds."""
    out: Path | None = None
    """Folder for pairs.csv and verdicts.json; None for a new one below results/."""
    allow_new: bool = False
    """Whether what only the judged side has is let be."""


def names_of(values: Iterable[str]) -> tuple[str, ...]:
    """Names from options that may each hold several, separated by commas."""
    return tuple(name for value in values for name in value.split(",") if name)


def cases_of(sides: tuple[Side, Side], terms: Terms) -> Match:
    """The cases of two sides that the terms choose; nothing is measured.

    Raises:
        UsageError: a name or a device is unknown, or workloads differ.
        DeviceAbsentError: a device that was asked for is absent.
        NothingRanError: there is nothing to compare and nothing to say about it.
    """
    check_devices(terms.devices)
    return match(sides, terms.names, terms.problem, terms.threads, terms.devices, allow_new=terms.allow_new)


def decide_cases(sides: tuple[Side, Side], cases: Match, watcher: Watcher, terms: Terms) -> Comparison:
    """Measure and judge them; see `compare_sides`."""
    return compare_sides(
        sides,
        cases,
        watcher,
        problem=terms.problem,
        threads=terms.threads,
        volume=terms.volume,
        criteria=terms.criteria,
        timeout=terms.timeout,
        out=terms.out,
    )
