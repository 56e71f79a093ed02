from __future__ import annotations

import pytest

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step
from bench.errors import StepError
from bench.model.step import Phases


def step_of(*phases: Phases, log: list[Phases] | None = None) -> Step:
    stages = tuple(Stage(each, (lambda each=each: log.append(each) if log is not None else None)) for each in phases)
    return Step(stages, state=lambda: State(0.0, {}), reset=lambda: None)


@pytest.mark.parametrize(
    "phases",
    [
        (FORWARD, BACKWARD, UPDATE),
        (FORWARD + BACKWARD, UPDATE),
        (FORWARD, BACKWARD + UPDATE),
        (FORWARD + BACKWARD + UPDATE,),
    ],
)
def test_a_step_runs_its_stages_in_order(phases: tuple[Phases, ...]) -> None:
    log: list[Phases] = []
    step = step_of(*phases, log=log)
    step()
    assert tuple(log) == phases
    assert step.separable == (len(phases) == 3)


@pytest.mark.parametrize(
    "phases",
    [
        (),
        (FORWARD,),
        (FORWARD, UPDATE),
        (BACKWARD, FORWARD, UPDATE),
        (FORWARD, BACKWARD, UPDATE, UPDATE),
        (FORWARD + FORWARD, BACKWARD, UPDATE),
    ],
)
def test_phases_that_are_missing_doubled_or_out_of_order_are_refused(phases: tuple[Phases, ...]) -> None:
    with pytest.raises(StepError, match="must cover forward, backward, update once each, in order"):
        step_of(*phases)


def test_a_stage_that_is_a_bare_function_is_refused() -> None:
    with pytest.raises(StepError, match=r"Stage\(PHASES, function\)"):
        Step((print,), state=lambda: State(0.0, {}), reset=lambda: None)  # type: ignore[arg-type]
