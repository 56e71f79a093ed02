"""One side of a pair: a process that stays alive and times a short batch whenever it is asked to.

A batch alternates single whole steps with single steps timed phase by phase, so that both see the same moments. What
is kept of it is the minimum, which is what the code costs when nothing disturbs it, and the median, which also moves
when only some steps get slower.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from statistics import median

from bench.data.schema import STEP
from bench.errors import ChildError
from bench.model.step import Stage, Step
from bench.timing.clock import Now, host_now
from bench.timing.load import Load
from bench.timing.measure import Course, Measurement, warm_up
from bench.timing.passes import Rig, time_staged, time_whole
from bench.timing.policy import SamplingPolicy
from bench.timing.protocol import BATCH, BATCHED, REPLY, Batch, Batched, Channel, Request
from bench.timing.worker import failure, prepare

WARM_UP = SamplingPolicy(warmup_max_seconds=0.1)
"""Short: a pair is compared with itself, and what is left of the warm-up falls on both sides."""


class Delay:
    """A delay that can be planted in one phase: a spin, since a sleep would end when the scheduler likes."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self.phase = ""
        self.nanoseconds = 0

    def planted(self, step: Step) -> Step:
        """Plant the spin at the end of each stage of a step; both sides of a pair carry it."""
        return replace(step, stages=tuple(Stage(stage.phases, self._spinning(stage)) for stage in step.stages))

    def _spinning(self, stage: Stage) -> Callable[[], None]:
        run, phases, now = stage.run, tuple(map(str, stage.phases)), self._now

        def spin() -> None:
            run()
            if self.nanoseconds and self.phase in phases:
                end = now() + self.nanoseconds
                while now() < end:
                    pass

        return spin


class BatchTimer:
    """Times batches of one step."""

    def __init__(self, rig: Rig, steps: int, cycle: int) -> None:
        self._rig, self._cycle = rig, cycle
        self._course = Course(rig.step, steps, cycle)

    def warm_up(self) -> Measurement:
        """Warm up until the step is steady, or for a tenth of a second."""
        return Measurement(warm_up(self._course, self._cycle, WARM_UP, self._rig), ())

    def batch(self, units: int) -> Batched:
        """Take `units` single times of the whole step and as many of the phases."""
        rig, cycle = self._rig, self._cycle
        times: dict[str, list[float]] = {STEP: []}
        labels = [stage.label for stage in rig.step.stages] if len(rig.step.stages) > 1 else []
        times |= {label: [] for label in labels}
        load = Load()
        self._course.make_room(cycle)  # caches belong to the other side now: what comes first does not count
        time_whole(rig, cycle)
        gc.disable()
        try:
            for _ in range(units):
                self._course.make_room(cycle)
                times[STEP].append(load.add(time_whole(rig, cycle)).nanoseconds[0] / cycle)
                if labels:
                    self._course.make_room(cycle)
                    for label, spent in zip(labels, time_staged(rig, cycle).nanoseconds, strict=True):
                        times[label].append(spent / cycle)
        finally:
            gc.enable()
        return Batched(
            {phase: min(found) for phase, found in times.items()},
            {phase: median(found) for phase, found in times.items()},
            load.cpu_nanoseconds,
            load.wall_nanoseconds,
        )


def serve_batches(request: Request, channel: Channel) -> None:
    """Prepare a case, say how that went, then answer batches until the parent hangs up."""
    delay = Delay(host_now)
    try:
        case = prepare(request, delay.planted if request.plant else lambda step: step)
        timer = BatchTimer(case.rig, request.problem.steps, case.implementation.workload.cycle)
        warmed = timer.warm_up() if case.verification.passed else None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - as for any other request
        channel.send(REPLY.dump_json(failure(error, request)))
        return
    gc.collect()
    gc.freeze()
    channel.send(REPLY.dump_json(case.reply(warmed)))
    try:
        while True:
            batch: Batch = BATCH.validate_json(channel.receive())
            delay.phase, delay.nanoseconds = batch.delay_phase, batch.delay_nanoseconds
            channel.send(BATCHED.dump_json(timer.batch(batch.units)))
    except ChildError:
        return  # the parent has what it wants
