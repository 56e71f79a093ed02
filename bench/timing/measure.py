"""Warm-up, calibration and sampling of one Step.

    measure(step, ...):
        warm up     single cycles, until the last third of them agrees with the middle third
        calibrate   iterations per sample, from the warm-up's last third
        sample      alternately:  whole   synchronise, clock, n x (forward, backward, update), synchronise, clock
                                  staged  n x (clock, forward, synchronise, clock, backward, ..., clock), summed a phase
        by depth    single steps, for a workload whose work varies from step to step
        trace       a few steps under the framework's own profiler, for a fused step

This is the only place that synchronises a device. It prints nothing, writes nothing and knows nothing of processes;
the clock is a parameter, so that tests are exact.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from bench.data.schema import FIRST_STEP, STEP, Method
from bench.model.step import ALL_PHASES, Phase, Step
from bench.timing.clock import Now
from bench.timing.disturbance import UNSETTLED, Observe, unobserved

Synchronize = Callable[[], None]
TimeIt = Callable[[Step, int, Now, Synchronize], tuple[int, ...]]


@dataclass(frozen=True)
class Policy:
    """How long to warm up and to sample. Times in seconds."""

    sample_seconds: float = 0.004
    """Aim for one sample; raised where the clock's resolution would be more than `resolution_share` of it."""
    process_seconds: float = 0.25
    """Aim for all samples of one process together."""
    min_samples: int = 5
    max_samples: int = 200
    resolution_share: float = 1e-3
    warmup_min_seconds: float = 0.02
    warmup_max_seconds: float = 0.5
    warmup_min_cycles: int = 6
    """Two a third: fewer cannot tell whether a slow step is steady."""
    warmup_tolerance: float = 0.05
    """The last third agrees with the middle third if their medians differ by at most this part."""
    depth_cycles: int = 5
    traced_steps: int = 5


@dataclass(frozen=True)
class Sample:
    """One recorded time over `iterations` iterations."""

    phase: str
    method: Method
    sample: int
    iterations: int
    nanoseconds: int
    depth: int | None = None
    clock: str = "host"
    flags: str = ""


@dataclass(frozen=True)
class WarmUp:
    """What was discarded, and whether it ended because it was steady or because it was long."""

    iterations: int
    settled: bool
    iteration_nanoseconds: float
    """Median time of one iteration in the last third."""


@dataclass(frozen=True)
class Measurement:
    """All that one process learned about one step."""

    warmup: WarmUp
    samples: tuple[Sample, ...]


class _Course:
    """Runs a step along the problem's course of training and starts over in time.

    Without that, thousands of steps drive gradients and Adam's moments into denormal numbers, which some processors
    multiply a hundred times more slowly: the benchmark would slow down for a reason that no real training has.
    """

    def __init__(self, step: Step, steps: int, cycle: int = 1) -> None:
        self.step, self.steps, self.cycle, self.done = step, steps, cycle, 0

    def make_room(self, iterations: int) -> None:
        """Reset, untimed, if that many more iterations would leave the course.

        The first cycle after a reset runs untimed too: optimisers make their state in it, and the weights are cold.
        """
        if self.done + iterations > self.steps:
            self.step.reset()
            self.done = 0
            if self.cycle + iterations <= self.steps:
                for _ in range(self.cycle):
                    self.step()
                self.done = self.cycle
        self.done += iterations


def time_whole(step: Step, iterations: int, now: Now, synchronize: Synchronize) -> tuple[int]:
    """Nanoseconds of `iterations` whole steps, one synchronisation at each end."""
    runs = [stage.run for stage in step.stages]
    synchronize()
    start = now()
    for _ in range(iterations):
        for run in runs:
            run()
    synchronize()
    return (now() - start,)


def time_staged(step: Step, iterations: int, now: Now, synchronize: Synchronize) -> tuple[int, int, int]:
    """Nanoseconds of forward, backward and update over `iterations` steps, synchronised after each phase."""
    forward, backward, update = (stage.run for stage in step.stages)
    in_forward = in_backward = in_update = 0
    synchronize()
    for _ in range(iterations):
        start = now()
        forward()
        synchronize()
        after_forward = now()
        backward()
        synchronize()
        after_backward = now()
        update()
        synchronize()
        after_update = now()
        in_forward += after_forward - start
        in_backward += after_backward - after_forward
        in_update += after_update - after_backward
    return in_forward, in_backward, in_update


