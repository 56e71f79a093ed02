"""The first page of a site: its runs by age, machine and workload, and the steps that have a history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import __version__
from bench.analysis.history import History, RunFiles
from bench.analysis.runs import PassedOver
from bench.data.foreign import FOREIGN
from bench.data.schema import Status
from bench.model.case import Case
from bench.output.content import result
from bench.output.content.history import RunKey, series_table
from bench.output.content.passages import passages
from bench.output.content.summary import Summary
from bench.output.document import (
    Block,
    Bullets,
    Cell,
    Document,
    Head,
    Link,
    Section,
    Strong,
    Table,
    Words,
    by_columns,
    ticked,
)
from bench.output.names import MachineNames, counted, day, spaced
from bench.output.text import factor, factor_interval

_NEWEST = 20
"""How many runs the first table of the list holds; the older ones follow."""
_ENDS = ("interrupted", "unfinished")
"""Ends of a run after which something is missing."""
_MARKS = (
    ("manifest.json", "run"),
    ("processes.csv", "run"),
    (FOREIGN, "run"),
    ("bisect.json", "search"),
    ("verdicts.json", "comparison"),
    ("pairs.csv", "comparison"),
)
"""Files by which the folder of something is known, and what it is."""


@dataclass(frozen=True)
class Listed:
    """A run in the list."""

    run: RunFiles
    summary: Summary
    page: str
    """The page of its report, as its path from the list; empty if it has none."""
    reason: str = ""
    """Why it has none."""

    @property
    def key(self) -> RunKey:
        """What it is known by."""
        return self.run.manifest.run_id, self.run.manifest.created

    @property
    def trouble(self) -> str:
        """What went wrong with it, in words; empty if nothing did."""
        manifest, found = self.run.manifest, [row.status for row in self.summary.headlines]
        wrong = [(found.count(status), status) for status in (Status.WRONG, Status.FAILED, Status.TIMEOUT)]
        told = [manifest.ended_by] if manifest.ended_by in _ENDS else []
        told += [f"{counted(count, 'case')} {status.value}" for count, status in wrong if count]
        return "; ".join([*told, *([f"no report: {self.reason}"] if self.reason else [])])


@dataclass(frozen=True)
class Aside:
    """What else lies beside the runs."""

    passed_over: Sequence[PassedOver]
    imported: int
    """How many runs other tools measured."""


def index(
    listed: Sequence[Listed],
    machines: MachineNames,
    found: Sequence[History],
    steps: Mapping[Case, str],
    aside: Aside,
    links: Sequence[Link],
) -> Document:
    """Return the list of all runs.

    Args:
        listed: the runs, newest first.
        machines: what they are called.
        found: the histories of the machines.
        steps: the page of each step that has one.
        aside: what else lies beside the runs.
        links: the pages beside it.
    """
    workloads = list(dict.fromkeys(name for item in listed for name in item.summary.workloads))
    runs = [item.run.manifest for item in listed]
    (answer,) = passages(
        "site.txt",
        "index",
        runs=len(runs),
        machines=len(machines.names),
        workloads=len(workloads),
        oldest=day(runs[-1].created),
        newest=day(runs[0].created),
    )
    others, unread = _sorted_out(aside)
    lacking = counted(len(unread), "run was", "runs were")
    sections = [Section("runs", "Runs, newest first", _by_age(listed, machines))]
    if len(machines.names) > 1:
        sections.append(Section("by-machine", "By machine", tuple(_by_machine(listed, machines))))
    if len(workloads) > 1:
        sections.append(Section("by-workload", "By workload", tuple(_by_workload(listed, workloads))))
    sections.append(Section("steps", "Steps over time", tuple(_step_tables(found, machines, steps))))
    if others or unread:
        told = (*others, *([Bullets(unread)] if unread else ()))
        sections.append(Section("left-out", "What else lies beside the runs", told))
    return Document(
        title="Measured training steps",
        subject=counted(len(listed), "run"),
        answer=answer,
        facts=(),
        warnings=passages("site.txt", "passed_over", unread=unread, told=Strong(f"{lacking} passed over")),
        sections=tuple(sections),
        stepbench=__version__,
        links=tuple(links),
    )


def _by_age(listed: Sequence[Listed], machines: MachineNames) -> tuple[Block, ...]:
    called = [machines.of(item.run.machine) for item in listed] if len(machines.names) > 1 else []
    newest, older = listed[:_NEWEST], listed[_NEWEST:]
    first = _run_table("newest", "The newest runs" if older else "All runs", newest, called[:_NEWEST])
    return (first, *([_run_table("older", "Older runs", older, called[_NEWEST:])] if older else []))


def _by_machine(listed: Sequence[Listed], machines: MachineNames) -> Iterable[Table]:
    for place, name in enumerate(machines.names):
        own = [item for item in listed if machines.place(item.run.machine) == place]
        yield _run_table(f"machine-{place}", f"{name}: the runs", own)


def _by_workload(listed: Sequence[Listed], workloads: Sequence[str]) -> Iterable[Table]:
    """Yield the runs of each workload, with the result in this workload alone."""
    for number, name in enumerate(workloads, start=1):
        own = []
        for item in listed:
            rows = [row for row in item.summary.rows if row.case.workload == name]
            if rows:
                own.append(Listed(item.run, Summary(rows, item.run.manifest), item.page, item.reason))
        title = next(item.summary.title(name) for item in own if name in item.summary.workloads)
        yield _run_table(f"workload-{number}", f"{name}: {title}: the runs", own)


def _run_table(name: str, caption: str, listed: Sequence[Listed], machines: Sequence[str] = ()) -> Table:
    """Return one row for each run.

    Args:
        name: the table's.
        caption: the table's.
        listed: the runs.
        machines: the name of each run's machine; empty if that goes without saying.
    """
    best = [_best(item.summary) for item in listed]
    columns: list[tuple[Head, Sequence[Cell | str]]] = [
        (Head("begun, UTC"), [Cell(day(item.run.manifest.created), target=item.page) for item in listed]),
        (Head("speedup", right=True), [cells[0] for cells in best]),
        (Head("by", wraps=True), [cells[2] for cells in best]),
        (Head("its 95 % interval", right=True), [cells[1] for cells in best]),
        (Head("what went wrong", wraps=True), [item.trouble for item in listed]),
        (Head("measured", wraps=True), [_measured(item.summary) for item in listed]),
        (Head("run", wraps=True), [item.run.manifest.run_id for item in listed]),
        (Head("machine", wraps=True), machines),
    ]
    return by_columns(name, f"{caption}, each with its largest speedup", columns)


def _best(summary: Summary) -> tuple[Cell, Cell, str]:
    """Return the largest speedup of a run, its interval, and who has it over whom."""
    row = result.best(summary)
    if row is None:
        return Cell("-"), Cell("-"), "no speedup" if summary.measured else "nothing was measured"
    ends = (row.speedup_low, row.speedup_high)
    told = f"{row.case.label} over {row.baseline} in {summary.place(row)}"
    return Cell(factor(row.speedup), (row.speedup,)), Cell(factor_interval(*ends), ends), told


def _measured(summary: Summary) -> str:
    """Return the workloads with their cases, and the sizes along which a sweep went."""
    count = {name: sum(row.case.workload == name for row in summary.measured) for name in summary.workloads}
    axes = " and ".join(map(spaced, summary.manifest.axes))
    told = ", ".join(f"{name} ({counted(cases, 'case')})" for name, cases in count.items())
    return f"{told}, over {axes}" if axes else told


def _step_tables(found: Sequence[History], machines: MachineNames, pages: Mapping[Case, str]) -> Iterable[Block]:
    series = [(history, item) for history in found for item in history.series]
    yield from passages("site.txt", "steps", single=len({item.case for _, item in series} - pages.keys()))
    number = 0
    for history in sorted(found, key=lambda each: machines.place(each.machine)):
        known = [item for item in history.series if item.case in pages]
        for workload in dict.fromkeys(item.case.workload for item in known):
            number += 1
            caption = f"{workload}, on {machines.of(history.machine)}" if len(found) > 1 else workload
            own = [item for item in known if item.case.workload == workload]
            yield series_table(f"steps-{number}", caption, own, pages)


def _sorted_out(aside: Aside) -> tuple[tuple[Words, ...], tuple[Words, ...]]:
    """Return what is known of folders that are no runs, and why others could not be read."""
    kinds = [(each, kind_of(each.folder)) for each in aside.passed_over]
    count = {kind: sum(other == kind for _, other in kinds) for kind in ("comparison", "search")}
    others = passages("site.txt", "others", imported=aside.imported, **count)
    # A page may be shown to anybody: it names no folder of this machine.
    unread = [
        each.reason.replace(str(each.folder), f"results/{each.folder.name}") for each, kind in kinds if kind == "run"
    ]
    return others, tuple(map(ticked, unread))


def kind_of(folder: Path) -> str:
    """Return what lies in a folder that is not read as a run; empty if nothing of stepbench does."""
    return next((kind for name, kind in _MARKS if (folder / name).exists()), "")
