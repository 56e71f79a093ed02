"""Warm-up, sizing and sampling of one Step.

    measure(step, ...):
        warm up     single cycles, until the last third of them agrees with the middle third
        size        iterations per sample, from the warm-up's last third
        sample      in turn:      whole   the phases back to back, by the host's clock
                                  staged  each phase by itself, by the host's clock
                                  device  each phase by the device's own clock, where it has one
        by variant  single steps, for a workload whose work varies from step to step
        trace       a few steps under the framework's own profiler, for a fused step

How one sample is taken is in `bench.timing.passes`, the device's own clock in `bench.timing.device_clock`. Nothing
here prints, writes or knows of processes; the clock is a parameter, so that tests are exact.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from bench.data.schema import FIRST_STEP, STEP, Method
from bench.machine.disturbance import LAUNCH_BOUND, UNSETTLED, Observe, unobserved
from bench.model.step import Phase, Step
from bench.timing.device_clock import DeviceClock
from bench.timing.load import Load
from bench.timing.passes import Rig, Taken, time_staged, time_whole
from bench.timing.policy import Sample, SamplingPolicy


@dataclass(frozen=True)
class WarmUp:
    """What was discarded, and whether it ended because it was steady or because it was long."""

    iterations: int
    settled: bool
    iteration_nanoseconds: float
    """Median time of one iteration in the last third."""
    wall_nanoseconds: float = 0.0
    """What one iteration cost in all, flushes and waits included."""


@dataclass(frozen=True)
class Measurement:
    """All that one process learned about one step."""

    warmup: WarmUp
    samples: tuple[Sample, ...]
    cpus_used: float | None = None
    """CPUs that were busy on average while whole steps were sampled; None where too little was timed to say."""


class Course:
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


def warm_up(course: Course, cycle: int, policy: SamplingPolicy, rig: Rig) -> WarmUp:
    """Run cycles until they are steady: the medians of their last and middle thirds agree, or the cap is reached."""
    times: list[int] = []
    began = rig.now()
    settled = False
    while not settled:
        course.make_room(cycle)
        times += time_whole(rig, cycle).nanoseconds
        elapsed = rig.now() - began
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
    iterations = len(times) * cycle
    return WarmUp(iterations, settled, median(last_third) / cycle, (rig.now() - began) / iterations)


def size_sample(iteration_nanoseconds: float, cycle: int, steps: int, resolution: int, policy: SamplingPolicy) -> int:
    """Choose the iterations of a sample: whole cycles, long enough for the clock, within one course of training."""
    aim = max(policy.sample_seconds * 1e9, resolution / policy.resolution_share)
    cycles = max(1, math.ceil(aim / max(iteration_nanoseconds, 1e-3) / cycle))
    return min(cycles, max(1, steps // cycle - 1)) * cycle  # the first cycle of a course is not timed


def _sample_count(warmup: WarmUp, iterations: int, passes: int, policy: SamplingPolicy, cold: bool) -> int:
    # With cold caches most of the time goes into flushing.
    each = max(warmup.wall_nanoseconds if cold else warmup.iteration_nanoseconds, 1e-3) * iterations * passes
    return min(policy.max_samples, max(policy.min_samples, math.ceil(policy.process_seconds * 1e9 / each)))


def measure(
    rig: Rig,
    *,
    resolution: int,
    steps: int,
    variants: Sequence[int] = (),
    cycle: int = 1,
    observe: Observe = unobserved,
    policy: SamplingPolicy = SamplingPolicy(),
) -> Measurement:
    """Warm up, size a sample and sample one step, which has been reset and verified before.

    Args:
        rig: the step to measure, with its clocks.
        resolution: the clock's resolution in nanoseconds.
        steps: iterations of one course of training, after which the step is reset.
        variants: the amount of work of each step of the course, if it varies.
        cycle: steps after which the amount of work repeats.
        observe: looks for disturbances around each sample, outside its time.
        policy: how long to warm up and to sample.
    """
    step = rig.step
    course = Course(step, steps, cycle)
    take = _Taker(rig, observe)
    gc.collect()
    gc.freeze()  # what exists now is never scanned again: collecting between samples is cheap
    warmup = warm_up(course, cycle, policy, rig)
    iterations = size_sample(warmup.iteration_nanoseconds, cycle, steps, resolution, policy)
    passes = 2 if len(step.stages) > 1 else 1
    device_clock = DeviceClock.rehearsed(rig, course.make_room, cycle, steps, policy)
    samples: list[Sample] = []
    for index in range(_sample_count(warmup, iterations, passes, policy, rig.flush is not None)):
        # The one that comes first changes, so that what follows a reset falls on both alike.
        kinds = ("whole", "staged")[:passes] if index % 2 == 0 else ("staged", "whole")[-passes:]
        for kind in kinds:
            course.make_room(iterations)
            samples += take.whole(index, iterations) if kind == "whole" else take.staged(index, iterations)
        if device_clock is not None and index < policy.device_samples:
            course.make_room(device_clock.steps_a_sample)
            samples += take.device(index, device_clock)
    cpus_used = take.load.cpus
    if cycle > 1:
        samples += _by_variant(course, variants, cycle, policy, take)
    samples += _traced(course, policy)
    if not warmup.settled:
        samples = [replace(sample, flags=f"{sample.flags} {UNSETTLED}".strip()) for sample in samples]
    return Measurement(warmup, tuple(samples), cpus_used)


class _Taker:
    """Takes samples of one step: the garbage collector is off during each, and disturbances are noted around it."""

    def __init__(self, rig: Rig, observe: Observe) -> None:
        self._rig, self._observe, self.load = rig, observe, Load()

    def whole(self, index: int, iterations: int, variant: int | None = None) -> list[Sample]:
        """Take one sample of whole steps."""
        taken, flags = self._undisturbed(lambda: self.load.add(time_whole(self._rig, iterations)))
        (nanoseconds,) = taken.nanoseconds
        return [Sample(STEP, Method.WHOLE, index, iterations, nanoseconds, variant, flags=flags)]

    def staged(self, index: int, iterations: int) -> list[Sample]:
        """Take one sample of each stage."""
        taken, flags = self._undisturbed(lambda: time_staged(self._rig, iterations))
        return [
            Sample(stage.label, Method.STAGED, index, iterations, nanoseconds, flags=flags)
            for stage, nanoseconds in zip(self._rig.step.stages, taken.nanoseconds, strict=True)
        ]

    def device(self, index: int, clock: DeviceClock) -> list[Sample]:
        """Take one sample of each phase and of the whole step by the device's own clock."""
        taken, flags = self._undisturbed(clock.take)
        if not taken.held:
            flags = f"{flags} {LAUNCH_BOUND}".strip()
        return [
            Sample(phase, method, index, clock.iterations, nanoseconds, clock="device", flags=flags)
            for (phase, method), nanoseconds in zip(clock.labels, taken.nanoseconds, strict=True)
        ]

    def _undisturbed(self, time_it: Callable[[], Taken]) -> tuple[Taken, str]:
        gc.disable()
        try:
            ended = self._observe()
            taken = time_it()
            return taken, ended(sum(taken.nanoseconds))
        finally:
            gc.enable()
            gc.collect()