def warm_up(course: _Course, cycle: int, policy: Policy, now: Now, synchronize: Synchronize) -> WarmUp:
    """Run cycles until they are steady: the medians of their last and middle thirds agree, or the cap is reached."""
    times: list[int] = []
    began = now()
    settled = False
    while not settled:
        course.make_room(cycle)
        times += time_whole(course.step, cycle, now, synchronize)
        elapsed = now() - began
        if (
            len(times) % 3 == 0
            and len(times) >= policy.warmup_min_cycles
            and elapsed >= policy.warmup_min_seconds * 1e9
        ):
            third = len(times) // 3
            middle, last = median(times[third : 2 * third]), median(times[2 * third :])
            settled = abs(last - middle) <= policy.warmup_tolerance * middle
        if elapsed >= policy.warmup_max_seconds * 1e9 and len(times) >= policy.warmup_min_cycles:
            break
    last_third = times[-max(1, len(times) // 3) :]
    return WarmUp(len(times) * cycle, settled, median(last_third) / cycle)


def calibrate(iteration_nanoseconds: float, cycle: int, steps: int, resolution: int, policy: Policy) -> int:
    """Iterations per sample: a multiple of the cycle, long enough for the clock, within one course of training."""
    aim = max(policy.sample_seconds * 1e9, resolution / policy.resolution_share)
    cycles = max(1, math.ceil(aim / max(iteration_nanoseconds, 1e-3) / cycle))
    return min(cycles, max(1, steps // cycle - 1)) * cycle  # the first cycle of a course is not timed


def _sample_count(iteration_nanoseconds: float, iterations: int, passes: int, policy: Policy) -> int:
    each = max(iteration_nanoseconds, 1e-3) * iterations * passes
    return min(policy.max_samples, max(policy.min_samples, math.ceil(policy.process_seconds * 1e9 / each)))


def measure(
    step: Step,
    *,
    now: Now,
    synchronize: Synchronize,
    resolution: int,
    steps: int,
    depths: Sequence[int] = (),
    cycle: int = 1,
    observe: Observe = unobserved,
    policy: Policy = Policy(),
) -> Measurement:
    """Warm up, calibrate and sample one step, which has been reset and verified before.

    Args:
        step: the step to measure.
        now: the clock.
        synchronize: waits for the step's device.
        resolution: the clock's resolution in nanoseconds.
        steps: iterations of one course of training, after which the step is reset.
        depths: the depth of each step of the course, if they vary.
        cycle: steps after which the amount of work repeats.
        observe: looks for disturbances around each sample, outside its time.
        policy: how long to warm up and to sample.
    """
    course = _Course(step, steps, cycle)
    take = _Taker(step, now, synchronize, observe)
    gc.collect()
    gc.freeze()  # what exists now is never scanned again: collecting between samples is cheap
    warmup = warm_up(course, cycle, policy, now, synchronize)
    iterations = calibrate(warmup.iteration_nanoseconds, cycle, steps, resolution, policy)
    passes = 2 if step.separable else 1
    samples: list[Sample] = []
    for index in range(_sample_count(warmup.iteration_nanoseconds, iterations, passes, policy)):
        # The one that comes first changes, so that what follows a reset falls on both alike.
        kinds = ("whole", "staged")[:passes] if index % 2 == 0 else ("staged", "whole")[-passes:]
        for kind in kinds:
            course.make_room(iterations)
            samples += take.whole(index, iterations) if kind == "whole" else take.staged(index, iterations)
    if cycle > 1:
        samples += _by_depth(course, depths, cycle, policy, take)
    samples += _traced(course, policy)
    if not warmup.settled:
        samples = [replace(sample, flags=f"{sample.flags} {UNSETTLED}".strip()) for sample in samples]
    return Measurement(warmup, tuple(samples))


class _Taker:
    """Takes samples of one step: the garbage collector is off during each, and disturbances are noted around it."""

    def __init__(self, step: Step, now: Now, synchronize: Synchronize, observe: Observe) -> None:
        self._step, self._now, self._synchronize, self._observe = step, now, synchronize, observe

    def whole(self, index: int, iterations: int, depth: int | None = None) -> list[Sample]:
        """One sample of whole steps."""
        taken, flags = self._undisturbed(time_whole, iterations)
        (nanoseconds,) = taken
        return [Sample(STEP, Method.WHOLE, index, iterations, nanoseconds, depth, flags=flags)]

    def staged(self, index: int, iterations: int) -> list[Sample]:
        """One sample of each phase."""
        taken, flags = self._undisturbed(time_staged, iterations)
        return [
            Sample(str(phase), Method.STAGED, index, iterations, nanoseconds, flags=flags)
            for phase, nanoseconds in zip(ALL_PHASES, taken, strict=True)
        ]

    def _undisturbed(self, time_it: TimeIt, iterations: int) -> tuple[tuple[int, ...], str]:
        gc.disable()
        try:
            ended = self._observe()
            taken = time_it(self._step, iterations, self._now, self._synchronize)
            return taken, ended(sum(taken))
        finally:
            gc.enable()
            gc.collect()


def _by_depth(course: _Course, depths: Sequence[int], cycle: int, policy: Policy, take: _Taker) -> list[Sample]:
    """Single steps, labelled with their depth; whole cycles, so that each depth gets as many."""
    samples = []
    counts: dict[int, int] = {}
    for _ in range(policy.depth_cycles * cycle):
        course.make_room(1)
        depth = depths[course.done - 1]
        index = counts[depth] = counts.get(depth, -1) + 1
        samples += take.whole(index, 1, depth)
    return samples


def _traced(course: _Course, policy: Policy) -> list[Sample]:
    """Phase times by the framework's own profiler; what it attributes to no phase is left out."""
    if course.step.trace is None:
        return []
    samples = []
    for index in range(policy.traced_steps):
        course.make_room(1)
        spent = dict.fromkeys(Phase, 0.0)
        for operation in course.step.trace():
            scope = operation.name.partition("/")[0]
            if scope in spent:
                spent[Phase(scope)] += operation.seconds
        samples += [
            Sample(str(phase), Method.PROFILED, index, 1, round(seconds * 1e9)) for phase, seconds in spent.items()
        ]
    return samples


def first_step(step: Step, now: Now, synchronize: Synchronize) -> Sample:
    """Time the very first call: tracing, compilation and lazy loading are in it."""
    return Sample(FIRST_STEP, Method.WHOLE, 0, 1, *time_whole(step, 1, now, synchronize))
