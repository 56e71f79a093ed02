"""One round: a fresh process of each of several cases, alive together, taking turns.

What disturbs the machine for longer than a turn falls on all of them and cancels in the ratio of two that took the same
turn. What a process has from its birth (its memory layout, where it lies in caches) does not, and so the unit of all
statistics is the process. Whose turn comes first is left to chance, turn by turn.

While one is timed the others wait. Those of one thread sleep. A pool of several threads may spin for a while after its
last step, on the cores that the others are timed on: such processes are stopped until their turn comes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from bench.data.schema import STEP, Method, Status
from bench.errors import ChildError
from bench.run.asking import Asks, Talks, Truths, reply_of, request_of
from bench.run.plan import Planned
from bench.timing.policy import Sample, SamplingPolicy
from bench.timing.protocol import Reply, Task, Turn


@dataclass(frozen=True)
class Arm:
    """What a process does in some of its turns: the step as it is, or with a planted delay."""

    name: str = ""
    delay_phase: str = ""
    delay_share: float = 0.0
    """The delay as a part of the whole step's time."""


AS_IT_IS = (Arm(),)


@dataclass(frozen=True)
class Seat:
    """One that takes part in rounds: a case, who starts its processes, and where their imports come from."""

    item: Planned
    asks: Asks
    path: tuple[str, ...] = ()
    """Where else its own imports are looked for."""
    foreign: tuple[str, ...] = ()
    """Folders and files that its own imports must not come from."""
    modules: tuple[str, ...] = ()
    """Modules that come from the first folder of `path` or are foreign."""
    fresh: bool = False
    """Whether it is verified on fresh inputs too."""
    arms: tuple[Arm, ...] = AS_IT_IS
    cache: str = ""
    """Folder of its compiler's cache on disk; empty to leave that where it is."""
    planted: bool = False
    """Whether a delay may be planted in its step, as in that of the side that it is compared with."""


@dataclass
class Found:
    """What one process of a round found."""

    reply: Reply
    """Its last reply; what it could not do, if it is not well."""
    arms: dict[str, list[Sample]] = field(default_factory=dict)
    """Samples of its turns, by the name of the arm."""
    seconds: float = 0.0
    """Time that it took its parent, waiting for the turns of others left out."""

    @property
    def samples(self) -> list[Sample]:
        """All its samples: those of its turns, as it is, and those that belong to none."""
        if self.reply.status is not Status.OK:
            return []
        return [*self.arms.get("", []), *self.reply.samples]


@dataclass(frozen=True)
class Rounds:
    """Measures rounds; its fields say how much, and how long it waits."""

    truths: Truths
    timeout: float | None
    """Longest silence of a process, in seconds; None for that of `bench.run.patience`."""
    chance: random.Random
    """Decides orders."""
    policy: SamplingPolicy = SamplingPolicy()
    cpu: int | None = None
    """The CPU that processes are pinned to; None to leave it to the system. Those of several threads are not pinned,
    nor are those that drive a device, whose frameworks have threads beside the step's."""
    now: Callable[[], float] = time.monotonic

    def measure(
        self,
        seats: Sequence[Seat],
        first_turn: int = 0,
        starting: Callable[[Seat], None] = lambda seat: None,
        ready: Callable[[float], None] = lambda seconds: None,
    ) -> list[Found]:
        """Measure one round. Whatever becomes of a process is in its reply, and the others go on.

        Args:
            seats: who takes part.
            first_turn: the number of the first turn.
            starting: called before each process is started; never while one is timed.
            ready: called before the first turn with the time of all turns, in seconds, as far as warm-ups tell.

        Returns:
            One for each seat, in their order.
        """
        pausing = len(seats) > 1 and any(seat.item.case.threads > 1 for seat in seats)
        with ExitStack() as stack:
            order = list(range(len(seats)))
            self.chance.shuffle(order)
            opened: dict[int, _Live] = {}
            for place in order:
                starting(seats[place])
                opened[place] = self._opened(stack, seats[place], pausing)
            live = list(opened.values())
            if any(arm.delay_share for each in live for arm in each.seat.arms):
                self._learn_step(live)
            turns = [(each, arm) for each in live if each.well for arm in each.seat.arms]
            each_seconds = [each.found.reply.turn_seconds or 0.0 for each, _ in turns]
            count = self.policy.turns(sum(each_seconds) / len(turns)) if turns else 0
            ready(count * sum(each_seconds))
            for number in range(count):
                self.chance.shuffle(turns)
                for each, arm in turns:
                    each.turn(first_turn + number, arm)
            for each in live:
                each.finish()
        return [opened[place].found for place in range(len(seats))]

    def _opened(self, stack: ExitStack, seat: Seat, pausing: bool) -> _Live:
        began = self.now()
        live = _Live(seat, Found(Reply(Status.FAILED, "it has not answered")), self.timeout, pausing, self.now)
        try:
            request = request_of(
                seat.item,
                self.truths,
                Task.TURNS,
                policy=self.policy,
                fresh=seat.fresh,
                path=seat.path,
                foreign=seat.foreign,
                modules=seat.modules,
                cpu=self.cpu if seat.item.is_pinned else None,
                cache=seat.cache,
                plant=seat.planted,
            )
            live.talk = seat.asks.open(seat.item.backend, request, self.timeout)
            stack.callback(live.talk.close)
            live.found.reply = live.talk.reply
            live.pause(True)
        except ChildError as error:
            live.found.reply = reply_of(error)
        live.found.seconds = self.now() - began
        return live

    def _learn_step(self, live: Sequence[_Live]) -> None:
        """Find out what a step takes when nothing delays it: a planted delay is a share of that."""
        for each in live:
            each.turn(0, Arm("undisturbed"))
            times = [
                sample.nanoseconds / sample.iterations
                for sample in each.found.arms.pop("undisturbed", [])
                if (sample.phase, sample.method) == (STEP, Method.WHOLE)
            ]
            each.step_nanoseconds = min(times, default=0.0)


@dataclass
class _Live:
    """A process of the round that is under way."""

    seat: Seat
    found: Found
    timeout: float | None
    pausing: bool
    now: Callable[[], float]
    talk: Talks | None = None
    step_nanoseconds: float = 0.0

    @property
    def well(self) -> bool:
        return self.talk is not None and self.found.reply.status is Status.OK

    def turn(self, number: int, arm: Arm) -> None:
        """Take a turn, if all is well so far."""

        def take(talk: Talks) -> None:
            delay = round(arm.delay_share * self.step_nanoseconds)
            answer = talk.turn(Turn(number, arm.delay_phase, delay), self.timeout)
            if isinstance(answer, Reply):
                self.found.reply = answer
            else:
                self.found.arms.setdefault(arm.name, []).extend(answer.samples)

        self._do(take)
        self.pause(True)

    def finish(self) -> None:
        """Take what is taken once, and end the process."""

        def end(talk: Talks) -> None:
            self.found.reply = replace(talk.finish(self.timeout), zygote=talk.reply.zygote)

        self._do(end)
        if self.talk is not None:
            self.talk.close()

    def pause(self, on: bool) -> None:
        """Stop the process or let it go on, where that is called for."""
        if self.pausing and self.talk is not None:
            self.talk.pause(on)

    def _do(self, what: Callable[[Talks], None]) -> None:
        if self.talk is None or not self.well:
            return
        began = self.now()
        self.pause(False)
        try:
            what(self.talk)
        except ChildError as error:
            self.found.reply = reply_of(error)
        self.found.seconds += self.now() - began
