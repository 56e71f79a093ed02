"""Clocks that only move when a stage, a queue or a synchronisation says so: what is measured is known exactly."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from bench import BACKWARD, FORWARD, UPDATE, Device, Operation, Stage, State, Step, Stream
from bench.timing.passes import Rig


@dataclass
class World:
    """Simulated time in nanoseconds, and a step that spends known amounts of it."""

    time: int = 0
    sync_cost: int = 0
    steps_run: int = 0
    resets: int = 0
    log: list[str] = field(default_factory=list)
    cost_of_step: Callable[[int], Sequence[int]] = lambda index: (100, 200, 300)

    def now(self) -> int:
        self.log.append("clock")
        return self.time

    def synchronize(self) -> None:
        self.log.append("sync")
        self.time += self.sync_cost

    def flush(self) -> None:
        self.log.append("flush")
        self.time += 77_000  # would show in any time that contained it

    def rig(self, fused: bool = False, step: Step | None = None, cold: bool = False) -> Rig:
        flush = self.flush if cold else None
        return Rig(step or self.step(fused), self.now, self.synchronize, flush, cpu_now=lambda: 0)

    def step(self, fused: bool = False) -> Step:
        def spend(which: str, index: int) -> None:
            self.log.append(which)
            self.time += self.cost_of_step(self.steps_run)[index]
            if index == 2:
                self.steps_run += 1

        def reset() -> None:
            self.resets += 1
            self.time += 1_000_000  # would show in any sample that contained it

        def whole() -> None:
            for index, which in enumerate(("f", "b", "u")):
                spend(which, index)

        def trace() -> tuple[Operation, ...]:
            whole()
            return (
                Operation("forward/MatMul", "MatMul", 4e-6),
                Operation("forward/Relu", "Relu", 1e-6),
                Operation("backward/gradients/forward/MatMul", "MatMul", 9e-6),
                Operation("update/Assign", "Assign", 2e-6),
                Operation("Variable", "VarHandleOp", 7e-6),
            )

        state = lambda: State(0.0, {})  # noqa: E731
        if fused:
            return Step((Stage(FORWARD + BACKWARD + UPDATE, whole),), state, reset, trace)
        names = ((FORWARD, "f", 0), (BACKWARD, "b", 1), (UPDATE, "u", 2))
        stages = tuple(Stage(phase, lambda which=which, i=i: spend(which, i)) for phase, which, i in names)
        return Step(stages, state, reset)


@pytest.fixture
def world() -> World:
    """A fresh simulated world."""
    return World()


@dataclass
class Gpu(Stream):
    """A device that works behind the host's back: a queue with a clock of its own. Times in nanoseconds."""

    costs: Sequence[int] = (100_000, 200_000, 50_000)
    """What forward, backward and update keep the device busy for."""
    launch: int = 5_000
    """What the host takes to ask for one of them."""
    marking: int = 1_000
    """What the host takes to put down a mark."""
    places: int = 1_000_000
    """So much may be enqueued; the host waits for a place."""
    tick: int = 500
    """The device's clock goes in steps of this."""
    drift: float = 1.0
    """How fast the device's clock goes, beside the host's."""
    unit: float = 1.0
    """What one unit of a hold lasts."""
    holds: bool = True
    """If not, the host waits for the end of a hold before it goes on."""
    time: int = 0
    free_at: float = 0.0
    steps: int = 0
    since_reset: int = 0
    longest: int = 0
    """Most forward phases between two resets."""
    watching: bool = False
    flushes: int = 0
    profiler: float | None = 1.0
    """The share of each kernel that the profiler sees; None where there is none."""
    launched: list[str] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)
    _ends: deque[float] = field(default_factory=deque)

    def now(self) -> int:
        return round(self.time)

    def synchronize(self) -> None:
        self.time = max(self.time, round(self.free_at))

    def enqueue(self, nanoseconds: float, asking: int) -> float:
        """Put work into the queue; when the device will have done it."""
        while self._ends and self._ends[0] <= self.time:
            self._ends.popleft()
        if len(self._ends) >= self.places:
            self.time = max(self.time, round(self._ends.popleft()))
        self.time += asking
        self.free_at = max(self.time, self.free_at) + nanoseconds
        self._ends.append(self.free_at)
        if nanoseconds:
            self.worked.append(nanoseconds)
        return self.free_at

    def record(self) -> float:
        self.launched.append("mark")
        return self.enqueue(0, self.marking)

    def reached(self, mark: float) -> bool:
        return mark <= self.time

    def nanoseconds(self, start: float, end: float) -> float:
        first, last = (round(mark * self.drift / self.tick) * self.tick for mark in (start, end))
        return float(last - first)

    def hold(self, units: int) -> None:
        self.launched.append("hold")
        self.enqueue(units * self.unit, 0)
        if not self.holds:
            self.synchronize()

    def kernels(self, run: Callable[[], object]) -> tuple[float, ...] | None:
        before = len(self.worked)
        run()
        return None if self.profiler is None else tuple(self.profiler * each for each in self.worked[before:])

    @contextmanager
    def watched(self) -> Iterator[None]:
        before, self.watching = self.watching, True
        try:
            yield
        finally:
            self.watching = before

    def read_back(self) -> None:
        """What `.item()` is to a real device."""
        if self.watching:
            raise RuntimeError("called a\nsynchronizing operation")
        self.synchronize()

    def flush(self) -> None:
        self.flushes += 1
        self.launched.append("flush")
        self.enqueue(77_000, self.launch)

    def step(self, fused: bool = False) -> Step:
        """A step of one launch a phase, or of three launches in one stage."""

        def run(index: int) -> None:
            if index == 0:
                self.since_reset += 1
                self.longest = max(self.longest, self.since_reset)
            self.launched.append("fbu"[index])
            self.enqueue(self.costs[index], self.launch)
            self.steps += index == 2

        def whole() -> None:
            for index in range(3):
                run(index)

        def reset() -> None:
            self.since_reset = 0

        state = lambda: State(0.0, {})  # noqa: E731
        if fused:
            return Step((Stage(FORWARD + BACKWARD + UPDATE, whole),), state, reset)
        phases = (FORWARD, BACKWARD, UPDATE)
        stages = tuple(Stage(phase, lambda i=i: run(i)) for i, phase in enumerate(phases))
        return Step(stages, state, reset)

    def rig(self, fused: bool = False, cold: bool = False, step: Step | None = None) -> Rig:
        flush = self.flush if cold else None
        return Rig(step or self.step(fused), self.now, self.synchronize, flush, self, cpu_now=lambda: 0)

    def device(self, **options: Any) -> Device:
        """The device as a backend would open it."""
        return Device("simulated", "", 1, None, lambda array: array, self.synchronize, stream=self, **options)


@pytest.fixture
def gpu() -> Gpu:
    """A simulated device that does nothing wrong."""
    return Gpu()
