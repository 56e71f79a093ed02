"""Pairs: a round of two seats, one for each side of a comparison.

Both processes sit on the same core by default, and both come out of the same interpreter unless the interpreters are
what is compared: otherwise the layouts of two interpreters would be a difference that all pairs share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from bench.data.schema import STEP, Method, Status
from bench.errors import ChildError
from bench.model.case import Case
from bench.run.plan import Planned
from bench.run.rounds import Arm, Found, Rounds, Seat
from bench.timing.policy import Sample, SamplingPolicy

A, B = "A", "B"
SeatOf = Callable[..., Seat]
"""Makes the seat of one side from a case, and from what else a seat has."""
PAIR_POLICY = SamplingPolicy(
    process_seconds=0.1,
    lead_seconds=0.002,
    min_turns=8,
    max_turns=30,
    min_units=4,
    warmup_max_seconds=0.1,
)
"""How much a pair of one program measures. Warm-up and lead are short, since what is slow after them is as slow on
both sides, and so are turns: the two sides of a short one see the same moment of the machine."""
UNLIKE_POLICY = replace(PAIR_POLICY, process_seconds=0.3, lead_seconds=SamplingPolicy().lead_seconds)
"""How much a pair of two programs measures: one may begin its turns more slowly than the other."""


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
    def on_host(self) -> bool:
        """Whether both sides compute in the host's memory: a device of its own serves one pair at a time."""
        return all(item.backend.host_memory for item in (self.a, self.b))

    @property
    def label(self) -> str:
        """The name in messages."""
        names = [item.case.implementation for item in (self.a, self.b)]
        return f"{' / '.join(dict.fromkeys(names))} on {self.case.backend}"


@dataclass(frozen=True)
class SideTurn:
    """Times of one side's turn: of each phase, and of the whole step, the minimum and the median of its samples."""

    minimum: Mapping[str, float]
    """Nanoseconds an iteration."""
    median: Mapping[str, float]


@dataclass(frozen=True)
class Pair:
    """What one pair found: for each turn that of each side or arm, by its name."""

    turns: tuple[Mapping[str, SideTurn], ...]


def measure_pair(rounds: Rounds, pair: PairCase, seats: Mapping[str, SeatOf], arms: Sequence[Arm] = ()) -> Pair:
    """Measure one pair in two fresh processes.

    Args:
        rounds: measures rounds.
        pair: the cases.
        seats: for each side, what makes its seat from a case.
        arms: what side B does in its turns; by default its step as it is. Where one has a planted delay, the steps of
            both sides are built so that they can have one.

    Raises:
        ChildError: a side could not be built, is wrong, used too many threads, or its process died; the message names
            the side.
    """
    planted = any(arm.delay_share for arm in arms)
    a = seats[A](pair.a, arms=(Arm(A),), planted=planted)
    b = seats[B](pair.b, arms=(*arms,) or (Arm(B),), planted=planted)
    found = rounds.measure([a, b])
    for side, each in zip((A, B), found, strict=True):
        _check(side, each)
    by_arm = {name: _turns(samples) for each in found for name, samples in each.arms.items()}
    numbers = sorted(set.intersection(*(set(turns) for turns in by_arm.values())))
    return Pair(tuple({name: turns[number] for name, turns in by_arm.items()} for number in numbers))


def _check(side: str, found: Found) -> None:
    """Refuse a side that is not well."""
    reply = found.reply
    if reply.status is not Status.OK:
        became = {Status.WRONG: f"side {side} is wrong"}.get(reply.status, f"side {side} failed")
        raise ChildError(f"{became}: {reply.reason.rstrip('.')}")


def _turns(samples: Sequence[Sample]) -> dict[int, SideTurn]:
    """Reduce samples to turns: those of whole steps, and of stages one by one."""
    times: dict[int, dict[str, list[float]]] = {}
    for sample in samples:
        if sample.clock == "host" and (sample.method is Method.STAGED or sample.phase == STEP):
            of_turn = times.setdefault(sample.turn, {})
            of_turn.setdefault(sample.phase, []).append(sample.nanoseconds / sample.iterations)
    return {
        number: SideTurn(
            {phase: min(found) for phase, found in phases.items()},
            {phase: median(found) for phase, found in phases.items()},
        )
        for number, phases in times.items()
    }
