"""Pairs: one process of each side alive at once, taking turns in short batches whose order is left to chance.

What disturbs the machine for longer than a batch falls on both sides of a pair and cancels in their ratio; what a
process has from its birth (its memory layout, where it lies in caches) does not, and so the unit of all statistics is
the pair. Both processes sit on the same core by default, and both come out of the same interpreter unless the
interpreters are what is compared: otherwise the layouts of two interpreters would be a difference that all pairs share.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.data.schema import STEP, Status
from bench.errors import ChildError, ChildTimeout
from bench.model.case import Case
from bench.model.device import Backend
from bench.run.asking import COMPILING
from bench.run.interpreter import Conversation
from bench.run.plan import Planned
from bench.timing.load import Load, excess
from bench.timing.protocol import Batch, Batched, Request, Task

A, B = "A", "B"


@dataclass(frozen=True)
class PairPolicy:
    """How much one pair measures. Times in seconds."""

    pair_seconds: float = 0.6
    """Aim for the batches of both sides together."""
    rounds: int = 30
    min_rounds: int = 8
    units: int = 10
    """Single times of a batch."""
    min_units: int = 4


@dataclass(frozen=True)
class Arm:
    """One of those that take turns: a side, with or without a planted delay."""

    name: str
    side: str
    delay_phase: str = ""
    delay_share: float = 0.0
    """The delay as a part of the whole step's time."""


TWO_ARMS = (Arm(A, A), Arm(B, B))


@dataclass(frozen=True)
class PairCase:
    """Two cases that are compared."""

    a: Planned
    b: Planned

    @property
    def case(self) -> Case:
        """The case that tables show: that of the side to be judged."""
        return self.b.case

    @property
    def label(self) -> str:
        """The name in messages."""
        names = [item.case.implementation for item in (self.a, self.b)]
        return f"{' / '.join(dict.fromkeys(names))} on {self.case.backend}"


@dataclass(frozen=True)
class Pair:
    """What one pair found: for each round the batch of each arm, by the arm's name, in the order they were taken."""

    rounds: tuple[Mapping[str, Batched], ...]
    iteration_nanoseconds: float
    """Time of one iteration of the slower side, in the warm-up."""


class Opens(Protocol):
    """Whoever starts processes that stay alive: `Pool`, or a double in a test."""

    def open(self, backend: Backend, request: Request, timeout: float) -> Conversation:
        """Start one; its `reply` says how verification went."""


def rounds_and_units(iteration_nanoseconds: float, cycle: int, arms: int, policy: PairPolicy) -> tuple[int, int]:
    """Return the rounds of a pair and the units of a batch: as planned for a quick step, fewer for a slow one.

    A unit is one cycle of whole steps and one of steps taken phase by phase.
    """
    each = max(iteration_nanoseconds, 1.0) * cycle * 2 * arms
    total = policy.pair_seconds * 1e9 * arms / 2 / each
    rounds = round(min(policy.rounds, max(policy.min_rounds, total / policy.units)))
    return rounds, round(min(policy.units, max(policy.min_units, total / rounds)))


class Pairing:
    """Measures pairs."""

    def __init__(
        self,
        opens: Mapping[str, Opens],
        paths: Mapping[str, Sequence[str]],
        *,
        foreign: Mapping[str, Sequence[str]] = {},
        cpu: int | None,
        timeout: float,
        chance: random.Random,
        policy: PairPolicy = PairPolicy(),
    ) -> None:
        """Prepare to measure.

        Args:
            opens: for each side, who starts its processes.
            paths: for each side, where its implementations' imports are looked for.
            foreign: for each side, the folders that they must not come from; none if it is not named.
            cpu: the CPU that both processes are pinned to; None to leave it to the system.
            timeout: longest silence of a process, in seconds.
            chance: decides orders.
            policy: how much a pair measures.
        """
        self._opens, self._paths, self._foreign, self._cpu, self._timeout = opens, paths, foreign, cpu, timeout
        self._chance, self._policy = chance, policy

    def measure(self, pair: PairCase, truth: Path, arms: Sequence[Arm] = TWO_ARMS) -> Pair:
        """Measure one pair in two fresh processes.

        Raises:
            ChildError: a side could not be built, is wrong, used too many threads, or its process died; the message
                names the side.
        """
        with ExitStack() as stack:
            order = [A, B]
            self._chance.shuffle(order)
            live = {side: self._start(stack, pair, side, truth, arms) for side in order}
            slower = max(talk.reply.warmup.iteration_nanoseconds for talk in live.values() if talk.reply.warmup)
            rounds, units = rounds_and_units(slower, pair.b.implementation.workload.cycle, len(arms), self._policy)
            step = slower
            if any(arm.delay_share for arm in arms):  # a delay is a share of what the step takes when undisturbed
                step = self._batch(live[A], Arm(A, A), units, 0.0).minimum[STEP]
            found = []
            for _ in range(rounds):
                turns = list(arms)
                self._chance.shuffle(turns)
                found.append({arm.name: self._batch(live[arm.side], arm, units, step) for arm in turns})
            for side in live:
                self._check_load(pair, side, [taken[arm.name] for taken in found for arm in arms if arm.side == side])
        return Pair(tuple(found), slower)

    def _start(self, stack: ExitStack, pair: PairCase, side: str, truth: Path, arms: Sequence[Arm]) -> Conversation:
        item = pair.a if side == A else pair.b
        case = item.case
        request = Request(
            origins=item.origins,
            implementation=case.implementation,
            backend=case.backend,
            problem=case.problem,
            threads=case.threads,
            truth=str(truth),
            mode=case.mode,
            precision=case.precision,
            task=Task.PAIR,
            path=tuple(self._paths[side]),
            foreign=tuple(self._foreign.get(side, ())),
            cpu=self._cpu,
            plant=any(arm.delay_share for arm in arms),
        )
        try:
            patience = COMPILING if item.implementation.compiles else 1.0
            talk = self._opens[side].open(item.backend, request, patience * self._timeout)
        except ChildError as error:
            raise _of_side(side, error) from error
        stack.callback(talk.close)
        if talk.reply.status is not Status.OK:
            became = "is wrong" if talk.reply.status is Status.WRONG else "failed"
            raise ChildError(f"side {side} {became}: {talk.reply.reason.rstrip('.')}")
        return talk

    def _check_load(self, pair: PairCase, side: str, batches: Sequence[Batched]) -> None:
        """Refuse a side whose whole steps kept more CPUs busy than it was told to."""
        load = Load(*(sum(getattr(each, name) for each in batches) for name in ("cpu_nanoseconds", "wall_nanoseconds")))
        if reason := excess((pair.a if side == A else pair.b).case.threads, None, load.cpus):
            raise ChildError(f"side {side} is wrong: {reason.rstrip('.')}")

    def _batch(self, talk: Conversation, arm: Arm, units: int, iteration_nanoseconds: float) -> Batched:
        delay = round(arm.delay_share * iteration_nanoseconds)
        try:
            return talk.batch(Batch(units, arm.delay_phase, delay), self._timeout)
        except ChildError as error:
            raise _of_side(arm.side, error) from error


def _of_side(side: str, error: ChildError) -> ChildError:
    """Name the side in an error."""
    cure = ", so it was killed: raise --timeout if it is only slow" if isinstance(error, ChildTimeout) else ""
    return ChildError(f"side {side}: {str(error).rstrip('.')}{cure}")
