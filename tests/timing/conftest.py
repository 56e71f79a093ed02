"""A clock that only moves when a stage or a synchronisation says so: what is measured is known exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from bench import BACKWARD, FORWARD, UPDATE, Operation, Stage, State, Step


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
