"""Launchers: what starts rounds, on this machine or on others. A run plans them, and keeps what they found."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Protocol

from bench.data.manifest import Manifest
from bench.model.case import Case
from bench.run.asking import Asks
from bench.run.known_peaks import KnownPeaks
from bench.run.plan import Planned, backends_of
from bench.run.watcher import Watcher
from bench.run.worker import Job, JobFound, Worker

RENEW_AFTER = 4.0
"""Interpreters are renewed when they have served this many times as long as it took to start them.

All children of one share its memory layout, and one lucky layout must not decide a run; a fifth of the time is what
that insurance may cost.
"""


class RunView(Protocol):
    """What a launcher asks of the run that it works for: `Runner`."""

    @property
    def live(self) -> list[Planned]:
        """The cases that are measured."""

    def left(self) -> float:
        """Return the seconds left of the budget."""

    def started(self) -> None:
        """Take note that measuring begins only now: what came before was waiting for a machine."""

    def has_room(self, job: Job) -> bool:
        """Say whether the budget has room for a job."""

    def first_turn(self, number: int) -> int:
        """Return the number of the next turn of a round."""

    def known(self, case: Case) -> bool:
        """Say whether a case has been measured and was well."""

    def starting(self, case: Case, job: Job) -> None:
        """Take note that a process is about to be started."""

    def ready(self, job: Job, seconds: float) -> None:
        """Take note of how long the turns of a job will take."""


class Launcher(Protocol):
    """Whoever starts rounds: `Local`, or `Slurm` on the nodes of a cluster."""

    nodes: int
    """The most rounds that run at once."""

    def ahead(self, needed: bool) -> int:
        """Return how many rounds it is told of at once; `needed` if all are, whatever the first of them finds."""

    def begin(self, live: Sequence[Planned]) -> None:
        """Get ready for these cases."""

    def earlier(self, planned: Sequence[Planned], wait: bool) -> Iterable[tuple[Job, JobFound]]:
        """Give what was finished for an earlier command and is not kept yet; `wait` for what is under way."""

    def measure(self, jobs: Sequence[Job], run: RunView) -> Generator[tuple[Job, JobFound]]:
        """Measure jobs, and give what each found; those that the budget has no room for are left out."""

    def raised(self, items: Iterable[Planned]) -> bool:
        """Measure the peaks of these cases' devices once more; say whether one rose."""


class Local:
    """Measures at once, on this machine."""

    nodes = 1

    def __init__(
        self, asks: Asks, manifest: Manifest, watcher: Watcher, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._asks, self._watcher, self._now = asks, watcher, now
        self._worker = Worker(asks, manifest, manifest.cpu, now)
        self._peaks = KnownPeaks(asks, manifest, watcher.measuring_peak)
        self._renewed = self._start_seconds = 0.0
        self._fresh = False
        """Whether the interpreters have not been used yet."""

    def ahead(self, needed: bool) -> int:
        """Return that rounds come one by one."""
        return 1

    def begin(self, live: Sequence[Planned]) -> None:
        """Start the interpreters, and measure the peaks of the devices."""
        backends = backends_of(live)
        self._watcher.starting(sorted({backend.framework for backend in backends}))
        began = self._now()
        self._asks.start(backends)
        self._renewed, self._start_seconds = self._now(), self._now() - began
        self._peaks.measure(live)
        self._fresh = True

    def earlier(self, planned: Sequence[Planned], wait: bool) -> Iterable[tuple[Job, JobFound]]:
        """Give nothing: what was measured here was kept at once."""
        return ()

    def measure(self, jobs: Sequence[Job], run: RunView) -> Generator[tuple[Job, JobFound]]:
        """Measure the jobs of a round one by one, until one has no room in the budget."""
        if not self._fresh:
            self._renew(run)
        self._fresh = False
        for job in jobs:
            if not run.has_room(job):
                return

            def starting(case: Case, job: Job = job) -> None:
                run.starting(case, job)

            def ready(seconds: float, job: Job = job) -> None:
                run.ready(job, seconds)

            yield job, self._worker.measure(job, run.first_turn(job.number), run.known, starting, ready)

    def _renew(self, run: RunView) -> None:
        """Renew the interpreters if they have served long enough and the budget has room for what that costs."""
        served = self._now() - self._renewed
        if served < RENEW_AFTER * self._start_seconds or run.left() < 2 * self._start_seconds:
            return
        began = self._now()
        self._asks.renew(backends_of(run.live))
        self._renewed, self._start_seconds = self._now(), self._now() - began

    def raised(self, items: Iterable[Planned]) -> bool:
        """Measure the peaks once more."""
        return self._peaks.raised(items)
