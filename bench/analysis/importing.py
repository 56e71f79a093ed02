"""From the files of other tools to foreign runs: a time for each benchmark, and an interval if the file allows one."""

from __future__ import annotations

import hashlib
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.analysis.history import moment
from bench.data.files import content_of
from bench.data.foreign import ForeignRun
from bench.data.jsonfile import as_model
from bench.data.tools import ActionEntry, ActionFile, PyperfFile, PytestFile, ToolFile, read_tool
from bench.errors import DataFormatError, UsageError, quoted
from bench.stats.estimates import median_estimate

PROCESSES, ROUNDS = "processes", "rounds of one process"
_SECONDS = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "seconds": 1.0}
"""Units of time, as benchmarks of github-action-benchmark spell them."""
_PER = re.compile(r" ?/ ?(iter|iteration|op|step)s?$")
_Raw = dict[str, Any]
"""The fields of a `ForeignBenchmark`, checked with all others of its run."""
_NO_REVISION = ("", "unversioned", "unknown")
_CUSTOM = "customSmallerIsBetter"


@dataclass
class Imported:
    """What became of a file."""

    runs: list[ForeignRun] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Sentences about benchmarks that are no times."""
    undated: bool = False
    """Whether the file does not say when it was measured."""


@dataclass(frozen=True)
class _Taken:
    """One run of a file before it has a name."""

    created: str
    tool: str
    measured_by: str
    benchmarks: tuple[_Raw, ...]
    machine: dict[str, Any] = field(default_factory=dict)
    revision: str = ""
    suite: str = ""


def imported(path: Path, name: str = "", date: str = "") -> Imported:
    """Make foreign runs of a file: one, or one for each entry of a data.js of github-action-benchmark.

    Args:
        path: the file.
        name: what the run is called, or what the names of several begin with; by default the file's name and the date.
        date: when it was measured, if not what the file says, in ISO 8601.

    Raises:
        DataFormatError: it is not a file of a known tool, is damaged, or holds no time.
        UsageError: it holds several runs, which have their own dates.
    """
    found = read_tool(path)
    outcome = Imported()
    try:
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
        taken = list(_taken(found, outcome))
    except ValueError as error:
        raise DataFormatError(f"{path} cannot be imported: {error}.") from error
    if date and len(taken) > 1:
        raise UsageError(f"--date is for one run, and {path} holds {len(taken)}: leave it out.")
    sha256 = hashlib.sha256(content_of(path)).hexdigest()
    used: set[str] = set()
    for each in taken:
        if not each.benchmarks:
            continue
        outcome.undated |= not (date or each.created)
        created = _moment(path, date or each.created or changed)
        raw = {
            "run_id": _named(name, each.suite or path.name.partition(".")[0], created, len(taken) > 1, used),
            "created": created.isoformat(timespec="seconds"),
            "tool": each.tool,
            "measured_by": each.measured_by,
            "file": path.name,
            "sha256": sha256,
            "machine": {key: value for key, value in each.machine.items() if value},
            "git_revision": each.revision or None,
            "benchmarks": list(each.benchmarks),
        }
        outcome.runs.append(as_model(ForeignRun, raw, path))
    if not outcome.runs:
        raise DataFormatError(f"{path} holds no benchmark with a time: there is nothing to import.")
    return outcome


def _moment(path: Path, created: str) -> datetime:
    try:
        return moment(created)
    except DataFormatError as error:
        message = f"{path} was measured at {quoted(created)}, which is no date in ISO 8601: give one with --date."
        raise DataFormatError(message) from error


def _named(name: str, stem: str, created: datetime, several: bool, used: set[str]) -> str:
    """Return the name of a run's folder, which no other run of the file has."""
    plain = re.sub(r"[^\w.-]+", "-", name or stem).strip(".-") or "imported"
    first = plain if name and not several else f"{plain[:100]}-{created:%Y%m%d-%H%M%S}"
    found, count = first, 1
    while found in used:
        count += 1
        found = f"{first}-{count}"
    used.add(found)
    return found


def _taken(found: ToolFile, outcome: Imported) -> Iterable[_Taken]:
    if isinstance(found, PytestFile):
        yield _of_pytest(found, outcome)
    elif isinstance(found, PyperfFile):
        yield _of_pyperf(found, outcome)
    else:
        yield from _of_action(found, outcome)


def _benchmark(name: str, values: Sequence[float], over: str, outcome: Imported) -> _Raw | None:
    """Return the time of a benchmark by the values that its file holds; None if its clock stood still."""
    if not values or statistics.median(values) <= 0:
        outcome.left_out.append(f"{name}: it has no time over zero")
        return None
    each = median_estimate(values)
    known = each.low is not None and each.low > 0
    ends = {"low": each.low, "high": each.high} if known else {}
    return {"name": name, "seconds": each.value, "values": len(values), "over": over, **ends}


