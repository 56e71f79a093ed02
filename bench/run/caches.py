"""Folders for the caches that compilers keep on disk: a run's own, so that what was compiled before does not count."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from bench.model.case import Case
from bench.run.plan import Planned


class Caches:
    """Which folder each process of a case gets: the first ones an empty one each, later ones that of the last of them.

    They go with the run: one that is resumed begins with an empty folder again.
    """

    def __init__(self, folder: Path, cold: int) -> None:
        """Prepare; `folder` is where they go, and `cold` says how many processes of a case get an empty one."""
        self._folder, self._cold = folder, cold
        self._places: dict[Case, int] = {}
        self._started: Counter[Case] = Counter()

    def next(self, item: Planned) -> str:
        """Return the folder of a case's next process; empty for a case that compiles nothing."""
        if not item.implementation.compiles:
            return ""
        place = self._places.setdefault(item.case, len(self._places))
        number = min(self._started[item.case], self._cold - 1)
        self._started[item.case] += 1
        folder = self._folder / f"compiled-{place}-{number}"
        folder.mkdir(exist_ok=True)
        return str(folder)
