"""Whether a step is waited for, on a simulated device, and in JAX, which hands out results before they are computed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench import State, Step
from bench.timing.passes import Rig
from bench.timing.waited import Unfinished, unfinished


def reading_back(gpu: Any, reading: Callable[[int], int] = lambda number: 1_000) -> Step:
    """The simulated step; its state waits for the device, and then takes a time of its own."""
    readings = iter(range(1000))

    def state() -> State:
        gpu.synchronize()
        gpu.time += reading(next(readings))
        return State(0.0, {})

    return replace(gpu.step(), state=state)


def look(gpu: Any, rig: Rig) -> Unfinished | None:
    def sleep(seconds: float) -> None:
        gpu.time += round(seconds * 1e9)

    return unfinished(rig, sleep)


def test_a_step_that_is_waited_for_has_nothing_left_to_do(gpu: Any) -> None:
    assert look(gpu, gpu.rig(step=reading_back(gpu))) is None
    assert gpu.steps == 5


def test_a_backend_that_forgets_to_wait_is_found_out_with_what_was_left(gpu: Any) -> None:
    rig = replace(gpu.rig(step=reading_back(gpu)), synchronize=lambda: None)
    # Three launches take the host 15 us; of 350 us the device has then done 10.
    assert look(gpu, rig) == Unfinished(15_000, 340_000)


def test_the_reason_says_how_much_and_what_to_do() -> None:
    reason = Unfinished(15_000, 340_000).reason
    assert "after 0.015 ms, 0.34 ms of it are still to come" in reason
    assert "synchronize" in reason


def test_stages_that_return_only_a_part_are_found_out(gpu: Any) -> None:
    """As in JAX: `ready` waits for what it is given, and nothing else does."""
    step = reading_back(gpu)
    told = replace(step, stages=(replace(step.stages[0], run=lambda: (step.stages[0].run(), "loss")), *step.stages[1:]))

    def ready(returned: object) -> None:
        gpu.time = max(gpu.time, round(gpu.free_at) - 250_000 if "'loss'" in repr(returned) else 0)

    found = look(gpu, replace(gpu.rig(step=told), synchronize=lambda: None, ready=ready))
    assert found is not None
    assert found.late == 250_000


def test_a_first_reading_that_is_merely_longer_is_no_unfinished_work(gpu: Any) -> None:
    """Every other reading is the first after a step, whether the step has rested or not."""
    slow_first = reading_back(gpu, lambda number: 900_000 if number >= 10 or number % 2 == 0 else 1_000)
    assert look(gpu, gpu.rig(step=slow_first)) is None


def test_a_long_step_is_looked_at_once(gpu: Any) -> None:
    gpu.costs = (60_000_000, 1, 1)
    assert look(gpu, gpu.rig(step=reading_back(gpu))) is None
    assert gpu.steps == 1


LAZY = """
import time
from dataclasses import replace
from bench import Stage
from bench.backends.jax import JaxBackend
from bench.model.device import Settings
from bench.model.discovery import discover
from bench.timing.clock import host_now
from bench.timing.passes import Rig
from bench.timing.waited import unfinished
from bench.workloads import tutorial
device = JaxBackend().open(Settings(1))
item, problem = discover()["jax_staged"], tutorial(hidden=2048)
step = item.build(problem, item.workload.data(problem), device)
for waits in (True, False):
    first = step.stages[0]
    stages = step.stages if waits else (
        Stage(first.phases, lambda: first.run()[0]),
        *(Stage(stage.phases, lambda stage=stage: (stage.run(), None)[1]) for stage in step.stages[1:]),
    )
    rig = Rig(replace(step, stages=stages), host_now, device.synchronize, ready=device.ready)
    step(); step.state()
    tries = 1 if waits else 5  # on a machine that is busy a step may have ended by the time it is looked at
    print("FOUND", any(unfinished(rig, time.sleep) for _ in range(tries)))
"""


@pytest.mark.slow
def test_jax_that_waits_for_the_loss_alone_is_found_out() -> None:
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, check=True)
    assert [line for line in done.stdout.splitlines() if line.startswith("FOUND")] == ["FOUND False", "FOUND True"]
