"""One comparison from its sides to its verdicts and files."""

from __future__ import annotations

import dataclasses
import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench import __version__
from bench.analysis.rule import Criteria, Verdict, exit_code, worst
from bench.data.pairs import create_pairs
from bench.data.store import write_atomically
from bench.errors import UsageError, outliving
from bench.machine.environment import machine_facts, package_versions
from bench.machine.processor import core_kind, pinned_cpus
from bench.machine.variables import variables
from bench.model.backends import BACKENDS
from bench.model.device import Backend
from bench.run.ab import Decided, Looks
from bench.run.asking import Truths
from bench.run.lanes import Lanes, MeasurePair
from bench.run.leases import leased
from bench.run.matching import Match
from bench.run.pairs import PAIR_POLICY, UNLIKE_POLICY, A, B, measure_pair
from bench.run.plan import backends_of
from bench.run.pool import Pool
from bench.run.rounds import Rounds, Seat
from bench.run.session import RESULTS, new_id
from bench.run.sides import Side
from bench.run.terms import Terms
from bench.run.watcher import Watcher

VERDICTS = "verdicts.json"
RENEW_PAIRS = 4
"""After how many pairs interpreters that differ are started anew: as long as they live, their layouts stay the same."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison found."""

    folder: Path
    created: str
    """Start, UTC, ISO 8601."""
    labels: tuple[str, str]
    criteria: Criteria
    cases: tuple[Decided, ...]
    absent: Mapping[str, str]
    seconds: float
    threads: int
    cpus: tuple[int, ...] = ()
    """The CPUs that pairs were pinned to, one each and as many at once; none if they were not."""

    @property
    def verdict(self) -> Verdict:
        """The verdict of the worst case."""
        return worst(case.verdict.verdict for case in self.cases)

    def exit_code(self, allow_inconclusive: bool = False) -> int:
        """Return the exit status; see `bench.analysis.rule.exit_code`."""
        return exit_code((case.verdict.verdict for case in self.cases), allow_inconclusive)


def compare_sides(sides: tuple[Side, Side], match: Match, watcher: Watcher, terms: Terms) -> Comparison:
    """Measure and judge; pairs.csv and verdicts.json are left in a folder.

    Args:
        sides: as `bench.run.sides` makes them.
        match: their cases.
        watcher: is told about progress.
        terms: what was asked for.

    Raises:
        UsageError: so many pairs cannot be measured at once.
        StorageError: the folder holds something already or cannot be written.
    """
    cpus = _cpus(terms) if any(case.on_host for case in match.cases) else ()
    backends = backends_of([item for case in match.cases for item in (case.a, case.b)])
    with leased(backends, " ".join((Path(sys.argv[0]).name, *sys.argv[1:])), terms.sharing, watcher.queued):
        return _compare(sides, match, watcher, terms, cpus, backends)


def _compare(
    sides: tuple[Side, Side],
    match: Match,
    watcher: Watcher,
    terms: Terms,
    cpus: tuple[int, ...],
    backends: Sequence[Backend],
) -> Comparison:
    started, began = datetime.now(UTC), time.monotonic()
    folder = terms.out if terms.out is not None else RESULTS / new_id(started, "ab")
    create_pairs(folder, dict.fromkeys(name for item in match.cases for name in item.case.problem.sizes.columns))
    with ExitStack() as stack:
        opens, renew = _interpreters(stack, sides, backends, watcher)
        truths = Truths(opens[A], terms.timeout, sides[0].path)
        seats = {
            letter: partial(Seat, asks=opens[letter], path=side.path, foreign=side.foreign, modules=side.modules)
            for letter, side in zip((A, B), sides, strict=True)
        }

        policy = UNLIKE_POLICY if all(side.alone for side in sides) else PAIR_POLICY

        def lane(number: int, cpu: int | None) -> MeasurePair:
            chance = random.Random(f"{terms.seed}/{number}")  # noqa: S311 - an order, not a secret
            return partial(measure_pair, Rounds(truths, terms.timeout, chance, policy, cpu=cpu), seats=seats)

        lanes = Lanes([lane(number, cpu) for number, cpu in enumerate(cpus or (None,))], stack.close)
        looks = Looks(match, lanes, truths, watcher, terms, folder, renew=renew)
        cases = tuple(looks.decide())
    seconds = round(time.monotonic() - began, 1)
    labels = (sides[0].label, sides[1].label)
    created = started.isoformat(timespec="seconds")
    found = Comparison(folder, created, labels, terms.criteria, cases, match.absent, seconds, terms.threads, cpus)
    with outliving(watcher.unwritten):
        write_atomically(folder / VERDICTS, json.dumps(as_json(found), indent=2) + "\n")
    return found


def _cpus(terms: Terms) -> tuple[int, ...]:
    """Choose a CPU for each pair that is measured at once; none where pairs are not pinned.

    Raises:
        UsageError: there are not so many.
    """
    found = pinned_cpus(terms.threads)
    most = max(1, len(found))
    if terms.jobs is not None and terms.jobs > most:
        why = "steps of several threads share them" if terms.threads > 1 else "each pair needs a fast core of its own"
        raise UsageError(f"--jobs {terms.jobs} is too many here, since {why}: give at most {most}.")
    return found[: terms.jobs]


def _interpreters(
    stack: ExitStack, sides: tuple[Side, Side], backends: Sequence[Backend], watcher: Watcher
) -> tuple[dict[str, Pool], Callable[[int], None] | None]:
    """Start the interpreters of both sides; return who starts each side's processes, and what renews the interpreters.

    One interpreter for both sides if it is the same: its children share a memory layout, which is then no difference.
    """
    if backends:
        watcher.starting(sorted({backend.framework for backend in backends}))
    if sides[0].interpreter == sides[1].interpreter:
        both = stack.enter_context(Pool(sides[0].interpreter, watcher.waiting))
        both.start(backends)
        return {A: both, B: both}, None
    opens = {
        letter: stack.enter_context(Pool(side.interpreter, watcher.waiting))
        for letter, side in zip((A, B), sides, strict=True)
    }

    def renew(number: int) -> None:
        if number % RENEW_PAIRS == 0:
            for pool in opens.values():
                pool.renew(backends)

    return opens, renew


def as_json(found: Comparison) -> dict[str, Any]:
    """Return a comparison for programs."""
    return {
        "stepbench": __version__,
        "created": found.created,
        "machine": machine_facts(),
        "environment": variables(),
        "packages": package_versions(BACKENDS.values()),
        "a": found.labels[0],
        "b": found.labels[1],
        "verdict": found.verdict,
        "criteria": dataclasses.asdict(found.criteria),
        "threads": found.threads,
        "cpus": list(found.cpus),
        "cores": [core_kind(cpu) for cpu in found.cpus],
        "seconds": found.seconds,
        "cases": [dataclasses.asdict(case) for case in found.cases],
        "absent": dict(found.absent),
    }
