"""`bench doctor --calibrate`: how often are verdicts wrong on this machine?

In every pair side B takes turns with itself: as it is, and with delays of known size planted in one phase. So one pair
serves the A/A and every planted slowdown, and all of them see the same moments. Each trial
gets the verdict that a comparison would give, at the look that decides it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench import __version__
from bench.analysis.decision import changed_phases
from bench.analysis.rule import Criteria, FamilyVerdict, Verdict
from bench.analysis.verdict import judge
from bench.errors import ChildError, NothingRanError, outliving
from bench.machine.environment import machine_facts
from bench.machine.processor import pinned_cpu
from bench.model.sharing import Sharing
from bench.model.step import TRAINING
from bench.run.ab import family_of, typical_seconds
from bench.run.asking import Truths
from bench.run.calibration import Calibration, Rate, fingerprint, save
from bench.run.leases import leased
from bench.run.pairs import PAIR_POLICY, A, B, Pair, PairCase, measure_pair
from bench.run.plan import Planned, Selection, check_devices, choose, plan_cases
from bench.run.pool import Pool
from bench.run.reading import read_all
from bench.run.rounds import Arm, Rounds, Seat
from bench.run.terms import Volume
from bench.run.watcher import Watcher
from bench.stats.looks import planned_looks
from bench.stats.rates import binomial_interval

CALIBRATED = "torch_autograd"
CPU = "cpu"
PAIRS = Volume().pairs
"""The most that a verdict rests on, as in `bench gate`."""
SHARES = (0.02, 0.05, 0.10)
_SAME = "same"


@dataclass
class Trials:
    """What the trials so far have shown."""

    false_positives: list[bool] = field(default_factory=list)
    found: dict[float, list[bool]] = field(default_factory=lambda: {share: [] for share in SHARES})
    localised: list[bool] = field(default_factory=list)

    def rates(self) -> dict[str, Any]:
        """Return how often each happened, as a calibration has it."""
        return {
            "false_positives": _rate(self.false_positives),
            "power": {name_of(share): _rate(found) for share, found in self.found.items()},
            "localised": _rate(self.localised),
        }


def arms_of(phase: str) -> tuple[Arm, ...]:
    """List what side B does: its step as it is, and with each delay in one phase."""
    return (Arm(_SAME), *(Arm(name_of(share), phase, share) for share in SHARES))


def name_of(share: float) -> str:
    """Name a planted share."""
    return f"{share:.0%}"


def hold_trial(
    measure: Callable[[int], Pair], looks: tuple[int, ...], criteria: Criteria, seed: int
) -> tuple[list[Pair], dict[str, FamilyVerdict]]:
    """Measure until B is judged as it is and with each delay, each as a comparison of one case would be.

    Args:
        measure: measures a pair with the arms of `arms_of`; is given its number.
        looks: after how many pairs to judge.
        criteria: what a verdict takes.
        seed: the seed of the test's sign flips.

    Returns:
        The pairs, and the verdict of each arm from the look that decided it.
    """
    pairs: list[Pair] = []
    verdicts: dict[str, FamilyVerdict] = {}
    open_ = {_SAME, *map(name_of, SHARES)}
    for look in looks:
        pairs += [measure(number) for number in range(len(pairs), look)]
        for name in sorted(open_):
            (verdicts[name],) = judge([family_of(name, pairs, looks, A, name)], seed, criteria)
        open_ = {name for name in open_ if not verdicts[name].decided}
        if not open_:
            break
    return pairs, verdicts


def add_trial(trials: Trials, verdicts: Mapping[str, FamilyVerdict], seconds: Mapping[str, float], phase: str) -> None:
    """Take note of one trial.

    Args:
        trials: what there is so far; extended.
        verdicts: of each arm, as `hold_trial` returns them.
        seconds: A's time of each phase.
        phase: where the delays were planted.
    """
    trials.false_positives.append(verdicts[_SAME].verdict is Verdict.REGRESSION)
    for share in SHARES:
        found = verdicts[name_of(share)]
        regressed = found.verdict is Verdict.REGRESSION
        trials.found[share].append(regressed)
        if regressed and (changes := changed_phases(found, seconds)):
            trials.localised.append(changes[0].phase.value == phase)


def calibrate(
    item: Planned,
    watcher: Watcher,
    *,
    pairs: int,
    budget_seconds: float,
    criteria: Criteria,
    timeout: float | None,
    now: Callable[[], float] = time.monotonic,
) -> Calibration:
    """Run trials until the budget is spent, at least one.

    Args:
        item: a case whose phases can be timed apart.
        watcher: is told about progress.
        pairs: the most that one trial has.
        budget_seconds: time for all trials.
        criteria: what a verdict takes.
        timeout: longest silence of a process, in seconds; None for that of `bench.run.patience`.
        now: a clock in seconds.

    Raises:
        NothingRanError: a process failed.
    """
    began = now()
    trials = Trials()
    with Pool(waiting=watcher.waiting) as pool:
        watcher.starting([item.case.framework])
        pool.start([item.backend])
        chance = random.Random(item.case.problem.seed)  # noqa: S311 - an order, not a secret
        cpu = pinned_cpu(item.case.threads)
        rounds = Rounds(Truths(pool, timeout), timeout, chance, PAIR_POLICY, cpu=cpu)
        seats = dict.fromkeys((A, B), partial(Seat, asks=pool))
        longest, looks = 0.0, planned_looks(pairs, criteria.alpha)
        while not trials.false_positives or began + budget_seconds - now() > longest:
            number, start = len(trials.false_positives), now()
            phase = str(TRAINING[number % len(TRAINING)])

            def measure(index: int, arms: tuple[Arm, ...] = arms_of(phase)) -> Pair:
                watcher.pairing(item.case, index, pairs)
                return measure_pair(rounds, PairCase(item, item), seats, arms)

            try:
                measured, verdicts = hold_trial(measure, looks, criteria, number)
            except ChildError as error:
                raise NothingRanError(f"{item.case.label} could not be measured: {error}") from error
            add_trial(trials, verdicts, typical_seconds(measured, A), phase)
            longest = max(longest, now() - start)
    return Calibration(
        fingerprint=fingerprint(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        implementation=item.case.label,
        pairs=pairs,
        seconds=round(now() - began, 1),
        alpha=criteria.alpha,
        tolerance=criteria.tolerance,
        cpu=str(machine_facts().get("cpu") or ""),
        stepbench=__version__,
        **trials.rates(),
    )


def calibrate_machine(
    watcher: Watcher,
    budget_seconds: float,
    timeout: float | None,
    *,
    device: str = CPU,
    load: Sequence[Path] = (),
    pairs: int = PAIRS,
) -> tuple[Calibration, Path | None]:
    """Measure the error rates of verdicts here, and keep those of the CPU; gives also the file, if it was written.

    Args:
        watcher: is told about progress.
        budget_seconds: time for all trials.
        timeout: longest silence of a process, in seconds; None for that of `bench.run.patience`.
        device: the kind of device to measure on. A gate quotes what was measured on the CPU alone.
        load: files, which may bring that device.
        pairs: the most that one trial has.

    Raises:
        NothingRanError: the step that is calibrated with cannot run here.
        UsageError: there is no such device.
        DeviceAbsentError: it is absent here; the message gives the reason.
    """
    registry = read_all(load, timeout)
    if device != CPU:
        check_devices([device])
    (item,) = plan_cases(Selection(choose(registry, [CALIBRATED]), devices=(device,)))
    if item.skipped:
        raise NothingRanError(f"Nothing can be calibrated here: {item.skipped}.")
    with leased([item.backend], "bench doctor --calibrate", Sharing.WAIT, watcher.queued):
        found = calibrate(
            item, watcher, pairs=pairs, budget_seconds=budget_seconds, criteria=Criteria(), timeout=timeout
        )
    path: Path | None = None
    if device == CPU:
        with outliving(watcher.unwritten):
            path = save(found)
    return found, path


def _rate(outcomes: Sequence[bool]) -> Rate:
    low, high = binomial_interval(sum(outcomes), len(outcomes))
    return Rate(happened=sum(outcomes), trials=len(outcomes), low=low, high=high)
