"""Driving a run: rounds over all cases, one fresh process a case and round, each on disk before the next begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.analysis.summarise import summarise
from bench.data.schema import Manifest, ProcessRow, SampleRow, Status, SummaryRow, case_columns
from bench.data.store import RunStore, read_processes, read_samples
from bench.model.case import Case
from bench.run.asking import Asks, Truths, ask_case
from bench.run.plan import Planned, round_order
from bench.timing.environment import cpu_name
from bench.timing.measure import Policy
from bench.timing.protocol import Reply

MIN_ROUNDS = 6
"""Rounds that an interval needs; see `bench.analysis.stats.MIN_PROCESSES`."""
_GUESS_SECONDS = 0.6


class Watcher(Protocol):
    """Whoever shows progress. It is called between measurements, never during one."""

    def starting(self, frameworks: Sequence[str]) -> None:
        """The interpreters of these frameworks are being started."""

    def measuring(self, case: Case, number: int, done: int, of: int, seconds_left: float) -> None:
        """A case's turn in a round has come."""

    def failed(self, case: Case, status: Status, reason: str) -> None:
        """A case is out of the run."""


@dataclass(frozen=True)
class Limits:
    """When a run ends and how long one process may be silent."""

    budget_seconds: float
    """Time from the start of the run to its end; the first round is always finished."""
    rounds: int | None = None
    timeout_seconds: float = 30.0


class Runner:
    """One run. `execute` drives it; `finish` must be called whatever happened, and writes the summary."""

    def __init__(
        self,
        store: RunStore,
        manifest: Manifest,
        planned: Sequence[Planned],
        asks: Asks,
        limits: Limits,
        watcher: Watcher,
        *,
        began: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._asks, self._limits, self._watcher, self._now = store, asks, limits, watcher, now
        self.manifest = manifest
        self._began = now() if began is None else began
        self._live = [item for item in planned if not item.skipped]
        self._truths = Truths(asks.scratch)
        self._seconds: dict[Case, float] = {}
        self._process = 0
        self._cpu_name = cpu_name()

    def execute(self) -> None:
        """Measure round after round until the rounds asked for are done or the budget is spent."""
        backends = list({item.case.backend: item.backend for item in self._live}.values())
        self._watcher.starting(sorted({backend.framework for backend in backends}))
        self._asks.start(backends)
        policy = self._policy()
        number = 0
        while self._live and (self._limits.rounds is None or number < self._limits.rounds):
            if not self._round(number, policy):
                self.manifest.ended_by = "budget"
                return
            number += 1
            self.manifest.rounds_done = number
        self.manifest.ended_by = "rounds"

    def _left(self) -> float:
        return self._began + self._limits.budget_seconds - self._now()

    def _policy(self) -> Policy:
        """Samples of one process: few enough that the budget holds the rounds an interval needs, with some to spare."""
        units = max(1, len(self._live)) * (self._limits.rounds or MIN_ROUNDS + 2)
        each = max(0.0, self._left()) / units - _GUESS_SECONDS / 2
        return Policy(process_seconds=min(Policy.process_seconds, max(0.04, each)))

    def _round(self, number: int, policy: Policy) -> bool:
        """One round; False if the budget ended it."""
        order = round_order(self._live, self.manifest.seed, number)
        for done, item in enumerate(order):
            began = self._now()
            if number and self._left() < self._seconds.get(item.case, _GUESS_SECONDS):
                return False
            self._watcher.measuring(item.case, number, done, len(order), max(0.0, self._left()))
            status = self._measure(item, number, policy)
            self._seconds[item.case] = self._now() - began
            if status is not Status.OK:
                self._live.remove(item)
        return True

    def _measure(self, item: Planned, number: int, policy: Policy) -> Status:
        """One case in one fresh process, put on disk whatever came of it."""
        case = item.case
        reply = ask_case(self._asks, item, self._truths.path(case), policy, self._limits.timeout_seconds)
        if reply.facts:
            self.manifest.precision.setdefault(case.backend, reply.facts)
        self._record(case, number, reply)
        if reply.status is not Status.OK:
            self._watcher.failed(case, reply.status, reply.reason)
        return reply.status

    def _record(self, case: Case, number: int, reply: Reply) -> None:
        columns = case_columns(self.manifest.run_id, case)
        samples = [
            SampleRow(
                **columns,
                device_name=reply.device_name or self._cpu_name,
                phase=sample.phase,
                method=sample.method,
                clock=sample.clock,
                round=number,
                process=self._process,
                sample=sample.sample,
                iterations=sample.iterations,
                seconds=sample.nanoseconds / 1e9,
                depth=sample.depth,
            )
            for sample in reply.samples
        ]
        found, warmup = reply.verification, reply.warmup
        process = ProcessRow(
            **columns,
            round=number,
            process=self._process,
            status=reply.status,
            reason=reply.reason,
            verified=found is not None and found.passed,
            loss_error=None if found is None else found.loss_error,
            gradient_error=None if found is None else found.gradient_error,
            change_error=None if found is None else found.change_error,
            warmup_iterations=None if warmup is None else warmup.iterations,
            warmup_settled=None if warmup is None else warmup.settled,
            threads_used=reply.threads,
            peak_bytes=reply.peak_bytes,
            build_seconds=reply.build_seconds,
        )
        self._store.append(samples, process)
        self._process += 1

    def finish(self) -> list[SummaryRow]:
        """Write manifest and summary from what is on disk; gives the summary's rows."""
        self.manifest.wall_seconds = round(self._now() - self._began, 3)
        self._store.write_manifest(self.manifest)
        return write_summary(self._store, self.manifest)


def write_summary(store: RunStore, manifest: Manifest) -> list[SummaryRow]:
    """Make summary.csv from the run's other files."""
    rows = summarise(manifest, read_samples(store.folder), read_processes(store.folder))
    store.write_summary(rows)
    return rows
