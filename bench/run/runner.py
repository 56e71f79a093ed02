"""Driving a run: rounds over the cases, group by group, each group on disk before the next begins."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from bench.analysis.summarise import exceeds_peak
from bench.data.manifest import Manifest
from bench.data.schema import Status, SummaryRow
from bench.data.store import RunStore
from bench.errors import outliving
from bench.model.case import Case
from bench.run.forecast import foresee
from bench.run.known_peaks import keep_highest
from bench.run.launcher import Launcher
from bench.run.ledger import MIN_ROUNDS, Ledger
from bench.run.machines import take_machine
from bench.run.plan import Planned, groups_of, round_order
from bench.run.records import rows_of, whole_steps, write_summary
from bench.run.refine import Refinement
from bench.run.rounds import Found
from bench.run.sources import take_imports
from bench.run.watcher import Watcher
from bench.run.worker import Job, JobFound
from bench.stats.estimates import RoundKey, Turns, number_in
from bench.timing.policy import SamplingPolicy

_GUESS_SECONDS = 0.6
"""What a case is thought to cost before it has been measured."""
_OVERHEAD_SECONDS = 0.4
"""What a process costs beside its sampling: fork, build, verification, warm-up."""
_REFINING_ROUNDS = 4
"""As many rounds over all cases as finding crossovers takes time."""
SAVE_EVERY_SECONDS = 20.0
_SECOND_LOOKS = 2
"""The number of further measurements of a peak that a step exceeds."""


@dataclass
class Done:
    """What is on disk already: nothing for a new run."""

    rounds: dict[Case, dict[RoundKey, Turns | None]] = field(default_factory=dict)
    """Rounds that each case was measured in, with the times found by turn, or None if that process failed."""
    rows: Counter[tuple[Case, int]] = field(default_factory=Counter)
    """How many processes of each case stand on disk, by round."""
    invalid: frozenset[int] = frozenset()
    """Rounds in which a device was throttled."""
    processes: int = 0
    seconds: float = 0.0
    """Time that the processes took together: what a resumed run has spent of its budget."""


class Runner:
    """One run. `execute` drives it; `finish` must be called whatever happened, and writes the summary."""

    def __init__(
        self,
        store: RunStore,
        manifest: Manifest,
        planned: Sequence[Planned],
        launcher: Launcher,
        watcher: Watcher,
        *,
        done: Done | None = None,
        began: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            store: the run's folder.
            manifest: the plan, and how long to measure; it is kept up to date.
            planned: the cases of the plan.
            launcher: has them measured.
            watcher: is told about progress.
            done: what has been measured before.
            began: when the command began, by the clock; by default now.
            now: a clock in seconds.
        """
        self._store, self._launcher, self._watcher, self._now = store, launcher, watcher, now
        self.manifest, self._done = manifest, done or Done()
        within = manifest.crossover_within
        self._refinement = None if within is None else Refinement(within)
        self._began = (now() if began is None else began) - self._done.seconds / launcher.nodes
        self._planned = [item for item in planned if not item.skipped]
        self._out: set[Case] = set()
        self._well: set[Case] = set()
        self._begun = self._overrunning = False
        self._saved = self._began
        self._ledger = Ledger(planned, manifest.baseline)
        self._seconds: dict[Case, float] = {}
        self._place = (0, 0)
        """How many cases of the round have been begun, and how many it has."""
        self._turns: dict[int, int] = {}
        """The number of the next turn of each round."""
        self._invalid: set[int] = set(self._done.invalid)
        for case, rounds in self._done.rounds.items():
            for key, turns in rounds.items():
                self._remember(case, key, turns)
        for number in self._invalid:
            self._ledger.forget(number)

    def _remember(self, case: Case, key: RoundKey, turns: Turns | None) -> None:
        if turns is None:
            self._out.add(case)
            self._ledger.drop(case)
        else:
            number = number_in(key)
            self._well.add(case)
            self._ledger.record(case, key, turns)
            self._turns[number] = max([self._turns.get(number, 0), *(turn + 1 for turn in turns)])

    def execute(self) -> None:
        """Measure until the rounds asked for are done, all intervals are narrow enough, or the budget is spent."""
        self.manifest.ended_by = "unfinished"
        self._take_earlier(wait=True)
        number = 0
        while wave := self._wave(number):
            orders = [(each, self._order(each, cases)) for each, cases in wave]
            jobs = [
                Job(each, tuple(group))
                for each, order in orders
                for group in groups_of(order, self._ledger.baseline_of)
            ]
            if jobs and not self._begun:  # a resumed run may have nothing left to do
                self._begin(orders[0][1] or jobs[0].group)
            if jobs and not self._measure(jobs):
                self.manifest.ended_by = "budget"
                return
            if number == 0 and jobs and self.live:
                self._foresee()
            number += len(wave)
            if number > self.manifest.rounds_done:
                self.manifest.rounds_done = number
                self._save()
        self.manifest.ended_by = self._ending()

    def _wave(self, number: int) -> list[tuple[int, list[Case]]]:
        """List the rounds that the launcher is told of at once, with their cases; none if there is no such round."""
        cases = self._cases_of(number)
        if cases is None:
            return []
        last = self.manifest.rounds or (MIN_ROUNDS if number < MIN_ROUNDS else None)
        ahead = self._launcher.ahead(last is not None) if cases else 1
        end = number + ahead if last is None else min(number + ahead, last)
        return [(each, cases) for each in range(number, end) if each == number or last or not self._has_been(each)]

    def _has_been(self, number: int) -> bool:
        return any(number_in(key) == number for rounds in self._done.rounds.values() for key in rounds)

    def _begin(self, first: Sequence[Planned]) -> None:
        """Get ready to measure, and decide how long each process samples."""
        groups = groups_of(first, self._ledger.baseline_of)
        self._watcher.planned(len(first), len(groups), max(0.0, self.left()))
        self._launcher.begin(self.live)
        self._store.write_manifest(self.manifest)
        self._decide_sampling()
        self._begun = True

    def _take_earlier(self, wait: bool) -> None:
        """Keep what was finished for an earlier command, as far as that did not; `wait` for what is under way."""
        for job, part in self._launcher.earlier(self._planned, wait):
            self._keep_part(job, part, dict(self._done.rows))

    def _foresee(self) -> None:
        """Tell what the first round lets expect of the budget."""
        seconds = sum(self._seconds.get(item.case, 0.0) for item in self.live) / self._launcher.nodes
        asked, budget = self.manifest.rounds, self.manifest.budget_seconds
        purpose = "an interval" if asked is None else "what was asked for"
        wanted = asked or MIN_ROUNDS
        self._watcher.foreseen(foresee("round", seconds, wanted, purpose, left=self.left(), budget=budget))

    def _ending(self) -> str:
        if not self.live:
            return "failures"
        return "rounds" if self.manifest.rounds is not None else "precision"

    def _save(self) -> None:
        """Write manifest and summary for whoever looks while the run goes on; seldom, since it reads all samples."""
        if self._now() - self._saved >= SAVE_EVERY_SECONDS:
            self._write()
            self._saved = self._now()

    @property
    def live(self) -> list[Planned]:
        """The cases that are measured: those that did not fail."""
        return [item for item in self._planned if item.case not in self._out]

    def _cases_of(self, number: int) -> list[Case] | None:
        """List the cases of one round; None if there is no such round."""
        everything = [item.case for item in self.live if not item.added]
        if self.manifest.rounds is not None:
            return everything if number < self.manifest.rounds and everything else None
        if number < MIN_ROUNDS:
            return everything or None
        if self._has_been(number):
            return []  # a round by need that was under way before: what was needed then is not known now
        if crossing := self._refine():
            return crossing
        return self._ledger.needing(self.manifest.within) or None

    def _refine(self) -> list[Case]:
        """List what is to be measured for the sake of crossovers; cases that are new to the run join it."""
        if self._refinement is None:
            return []
        wanted = [item for item in self._refinement.wanted(self.live, self._ledger) if item.case not in self._out]
        known = {item.case for item in self._planned}
        new = [item for item in wanted if item.case not in known]
        if new:
            self._planned += new
            self._ledger.add(new)
            self.manifest.cases += [item.for_manifest() for item in new]
            self._store.write_manifest(self.manifest)  # before their samples: a resumed run must know them
        return [item.case for item in wanted]

    def left(self) -> float:
        """Return the seconds left of the budget."""
        return self._began + self.manifest.budget_seconds - self._now()

    def started(self) -> None:
        """Count the budget from now on."""
        self._began = self._now() - self._done.seconds / self._launcher.nodes

    def _decide_sampling(self) -> None:
        """Decide how long a process samples, so that the budget holds the rounds that an interval needs, and some more.

        A resumed run samples as it began.
        """
        if self.manifest.process_seconds is None:
            rounds = self.manifest.rounds or MIN_ROUNDS + (2 if self._refinement is None else _REFINING_ROUNDS)
            units = max(1, len(self.live)) * rounds
            each = max(0.0, self.left()) * self._launcher.nodes / units - _OVERHEAD_SECONDS
            self.manifest.process_seconds = min(SamplingPolicy.process_seconds, max(0.04, each))
            self._store.write_manifest(self.manifest)

    def _order(self, number: int, cases: Sequence[Case]) -> list[Planned]:
        """List what one round still has to measure, shuffled."""
        return [
            item
            for item in round_order(self._planned, self.manifest.seed, number)
            if item.case in cases and number not in map(number_in, self._done.rounds.get(item.case, {}))
        ]

    def _measure(self, jobs: Sequence[Job]) -> bool:
        """Have jobs measured, and put each on disk whatever came of it; False if the budget ended it."""
        left, self._place = list(jobs), (0, sum(len(job.group) for job in jobs))
        try:
            with closing(self._launcher.measure(jobs, self)) as parts:
                for job, part in parts:
                    self._keep_part(job, part)
                    left.remove(job)
        finally:
            if left:
                self.manifest.rounds_done = max(self.manifest.rounds_done, min(job.number for job in left))
        for number in {job.number for job in jobs} & self._invalid:
            self._ledger.forget(number)  # throttled in one case, it is worth nothing for the others either
        return not left

    def has_room(self, job: Job) -> bool:
        """Say whether the budget has room for a job; for those of the first round it always has."""
        return not job.number or self.left() >= sum(self._seconds.get(item.case, _GUESS_SECONDS) for item in job.group)

    def first_turn(self, number: int) -> int:
        """Return the number of the next turn of a round."""
        return self._turns.get(number, 0)

    def known(self, case: Case) -> bool:
        """Say whether a case has been well before."""
        return case in self._well

    def starting(self, case: Case, job: Job) -> None:
        """Show that a process is about to be started."""
        done, of = self._place
        self._watcher.measuring(case, job.number, done, of, max(0.0, self.left()), self._ledger.widest())
        self._place = done + 1, of

    def ready(self, job: Job, seconds: float) -> None:
        """Show that the first round will take longer than the budget."""
        if job.number == 0 and not self._overrunning and seconds > self.left():
            self._overrunning = True
            self._watcher.overrunning(self._now() - self._began + seconds, self.manifest.budget_seconds)

    def _keep_part(self, job: Job, part: JobFound, there: dict[tuple[Case, int], int] | None = None) -> None:
        """Put what a job found on disk, but for the processes of it that are `there` already."""
        if part.machine and take_machine(self.manifest, part):
            self._store.write_manifest(self.manifest)  # before its rows: they name it
        keep_highest(self.manifest, part.peaks)
        for work in part.counted:
            if self.manifest.work_of(work.workload, work.sizes) is None:
                self.manifest.counted.append(work)
                self._store.write_manifest(self.manifest)
        for item, each in zip(job.group, part.found, strict=True):
            if there and there.get((item.case, job.number), 0) > 0:
                there[item.case, job.number] -= 1
            else:
                self._keep(item, job.number, each, part)

    def _keep(self, item: Planned, number: int, found: Found, part: JobFound) -> None:
        """Put what a process found on disk, and take note of it."""
        case, reply = item.case, found.reply
        self._seconds[case] = found.seconds
        if take_imports(self.manifest, item, reply):
            self._store.write_manifest(self.manifest)  # before the process's rows: a resumed run must know them
        if reply.facts:
            self.manifest.facts.setdefault(case.backend, reply.facts)
        rows = rows_of(self.manifest.run_id, case, number, self._done.processes, found, part)
        self._store.append(*rows)
        if rows[1].throttled:
            self._invalid.add(number)
        self._done.processes += 1
        self._done.rows[case, number] += 1
        key = (part.machine, number) if part.machine else number
        turns = whole_steps(found.samples) if reply.status is Status.OK else None
        if part.machine:  # rounds of other machines may come in any order, and be planned again
            self._done.rounds.setdefault(case, {})[key] = turns
        self._remember(case, key, turns)
        if reply.status is not Status.OK:
            self._watcher.failed(case, reply.status, reply.reason)

    def finish(self) -> list[SummaryRow]:
        """Write manifest and summary from what is on disk; gives the summary's rows.

        A peak that a step exceeds is measured again: the machine may have been busy with something else.
        """
        self._take_earlier(wait=False)
        self.manifest.wall_seconds = round(self._now() - self._began, 3)
        rows = self._write()
        for _ in range(_SECOND_LOOKS if self.manifest.ended_by != "interrupted" else 0):
            doubtful = {row.case for row in rows if exceeds_peak(self.manifest, row)}
            if not self._launcher.raised(item for item in self._planned if item.case in doubtful):
                break
            rows = self._write()
        return rows

    def _write(self) -> list[SummaryRow]:
        """Write manifest and summary; give the summary's rows even if there is no room for them."""
        with outliving(self._watcher.unwritten):
            self._store.write_manifest(self.manifest)
        return write_summary(self._store, self.manifest, self._watcher)
