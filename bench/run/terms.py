"""What a comparison is asked for beside its two sides: `bench ab`, `bench gate` and the pytest plugin share it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bench.analysis.rule import Criteria
from bench.model.problem import Problem


@dataclass(frozen=True)
class Volume:
    """How many pairs of a case, and for how long in all."""

    first: int = 10
    second: int = 20
    budget_seconds: float = 300.0


@dataclass(frozen=True)
class Terms:
    """What is compared, how much is measured, and what a verdict takes."""

    names: tuple[str, ...] = ()
    """Only these implementations; all of both sides if empty."""
    devices: tuple[str, ...] = ()
    """Only these kinds of device; all if empty."""
    problem: Problem = field(default_factory=Problem)
    """Sizes, number format and seed, which also decides orders and the sign flips of the test."""
    threads: int = 1
    """CPU threads; with one, both sides are pinned to the same core."""
    volume: Volume = field(default_factory=Volume)
    criteria: Criteria = field(default_factory=Criteria)
    timeout: float = 30.0
    """Longest silence of a process, in seconds."""
    out: Path | None = None
    """Folder for pairs.csv and verdicts.json; None for a new one below results/."""
    allow_new: bool = False
    """Whether what only the judged side has is named and left out; else it cannot be matched."""
