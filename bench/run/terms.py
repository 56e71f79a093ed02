"""What a run is asked for beside its cases, and a comparison beside its two sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.analysis.rule import Criteria
from bench.model.axis import Axis
from bench.model.problem import Dtype
from bench.model.sharing import Sharing


@dataclass(frozen=True)
class Cluster:
    """Where the rounds of a run are measured, if not on this machine: the nodes of a partition of Slurm."""

    partition: str
    nodes: int = 2
    """The most rounds that run at once."""
    settings: Mapping[str, str | bool] = field(default_factory=dict)
    """Options of sbatch."""

    @property
    def launcher(self) -> str:
        """The value of `--on`."""
        return f"slurm:{self.partition}"


@dataclass(frozen=True)
class RunTerms:
    """How long a run measures, and what its manifest is told."""

    budget_seconds: float
    """Time from the start of the run to its end; the first round is always finished."""
    rounds: int | None = None
    """Rounds over all cases; None: time is given out by need until every interval is narrow enough."""
    within: float = 0.02
    """Half an interval over its speedup that is good enough."""
    timeout_seconds: float | None = None
    """Longest silence of a process; None for that of `bench.run.patience`."""
    seed: int = 0
    """Seed of the data and of the order of the rounds."""
    command: tuple[str, ...] = ()
    """The command line."""
    out: Path | None = None
    """The run's folder; None for a new one below results/."""
    load: tuple[Path, ...] = ()
    """Files of implementations that were named."""
    baseline: str = ""
    """What speedups are over, as `--baseline` has it; empty: each workload's own."""
    axes: tuple[Axis, ...] = ()
    """What varies in a sweep."""
    fits: Mapping[str, Mapping[str, int | None]] = field(default_factory=dict)
    """Largest values that fit in memory, by size and case label."""
    crossover_within: float | None = None
    """Half a crossover's interval over its size that is good enough; None: crossovers are not refined."""
    cold: int = 1
    """Processes of each case that compiles which begin with an empty compiler cache."""
    sharing: Sharing = Sharing.WAIT
    cluster: Cluster | None = None
    """Where rounds are measured; None for this machine."""


@dataclass(frozen=True)
class Volume:
    """How many pairs of a case, and for how long in all."""

    pairs: int = 44
    """The most of a case; `planned_looks` says when it may be decided by fewer."""
    budget_seconds: float = 300.0


@dataclass(frozen=True)
class Terms:
    """What `bench ab`, `gate`, `bisect` and the pytest plugin compare, how much they measure, what a verdict takes."""

    names: tuple[str, ...] = ()
    """Implementations to compare; all of both sides if empty."""
    devices: tuple[str, ...] = ()
    """Kinds of device to use; all if empty."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Sizes by name, where they are not each workload's own."""
    dtype: Dtype = Dtype.FLOAT32
    seed: int = 0
    """Seed of data and weights, of orders and of the sign flips of the test."""
    threads: int = 1
    """CPU threads; with one, both sides are pinned to the same core."""
    jobs: int | None = None
    """Pairs that are measured at once, each on a core of its own; None for as many as there are such cores."""
    volume: Volume = field(default_factory=Volume)
    criteria: Criteria = field(default_factory=Criteria)
    timeout: float | None = None
    """Longest silence of a process, in seconds; None for that of `bench.run.patience`."""
    out: Path | None = None
    """Folder for pairs.csv and verdicts.json; None for a new one below results/."""
    allow_new: bool = False
    """Whether what only the judged side has is named and left out; else it cannot be matched."""
    sharing: Sharing = Sharing.WAIT
