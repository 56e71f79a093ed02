"""The uniform step: what every implementation hands to the harness.

A training step has three phases, always in this order: forward, backward, update; an inference step has the first
alone. Before them a step may take its batch from a loader, which is a phase of its own: data. A `Stage` is a function
that performs one or more phases; a step whose phases can be timed apart has a stage for each, a fused one has fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from bench.errors import StepError

if TYPE_CHECKING:
    from bench.model.data import AnyArray, Array


class Phase(StrEnum):
    """A part of the training step."""

    DATA = "data"
    FORWARD = "forward"
    BACKWARD = "backward"
    UPDATE = "update"


Phases = tuple[Phase, ...]

DATA: Phases = (Phase.DATA,)
FORWARD: Phases = (Phase.FORWARD,)
BACKWARD: Phases = (Phase.BACKWARD,)
UPDATE: Phases = (Phase.UPDATE,)
TRAINING: Phases = FORWARD + BACKWARD + UPDATE
STAGES = ("data", "forward", "forward+backward", "backward", "backward+update", "update")
"""What can be timed apart, in the order of a step: a phase, or two that are fused."""


@dataclass(frozen=True)
class Stage:
    """A function that performs `phases`; `FORWARD + BACKWARD` fuses two of them."""

    phases: Phases
    run: Callable[[], object]

    @property
    def label(self) -> str:
        """The name in tables and files, such as `forward+backward`."""
        return "+".join(self.phases)


@dataclass(frozen=True)
class State:
    """What a step has computed, as NumPy arrays under the canonical parameter names and shapes."""

    loss: float | None
    """The loss of the last forward phase, before its update; None for a step that has none."""
    parameters: Mapping[str, Array] = field(default_factory=dict)
    gradients: Mapping[str, Array] = field(default_factory=dict)
    """Those of the last backward phase; an implementation may leave out what it never materialises."""
    results: Mapping[str, Array] = field(default_factory=dict)
    """What else the step leaves behind: predictions of an inference step, running statistics of a model."""


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
    """One step, taken apart as far as the implementation allows.

    Raises:
        StepError: the stages do not cover forward, backward and update, or forward alone, once each and in order.
    """

    stages: tuple[Stage, ...]
    state: Callable[[], State]
    """Reads the state back. Only the harness calls it, and never while it is timing."""
    reset: Callable[[], None]
    """Puts parameters, the optimiser's state and the sequence of variants back to the start."""
    trace: Callable[[], tuple[Operation, ...]] | None = None
    """For a fused step: runs one step under the framework's profiler and says what it executed."""
    feed: Callable[[Mapping[str, AnyArray]], None] | None = None
    """Puts other inputs, by their names, in the place of those that it was built with; without it a step that is to
    be checked on fresh inputs is built again."""
    counts: Callable[[], Mapping[str, int]] | None = None
    """Counts that one step left behind, such as evaluations of the loss by an optimiser that searches along a line."""

    def __post_init__(self) -> None:
        for stage in self.stages:
            if not isinstance(stage, Stage):
                raise StepError(f"A step's stages hold {stage!r}: give Stage(PHASES, function) objects.")
        if self.phases not in (FORWARD, TRAINING):
            found = ", ".join(phase for stage in self.stages for phase in stage.phases) or "nothing"
            raise StepError(
                f"The stages of a step cover {found}: they must cover forward, backward, update once each, in order; "
                "or forward alone; with or without data before it."
            )

    @property
    def phases(self) -> Phases:
        """What the stages cover, data aside."""
        covered = tuple(phase for stage in self.stages for phase in stage.phases)
        return covered[1:] if covered[:1] == DATA else covered

    @property
    def separable(self) -> bool:
        """Whether each phase has a stage of its own."""
        return all(len(stage.phases) == 1 for stage in self.stages)

    def __call__(self) -> None:
        """Run the whole step once."""
        for stage in self.stages:
            stage.run()
