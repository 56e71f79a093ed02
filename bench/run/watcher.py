"""Whoever shows the progress of a run, a comparison or an examination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bench.data.schema import Status
from bench.model.case import Case
from bench.run.forecast import Forecast


class Watcher(Protocol):
    """Whoever shows progress. It is called between measurements, and during one if that lasts a minute."""

    def planned(self, cases: int, groups: int, seconds: float) -> None:
        """Show how much a run has to measure, and that it is to end within so many seconds."""

    def overrunning(self, seconds: float, budget_seconds: float) -> None:
        """Show that the end of the first round will have taken so long at least, which is more than the budget."""

    def foreseen(self, found: Forecast) -> None:
        """Show how many rounds or pairs the budget holds, now that the first has been measured."""

    def queued(self, reason: str) -> None:
        """Show that another command is waited for, or that nothing keeps one away."""

    def starting(self, frameworks: Sequence[str]) -> None:
        """Show that the interpreters of these frameworks are being started."""

    def measuring(
        self,
        case: Case,
        number: int,
        done: int,
        of: int,
        seconds_left: float,
        widest: tuple[Case, float] | None = None,
    ) -> None:
        """Show that a case's turn in a round has come; `widest` is the case that the run is least sure of."""

    def tasks(self, queued: int, running: int, done: int) -> None:
        """Show how many tasks on other machines wait, run and are done."""

    def pairing(self, case: Case, pair: int, of: int) -> None:
        """Show that a pair of processes of one case is about to be measured."""

    def measuring_peak(self, backend: str) -> None:
        """Show that the peak of a backend's device is about to be measured."""

    def waiting(self, who: str, seconds: float, working: bool) -> None:
        """Show that a process, of the case `who`, has been silent for so long, and whether it uses the CPU."""

    def unwritten(self, reason: str) -> None:
        """Show that a file cannot be written, whose contents are known all the same."""

    def failed(self, case: Case, status: Status, reason: str) -> None:
        """Show that a case is out of the run."""
