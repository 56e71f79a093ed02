from __future__ import annotations

import pytest

from bench import BACKWARD, DATA, FORWARD, UPDATE, Stage, State, Step
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
        (FORWARD,),
        (DATA, FORWARD),
        (DATA, FORWARD, BACKWARD, UPDATE),
        (DATA, FORWARD + BACKWARD, UPDATE),
    ],
)
def test_a_step_runs_its_stages_in_order(phases: tuple[Phases, ...]) -> None:
    log: list[Phases] = []
    step = step_of(*phases, log=log)
    step()
    assert tuple(log) == phases
    assert step.separable == all(len(each) == 1 for each in phases)
    assert step.phases == (FORWARD if phases[-1] == FORWARD else FORWARD + BACKWARD + UPDATE), "without data"


@pytest.mark.parametrize(
    "phases",
    [
        (),
        (DATA,),
        (DATA + FORWARD + DATA,),
        (FORWARD, DATA, BACKWARD, UPDATE),
        (FORWARD, BACKWARD),
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
