"""Pairs: how much is measured, whose turn it is, and what becomes of a side that fails. No process is started."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.data.schema import Status
from bench.errors import ChildError, ChildTimeout
from bench.run.pairs import A, Arm, B, Pair, PairCase, Pairing, PairPolicy, rounds_and_units
from bench.timing.measure import WarmUp
from bench.timing.protocol import Reply, Task

POLICY = PairPolicy(pair_seconds=0.6, rounds=30, min_rounds=8, units=10, min_units=4)
TRUTH = Path("truth.npz")
Measure = Callable[..., Pair]


@pytest.mark.parametrize(
    ("iteration", "cycle", "arms", "expected"),
    [
        (20e3, 1, 2, (30, 10)),  # quick: all that was planned
        (500e3, 1, 2, (30, 10)),  # 0.5 ms x 2 passes x 2 arms x 300 units is just what fits
        (1e6, 1, 2, (15, 10)),  # twice as slow: half the rounds
        (1e6, 1, 4, (15, 10)),  # four arms may take twice the time of two
        (0.25e6, 4, 2, (15, 10)),  # a unit is a whole cycle
        (2e6, 1, 2, (8, 9)),  # no fewer rounds, so shorter batches
        (1e9, 1, 2, (8, 4)),  # and never less than this
        (0.0, 1, 2, (30, 10)),
    ],
)
def test_the_volume_of_a_pair(iteration: float, cycle: int, arms: int, expected: tuple[int, int]) -> None:
    assert rounds_and_units(iteration, cycle, arms, POLICY) == expected


@pytest.fixture
def measure(arena: Any, pair_cases: tuple[PairCase, ...]) -> Measure:
    def do(seed: int = 1, **options: Any) -> Pair:
        pairing = Pairing(
            {A: arena.opens(A), B: arena.opens(B)},
            {A: ("/a",), B: ("/b",)},
            foreign={B: ("/a",)},
            cpu=3,
            timeout=5.0,
            chance=random.Random(seed),  # noqa: S311 - an order, not a secret
            policy=POLICY,
        )
        return pairing.measure(pair_cases[0], TRUTH, **options)

    return do


def test_both_sides_are_alive_at_once_and_ended_afterwards(arena: Any, measure: Measure) -> None:
    alive: list[int] = []
    arena.trouble = lambda side, pair: alive.append(len(arena.live))
    measure()
    assert set(alive) == {2}
    assert arena.live == []


def test_each_process_is_told_its_side_s_place_the_cpu_and_what_to_compute(arena: Any, measure: Measure) -> None:
    measure()
    asked = dict(arena.opened)
    assert {side: request.path for side, request in asked.items()} == {A: ("/a",), B: ("/b",)}
    assert {side: request.foreign for side, request in asked.items()} == {A: (), B: ("/a",)}
    for request in asked.values():
        assert (request.task, request.cpu, request.threads, request.plant) == (Task.PAIR, 3, 1, False)
        assert (request.implementation, request.backend, request.truth) == ("numpy_manual", "numpy", "truth.npz")
        assert request.origins[-1].endswith("numpy_manual.py")


def test_every_round_holds_each_side_once_and_what_it_answered_in_the_order_of_the_turns(
    arena: Any, measure: Measure
) -> None:
    pair = measure()
    assert len(pair.rounds) == 8
    assert pair.iteration_nanoseconds == 2e7
    taken = [(side, found) for found in pair.rounds for side, found in found.items()]
    assert taken == [(side, answer) for side, _, answer in arena.batches]
    assert all(set(found) == {A, B} for found in pair.rounds)
    assert {batch.units for _, batch, _ in arena.batches} == {4}


def test_a_coin_decides_who_is_first_in_each_round_and_the_seed_decides_the_coin(arena: Any, measure: Measure) -> None:
    def firsts(seed: int) -> list[str]:
        arena.opened.clear()
        pair = measure(seed)
        return [arena.opened[0][0], *(next(iter(found)) for found in pair.rounds)]

    assert firsts(1) == firsts(1)
    flips = [first for seed in range(100) for first in firsts(seed)[1:]]
    assert len(flips) == 800
    assert 340 < flips.count(A) < 460  # four standard deviations
    started = [firsts(seed)[0] for seed in range(100)]
    assert 30 < started.count(A) < 70


def test_the_slower_side_decides_how_much_is_measured(arena: Any, measure: Measure) -> None:
    arena.reply = lambda side: Reply(Status.OK, warmup=WarmUp(9, True, 1e6 if side == B else 1e3))
    assert len(measure().rounds) == 15


def test_arms_with_a_planted_delay_take_turns_like_the_others(arena: Any, measure: Measure) -> None:
    arms = (Arm(A, A), Arm(B, B), Arm("B+5%", B, "backward", 0.05))
    pair = measure(arms=arms)
    before, _, undisturbed = arena.batches[0]  # of no round: the delay is a share of what it shows
    assert before == A
    assert len(arena.batches) == 1 + 3 * len(pair.rounds)
    assert all(set(found) == {A, B, "B+5%"} for found in pair.rounds)
    asked = {(side, batch.delay_phase, batch.delay_nanoseconds) for side, batch, _ in arena.batches}
    assert asked == {(A, "", 0), (B, "", 0), (B, "backward", round(0.05 * undisturbed.minimum["step"]))}
    assert all(request.plant for _, request in arena.opened)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (Status.WRONG, "side B is wrong: the gradient of w1 is off"),
        (Status.FAILED, "side B failed: the gradient of w1 is off"),
    ],
)
def test_a_side_that_is_not_right_ends_the_pair_with_its_reason(
    arena: Any, measure: Measure, status: Status, said: str
) -> None:
    good = arena.reply
    arena.reply = lambda side: good(side) if side == A else Reply(status, "the gradient of w1 is off.")
    with pytest.raises(ChildError) as caught:
        measure()
    assert str(caught.value) == said
    assert arena.live == []
    assert arena.batches == []


@pytest.mark.parametrize("guilty", [A, B])
def test_a_side_that_dies_or_hangs_in_a_batch_is_named(arena: Any, measure: Measure, guilty: str) -> None:
    def die(side: str, pair: int) -> None:
        if side == guilty and len(arena.batches) > 4:
            raise error

    arena.trouble = die
    error = ChildError("its process died by SIGSEGV")
    with pytest.raises(ChildError, match=f"^side {guilty}: its process died by SIGSEGV$"):
        measure()
    assert arena.live == []
    error = ChildTimeout("no answer for 5 s")
    with pytest.raises(ChildError, match=f"^side {guilty}: no answer for 5 s, so it was killed: raise --timeout"):
        measure()


def test_a_side_whose_process_cannot_be_started_is_named_and_the_other_is_ended(
    arena: Any, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refuses:
        def open(self, backend: object, request: object, timeout: float) -> None:
            raise ChildError("nowhere/python cannot be started (No such file or directory)")

    real = arena.opens
    monkeypatch.setattr(arena, "opens", lambda side: real(side) if side == A else Refuses())
    for seed in range(4):  # whoever is started first
        with pytest.raises(ChildError, match=r"^side B: nowhere/python cannot be started"):
            measure(seed)
        assert arena.live == []


def test_the_label_names_both_implementations_if_they_differ(pair_cases: tuple[PairCase, ...]) -> None:
    first, second = pair_cases
    assert first.label == "numpy_manual on numpy"
    assert replace(first, b=second.b).label == "numpy_manual / numpy_adam on numpy"
    assert replace(first, b=second.b).case.implementation == "numpy_adam"


@pytest.mark.parametrize(("cpus", "seconds", "refused"), [(1.1, 1.0, False), (1.7, 1.0, True), (1.7, 1e-4, False)])
def test_a_side_that_keeps_more_cpus_busy_than_it_was_told_to_is_named(
    arena: Any, measure: Measure, monkeypatch: pytest.MonkeyPatch, cpus: float, seconds: float, refused: bool
) -> None:
    plain = Pairing._batch

    def loaded(self: Pairing, talk: Any, arm: Arm, *more: Any) -> Any:
        wall = round(seconds * 1e9)
        cpu = round((cpus if arm.side == B else 1.0) * wall)
        return replace(plain(self, talk, arm, *more), cpu_nanoseconds=cpu, wall_nanoseconds=wall)

    monkeypatch.setattr(Pairing, "_batch", loaded)
    if not refused:
        assert measure().rounds
        return
    with pytest.raises(ChildError, match=r"^side B is wrong: it kept 1\.7 CPUs busy, and it was told to use 1 "):
        measure()
