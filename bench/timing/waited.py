"""Whether a timed step is waited for: what a backend or a stage has forgotten to wait for is still running at its end.

Reading the state back waits for it all, whatever `synchronize` does. So a step is run and waited for as it is when it
is timed, and its state is read twice: work that was still running makes the first reading longer than the second. A
first reading may be longer for other reasons (it allocates, it finds cold caches), and so it is compared with one
after a pause too, in which the work would have ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from bench.timing.passes import Rig, time_whole, time_work

_TRIES = 5
_LEAST_SHARE = 0.1
"""The part of a step that must have been running after its end before that is called unfinished."""
_LEAST_NANOSECONDS = 5_000
_LONG_NANOSECONDS = 50_000_000
"""A step and a reading that take longer are tried fewer times."""


@dataclass(frozen=True)
class Unfinished:
    """Work that was still running when a step's time had ended. Times in nanoseconds."""

    step: int
    """The step's time, as it is taken."""
    late: int
    """The time for which it ran on."""

    @property
    def reason(self) -> str:
        """The refusal, as half a sentence."""
        return (
            f"its work is not waited for: when a step ends, after {self.step / 1e6:.3g} ms, {self.late / 1e6:.3g} ms "
            "of it are still to come; let the backend's `synchronize` wait for everything, and each stage return all "
            "its results."
        )


def unfinished(
    rig: Rig, sleep: Callable[[float], object], beat: Callable[[], None] = lambda: None
) -> Unfinished | None:
    """Look whether work is still running when a step ends; None if not. The step must be reset afterwards.

    Args:
        rig: a step that has run before.
        sleep: waits for so many seconds, without keeping a CPU busy.
        beat: called after each step, to show that the process is alive.
    """

    def read() -> int:
        return time_work(rig.step.state, 1, rig.now, lambda: None)

    steps: list[int] = []
    first, second = [], []
    while len(steps) < _TRIES:
        steps += time_whole(rig, 1).nanoseconds
        first.append(read())
        second.append(read())
        beat()
        if steps[-1] + first[-1] > _LONG_NANOSECONDS:
            break
    step = round(median(steps))
    least = max(_LEAST_NANOSECONDS, _LEAST_SHARE * step)
    if min(first) - median(second) <= least:
        return None
    rested: list[int] = []
    while len(rested) < len(steps):
        time_whole(rig, 1)
        sleep(2 * (step + max(first)) / 1e9)
        rested.append(read())
        beat()
    late = min(first) - round(median(rested))
    return Unfinished(step, late) if late > least else None
