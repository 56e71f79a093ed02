"""The first slow commit: commit after commit against the good one, and a file that holds what was decided.

Every commit is compared with GOOD as `bench ab` compares two revisions, never with its neighbour: a slowdown that came
in small steps would be under the margin in each.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bench.analysis.rule import Criteria, Verdict, worst
from bench.data.jsonfile import as_model, json_of
from bench.data.manifest import Manifest
from bench.data.pairs import PAIRS
from bench.data.store import new_folder, write_atomically
from bench.errors import DataFormatError, UsageError, outliving
from bench.model.backends import BACKENDS
from bench.run.ab import Decided
from bench.run.circumstances import circumstances
from bench.run.contest import Comparison, compare_sides
from bench.run.matching import Match, match
from bench.run.plan import check_devices
from bench.run.resume import check_load, check_same
from bench.run.revisions import Commit, commit, commits_between, repository
from bench.run.search import criteria_of_commit, first_slow, most_measured
from bench.run.session import RESULTS, locked, new_id
from bench.run.sides import of_revisions
from bench.run.terms import Terms
from bench.run.watcher import Watcher

SEARCH = "bisect.json"


class CommitVerdict(BaseModel):
    """A commit that was compared with GOOD, and what was found of each case."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants")

    commit: Commit
    folder: str
    """The folder of its pairs, inside that of the search."""
    cases: tuple[Decided, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict of the worst case."""
        return worst(case.verdict.verdict for case in self.cases)


class Search(BaseModel):
    """A search with what it has decided so far."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants")

    manifest: Manifest
    """What it is measured on and with."""
    good: Commit
    commits: Annotated[tuple[Commit, ...], Field(min_length=1)]
    """Those after GOOD, the oldest first; the last is BAD."""
    terms: Terms
    """What is compared and what a verdict takes; its alpha is that of the whole search."""
    tested: list[CommitVerdict] = []
    """In the order of the tests."""

    @property
    def bad(self) -> CommitVerdict | None:
        """The verdict on BAD, which is tested first; None before."""
        return self.tested[0] if self.tested else None

    @property
    def criteria(self) -> Criteria:
        """The criteria of the verdict on the next commit."""
        slow = [case.verdict for case in self.bad.cases if case.verdict.name in self.watched] if self.bad else []
        return criteria_of_commit(self.terms.criteria, len(self.commits), slow)

    @property
    def watched(self) -> frozenset[str]:
        """The cases that are slow in BAD, in which the others are tested; none before BAD was."""
        cases = [case.verdict for case in self.bad.cases] if self.bad else []
        return frozenset(case.name for case in cases if case.verdict is Verdict.REGRESSION)


@dataclass(frozen=True)
class Bisection:
    """How a search ended."""

    search: Search
    folder: Path
    first: tuple[Commit, ...]
    """The first slow commit; several if it is one of them, none if BAD is not surely slower than GOOD."""

    @property
    def exit_code(self) -> int:
        """The exit status: 0 one commit was found, 4 GOOD and BAD could not be compared, 3 anything else."""
        bad = self.search.bad
        if len(self.first) == 1:
            return 0
        return 4 if bad is not None and bad.verdict is Verdict.INVALID else 3


Compare = Callable[[Search, Commit, Path], Comparison]
"""Compares a commit with GOOD in those cases that the search watches, into a new folder."""
Tell = Callable[[Search, Commit, CommitVerdict | None], None]
"""Is told that a commit is about to be tested, and what was found."""


def begin(good: str, bad: str, load: Sequence[Path], terms: Terms, command: Sequence[str]) -> tuple[Search, Path]:
    """Begin a search in the repository that the command runs in; return it with its new folder.

    Args:
        good: the revision to compare with.
        bad: the later revision that is slow.
        load: files of implementations beside those in implementations/.
        terms: what is compared, with the folder if it was named.
        command: the command line.

    Raises:
        UsageError: there is no repository, no such revision, or no history from one to the other.
        StorageError: the folder holds something already or cannot be written.
    """
    top = repository(Path.cwd())
    first, last = commit(top, good), commit(top, bad)
    commits = commits_between(top, first, last)
    started = datetime.now(UTC)
    folder = terms.out if terms.out is not None else RESULTS / new_id(started, "bisect")
    manifest = Manifest(
        run_id=folder.resolve().name,
        created=started.isoformat(timespec="seconds"),
        command=list(command),
        seed=terms.seed,
        budget_seconds=terms.volume.budget_seconds,
        rounds=None,
        timeout_seconds=terms.timeout,
        load=[str(path.resolve()) for path in load],
        cases=[],
        **circumstances(BACKENDS.values()),
    )
    search = Search(manifest=manifest, good=first, commits=commits, terms=replace(terms, out=None))
    with new_folder(folder):
        _write(folder, search)
    return search, folder


