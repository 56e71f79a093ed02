"""One sample: the ways to read a time, and the only place that waits for a device.

    whole    synchronise, clock, n x (forward, backward, update), synchronise, clock
    staged   n x (clock, forward, synchronise, clock, backward, ..., clock), summed a phase
    device   hold the stream back, enqueue marks and work, synchronise, read the device's own times between the marks

Held back, the device begins when everything is enqueued, so that the time between two marks holds what the device did
and not how long the host took to ask for it. If the device got going before the enqueueing ended, the hold was too
short and the sample says so.

With cold caches each step is preceded by a flush, which no time contains.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bench.model.device import Stream
from bench.model.step import Step
from bench.timing.clock import Now, cpu_now

Synchronize = Callable[[], None]
Run = Callable[[], object]

RATE_UNITS = 1_000_000


@dataclass(frozen=True)
class Rig:
    """A step and what it takes to time it."""

    step: Step
    now: Now
    synchronize: Synchronize
    flush: Run | None = None
    """What empties the caches before each step, if they are to be cold."""
    stream: Stream | None = None
    """The device's queue, if the device has a clock of its own."""
    cpu_now: Now = cpu_now
    """The clock of the CPU time that the process has taken."""
    ready: Callable[[object], object] | None = None
    """The function that waits for what stages return, where `synchronize` does not wait for everything."""

    @property
    def runs(self) -> list[Run]:
        """The stages' functions."""
        return [stage.run for stage in self.step.stages]

    def wait(self, returned: object) -> None:
        """Return when the device has finished, and what stages have returned is there."""
        if self.ready is not None:
            self.ready(returned)
        self.synchronize()


@dataclass(frozen=True)
class Taken:
    """What one pass found."""

    nanoseconds: tuple[int, ...]
    """One figure a phase, or one for the whole step."""
    held: bool = True
    """Whether the stream was held back until everything was enqueued; True for the host's clock."""
    cpu_nanoseconds: int = 0
    """CPU time that the process took meanwhile; of whole steps only."""


def time_whole(rig: Rig, iterations: int) -> Taken:
    """Time `iterations` whole steps by the host's clock, with one synchronisation at each end."""
    runs, now, synchronize = rig.runs, rig.now, rig.synchronize
    if rig.flush is not None:
        return _time_cold(rig, rig.flush, iterations)
    synchronize()
    cpu = rig.cpu_now()
    start = now()
    for _ in range(iterations - 1):
        for run in runs:
            run()
    # The last step needs all before it, so its results are all there is to wait for.
    rig.wait([run() for run in runs])
    spent = now() - start
    return Taken((spent,), cpu_nanoseconds=rig.cpu_now() - cpu)


def _time_cold(rig: Rig, flush: Run, iterations: int) -> Taken:
    """Time whole steps by the host's clock, each by itself after a flush."""
    runs, now = rig.runs, rig.now
    total = cpu = 0
    for _ in range(iterations):
        flush()
        rig.synchronize()
        cpu -= rig.cpu_now()
        start = now()
        rig.wait([run() for run in runs])
        total += now() - start
        cpu += rig.cpu_now()
    return Taken((total,), cpu_nanoseconds=cpu)


def time_staged(rig: Rig, iterations: int) -> Taken:
    """Time each stage by the host's clock, synchronised after each."""
    runs, now, synchronize, flush, ready = rig.runs, rig.now, rig.synchronize, rig.flush, rig.ready
    marks: list[int] = []
    mark = marks.append
    synchronize()
    for _ in range(iterations):
        if flush is not None:
            flush()
            synchronize()
        stages = iter(runs)  # made before the first mark: what lies between two marks is a stage and little else
        mark(now())
        for run in stages:
            returned = run()
            if ready is not None:
                ready(returned)
            synchronize()
            mark(now())
    width = len(runs) + 1
    rows = [marks[first : first + width] for first in range(0, len(marks), width)]
    return Taken(tuple(map(sum, zip(*[[b - a for a, b in pairwise(row)] for row in rows], strict=True))))


def hold_rate(stream: Stream, synchronize: Synchronize) -> float:
    """Measure the nanoseconds that one unit of a hold lasts; the first hold, which loads its kernel, does not count."""
    lasted = 0.0
    for _ in range(2):
        synchronize()
        start = stream.record()
        stream.hold(RATE_UNITS)
        end = stream.record()
        synchronize()
        lasted = stream.nanoseconds(start, end)
    return max(lasted, 1.0) / RATE_UNITS


def time_device(rig: Rig, stream: Stream, iterations: int, units: int, groups: Sequence[Sequence[Run]]) -> Taken:
    """Time groups of functions by the device's clock; they run one after the other, `iterations` times over.

    Args:
        rig: the step.
        stream: its device's queue.
        iterations: how often.
        units: how long the stream is held back.
        groups: what stands between two marks; each gets its own figure.
    """
    marks: list[list[Any]] = []
    rig.synchronize()
    stream.hold(units)
    for _ in range(iterations):
        if rig.flush is not None:
            rig.flush()
        row = [stream.record()]
        for group in groups:
            for run in group:
                run()
            row.append(stream.record())
        marks.append(row)
    held = not stream.reached(marks[0][0])
    rig.synchronize()
    return Taken(_summed(stream, marks), held)


def time_batched(rig: Rig, stream: Stream, iterations: int, units: int) -> Taken:
    """Time stages and the whole step by the device's clock where stages are too short to stand between two marks.

    Each pass runs one stage more than the one before, `iterations` times between a single pair of marks; a stage is
    the difference of two passes. So the resolution of a mark and the gap that it leaves count once a pass.
    """
    totals, held = [], True
    for count in range(1, len(rig.runs) + 1):
        runs = rig.runs[:count]
        rig.synchronize()
        stream.hold(units)
        start = stream.record()
        for _ in range(iterations):
            for run in runs:
                run()
        end = stream.record()
        held &= not stream.reached(start)
        rig.synchronize()
        totals.append(stream.nanoseconds(start, end))
    return Taken((*(round(b - a) for a, b in pairwise([0.0, *totals])), round(totals[-1])), held)


def _summed(stream: Stream, marks: Sequence[Sequence[Any]]) -> tuple[int, ...]:
    spans = [[stream.nanoseconds(a, b) for a, b in pairwise(row)] for row in marks]
    return tuple(round(math.fsum(column)) for column in zip(*spans, strict=True))


def enqueueing(rig: Rig, iterations: int) -> int:
    """Time how long the host takes to ask for so many steps, in nanoseconds, marks not included."""
    rig.synchronize()
    start = rig.now()
    for _ in range(iterations):
        for run in rig.runs:
            run()
    spent = rig.now() - start
    rig.synchronize()
    return spent


def time_work(run: Run, iterations: int, now: Now, synchronize: Synchronize) -> int:
    """Time any function, run `iterations` times, in nanoseconds: for peaks and proofs."""
    synchronize()
    start = now()
    for _ in range(iterations):
        run()
    synchronize()
    return now() - start
