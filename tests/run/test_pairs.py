"""Pairs: what is asked of either side, what is made of its turns, and what becomes of one that fails."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.data.schema import Status
from bench.errors import ChildError, ChildTimeout
from bench.run.pairs import PAIR_POLICY, A, B, Pair, PairCase, measure_pair
from bench.run.rounds import Arm, Rounds, Seat
from bench.timing.protocol import Reply, Task

Measure = Callable[..., Pair]


class Known:
    """Stands for `Truths`: there is one."""

    def path(self, item: object) -> Path:
        return Path("truth.npz")


@pytest.fixture
def measure(arena: Any, pair_cases: tuple[PairCase, ...]) -> Measure:
    def do(*arms: Arm) -> Pair:
        chance = random.Random(1)  # noqa: S311 - an order, not a secret
        rounds = Rounds(Known(), 5.0, chance, PAIR_POLICY, cpu=3)  # type: ignore[arg-type]
        seats = {
            A: partial(Seat, asks=arena.opens(A), path=("/a",)),
            B: partial(Seat, asks=arena.opens(B), path=("/b",), foreign=("/a",)),
        }
        return measure_pair(rounds, pair_cases[0], seats, arms)

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
        assert (request.task, request.cpu, request.threads, request.plant) == (Task.TURNS, 3, 1, False)
        assert (request.implementation, request.backend, request.truth) == ("numpy_manual", "numpy", "truth.npz")
        assert request.origins[-1].endswith("numpy_manual.py")


def test_each_turn_holds_the_minimum_and_the_median_of_either_side(arena: Any, measure: Measure) -> None:
    arena.noise = 0.0
    arena.factor = lambda side, phase, pair: 2.0 if (side, phase) == (B, "update") else 1.0
    pair = measure()
    assert len(pair.turns) == PAIR_POLICY.min_turns
    for found in pair.turns:
        assert found[A].minimum == {"step": 6e7, "forward": 1e7, "backward": 2e7, "update": 3e7}
        assert found[B].minimum["update"] == 6e7
        assert found[A].median == {phase: pytest.approx(1.1 * value) for phase, value in found[A].minimum.items()}


def test_arms_with_a_planted_delay_take_turns_like_the_others(arena: Any, measure: Measure) -> None:
    arena.noise = 0.0
    pair = measure(Arm(B), Arm("B+5%", "backward", 0.05))
    assert all(set(found) == {A, B, "B+5%"} for found in pair.turns)
    asked = {(side, turn.delay_phase, turn.delay_nanoseconds) for side, turn in arena.turns}
    assert asked == {(A, "", 0), (B, "", 0), (B, "backward", round(0.05 * 6e7))}
    assert all(request.plant for _, request in arena.opened)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (Status.WRONG, "side B is wrong: the gradient of w1 is off"),
        (Status.FAILED, "side B failed: the gradient of w1 is off"),
    ],
)
@pytest.mark.parametrize("when", ["reply", "last"])
def test_a_side_that_is_not_right_before_or_after_its_turns_ends_the_pair_with_its_reason(
    arena: Any, measure: Measure, status: Status, said: str, when: str
) -> None:
    good = getattr(arena, when)
    bad = Reply(status, "the gradient of w1 is off.")
    setattr(arena, when, lambda side: good(side) if side == A else bad)
    with pytest.raises(ChildError) as caught:
        measure()
    assert str(caught.value) == said
    assert arena.live == []
    assert ("B" in {side for side, _ in arena.turns}) == (when == "last")


@pytest.mark.parametrize("guilty", [A, B])
def test_a_side_that_dies_or_hangs_in_a_turn_is_named(arena: Any, measure: Measure, guilty: str) -> None:
    def die(side: str, pair: int) -> None:
        if side == guilty and len(arena.turns) > 4:
            raise error

    arena.trouble = die
    error = ChildError("its process died by SIGSEGV")
    with pytest.raises(ChildError, match=f"^side {guilty} failed: its process died by SIGSEGV$"):
        measure()
    assert arena.live == []
    error = ChildTimeout("no answer for 5 s")
    with pytest.raises(ChildError, match=f"^side {guilty} failed: no answer for 5 s$"):
        measure()


def test_the_label_names_both_implementations_if_they_differ(pair_cases: tuple[PairCase, ...]) -> None:
    first, second = pair_cases
    assert first.label == "numpy_manual on numpy"
    assert replace(first, b=second.b).label == "numpy_manual / numpy_adam on numpy"
    assert replace(first, b=second.b).case.implementation == "numpy_adam"
