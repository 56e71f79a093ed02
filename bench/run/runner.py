"""Driving a run: rounds over the cases, group by group, each group on disk before the next begins."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bench.analysis.summarise import exceeds_peak
from bench.data.manifest import CountedWork, Manifest
from bench.data.schema import Status, SummaryRow
from bench.data.store import RunStore
from bench.errors import outliving
from bench.model.case import Case
from bench.model.device import Backend
from bench.run.asking import Asks, Truths
from bench.run.caches import Caches
from bench.run.forecast import foresee
from bench.run.known_peaks import KnownPeaks
from bench.run.ledger import MIN_ROUNDS, Ledger
from bench.run.plan import Planned, backends_of, groups_of, round_order
from bench.run.records import rows_of, whole_steps, write_summary
from bench.run.refine import Refinement
from bench.run.rounds import Found, Rounds, Seat
from bench.run.sources import take_imports
from bench.run.watcher import Watcher
from bench.stats.estimates import Turns
from bench.timing.policy import SamplingPolicy
from bench.timing.protocol import Reply

_GUESS_SECONDS = 0.6
"""What a case is thought to cost before it has been measured."""
_OVERHEAD_SECONDS = 0.4
"""What a process costs beside its sampling: fork, build, verification, warm-up."""
_REFINING_ROUNDS = 4
"""As many rounds over all cases as finding crossovers takes time."""
RENEW_AFTER = 4.0
"""Interpreters are renewed when they have served this many times as long as it took to start them.

