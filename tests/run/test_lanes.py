"""Pairs that are measured at once: how many, in which order, and what happens when one of them goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from bench.errors import ChildError
from bench.run.lanes import Lanes, PairTask
from bench.run.pairs import Pair, PairCase

SECONDS = 20.0
"""Longest wait for another thread; nothing takes that long unless it is broken."""


@pytest.fixture
def case(pair_cases: tuple[PairCase, ...]) -> PairCase:
    return pair_cases[0]


def tasks(case: PairCase, count: int) -> list[PairTask]:
    return [PairTask(case, number) for number in range(count)]


def test_one_lane_takes_its_tasks_one_after_another(case: PairCase) -> None:
    given: list[int] = []
    found: list[int] = []

    def announced() -> Iterator[PairTask]:
        for task in tasks(case, 3):
            given.append(task.number)
            yield task

    for done in Lanes([lambda case: Pair(())]).run(announced()):
        found.append(done.task.number)
        assert given == found, "a task was taken before there was room for it"
    assert found == [0, 1, 2]


def test_lanes_measure_at_once_and_each_one_pair_at_a_time(case: PairCase) -> None:
    together = threading.Barrier(2, timeout=SECONDS)
    busy = [threading.Lock(), threading.Lock()]

    def lane(lock: threading.Lock) -> Pair:
        assert lock.acquire(blocking=False), "a lane measured two pairs at once"
        try:
            together.wait()  # breaks unless both lanes are here
        finally:
            lock.release()
        return Pair(())

    lanes = Lanes([lambda case, lock=lock: lane(lock) for lock in busy])
    assert len(lanes) == 2
    assert sorted(done.task.number for done in lanes.run(tasks(case, 6))) == list(range(6))


def test_fewer_lanes_may_be_used_than_there_are(case: PairCase) -> None:
    used: list[int] = []
    lanes = Lanes([lambda case, lane=lane: used.append(lane) or Pair(()) for lane in (0, 1)])
    assert len(list(lanes.run(tasks(case, 4), most=1))) == 4
    assert len(set(used)) == 1


def test_a_pair_that_fails_is_told_and_the_others_go_on(case: PairCase) -> None:
    numbers = iter(range(3))

    def measure(case: PairCase) -> Pair:
        if next(numbers) == 1:
            raise ChildError("side B failed")
        return Pair(())

    clock = iter(range(100))
    found = list(Lanes([measure], now=lambda: next(clock)).run(tasks(case, 3)))
    assert [str(done.found) for done in found if isinstance(done.found, ChildError)] == ["side B failed"]
    assert [done.seconds for done in found] == [1, 1, 1]


def test_who_stops_in_the_middle_ends_what_is_under_way(case: PairCase) -> None:
    abandoned = threading.Event()
    first = threading.Event()

    def waits(case: PairCase) -> Pair:
        if not first.is_set():
            first.set()
            return Pair(())
        assert abandoned.wait(SECONDS)
        raise ChildError("its process died by SIGKILL")

    with closing(Lanes([waits, waits], abandoned.set).run(tasks(case, 5))) as measured:
        next(measured)
    assert abandoned.is_set()
