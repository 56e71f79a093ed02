"""Several runs side by side: what tells them apart, and the time and the speedup of each case in each of them.

Nothing here judges. A speedup is over the baseline of its own run, so it was measured on one machine; a ratio of two
runs may be due to anything that differs between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from string import ascii_uppercase

import numpy as np

from bench.analysis.baseline import check_baseline
from bench.analysis.compare import (
    SideBySide,
    all_cases,
    also_different,
    common_factor,
    compare,
    devices_of,
    incomparable,
)
from bench.analysis.history import moment
from bench.analysis.packages import backends_in, packages_of
from bench.analysis.stored import CaseTimes, case_times
from bench.analysis.summarise import summarise
from bench.data.foreign import FOREIGN, AnyCase, ForeignRun, is_foreign, read_foreign
from bench.data.manifest import Manifest
from bench.data.run import StoredRun, summary_rows
from bench.data.schema import STEP, Status, SummaryRow, is_headline
from bench.data.store import MANIFEST, PROCESSES, SAMPLES, SUMMARY
from bench.errors import UsageError
from bench.machine.identity import identity, is_named, told
from bench.stats.estimates import Estimate

MOST = len(ascii_uppercase)
"""The most runs that stand side by side: each has a letter."""
_NOISE = re.compile(r"\((?:R|TM|tm)\)| CPU\b| \d+-Core\b| Processor\b| @.*$")
"""What a processor's name holds and nobody says."""
_IDENTITY = {
    "cpu": "processor",
    "gpu": "GPU",
    "cpus": "CPUs",
    "cpus_usable": "CPUs that it could use",
    "cgroup_cpus": "CPUs' worth of time that the container allows",
    "memory_gib": "memory",
    "system": "operating system",
    "python": "Python",
    "blas": "BLAS of NumPy",
}
"""Facts of a machine, in the order in which they tell runs apart, and what they are called."""
_UNSAID = ("cpus_usable", "cgroup_cpus", "system", "blas")
"""Facts too long or too fine for the label of a run."""


@dataclass(frozen=True)
class Seen:
    """A case in one run."""

    seconds: Estimate | None = None
    """The median of whole steps; None if there is none."""
    speedup: Estimate | None = None
    """Over the baseline of the same run; None if there is none, or it is the baseline itself."""
    baseline: str = ""
    """What the speedup is over."""
    status: Status = Status.OK
    reason: str = ""
    """Why there is no time."""


@dataclass(frozen=True, eq=False)
class Member:
    """One of several runs."""

    letter: str
    """A for the first one, B for the second ..."""
    folder: Path
    run: StoredRun | ForeignRun
    facts: Mapping[str, str]
    """What is known of machine, versions and dates, in words, by what each is called."""
    seen: Mapping[AnyCase, Seen]
    """All cases of its plan."""
    label: str = ""
    """What tells it from the others, in a few words."""

    @property
    def told(self) -> str:
        """The letter and the label."""
        return f"{self.letter}: {self.label}"

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.run.run_id if isinstance(self.run, ForeignRun) else self.run.manifest.run_id

    @property
    def created(self) -> str:
        """When it began, ISO 8601."""
        return self.run.created if isinstance(self.run, ForeignRun) else self.run.manifest.created

    @property
    def measured_by(self) -> str:
        """The other tool that measured it; empty if stepbench did."""
        return self.run.measured_by if isinstance(self.run, ForeignRun) else ""

    @property
    def files(self) -> tuple[Path, ...]:
        """What it is read from."""
        names = (FOREIGN,) if isinstance(self.run, ForeignRun) else (MANIFEST, SUMMARY, SAMPLES, PROCESSES)
        return tuple(self.folder / name for name in names)

    @cached_property
    def times(self) -> dict[AnyCase, CaseTimes]:
        """The times of its cases, process by process; one for all where single samples are not known."""
        if isinstance(self.run, StoredRun) and (self.folder / SAMPLES).exists():
            return dict(case_times(self.run).items())
        return {case: _one_time(each) for case, each in self.seen.items()}


def _one_time(seen: Seen) -> CaseTimes:
    columns = {} if seen.seconds is None else {STEP: (np.array([seen.seconds.value]),)}
    return CaseTimes(seen.status, seen.reason, columns)


