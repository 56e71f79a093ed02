"""Energy of one step, from a counter that the device keeps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from bench.model.condition import Condition
from bench.timing.passes import Rig, time_whole
from bench.timing.policy import SamplingPolicy

_BLOCK_SECONDS = 0.1


def energy_of_step(
    rig: Rig,
    condition: Callable[[], Condition] | None,
    steps: int,
    iteration_nanoseconds: float,
    policy: SamplingPolicy,
    beat: Callable[[], None] = lambda: None,
) -> float | None:
    """Measure the joules of one whole step, idle power included; None where the device does not count them.

    Steps run back to back for long enough that the counter's coarse beat does not matter. Training starts over every
    `steps` iterations, as it does while times are taken; `beat` is called before each block of them.
    """
    if condition is None:
        return None
    rig.step.reset()
    if (before := condition().energy_joules) is None:
        return None
    block = max(1, min(steps, math.ceil(_BLOCK_SECONDS * 1e9 / max(iteration_nanoseconds, 1.0))))
    back_to_back = replace(rig, flush=None)
    done = spent = of_course = 0
    while spent < policy.energy_seconds * 1e9:
        beat()
        if of_course + block > steps:  # seldom: what a reset costs is no part of a step
            rig.step.reset()
            of_course = 0
        spent += sum(time_whole(back_to_back, block).nanoseconds)
        of_course += block
        done += block
    after = condition().energy_joules
    return None if after is None or after <= before else (after - before) / done
