"""Every phase of what `bench run` measures by default, under pytest-benchmark: `make perf`, not the ordinary suite.

For a quick look, and for whatever already reads pytest-benchmark's files. Each test verifies its step against the
oracle first, then times one phase, or the whole step, on one CPU thread. What comes before the phase is done
outside the timing, so that a backward phase finds a fresh forward one and training goes on as it should.

Unlike in `bench run`, NumPy, torch and TensorFlow live together in this one process: their thread pools, memory and
caches meet, the same memory layout is behind every number, and no interval says how much another process would differ.
Compare revisions with `bench gate`, implementations with `bench run`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from bench import Device, Settings, Stage, Step
from bench.data.schema import STEP
from bench.model.device import Backend
from bench.model.discovery import discover
from bench.model.registry import Implementation, Registry
from bench.model.step import TRAINING
from bench.model.workload import WORKLOADS
from bench.oracle.edges import truth_by_reference
from bench.oracle.truth import Truth
from bench.oracle.verify import verify
from bench.timing.measure import Course
from bench.workloads import tutorial

pytestmark = pytest.mark.performance

PROBLEM = tutorial()
THREADS = 1
ROUNDS, WARM_UP_ROUNDS = 200, 20
"""Multiples of every workload's cycle: each depth comes equally often."""


@dataclass(frozen=True)
class Timed:
    """One test: what is timed where."""

    implementation: Implementation
    backend: Backend
    phase: str

    @property
    def name(self) -> str:
        return f"{self.implementation.name}-{self.backend.name}-{self.phase}"


def timed_cases(registry: Registry) -> list[Timed]:
    """Each implementation on each backend that is present here; of a fused one the step, of others each phase too.

    Devices with a memory of their own come first: once TensorFlow is opened for the CPU, the process sees no GPU.
    """
    found = [
        Timed(item, backend, phase)
        for item in registry
        for backend in item.backends
        if item.by_default and backend.availability().present
        for phase in ((STEP,) if item.fused else (*map(str, TRAINING), STEP))
    ]
    return sorted(found, key=lambda case: case.backend.host_memory)


class Turns:
    """Brings a step to one of its stages again and again, along the problem's course of training.

    Every step is finished before the next begins, and training starts over in time, all of it untimed.
    """

    def __init__(self, course: Course, stages: Sequence[Stage], index: int, wait: Callable[[], None]) -> None:
        self._course, self._wait = course, wait
        self._before, self._after = stages[:index], stages[index + 1 :]
        self._unfinished = False

    def bring(self) -> None:
        """What comes before the timed call: the rest of the last step, then this one up to the stage."""
        self.finish()
        self._course.make_room(1)
        for stage in self._before:
            stage.run()
        self._unfinished = True
        self._wait()

    def finish(self) -> None:
        """Do what comes after the stage in a step that was begun."""
        if self._unfinished:
            for stage in self._after:
                stage.run()
        self._unfinished = False


@cache
def opened(backend: Backend) -> Device:
    """The device with its threads pinned; once a process, as frameworks want it."""
    backend.preload()
    with pytest.MonkeyPatch.context() as patch:
        if backend.framework == "torch":
            import torch

            if (
                torch.get_num_interop_threads() == THREADS
            ):  # torch may be told once, and there may be two torch backends
                patch.setattr(torch, "set_num_interop_threads", lambda count: None)
        return backend.open(Settings(THREADS))


@cache
def truth_of(workload: str) -> Truth:
    return truth_by_reference(WORKLOADS[workload], PROBLEM)


def verified_step(case: Timed, device: Device) -> Step:
    """A fresh step that has proved right; at its start again."""
    item = case.implementation
    step = item.build(PROBLEM, item.workload.data(PROBLEM), device)
    found = verify(step, truth_of(item.workload.name), PROBLEM.dtype)
    assert found.passed, f"{case.name} is not timed: {found.reason}"
    return step


def finished(run: Callable[[], object], device: Device) -> Callable[[], object]:
    """The call to be timed: where the device works behind the host's back, with the wait for it."""
    if device.stream is None:
        return run

    def run_and_wait() -> None:
        run()
        device.synchronize()

    return run_and_wait


@pytest.mark.parametrize("case", timed_cases(discover()), ids=lambda case: case.name)
def test_time(case: Timed, benchmark: Any) -> None:
    workload, device = case.implementation.workload, opened(case.backend)
    step = verified_step(case, device)
    stages = (Stage(TRAINING, step),) if case.phase == STEP else step.stages
    index = next(i for i, stage in enumerate(stages) if case.phase == STEP or case.phase in stage.phases)
    course = Course(step, PROBLEM.steps, workload.cycle)
    turns = Turns(course, stages, index, device.synchronize)
    benchmark.group = f"{workload.name}: {case.phase}"
    benchmark.extra_info |= {
        "workload": workload.name,
        "implementation": case.implementation.name,
        "backend": case.backend.name,
        "phase": case.phase,
        "threads": device.threads,
    }
    run = finished(stages[index].run, device)
    benchmark.pedantic(run, setup=turns.bring, rounds=ROUNDS, warmup_rounds=WARM_UP_ROUNDS)
    turns.finish()
    step.reset()
    again = verify(step, truth_of(workload.name), PROBLEM.dtype)
    assert again.passed, f"{case.name} is no longer right after it was timed: {again.reason}"