def _single(name: str, seconds: float, outcome: Imported) -> _Raw | None:
    """Return the time of a benchmark of which the file holds that alone."""
    if seconds <= 0:
        outcome.left_out.append(f"{name}: it has no time over zero")
        return None
    return {"name": name, "seconds": seconds}


def _kept(benchmarks: Iterable[_Raw | None]) -> tuple[_Raw, ...]:
    return tuple(each for each in benchmarks if each is not None)


def _text(found: Any) -> str:
    return found.strip() if isinstance(found, str) else ""


def _whole(found: Any) -> int | None:
    return found if type(found) is int and 0 < found < 2**31 else None


def _by(version: str, tool: str) -> str:
    """Return what measured: stepbench exports into the formats of other tools, and says so."""
    own = version.startswith("stepbench ")
    return f"{version} (in a file for {tool})" if own else f"{tool} {version}".strip()


def _of_pytest(found: PytestFile, outcome: Imported) -> _Taken:
    facts, commit = found.machine_info, found.commit_info
    cpu: Any = facts.get("cpu")
    cpu = cpu if isinstance(cpu, dict) else {}
    own = found.version.startswith("stepbench ")
    machine = {
        "cpu": _text(cpu.get("brand_raw")) or _text(facts.get("processor")),
        "cpus": _whole(cpu.get("count")),
        "python": _text(facts.get("python_version")),
        "system": " ".join(filter(None, (_text(facts.get("system")), _text(facts.get("release"))))),
    }
    benchmarks = [
        _benchmark(name, each.stats.data, PROCESSES if own else ROUNDS, outcome)
        if each.stats.data
        else _single(name, each.stats.median, outcome)
        for each in found.benchmarks
        for name in [each.fullname or each.name]
    ]
    revision = _text(commit.get("id"))
    dirty = "-dirty" if commit.get("dirty") is True else ""
    return _Taken(
        created=found.datetime,
        tool="pytest-benchmark",
        measured_by=_by(found.version, "pytest-benchmark"),
        benchmarks=_kept(benchmarks),
        machine=machine,
        revision="" if revision in _NO_REVISION else revision + dirty,
    )


def _of_pyperf(found: PyperfFile, outcome: Imported) -> _Taken:
    benchmarks = []
    for place, each in enumerate(found.benchmarks, start=1):
        facts = {**found.metadata, **each.metadata}
        if not (name := _text(facts.get("name"))):
            raise ValueError(f"benchmark {place} has no name")
        if (unit := facts.get("unit", "second")) != "second":
            outcome.left_out.append(f"{name}: its unit is {quoted(unit)}, which is no time")
            continue
        medians = [statistics.median(run.values) for run in each.runs if run.values]
        benchmarks.append(_benchmark(name, medians, PROCESSES, outcome))
    dates = [_text(run.metadata.get("date")) for each in found.benchmarks for run in each.runs]
    facts = found.metadata
    own = _text(facts.get("stepbench_version"))
    version = f"stepbench {own}" if own else _text(facts.get("perf_version"))
    return _Taken(
        created=_text(facts.get("run_created")) or min(filter(None, dates), default=""),
        tool="pyperf",
        measured_by=_by(version, "pyperf"),
        benchmarks=_kept(benchmarks),
        machine={
            "cpu": _text(facts.get("cpu_model_name")),
            "cpus": _whole(facts.get("cpu_count")),
            "python": _text(facts.get("python_version")).partition(" ")[0],
            "system": _text(facts.get("platform")),
        },
    )


def _of_action(found: ActionFile, outcome: Imported) -> Iterable[_Taken]:
    for suite, entries in found.entries.items():
        for entry in entries:
            yield _of_entry(suite, entry, outcome)


def _of_entry(suite: str, entry: ActionEntry, outcome: Imported) -> _Taken:
    benchmarks = []
    for each in entry.benches:
        factor = _SECONDS.get(_PER.sub("", each.unit.strip()))
        if factor is None:
            outcome.left_out.append(f"{each.name}: its unit is {quoted(each.unit)}, which is no time")
        else:
            benchmarks.append(_single(each.name, each.value * factor, outcome))
    created = "" if entry.date is None else datetime.fromtimestamp(entry.date / 1000, UTC).isoformat()
    tool = "github-action-benchmark"
    return _Taken(
        created=created,
        tool=tool,
        measured_by=tool if entry.tool in ("", _CUSTOM) else f"{entry.tool} (in a file for {tool})",
        benchmarks=_kept(benchmarks),
        revision=_text(entry.commit.get("id")),
        suite=suite,
    )
