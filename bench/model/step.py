"""The uniform step: what every implementation hands to the harness.

A training step has three phases, always in this order: forward, backward, update. A `Stage` is a function that
performs one or more of them; a step whose phases can be timed apart has three stages, a fused one has fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from bench.errors import StepError

if TYPE_CHECKING:
    from bench.model.data import Array


class Phase(StrEnum):
    """A part of the training step."""

    FORWARD = "forward"
    BACKWARD = "backward"
    UPDATE = "update"


Phases = tuple[Phase, ...]

FORWARD: Phases = (Phase.FORWARD,)
BACKWARD: Phases = (Phase.BACKWARD,)
UPDATE: Phases = (Phase.UPDATE,)
ALL_PHASES: Phases = FORWARD + BACKWARD + UPDATE


@dataclass(frozen=True)
class Stage:
    """A function that performs `phases`; `FORWARD + BACKWARD` fuses two of them."""

    phases: Phases
    run: Callable[[], object]


@dataclass(frozen=True)
class State:
    """What a step has computed, as NumPy arrays under the canonical parameter names and shapes."""

    loss: float
    """The loss of the last forward phase, before its update."""
    parameters: Mapping[str, Array]
    gradients: Mapping[str, Array] = field(default_factory=dict)
    """Those of the last backward phase; an implementation may leave out what it never materialises."""


@dataclass(frozen=True)
class Operation:
    """One operation that a framework's own profiler saw during one step."""

    name: str
    """The profiler's name; everything before the first `/` is the phase it belongs to."""
    kind: str
    """The operation's type, for example `MatMul`."""
    seconds: float


@dataclass(frozen=True)
class Step:
    """One training step, taken apart as far as the implementation allows.

    Raises:
        StepError: the stages do not cover forward, backward and update exactly once and in order.
    """

    stages: tuple[Stage, ...]
    state: Callable[[], State]
    """Reads the state back. Only the harness calls it, and never while it is timing."""
    reset: Callable[[], None]
    """Puts parameters, optimiser state and the sequence of depths back to the start."""
    trace: Callable[[], tuple[Operation, ...]] | None = None
    """For a fused step: runs one step under the framework's profiler and says what it executed."""

    def __post_init__(self) -> None:
        for stage in self.stages:
            if not isinstance(stage, Stage):
                raise StepError(f"A step's stages hold {stage!r}: give Stage(PHASES, function) objects.")
        covered = tuple(phase for stage in self.stages for phase in stage.phases)
        if covered != ALL_PHASES:
            found = ", ".join(str(phase) for phase in covered) or "nothing"
            raise StepError(
                f"The stages of a step cover {found}: they must cover forward, backward, update once each, in order."
            )

    @property
    def separable(self) -> bool:
        """Whether each phase has a stage of its own."""
        return len(self.stages) == len(ALL_PHASES)

    def __call__(self) -> None:
        """Run the whole step once."""
        for stage in self.stages:
            stage.run()
