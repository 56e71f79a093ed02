"""How long to sample, and what a sample is."""

from __future__ import annotations

from dataclasses import dataclass

from bench.data.schema import Method


@dataclass(frozen=True)
class SamplingPolicy:
    """How long to warm up and to sample. Times in seconds."""

    sample_seconds: float = 0.004
    """Aim for one sample; raised where the clock's resolution would be more than `resolution_share` of it."""
    process_seconds: float = 0.25
    """Aim for all samples of one process together."""
    min_samples: int = 5
    max_samples: int = 200
    resolution_share: float = 1e-3
    warmup_min_seconds: float = 0.02
    warmup_max_seconds: float = 0.5
    warmup_min_cycles: int = 6
    """Two a third: fewer cannot tell whether a slow step is steady."""
    warmup_tolerance: float = 0.05
    """The last third agrees with the middle third if their medians differ by at most this part."""
    variant_cycles: int = 5
    traced_steps: int = 5
    device_samples: int = 10
    """Samples by the device's own clock, at most; its times spread little."""
    device_batch_seconds: float = 50e-6
    """Phases shorter than this are timed many at once: a device's clock resolves about half a microsecond."""
    device_sample_seconds: float = 0.5e-3
    """Aim for the shortest phase's part of one such sample: a thousand times what the clock resolves."""
    device_iterations: int = 64
    """At most so many in one such sample: a queue that is full stops the host, and then the hold is too short."""
    hold_max_seconds: float = 0.05
    energy_seconds: float = 0.5
    """How long steps run back to back for their energy: the counters of GPUs move every 20 to 100 ms."""


@dataclass(frozen=True)
class Sample:
    """One recorded time over `iterations` iterations."""

    phase: str
    method: Method
    turn: int
    iterations: int
    nanoseconds: int
    variant: int | None = None
    clock: str = "host"
    flags: str = ""
