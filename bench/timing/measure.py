"""Warm-up, sizing and sampling of one Step, turn after turn.

    Sampling(step, ...)
        warm up     single cycles, until the last third of them agrees with the middle third
        size        iterations of a sample, samples of a turn
    turn()      a lead that is not timed, then in alternation:
                                  whole   the phases back to back, by the host's clock
                                  staged  each phase by itself, by the host's clock
                                  device  each phase by the device's own clock, where it has one
    finish()
        by variant  single steps, for a workload whose work varies from step to step
        trace       a few steps under the framework's own profiler, for a fused step

Between its turns a step waits while others take theirs: `bench.run.rounds` says when. How one sample is taken is in
`bench.timing.passes`, the device's own clock in `bench.timing.device_clock`. Nothing here prints, writes or knows of
processes; the clock is a parameter, so that tests are exact.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from bench.data.schema import FIRST_STEP, STEP, Method
from bench.machine.disturbance import LAUNCH_BOUND, RECOMPILED, UNSETTLED, Observe, unobserved
from bench.model.step import Phase, Step
from bench.timing.device_clock import DeviceClock
from bench.timing.load import Load, Workers
from bench.timing.passes import Rig, time_staged, time_whole
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


class Course:
    """Runs a step along the problem's course of training and starts over in time.

    Without that, thousands of steps drive gradients and Adam's moments into denormal numbers, which some processors
    multiply a hundred times more slowly: the benchmark would slow down for a reason that no real training has.
    """

    def __init__(self, step: Step, steps: int, cycle: int = 1, beat: Callable[[], None] = lambda: None) -> None:
        self.step, self.steps, self.cycle, self.done, self._beat = step, steps, cycle, 0, beat
        self.taken = 0
        """Iterations since the beginning, whatever was reset."""

    def make_room(self, iterations: int) -> None:
        """Reset, untimed, if that many more iterations would leave the course.

        The first cycle after a reset runs untimed too: optimisers make their state in it, and the weights are cold.
        """
        self._beat()
        if self.done + iterations > self.steps:
            self.step.reset()
            self.done = 0
            if self.cycle + iterations <= self.steps:
                for _ in range(self.cycle):
                    self.step()
                self.done = self.cycle
                self.taken += self.cycle
        self.done += iterations
        self.taken += iterations


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


def size_sample(iteration_nanoseconds: float, cycle: int, steps: int, aim: float) -> int:
    """Choose the iterations of a sample: whole cycles of `aim` nanoseconds, within a course of training."""
    cycles = max(1, math.ceil(aim / max(iteration_nanoseconds, 1e-3) / cycle))
    return min(cycles, max(1, steps // cycle - 1)) * cycle  # the first cycle of a course is not timed


class Sampling:
    """A step that is sampled in turns: warmed up when this is made, and steered by whoever holds it."""

    def __init__(
        self,
        rig: Rig,
        *,
        resolution: int,
        steps: int,
        variants: Sequence[int] = (),
        cycle: int = 1,
        observe: Observe = unobserved,
        policy: SamplingPolicy = SamplingPolicy(),
        beat: Callable[[], None] = lambda: None,
        held: Callable[[], int] = lambda: 0,
        programs: Callable[[], int] = lambda: 0,
    ) -> None:
        """Warm up and size a step that has been verified and reset before.

        Args:
            rig: the step to measure, with its clocks.
            resolution: the clock's resolution in nanoseconds.
            steps: iterations of one course of training, after which the step is reset.
            variants: the amount of work of each step of the course, if it varies.
            cycle: steps after which the amount of work repeats.
            observe: looks for disturbances around each turn, outside its times.
            policy: how long to warm up and to sample.
            beat: called before each sample, outside its time, to show that the process is alive.
            held: tells how much memory the process holds, in bytes; asked after the warm-up and after each turn.
            programs: tells how many programs have been compiled; asked at the same times.
        """
        self._rig, self._observe, self._policy = rig, observe, policy
        self._variants, self._cycle, self._load = variants, cycle, Load()
        self._course = Course(rig.step, steps, cycle, beat)
        gc.collect()
        gc.freeze()  # what exists now is never scanned again: collecting between turns is cheap
        self.warmup = warm_up(self._course, cycle, policy, rig)
        self._programs = programs
        self._compiled = self._seen = programs()
        self._workers = Workers(rig.cpu_now)
        iteration = self.warmup.iteration_nanoseconds
        aim = max(0.0 if rig.stream is None else policy.queue_seconds * 1e9, resolution / policy.resolution_share)
        self._iterations = size_sample(iteration, cycle, steps, aim)
        self._passes = 2 if len(rig.step.stages) > 1 else 1
        # With cold caches most of the time goes into flushing.
        each = max(self.warmup.wall_nanoseconds if rig.flush is not None else iteration, 1e-3)
        unit = each * self._iterations * self._passes
        self._units = round(min(policy.max_units, max(policy.min_units, policy.turn_seconds * 1e9 / unit)))
        lead = policy.lead_seconds * 1e9 / each / cycle
        self._lead = math.ceil(lead) if lead >= policy.lead_share else 0
        self.turn_seconds = (self._units * unit + self._lead * each * cycle) / 1e9
        """What one turn takes, as the warm-up suggests."""
        self._device_clock = DeviceClock.rehearsed(rig, self._course.make_room, cycle, steps, policy)
        self._device_samples = policy.device_samples
        self._held = held
        self.memory = [(self._course.taken, held())]
        """Iterations so far, and the bytes that the process held then: after the warm-up, and after each turn."""

    def turn(self, number: int) -> tuple[Sample, ...]:
        """Take one turn: the garbage collector is off meanwhile, and disturbances are noted around it."""
        for _ in range(self._lead):
            self._course.make_room(self._cycle)
            self._load.add(time_whole(self._rig, self._cycle))
        samples: list[Sample] = []
        gc.disable()
        try:
            ended, began = self._observe(), self._rig.now()
            for unit in range(self._units):
                # The one that comes first changes, so that what follows a reset falls on both alike.
                whole_first = (number + unit) % 2 == 0
                for take in (self._whole, self._staged) if whole_first else (self._staged, self._whole):
                    samples += take(number)
            if self._device_clock is not None and self._device_samples:
                self._device_samples -= 1
                samples += self._by_device(number, self._device_clock)
            flags = ended(self._rig.now() - began)
        finally:
            gc.enable()
            gc.collect()
        flags = f"{flags} {self._news()}"
        self.memory.append((self._course.taken, self._held()))
        return tuple(self._flagged(samples, flags))

    def finish(self) -> tuple[Sample, ...]:
        """Take what is taken once, after the last turn: samples by variant, and phases by the framework's profiler."""
        gc.disable()
        try:
            found = self._by_variant() if self._cycle > 1 else []
        finally:
            gc.enable()
        found += _traced(self._course, self._policy)
        return tuple(self._flagged(found, self._news()))

    def _news(self) -> str:
        """Return the flag that says that something has been compiled since this was last asked."""
        before, self._seen = self._seen, self._programs()
        return RECOMPILED if self._seen > before else ""

    @property
    def recompiles(self) -> int:
        """Programs that had been compiled since the warm-up when the last turn, or `finish`, ended."""
        return self._seen - self._compiled

    @property
    def cpus_used(self) -> float | None:
        """CPUs that were typically busy while whole steps were sampled; None where too little was timed to say."""
        return self._load.cpus

    @property
    def workers(self) -> int:
        """Threads of the step's own that have computed since it was warmed up."""
        return self._workers.number

    def _flagged(self, samples: Sequence[Sample], flags: str) -> list[Sample]:
        """Add flags to samples; those of a process that never became steady say so."""
        added = flags if self.warmup.settled else f"{flags} {UNSETTLED}"
        return [replace(sample, flags=" ".join(f"{sample.flags} {added}".split())) for sample in samples]

    def _whole(self, turn: int) -> list[Sample]:
        self._course.make_room(self._iterations)
        (nanoseconds,) = self._load.add(time_whole(self._rig, self._iterations)).nanoseconds
        return [Sample(STEP, Method.WHOLE, turn, self._iterations, nanoseconds)]

    def _staged(self, turn: int) -> list[Sample]:
        if self._passes == 1:
            return []
        self._course.make_room(self._iterations)
        times = time_staged(self._rig, self._iterations).nanoseconds
        return [
            Sample(stage.label, Method.STAGED, turn, self._iterations, nanoseconds)
            for stage, nanoseconds in zip(self._rig.step.stages, times, strict=True)
        ]

    def _by_device(self, turn: int, clock: DeviceClock) -> list[Sample]:
        """Take one sample of each phase and of the whole step by the device's own clock."""
        self._course.make_room(clock.steps_a_sample)
        taken = clock.take()
        flags = "" if taken.held else LAUNCH_BOUND
        return [
            Sample(phase, method, turn, clock.iterations, nanoseconds, clock="device", flags=flags)
            for (phase, method), nanoseconds in zip(clock.labels, taken.nanoseconds, strict=True)
        ]

    def _by_variant(self) -> list[Sample]:
        """Take single steps, labelled with their variant; whole cycles, so that each variant gets as many."""
        samples = []
        counts: dict[int, int] = {}
        for _ in range(self._policy.variant_cycles * self._cycle):
            self._course.make_room(1)
            variant = self._variants[(self._course.done - 1) % len(self._variants)]
            index = counts[variant] = counts.get(variant, -1) + 1
            (nanoseconds,) = time_whole(self._rig, 1).nanoseconds
            samples.append(Sample(STEP, Method.WHOLE, index, 1, nanoseconds, variant))
        return samples


def measure(sampling: Sampling, policy: SamplingPolicy) -> tuple[Sample, ...]:
    """Measure a step that has nobody to take turns with: turn after turn without a pause, and what is taken once."""
    turns = [sampling.turn(number) for number in range(policy.turns(sampling.turn_seconds))]
    return (*(sample for turn in turns for sample in turn), *sampling.finish())


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
