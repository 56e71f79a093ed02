"""The part of a step in which its ranks communicate, by the framework's profiler."""

from __future__ import annotations

from statistics import median

from bench.model.device import Backend
from bench.timing.passes import Rig, time_whole

_STEPS = 5


def communication_share(rig: Rig, backend: Backend) -> float | None:
    """Return the typical part of a step in which rank 0 exchanges data with others, or waits for them to be ready to.

    Both times are those of one profiled step, which the profiler makes longer. The step is left at its start.

    Returns:
        None where the profiler tells of no exchange.
    """
    rig.step.reset()
    shares = []
    for _ in range(1 + _STEPS):
        spent = [0]

        def step(spent: list[int] = spent) -> None:
            (spent[0],) = time_whole(rig, 1).nanoseconds

        communicating = backend.communicating(step)
        shares.append(None if communicating is None else min(1.0, communicating * 1e9 / max(1, spent[0])))
    rig.step.reset()
    known = [share for share in shares[1:] if share is not None]  # the first begins with the profiler's own start
    return median(known) if known else None