@dataclass(frozen=True, eq=False)
class Several:
    """Two or more runs side by side, in the order in which they were named."""

    members: tuple[Member, ...]
    baseline: str = ""
    """What speedups are over, if not what they were when each run was measured."""
    only: tuple[str, ...] = field(default=())
    """The implementations that are shown; all if empty."""

    @cached_property
    def cases(self) -> list[AnyCase]:
        """The cases that some run has a time of, those of the first run first."""
        every = all_cases(*(member.seen for member in self.members))
        wanted = [case for case in every if not self.only or case.implementation in self.only]
        return [case for case in wanted if any(self.at(member, case).seconds for member in self.members)]

    @cached_property
    def shared(self) -> list[AnyCase]:
        """Those of the cases that at least two runs have a time of."""
        return [case for case in self.cases if len(self.having(case)) > 1]

    def at(self, member: Member, case: AnyCase) -> Seen:
        """Return what a run knows of a case; of one that it does not have, only that."""
        return member.seen.get(case) or Seen(status=Status.SKIPPED, reason=f"run {member.letter} does not have it")

    def having(self, case: AnyCase) -> list[Member]:
        """Return the runs that have a time of a case."""
        return [member for member in self.members if self.at(member, case).seconds is not None]

    def over_first(self, member: Member, cases: Iterable[AnyCase]) -> list[SideBySide]:
        """Set the times of a run beside those of the first one."""
        first = self.members[0]
        return compare(first.times, member.times, cases, first.letter + member.letter)

    def factor(self, member: Member, rows: Sequence[SideBySide]) -> float | None:
        """Return the factor by which every case moved from the first run on; None if they did not move alike."""
        first = self.members[0].run
        if isinstance(first, ForeignRun) or isinstance(member.run, ForeignRun):
            return None
        return common_factor(rows, first.manifest)

    def forbidding(self, member: Member) -> list[str]:
        """Name what forbids a verdict between the first run and another, each as `name: A / B`."""
        first = self.members[0].run
        if isinstance(first, StoredRun) and isinstance(member.run, StoredRun):
            return incomparable(first, member.run)
        own = (each.measured_by or "stepbench" for each in (self.members[0], member))
        return [f"measured by: {' / '.join(own)}"]

    def differing(self, member: Member) -> list[str]:
        """Name all that differs between the first run and another, each as `name: A / B`."""
        first = self.members[0].run
        if isinstance(first, StoredRun) and isinstance(member.run, StoredRun):
            return [*incomparable(first, member.run), *also_different(first.manifest, member.run.manifest)]
        sides = [{"measured by": each.measured_by or "stepbench", **each.facts} for each in (self.members[0], member)]
        known = [(name, value, sides[1][name]) for name, value in sides[0].items() if name in sides[1]]
        return [f"{name}: {a} / {b}" for name, a, b in known if a != b and name not in _OF_FILES]

    @property
    def one_machine(self) -> bool:
        """Whether nothing forbids a verdict between the first run and any of the others."""
        return not any(self.forbidding(member) for member in self.members[1:])

    @property
    def files(self) -> tuple[Path, ...]:
        """What they are read from."""
        return tuple(path for member in self.members for path in member.files)


_DAY, _WHEN, _RUN, _FOLDER = "day", "measured at, UTC", "run", "folder"
_OF_FILES = (_WHEN, _RUN, _FOLDER)
"""Facts that say which run it is, and nothing of what may have made it fast."""


def read_several(folders: Sequence[Path], baseline: str = "", only: Sequence[str] = ()) -> Several:
    """Read runs that are to stand side by side: of stepbench, or imported from other tools.

    Args:
        folders: of the runs; the first is what the others are set beside.
        baseline: what speedups are to be over, if not what they were when each run was measured.
        only: the implementations that are shown; all if empty.

    Raises:
        UsageError: there are too few or too many, one is named twice, or no measured case is that baseline.
        DataFormatError: one cannot be read.
    """
    if len(folders) < 2:
        raise UsageError("One run was named: name two or more to see them side by side.")
    if len(folders) > MOST:
        raise UsageError(f"{len(folders)} runs were named: at most {MOST} can stand side by side.")
    members = [_member(*each, baseline) for each in zip(ascii_uppercase, folders, strict=False)]
    labels = _labels([member.facts for member in members])
    labelled = (
        Member(each.letter, each.folder, each.run, each.facts, each.seen, label)
        for each, label in zip(members, labels, strict=True)
    )
    return Several(tuple(labelled), baseline, tuple(only))


def _member(letter: str, folder: Path, baseline: str) -> Member:
    if is_foreign(folder):
        foreign = read_foreign(folder)
        seen: dict[AnyCase, Seen] = {
            case: Seen(Estimate(each.seconds, each.low, each.high)) for case, each in foreign.times.items()
        }
        return Member(letter, folder, foreign, _facts_of_foreign(foreign, folder), seen)
    run = StoredRun(folder)
    rows = [row for row in rows_over(run, baseline) if is_headline(row)]
    return Member(letter, folder, run, _facts(run), {row.case: _seen(row) for row in rows})