def read(folder: Path, load: Sequence[Path] = ()) -> Search:
    """Read a search that is to go on; nothing is loaded or checked out because the folder names it.

    Args:
        folder: its folder.
        load: the files of implementations that it began with.

    Raises:
        DataFormatError: the folder holds none, or a damaged one.
        UsageError: the machine, the packages or the harness changed since, it began with other files, or its commits
            are not those of the repository that the command runs in.
    """
    path = folder / SEARCH
    try:
        search = as_model(Search, json_of(path, constants=True), path)
    except OSError as error:
        raise DataFormatError(
            f"{folder} is not the folder of a search ({SEARCH}: {error.strerror}): name one below {RESULTS}/."
        ) from error
    check_same(search.manifest, search.manifest.model_copy(update=circumstances(BACKENDS.values())), folder)
    check_load(search.manifest, load, ("bisect", "--resume", str(folder)))
    top = repository(Path.cwd())
    good, bad = (commit(top, each.name) for each in (search.good, search.commits[-1]))
    if (good, *commits_between(top, good, bad)) != (search.good, *search.commits):
        raise UsageError(f"{folder} names commits otherwise than {top} has them: start a new search.")
    return search


def _write(folder: Path, search: Search) -> None:
    write_atomically(folder / SEARCH, search.model_dump_json(indent=2) + "\n")


def bisect(search: Search, folder: Path, compare: Compare, tell: Tell, unwritten: Callable[[str], object]) -> Bisection:
    """Search, or go on with it; every decision is on disk, if there is room, before the next commit is tested.

    Args:
        search: as it was begun or read; what it decides is added.
        folder: its folder.
        compare: compares a commit with GOOD.
        tell: is told about progress.
        unwritten: is told if a decision cannot be written.

    Raises:
        UsageError: another command goes on with the search already.
    """
    commits = {each.name: each for each in search.commits}

    def decide(name: str) -> Verdict | None:
        known = next((each for each in search.tested if each.commit.name == name), None)
        if known is None:
            if sum(map(_has_pairs, _attempts(folder))) >= most_measured(len(commits)):
                return None
            tell(search, commits[name], None)
            known = _test(search, folder, commits[name], compare)
            with outliving(unwritten):
                _write(folder, search)
            tell(search, commits[name], known)
        return known.verdict

    with locked(folder):
        try:
            first = first_slow(list(commits), decide)
        finally:
            if not _attempts(folder):  # what was asked for cannot be compared at all, and nothing is lost
                shutil.rmtree(folder)
    return Bisection(search, folder, tuple(commits[name] for name in first))


def _test(search: Search, folder: Path, which: Commit, compare: Compare) -> CommitVerdict:
    own = folder / f"{1 + len(_attempts(folder)):02}-{which.short}"
    found = compare(search, which, own)
    tested = CommitVerdict(commit=which, folder=own.name, cases=found.cases)
    search.tested.append(tested)
    return tested


def _attempts(folder: Path) -> list[Path]:
    """List the folders of all comparisons, those that were interrupted included."""
    return [path for path in folder.iterdir() if path.is_dir()]


def _has_pairs(attempt: Path) -> bool:
    """Say whether a comparison measured any pair: a commit that does not load takes no part of alpha."""
    try:
        with (attempt / PAIRS).open(encoding="utf-8") as file:
            return len(list(islice(file, 2))) > 1  # the first line is the header
    except OSError:
        return False


def comparing(watcher: Watcher) -> Compare:
    """Return what compares a commit with GOOD by pairs of processes."""

    def compare(search: Search, which: Commit, out: Path) -> Comparison:
        terms = replace(search.terms, criteria=search.criteria, out=out)
        load = [Path(path) for path in search.manifest.load]
        with of_revisions(search.good.name, which.name, load, Path.cwd(), terms.timeout) as sides:
            check_devices(terms.devices)  # a loaded file may bring one of its own
            found = match(sides, terms)
            return compare_sides(sides, _only(search.watched, found) if search.bad else found, watcher, terms)

    return compare


def _only(watched: frozenset[str], found: Match) -> Match:
    """Leave the cases that are watched."""
    cases = tuple(case for case in found.cases if case.label in watched)
    return Match(cases, {label: why for label, why in found.unmatched.items() if label in watched}, found.absent)
