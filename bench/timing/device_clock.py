"""Times by the device's own clock: how many iterations, how long a hold, and which way of taking them apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bench.data.schema import STEP, Method
from bench.model.device import Stream
from bench.timing.passes import (
    RATE_UNITS,
    Rig,
    Taken,
    enqueueing,
    hold_rate,
    time_batched,
    time_device,
)
from bench.timing.policy import SamplingPolicy

_MARGIN = 2.0
"""A hold lasts so many times what enqueueing took, for hosts are not steady."""
_SPARE_NANOSECONDS = 100_000


@dataclass(frozen=True)
class DeviceClock:
    """A rehearsed way to take one sample by the device's clock."""

    rig: Rig
    stream: Stream
    iterations: int
    units: int
    """How long the stream is held back."""
    batched: bool
    """Whether phases are too short to stand between marks of their own."""

    @property
    def labels(self) -> tuple[tuple[str, Method], ...]:
        """The phase and the method of each figure of a sample."""
        stages = self.rig.step.stages
        if len(stages) == 1:
            return ((STEP, Method.WHOLE),)
        method = Method.BATCHED if self.batched else Method.STAGED
        return (*((stage.label, method) for stage in stages), (STEP, Method.WHOLE))

    @property
    def steps_a_sample(self) -> int:
        """Steps of the course of training that one sample takes."""
        return self.iterations * (len(self.rig.step.stages) if self.batched else 1)

    def take(self) -> Taken:
        """Take one sample; its figures are in the order of `labels`."""
        if self.batched:
            return time_batched(self.rig, self.stream, self.iterations, self.units)
        if len(self.rig.step.stages) == 1:
            return time_device(self.rig, self.stream, self.iterations, self.units, [self.rig.runs])
        taken = time_device(self.rig, self.stream, self.iterations, self.units, [[run] for run in self.rig.runs])
        # From a step's first mark to its last: beside phases this long the marks between them are nothing.
        return Taken((*taken.nanoseconds, sum(taken.nanoseconds)), taken.held)

    @classmethod
    def rehearsed(
        cls, rig: Rig, make_room: Callable[[int], None], cycle: int, steps: int, policy: SamplingPolicy
    ) -> DeviceClock | None:
        """Find iterations and hold for a step; None where the device has no clock of its own.

        Args:
            rig: the step.
            make_room: is told of iterations before they run; see `bench.timing.measure`.
            cycle: steps after which the amount of work repeats.
            steps: iterations of one course of training.
            policy: what to aim for.
        """
        if rig.stream is None:
            return None
        rate = hold_rate(rig.stream, rig.synchronize)
        clock = cls(rig, rig.stream, cycle, RATE_UNITS, batched=False)
        make_room(cycle)
        shortest = min(clock.take().nanoseconds) / cycle  # once for what is loaded lazily
        make_room(cycle)
        shortest = max(1.0, min(clock.take().nanoseconds) / cycle)
        several_and_warm = len(rig.step.stages) > 1 and rig.flush is None
        batched = several_and_warm and shortest < policy.device_batch_seconds * 1e9
        cycles = math.ceil(policy.device_sample_seconds * 1e9 / shortest / cycle)
        room = max(1, min(policy.device_iterations, steps // len(rig.step.stages) - cycle) // cycle)
        return cls(rig, rig.stream, min(cycles, room) * cycle, 0, batched)._with_hold(make_room, cycle, rate, policy)

    def _with_hold(
        self, make_room: Callable[[int], None], cycle: int, rate: float, policy: SamplingPolicy
    ) -> DeviceClock:
        """Find a hold that holds; with fewer iterations if the longest does not.

        A device's queue has a limited number of places. When they are taken the host waits until the hold is over,
        whatever its length, so what is too much for the queue shows as a hold that was too short.
        """
        iterations = self.iterations
        while True:
            make_room(iterations)
            needed = enqueueing(self.rig, iterations) * _MARGIN + _SPARE_NANOSECONDS
            while True:
                held_for = min(needed, policy.hold_max_seconds * 1e9)
                clock = DeviceClock(self.rig, self.stream, iterations, math.ceil(held_for / rate), self.batched)
                make_room(clock.steps_a_sample)
                if clock.take().held or (iterations == cycle and needed >= policy.hold_max_seconds * 1e9):
                    return clock
                if needed >= policy.hold_max_seconds * 1e9:
                    break
                needed *= 2
            iterations = max(cycle, iterations // 2 // cycle * cycle)
