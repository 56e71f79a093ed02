"""Pairs that are measured at once: each lane has a core of its own, and one pair at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from bench.errors import ChildError
from bench.run.pairs import Pair, PairCase

MeasurePair = Callable[[PairCase], Pair]


@dataclass(frozen=True)
class PairTask:
    """A pair that is to be measured."""

    case: PairCase
    number: int


@dataclass(frozen=True)
class PairDone:
    """What became of it."""

    task: PairTask
    found: Pair | ChildError
    seconds: float


@dataclass(frozen=True)
class Lanes:
    """Measures pairs, as many at once as there are lanes."""

    measure: Sequence[MeasurePair]
    """The functions that measure a pair, one a lane."""
    abandon: Callable[[], None] = lambda: None
    """The function that ends the processes of all lanes, so that none waits any longer."""
    now: Callable[[], float] = time.monotonic

    def __len__(self) -> int:
        return len(self.measure)

    def run(self, tasks: Iterable[PairTask], most: int | None = None) -> Generator[PairDone, None, None]:
        """Yield each pair when it is done; a task is taken from `tasks` when a lane is free for it.

        Args:
            tasks: what to measure, in this order.
            most: how many lanes are used; None for all.
        """
        waiting = iter(tasks)
        free = list(self.measure[:most])
        running: dict[Future[PairDone], MeasurePair] = {}
        with ThreadPoolExecutor(len(free)) as executor:
            try:
                while True:
                    while free and (task := next(waiting, None)) is not None:
                        lane = free.pop()
                        running[executor.submit(self._measured, lane, task)] = lane
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        free.append(running.pop(future))
                        yield future.result()
            except BaseException:
                self.abandon()
                raise

    def _measured(self, measure: MeasurePair, task: PairTask) -> PairDone:
        began = self.now()
        try:
            found: Pair | ChildError = measure(task.case)
        except ChildError as error:
            found = error
        return PairDone(task, found, self.now() - began)
