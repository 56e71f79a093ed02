"""Measuring a round of a group on this machine: what a launcher does at once here, and what a node does of its own."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bench.data.manifest import CountedWork, Manifest, Peak
from bench.data.schema import Status
from bench.model.case import Case
from bench.run.asking import Asks, Truths
from bench.run.caches import Caches
from bench.run.plan import Planned
from bench.run.rounds import Found, Rounds, Seat
from bench.timing.policy import SamplingPolicy
from bench.timing.protocol import Reply


@dataclass(frozen=True)
class Job:
    """A round of a group: cases that are alive together."""

    number: int
    """The round."""
    group: tuple[Planned, ...]


@dataclass(frozen=True)
class JobFound:
    """What a job found."""

    found: Sequence[Found]
    """One for each case of its group, in their order."""
    counted: Sequence[CountedWork] = ()
    """Operations that were counted beside the truth."""
    machine: str = ""
    """The machine that it ran on; empty for this one."""
    facts: dict[str, str | int | float | None] = field(default_factory=dict)
    """Facts of that machine."""
    peaks: Sequence[Peak] = ()
    """What its devices can do at most."""
    disturbances: Sequence[str] = ()
    """What disturbs it."""


HERE = JobFound(())
"""What stands for this machine, where it is the only one."""


def policy_of(manifest: Manifest) -> SamplingPolicy:
    """Return how the processes of a run sample; less time has shorter leads, rather than fewer turns."""
    seconds = manifest.process_seconds or SamplingPolicy.process_seconds
    share = seconds / SamplingPolicy.process_seconds
    return SamplingPolicy(seconds, lead_seconds=share * SamplingPolicy.lead_seconds)


def next_turn(found: Sequence[Found], first: int) -> int:
    """Return the number of the turn after those that were taken, `first` if none was."""
    return max([first, *(sample.turn + 1 for each in found for sample in each.arms.get("", []))])


class Worker:
    """Measures jobs, one after another."""

    def __init__(
        self, asks: Asks, manifest: Manifest, cpu: int | None, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare.

        Args:
            asks: starts the processes.
            manifest: the run's plan, which says how to sample.
            cpu: the CPU that processes of one thread are pinned to; None for none.
            now: a clock in seconds.
        """
        self._asks, self._manifest, self._cpu, self._now = asks, manifest, cpu, now
        self._truths = Truths(asks, manifest.timeout_seconds)
        self._caches = Caches(asks.scratch, manifest.cold)
        self._rounds: tuple[int, Rounds] | None = None

    def measure(
        self,
        job: Job,
        first: int,
        known: Callable[[Case], bool],
        starting: Callable[[Case], None] = lambda case: None,
        ready: Callable[[float], None] = lambda seconds: None,
    ) -> JobFound:
        """Measure a job. Whatever becomes of a process is in what it found.

        Args:
            job: what to measure.
            first: the number of its first turn.
            known: says whether a case has been well before; if not, it is verified on fresh inputs too.
            starting: called before each process is started.
            ready: called before the first turn with the time of all turns.
        """
        rounds = self._rounds_of(job.number)
        seats = [
            Seat(item, self._asks, fresh=not known(item.case), cache=self._caches.next(item)) for item in job.group
        ]
        found = rounds.measure(seats, first, lambda seat: starting(seat.item.case), ready)
        first = next_turn(found, first)
        for index, (seat, each) in enumerate(zip(seats, found, strict=True)):
            if self._deserves_more(seat.item, each.reply, known):
                (again,) = rounds.measure([replace(seat, cache=self._caches.next(seat.item))], first)
                again.seconds += each.seconds
                found[index] = again
                first = next_turn([again], first)
        return JobFound(found, self._counted(job))

    def _rounds_of(self, number: int) -> Rounds:
        """Prepare to measure a round; its orders are those of the run's seed."""
        if self._rounds is None or self._rounds[0] != number:
            chance = random.Random(f"{self._manifest.seed}/{number}/turns")  # noqa: S311 - an order, not a secret
            policy, timeout = policy_of(self._manifest), self._manifest.timeout_seconds
            self._rounds = number, Rounds(self._truths, timeout, chance, policy, self._cpu, self._now)
        return self._rounds[1]

    def _deserves_more(self, item: Planned, reply: Reply, known: Callable[[Case], bool]) -> bool:
        """Say whether a case is measured once more, by itself: its refusal is in doubt, or it has worked before."""
        if self._truths.look_closer(item, reply):
            return True
        return reply.status in (Status.FAILED, Status.TIMEOUT) and known(item.case)

    def _counted(self, job: Job) -> list[CountedWork]:
        problems = dict.fromkeys((item.case.workload, item.case.problem) for item in job.group)
        return [
            CountedWork(workload=workload, sizes=dict(problem.sizes), flops=flops)
            for workload, problem in problems
            if (flops := self._truths.flops.get((workload, problem)))
        ]