def rows_over(run: StoredRun, baseline: str) -> list[SummaryRow]:
    """Return the rows of a run's summary, with speedups over another baseline if one is named.

    Raises:
        UsageError: no measured case is that baseline.
        DataFormatError: another baseline needs the samples, which were not kept.
    """
    if not (run.folder / SUMMARY).exists():  # an unfinished run, as far as it came
        rows = summarise(run.manifest, run.samples, run.processes)
    else:
        rows = summary_rows(run.summary)
    if not baseline:
        return rows
    check_baseline(baseline, [row.case for row in rows if is_headline(row) and row.status is Status.OK])
    return summarise(run.manifest.model_copy(update={"baseline": baseline}), run.samples, run.processes)


def _seen(row: SummaryRow) -> Seen:
    if row.status is not Status.OK or not row.median_seconds:
        return Seen(status=row.status, reason=row.reason or "its clock stood still")
    seconds = Estimate(row.median_seconds, row.low_seconds, row.high_seconds)
    if row.speedup is None or row.case.implementation == row.baseline:
        return Seen(seconds, baseline=row.baseline or "")
    return Seen(seconds, Estimate(row.speedup, row.speedup_low, row.speedup_high), row.baseline or "")


def _facts(run: StoredRun) -> dict[str, str]:
    manifest = run.manifest
    found = {_IDENTITY[name]: value for name, value in _machine(manifest.machine).items()}
    if gpus := ", ".join(dict.fromkeys(devices_of(run).values())):
        found[_IDENTITY["gpu"]] = gpus
    return _ordered({**found, **_software(manifest)} | _which(manifest, run.folder))


def _machine(facts: Mapping[str, str | int | float | None]) -> dict[str, str]:
    """Return what is known of a machine, in words, by the names of its facts."""
    known = {**identity(facts), "system": facts.get("system")}
    found = {name: told(name, known[name]) for name in _IDENTITY if known.get(name) is not None}
    if "memory_gib" in found:
        found["memory_gib"] = f"{known['memory_gib']:.0f} GiB"
    if is_named(known["cpu"]):
        found["cpu"] = " ".join(_NOISE.sub(" ", str(known["cpu"])).split())
    return found


def _software(manifest: Manifest) -> dict[str, str]:
    deciding = dict.fromkeys(name for each in backends_in(manifest) for name in packages_of(manifest, each))
    found = {name: manifest.packages[name] for name in deciding if name in manifest.packages}
    return found | {"stepbench": manifest.stepbench}


def _which(run: Manifest | ForeignRun, folder: Path) -> dict[str, str]:
    """Return what says which run it is; its folder only if that is called otherwise."""
    when = moment(run.created)
    found = {"revision": run.git_revision[:12]} if run.git_revision else {}
    found |= {_WHEN: f"{when:%Y-%m-%d %H:%M:%S}", _RUN: run.run_id}
    return found if folder.name == run.run_id else {**found, _FOLDER: folder.name}


def _facts_of_foreign(run: ForeignRun, folder: Path) -> dict[str, str]:
    machine = {_IDENTITY[name]: value for name, value in _machine(run.machine).items()}
    by = {"measured by": run.measured_by}
    return _ordered({**machine, **run.packages} | _which(run, folder) | by)


def _ordered(facts: Mapping[str, str]) -> dict[str, str]:
    """Put the facts that tell most first: who measured, the machine, then its software."""
    first = ["measured by", *_IDENTITY.values()]
    names = [name for name in first if name in facts] + [name for name in facts if name not in first]
    return {name: facts[name] for name in names}


def fact_names(members: Iterable[Member]) -> list[str]:
    """List the facts that any of some runs knows, in their order."""
    return list(_ordered({name: "" for member in members for name in member.facts}))


def _labels(facts: Sequence[Mapping[str, str]]) -> list[str]:
    """Tell runs apart by the fewest facts that differ, what makes two machines first."""
    unsaid = {_IDENTITY[name] for name in _UNSAID}
    known = [{**each, _DAY: each[_WHEN][:10]} for each in facts]
    names = [name for name in _ordered({name: "" for each in facts for name in each}) if name not in unsaid]
    names.insert(names.index(_WHEN), _DAY)
    words: list[tuple[str, ...]] = [()] * len(known)
    for name in names:
        longer = [(*own, _phrase(name, each.get(name))) for own, each in zip(words, known, strict=True)]
        apart = len(set(longer))
        if apart > len(set(words)) and (name != _DAY or apart == len(words)):  # else the minute says the day as well
            words = longer
        if len(set(words)) == len(words):
            break
    return [", ".join(filter(None, own)) for own in words]


_AS_IT_IS = {"processor", "GPU", "memory", _DAY, *_OF_FILES}


def _phrase(name: str, value: str | None) -> str:
    if value is None:
        return "" if name in ("measured by", "GPU", _FOLDER) else f"{name} unknown"
    if name in _AS_IT_IS:
        return value
    if name == _IDENTITY["cpus"]:
        return f"{value} CPU{'' if value == '1' else 's'}"
    return f"{name} {value}"
