"""How long to sample, and what a sample is."""

from __future__ import annotations

from dataclasses import dataclass

from bench.data.schema import Method


@dataclass(frozen=True)
class SamplingPolicy:
    """How long to warm up and to sample. Times in seconds."""

    process_seconds: float = 0.3
    """Aim for all turns of one process together."""
    turn_seconds: float = 0.01
    """Aim for what is timed in one turn."""
    lead_seconds: float = 0.02
    """Time that a turn runs before anything in it counts: after 2 ms steps are still 4 to 17 % slower than later."""
    lead_share: float = 0.05
    """The part of a step that a lead must be, else it is left out: a step so long hardly notices its start."""
    min_turns: int = 5
    max_turns: int = 20
    min_units: int = 1
    """A unit is a sample of the whole step, and one of its stages."""
    max_units: int = 10
    queue_seconds: float = 0.004
    """Aim for one sample on a device that works through a queue: one step would be mostly waiting for its end."""
    resolution_share: float = 1e-3
    """The part of a sample that the clock's resolution may be; elsewhere a sample is one cycle of steps."""
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
    """The length under which phases are timed many at once: a device's clock resolves about half a microsecond."""
    device_sample_seconds: float = 0.5e-3
    """Aim for the shortest phase's part of one such sample: a thousand times what the clock resolves."""
    device_iterations: int = 64
    """Most iterations of one such sample: a queue that is full stops the host, and then the hold is too short."""
    hold_max_seconds: float = 0.05
    energy_seconds: float = 0.5
    """Time that steps run back to back for their energy: the counters of GPUs move every 20 to 100 ms."""

    def turns(self, turn_seconds: float) -> int:
        """Choose how many turns a process takes.

        Args:
            turn_seconds: what one turn takes, on average over those that take turns.
        """
        return max(self.min_turns, min(self.max_turns, round(self.process_seconds / max(turn_seconds, 1e-9))))


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