def _by_variant(
    course: Course, variants: Sequence[int], cycle: int, policy: SamplingPolicy, take: _Taker
) -> list[Sample]:
    """Take single steps, labelled with their variant; whole cycles, so that each variant gets as many."""
    samples = []
    counts: dict[int, int] = {}
    for _ in range(policy.variant_cycles * cycle):
        course.make_room(1)
        variant = variants[(course.done - 1) % len(variants)]
        index = counts[variant] = counts.get(variant, -1) + 1
        samples += take.whole(index, 1, variant)
    return samples


def _traced(course: Course, policy: SamplingPolicy) -> list[Sample]:
    """Take phase times by the framework's own profiler; what it attributes to no phase is left out."""
    if course.step.trace is None:
        return []
    samples = []
    for index in range(policy.traced_steps):
        course.make_room(1)
        spent = dict.fromkeys(course.step.phases, 0.0)
        for operation in course.step.trace():
            scope = operation.name.partition("/")[0]
            if scope in spent:
                spent[Phase(scope)] += operation.seconds
        samples += [
            Sample(str(phase), Method.PROFILED, index, 1, round(seconds * 1e9)) for phase, seconds in spent.items()
        ]
    return samples


def first_step(rig: Rig) -> Sample:
    """Time the very first call: tracing, compilation and lazy loading are in it."""
    (nanoseconds,) = time_whole(rig, 1).nanoseconds
    return Sample(FIRST_STEP, Method.WHOLE, 0, 1, nanoseconds)
