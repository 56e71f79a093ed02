"""The machines of a site side by side: what they are, and the newest time that each has of a step; without verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench import __version__
from bench.analysis.several import Several
from bench.data.schema import SummaryRow
from bench.model.case import Case
from bench.output.content.beside import machines_table
from bench.output.content.beside_report import figure
from bench.output.content.index import Listed
from bench.output.content.passages import passages
from bench.output.content.summary import is_baseline
from bench.output.document import (
    Cell,
    Document,
    Head,
    Line,
    Link,
    Section,
    Table,
    by_columns,
    grouped,
    numbers,
)
from bench.output.names import MachineNames, case_names, counted, day
from bench.output.text import duration, duration_interval, factor, factor_interval


@dataclass(frozen=True)
class NewestTime:
    """The newest time of a step on a machine."""

    machine: int
    """Its place among the machines."""
    gpu: str
    run: Listed
    row: SummaryRow


def newest_runs(listed: Iterable[Listed], machines: MachineNames) -> list[Listed]:
    """Return the newest run of each machine, among those that have a report, in the order of the machines."""
    found: dict[int, Listed] = {}
    for item in listed:
        if item.page:
            found.setdefault(machines.place(item.run.machine), item)
    return [found[place] for place in sorted(found)]


def side_by_side(
    listed: Sequence[Listed],
    machines: MachineNames,
    steps: Mapping[Case, str],
    several: Several | None,
    drawn: Sequence[str],
    links: Sequence[Link],
) -> Document:
    """Return the page of all machines.

    Args:
        listed: the runs, newest first.
        machines: what they are called.
        steps: the page of each step that has one.
        several: the newest run of each machine; None if there are not two.
        drawn: the figures of these that there are pictures of.
        links: the pages beside it.
    """
    found, count = _newest(listed, machines), len(machines.names)
    shared = {case: times for case, times in found.items() if len({time.machine for time in times}) > 1}
    (answer,) = passages("site.txt", "machines", machines=count)
    facts = [machines_table(several, "facts")] if several else []
    sections = [Section("machines", "The machines", (_machines(listed, machines, several), *facts))]
    if several and drawn:
        sections.append(Section("figures", "The newest run of each", tuple(figure(name, several) for name in drawn)))
    for number, workload in enumerate(dict.fromkeys(case.workload for case in shared), start=1):
        own = {case: times for case, times in shared.items() if case.workload == workload}
        title = next(item.summary.title(workload) for item in listed if workload in item.summary.workloads)
        caption = f"{workload}: {title}; the newest whole step on each machine"
        times = _times(f"times-{number}", caption, own, machines, steps)
        sections.append(Section(f"workload-{number}", workload, (times,)))
    alone = passages("site.txt", "alone", machines=count, alone=len(found) - len(shared))
    sections += [Section("alone", "On one machine only", alone)] if alone else []
    return Document(
        title="Machines side by side",
        subject=counted(len(listed), "run"),
        answer=answer,
        facts=(),
        warnings=(),
        sections=tuple(sections),
        stepbench=__version__,
        links=tuple(links),
    )


def _newest(listed: Iterable[Listed], machines: MachineNames) -> dict[Case, list[NewestTime]]:
    """Return the newest time of each step on each machine, and on each GPU of one, in the order of the machines."""
    found: dict[tuple[Case, int, str], NewestTime] = {}
    for item in listed:
        machine = machines.place(item.run.machine)
        for row in item.summary.measured:
            gpu = item.run.gpus.get(row.case.backend, "")
            found.setdefault((row.case, machine, gpu), NewestTime(machine, gpu, item, row))
    cases: dict[Case, list[NewestTime]] = {}
    for case, machine, gpu in sorted(found, key=lambda each: each[1:]):
        cases.setdefault(case, []).append(found[case, machine, gpu])
    return cases


def _machines(listed: Sequence[Listed], machines: MachineNames, several: Several | None) -> Table:
    """Return what the machines are called, with the letters of their newest runs and the ways to these."""
    own = [[item for item in listed if machines.place(item.run.machine) == at] for at in range(len(machines.names))]
    gpus = [sorted({gpu for item in items for gpu in item.run.gpus.values() if gpu}) for items in own]
    letters = {member.folder.name: member.letter for member in several.members} if several else {}
    newest = [next((item for item in items if item.run.folder.name in letters), items[0]) for items in own]
    columns: list[tuple[Head, Sequence[Cell | str]]] = [
        (Head("letter"), [letters.get(item.run.folder.name, "") for item in newest]),
        (Head("machine", wraps=True), machines.names),
        (Head("GPU", wraps=True), [", ".join(each) for each in gpus]),
        (Head("runs", right=True), [str(len(items)) for items in own]),
        (Head("newest run, UTC"), [Cell(day(item.run.manifest.created), target=item.page) for item in newest]),
    ]
    return by_columns("machines-seen", "The machines", columns)


def _times(
    name: str,
    caption: str,
    cases: Mapping[Case, Sequence[NewestTime]],
    machines: MachineNames,
    steps: Mapping[Case, str],
) -> Table:
    called = {case: told.replace(f", {case.workload}", "", 1) for case, told in case_names(cases).items()}
    groups = [
        (
            called[case].replace(f", {case.workload}", "", 1),
            [_line(time, machines, steps.get(case, "")) for time in times],
        )
        for case, times in cases.items()
    ]
    heads = [Head("machine", wraps=True), *numbers("step", "speedup", "speedup's 95 % interval")]
    heads += [Head("over", wraps=True), *numbers("step's 95 % interval"), Head("run of, UTC"), Head("history")]
    return grouped(name, caption, heads, groups)


def _line(time: NewestTime, machines: MachineNames, page: str) -> Line:
    row, where = time.row, ", ".join(filter(None, [machines.names[time.machine], time.gpu]))
    ends, over = (row.low_seconds, row.high_seconds), (row.speedup_low, row.speedup_high)
    contends = row.speedup is not None and not is_baseline(row)
    return [
        where,
        Cell(duration(row.median_seconds), (row.median_seconds,)),
        Cell(factor(row.speedup) if contends else "baseline" if is_baseline(row) else "-", (row.speedup,)),
        Cell(factor_interval(*over), over) if contends else "",
        str(row.baseline) if contends else "",
        Cell(duration_interval(*ends), ends),
        Cell(day(time.run.run.manifest.created), target=time.run.page),
        Cell("run by run", target=page) if page else "-",
    ]
