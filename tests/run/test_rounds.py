"""One round: who takes which turn, who waits stopped, and what becomes of those that fail. No process is started."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.data.schema import Status
from bench.errors import ChildError, ChildTimeout
from bench.model.discovery import discover
from bench.run.plan import Planned, Selection, choose, groups_of, plan_cases
from bench.run.rounds import Found, Rounds, Seat
from bench.timing.policy import SamplingPolicy

SIDES = ("one", "two", "three")
POLICY = SamplingPolicy(process_seconds=2.0, min_turns=5, max_turns=20)


class Known:
    """Stands for `Truths`: there is one."""

    def path(self, item: object) -> Path:
        return Path("truth.npz")


def planned(threads: int = 1) -> Planned:
    (item,) = plan_cases(Selection(choose(discover(), ["numpy_manual"]), threads=(threads,)))
    return item


def rounds(seed: int = 1) -> Rounds:
    return Rounds(Known(), 5.0, random.Random(seed), POLICY)  # type: ignore[arg-type]  # noqa: S311 - an order


def measured(arena: Any, threads: int = 1, seed: int = 1, first: int = 0, **told: Any) -> dict[str, Found]:
    seats = [Seat(planned(threads), arena.opens(side)) for side in SIDES]
    return dict(zip(SIDES, rounds(seed).measure(seats, first, **told), strict=True))


def test_all_are_alive_before_the_first_turn_and_each_takes_every_turn_once(arena: Any) -> None:
    alive: list[int] = []
    arena.trouble = lambda side, pair: alive.append(len(arena.live))
    found = measured(arena)
    assert alive[0] == 3
    assert arena.live == []
    taken = [(side, turn.number) for side, turn in arena.turns]
    assert sorted(taken) == sorted((side, number) for side in SIDES for number in range(10))  # 2 s of 0.2 s
    assert [number for _, number in taken] == sorted(number for _, number in taken)
    for each in found.values():
        assert {sample.turn for sample in each.samples} == set(range(10))


def test_chance_decides_who_comes_first_and_the_seed_decides_chance(arena: Any) -> None:
    def firsts(seed: int) -> list[str]:
        arena.turns.clear()
        measured(arena, seed=seed)
        return [side for side, _ in arena.turns[::3]]

    assert firsts(1) == firsts(1)
    every = [side for seed in range(15) for side in firsts(seed)]
    assert all(25 < every.count(side) < 75 for side in SIDES)  # four standard deviations around 50


def test_turns_of_a_second_attempt_have_numbers_of_their_own(arena: Any) -> None:
    assert {sample.turn for each in measured(arena, first=7).values() for sample in each.samples} == set(range(7, 17))


@pytest.mark.parametrize("threads", [1, 2])
def test_those_of_several_threads_wait_stopped_and_nobody_else(arena: Any, threads: int) -> None:
    stopped: set[str] = set()
    seen: list[set[str]] = []

    def look(side: str, pair: int) -> None:
        for name, on in arena.paused:
            (stopped.add if on else stopped.discard)(name)
        arena.paused.clear()
        seen.append(set(stopped))

    arena.trouble = look
    measured(arena, threads)
    order = [side for side, _ in arena.turns]
    expected = [set(SIDES) - {side} if threads > 1 else set() for side in order]
    assert seen == expected


@pytest.mark.parametrize(
    ("error", "status"), [(ChildError("its process died"), Status.FAILED), (ChildTimeout("x"), Status.TIMEOUT)]
)
def test_the_others_go_on_without_one_that_dies(arena: Any, error: ChildError, status: Status) -> None:
    def die(side: str, pair: int) -> None:
        if side == "two" and arena.turns[-1][1].number == 3:
            raise error

    arena.trouble = die
    found = measured(arena)
    assert (found["two"].reply.status, found["two"].samples) == (status, [])
    assert [number.number for side, number in arena.turns if side == "two"] == [0, 1, 2, 3]
    for side in ("one", "three"):
        assert found[side].reply.status is Status.OK
        assert {sample.turn for sample in found[side].samples} == set(range(10))


def test_one_that_was_right_and_is_wrong_at_the_end_has_no_samples(arena: Any) -> None:
    good = arena.last
    arena.last = lambda side: replace(good(side), status=Status.WRONG) if side == "two" else good(side)
    found = measured(arena)
    assert (found["two"].reply.status, found["two"].samples) == (Status.WRONG, [])
    assert found["one"].samples


def test_slow_steps_take_the_fewest_turns_and_the_average_decides(arena: Any) -> None:
    plain = arena.reply
    arena.reply = lambda side: replace(plain(side), turn_seconds=60.0 if side == "two" else 0.001)
    measured(arena)
    assert {turn.number for _, turn in arena.turns} == set(range(5))


def test_what_the_turns_will_take_is_told_before_the_first(arena: Any) -> None:
    plain = arena.reply
    arena.reply = lambda side: replace(plain(side), turn_seconds=60.0 if side == "two" else 30.0)
    told: list[tuple[float, int]] = []
    measured(arena, ready=lambda seconds: told.append((seconds, len(arena.turns))))
    assert told == [(5 * (60.0 + 2 * 30.0), 0)]


@pytest.mark.parametrize(("threads", "device", "cpu"), [(1, "cpu", 3), (2, "cpu", None), (1, "cuda", None)])
def test_a_process_of_one_thread_in_the_hosts_memory_is_pinned(
    arena: Any, threads: int, device: str, cpu: int | None
) -> None:
    (item,) = plan_cases(Selection(choose(discover(), ["torch_tensor"]), threads=(threads,), devices=(device,)))
    replace(rounds(), cpu=3).measure([Seat(item, arena.opens("one"))])
    ((_, request),) = arena.opened
    assert request.cpu == cpu


# --- groups -------------------------------------------------------------------------------------------------------


def items(*names: str, hidden: int = 100) -> list[Planned]:
    return list(plan_cases(Selection(choose(discover(), names), {"hidden": hidden}, devices=("cpu",))))


def names_of(groups: list[list[Planned]]) -> list[list[str]]:
    return [[item.case.implementation for item in group] for group in groups]


def test_one_workload_and_problem_is_a_group() -> None:
    order = [*items("torch_tensor", "numpy_manual", "numpy_adam"), *items("numpy_manual", hidden=7)]
    groups = names_of(groups_of(order, lambda case: None))
    assert sorted(map(sorted, groups)) == [["numpy_adam"], ["numpy_manual"], ["numpy_manual", "torch_tensor"]]


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (4, [["numpy_manual", "tf_static_graph", "torch_autograd", "torch_tensor"]]),
        (3, [["numpy_manual", "tf_static_graph", "torch_autograd"], ["numpy_manual", "torch_tensor"]]),
        (2, [["numpy_manual", name] for name in ("tf_static_graph", "torch_autograd", "torch_tensor")]),
        (1, [["numpy_manual"], ["tf_static_graph"], ["torch_autograd"], ["torch_tensor"]]),
    ],
)
def test_a_group_that_memory_does_not_hold_is_split_with_the_baseline_in_each_part(
    monkeypatch: pytest.MonkeyPatch, most: int, expected: list[list[str]]
) -> None:
    monkeypatch.setattr("bench.run.plan.alive_at_once", lambda *about: most)
    found = items("numpy_manual", "torch_tensor", "torch_autograd", "tf_static_graph")
    (base,) = (item.case for item in found if item.case.implementation == "numpy_manual")
    groups = names_of(groups_of(found, lambda case: None if case == base else base))
    assert sorted(map(sorted, groups)) == expected