All children of one share its memory layout, and one lucky layout must not decide a run; a fifth of the time is what
that insurance may cost.
"""
SAVE_EVERY_SECONDS = 20.0
_SECOND_LOOKS = 2
"""The number of further measurements of a peak that a step exceeds."""


@dataclass
class Done:
    """What is on disk already: nothing for a new run."""

    rounds: dict[Case, dict[int, Turns | None]] = field(default_factory=dict)
    """Rounds that each case was measured in, with the times found by turn, or None if that process failed."""
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
        asks: Asks,
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
            asks: measures them.
            watcher: is told about progress.
            done: what has been measured before.
            began: when the command began, by the clock; by default now.
            now: a clock in seconds.
        """
        self._store, self._asks, self._watcher, self._now = store, asks, watcher, now
        self.manifest, self._done = manifest, done or Done()
        within = manifest.crossover_within
        self._refinement = None if within is None else Refinement(within)
        self._began = (now() if began is None else began) - self._done.seconds
        self._planned = [item for item in planned if not item.skipped]
        self._out: set[Case] = set()
        self._well: set[Case] = set()
        self._renewed = self._saved = self._began
        self._start_seconds = 0.0
        self._ledger = Ledger(planned, manifest.baseline)
        self._truths = Truths(asks, manifest.timeout_seconds)
        self._caches = Caches(asks.scratch, manifest.cold)
        self._peaks = KnownPeaks(asks, manifest, watcher)
        self._seconds: dict[Case, float] = {}
        self._overrunning = False
        self._turns: dict[int, int] = {}
        """The number of the next turn of each round."""
        self._invalid: set[int] = set(self._done.invalid)
        for case, rounds in self._done.rounds.items():
            for number, turns in rounds.items():
                self._remember(case, number, turns)
        for number in self._invalid:
            self._ledger.forget(number)

    def _remember(self, case: Case, number: int, turns: Turns | None) -> None:
        if turns is None:
            self._out.add(case)
            self._ledger.drop(case)
        else:
            self._well.add(case)
            self._ledger.record(case, number, turns)
            self._turns[number] = max([self._turns.get(number, 0), *(turn + 1 for turn in turns)])

    def execute(self) -> None:
        """Measure until the rounds asked for are done, all intervals are narrow enough, or the budget is spent."""
        self.manifest.ended_by = "unfinished"
        policy: SamplingPolicy | None = None
        number = 0
        while (cases := self._cases_of(number)) is not None:
            order = self._order(number, cases)
            if order and policy is None:  # a resumed run may have nothing left to do
                groups = groups_of(order, self._ledger.baseline_of)
                self._watcher.planned(len(order), len(groups), max(0.0, self._left()))
                self._start_interpreters()
                self._peaks.measure(self._live)
                self._store.write_manifest(self.manifest)
                policy = self._policy()
            elif order:
                self._renew_interpreters()
            if policy is not None and not self._round(number, order, policy):
                self.manifest.ended_by = "budget"
                return
            if number == 0 and order and self._live:
                self._foresee()
            number += 1
            if number > self.manifest.rounds_done:
                self.manifest.rounds_done = number
                self._save()
        self.manifest.ended_by = self._ending()

    def _foresee(self) -> None:
        """Tell what the first round lets expect of the budget."""
        seconds = sum(self._seconds.get(item.case, 0.0) for item in self._live)
        asked, budget = self.manifest.rounds, self.manifest.budget_seconds
        purpose = "an interval" if asked is None else "what was asked for"
        wanted = asked or MIN_ROUNDS
        self._watcher.foreseen(foresee("round", seconds, wanted, purpose, left=self._left(), budget=budget))

    def _ending(self) -> str:
        if not self._live:
            return "failures"
        return "rounds" if self.manifest.rounds is not None else "precision"

    def _start_interpreters(self) -> None:
        backends = self._backends()
        self._watcher.starting(sorted({backend.framework for backend in backends}))
        began = self._now()
        self._asks.start(backends)
        self._renewed, self._start_seconds = self._now(), self._now() - began

    def _renew_interpreters(self) -> None:
        """Renew the interpreters if they have served long enough and the budget has room for what that costs."""
        served = self._now() - self._renewed
        if served < RENEW_AFTER * self._start_seconds or self._left() < 2 * self._start_seconds:
            return
        began = self._now()
        self._asks.renew(self._backends())
        self._renewed, self._start_seconds = self._now(), self._now() - began

    def _backends(self) -> list[Backend]:
        return backends_of(self._live)

    def _save(self) -> None:
        """Write manifest and summary for whoever looks while the run goes on; seldom, since it reads all samples."""
        if self._now() - self._saved >= SAVE_EVERY_SECONDS:
            self._write()
            self._saved = self._now()

    @property
    def _live(self) -> list[Planned]:
        return [item for item in self._planned if item.case not in self._out]

    def _cases_of(self, number: int) -> list[Case] | None:
        """List the cases of one round; None if there is no such round."""
        everything = [item.case for item in self._live if not item.added]
        if self.manifest.rounds is not None:
            return everything if number < self.manifest.rounds and everything else None
        if number < MIN_ROUNDS:
            return everything or None
        if any(number in rounds for rounds in self._done.rounds.values()):
            return []  # a round by need that was under way before: what was needed then is not known now
        if crossing := self._refine():
            return crossing
        return self._ledger.needing(self.manifest.within) or None

    def _refine(self) -> list[Case]:
        """List what is to be measured for the sake of crossovers; cases that are new to the run join it."""
        if self._refinement is None:
            return []
        wanted = [item for item in self._refinement.wanted(self._live, self._ledger) if item.case not in self._out]
        known = {item.case for item in self._planned}
        new = [item for item in wanted if item.case not in known]
        if new:
            self._planned += new
            self._ledger.add(new)
            self.manifest.cases += [item.for_manifest() for item in new]
            self._store.write_manifest(self.manifest)  # before their samples: a resumed run must know them
        return [item.case for item in wanted]

    def _left(self) -> float:
        return self._began + self.manifest.budget_seconds - self._now()

    def _policy(self) -> SamplingPolicy:
        """Decide how long a process samples, so that the budget holds the rounds that an interval needs, and some more.

        A resumed run samples as it began.
        """
        if self.manifest.process_seconds is None:
            rounds = self.manifest.rounds or MIN_ROUNDS + (2 if self._refinement is None else _REFINING_ROUNDS)
            units = max(1, len(self._live)) * rounds
            each = max(0.0, self._left()) / units - _OVERHEAD_SECONDS
            self.manifest.process_seconds = min(SamplingPolicy.process_seconds, max(0.04, each))
            self._store.write_manifest(self.manifest)
        # Less time has shorter leads, rather than fewer turns.
        share = self.manifest.process_seconds / SamplingPolicy.process_seconds
        return SamplingPolicy(self.manifest.process_seconds, lead_seconds=share * SamplingPolicy.lead_seconds)

    def _order(self, number: int, cases: Sequence[Case]) -> list[Planned]:
        """List what one round still has to measure, shuffled."""
        return [
            item
            for item in round_order(self._planned, self.manifest.seed, number)
            if item.case in cases and number not in self._done.rounds.get(item.case, {})
        ]

    def _round(self, number: int, order: Sequence[Planned], policy: SamplingPolicy) -> bool:
        """Measure one round, group by group; False if the budget ended it."""
        rounds = self._rounds_of(number, policy)
        done = 0
        for group in groups_of(order, self._ledger.baseline_of):
            if number and self._left() < sum(self._seconds.get(item.case, _GUESS_SECONDS) for item in group):
                return False
            self._measure(group, number, rounds, (done, len(order)))
            done += len(group)
        if number in self._invalid:
            self._ledger.forget(number)  # throttled in one case, it is worth nothing for the others either
        return True

    def _rounds_of(self, number: int, policy: SamplingPolicy) -> Rounds:
        """Prepare to measure a round; its orders are those of the run's seed."""
        chance = random.Random(f"{self.manifest.seed}/{number}/turns")  # noqa: S311 - an order, not a secret
        return Rounds(self._truths, self.manifest.timeout_seconds, chance, policy, self.manifest.cpu, self._now)

    def _measure(self, group: Sequence[Planned], number: int, rounds: Rounds, place: tuple[int, int]) -> None:
        """Measure a group, and put it on disk whatever came of it.

        Args:
            group: cases that are alive together.
            number: the round.
            rounds: measures them.
            place: how many cases of the round are done, and how many it has.
        """
        done, of = place
        left = max(0.0, self._left())

        def starting(seat: Seat) -> None:
            nonlocal done
            self._watcher.measuring(seat.item.case, number, done, of, left, self._ledger.widest())
            done += 1

        def ready(seconds: float) -> None:
            if number == 0 and not self._overrunning and seconds > self._left():
                self._overrunning = True
                self._watcher.overrunning(self._now() - self._began + seconds, self.manifest.budget_seconds)

        first = self._turns.get(number, 0)
        # A case's first process verifies it on fresh inputs too.
        seats = [
            Seat(item, self._asks, fresh=item.case not in self._well, cache=self._caches.next(item)) for item in group
        ]
        found = rounds.measure(seats, first, starting, ready)
        first = self._next_turn(found, first)
        for index, (seat, each) in enumerate(zip(seats, found, strict=True)):
            if self._deserves_more(seat.item, each.reply):
                (again,) = rounds.measure([replace(seat, cache=self._caches.next(seat.item))], first)
                again.seconds += each.seconds
                found[index] = again
                first = self._next_turn([again], first)
        for item, each in zip(group, found, strict=True):
            self._keep(item, number, each)

    def _next_turn(self, found: Sequence[Found], first: int) -> int:
        return max([first, *(sample.turn + 1 for each in found for sample in each.arms.get("", []))])

    def _deserves_more(self, item: Planned, reply: Reply) -> bool:
        """Say whether a case is measured once more, by itself: its refusal is in doubt, or it has worked before."""
        if self._truths.look_closer(item, reply):
            return True
        return reply.status in (Status.FAILED, Status.TIMEOUT) and item.case in self._well

    def _keep(self, item: Planned, number: int, found: Found) -> None:
        """Put what a process found on disk, and take note of it."""
        case, reply = item.case, found.reply
        self._seconds[case] = found.seconds
        if take_imports(self.manifest, item, reply):
            self._store.write_manifest(self.manifest)  # before the process's rows: a resumed run must know them
        sizes = dict(case.problem.sizes)
        flops = self._truths.flops.get((case.workload, case.problem))
        if flops and self.manifest.work_of(case.workload, sizes) is None:
            self.manifest.counted.append(CountedWork(workload=case.workload, sizes=sizes, flops=flops))
            self._store.write_manifest(self.manifest)
        if reply.facts:
            self.manifest.facts.setdefault(case.backend, reply.facts)
        rows = rows_of(self.manifest.run_id, case, number, self._done.processes, found)
        self._store.append(*rows)
        if rows[1].throttled:
            self._invalid.add(number)
        self._done.processes += 1
        self._remember(case, number, whole_steps(found.samples) if reply.status is Status.OK else None)
        if reply.status is not Status.OK:
            self._watcher.failed(case, reply.status, reply.reason)

    def finish(self) -> list[SummaryRow]:
        """Write manifest and summary from what is on disk; gives the summary's rows.

        A peak that a step exceeds is measured again: the machine may have been busy with something else.
        """
        self.manifest.wall_seconds = round(self._now() - self._began, 3)
        rows = self._write()
        for _ in range(_SECOND_LOOKS if self.manifest.ended_by != "interrupted" else 0):
            doubtful = {row.case for row in rows if exceeds_peak(self.manifest, row)}
            if not self._peaks.raised(item for item in self._planned if item.case in doubtful):
                break
            rows = self._write()
        return rows

    def _write(self) -> list[SummaryRow]:
        """Write manifest and summary; give the summary's rows even if there is no room for them."""
        with outliving(self._watcher.unwritten):
            self._store.write_manifest(self.manifest)
        return write_summary(self._store, self.manifest, self._watcher)
