"""The machines of a site side by side: what they are, and the newest time that each has of a step; without verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench import __version__
from bench.analysis.compare import differences
from bench.data.schema import SummaryRow
from bench.model.case import Case
from bench.output.content.index import Listed
from bench.output.content.passages import passages
from bench.output.content.summary import is_baseline
from bench.output.document import (
    Block,
    Bullets,
    Cell,
    Document,
    Head,
    Heading,
    Line,
    Link,
    Section,
    Table,
    by_columns,
    grouped,
    numbers,
    prose,
)
from bench.output.names import MachineNames, case_names, counted, day
from bench.output.text import duration, duration_interval, factor, factor_interval, significant


@dataclass(frozen=True)
class NewestTime:
    """The newest time of a step on a machine."""

    machine: int
    """Its place among the machines."""
    gpu: str
    run: Listed
    row: SummaryRow


def side_by_side(
    listed: Sequence[Listed], machines: MachineNames, steps: Mapping[Case, str], links: Sequence[Link]
) -> Document:
    """Return the page of all machines.

    Args:
        listed: the runs, newest first.
        machines: what they are called.
        steps: the page of each step that has one.
        links: the pages beside it.
    """
    found, count = _newest(listed, machines), len(machines.names)
    shared = {case: times for case, times in found.items() if len({time.machine for time in times}) > 1}
    (answer,) = passages("site.txt", "machines", machines=count)
    sections = [Section("machines", "The machines", _machines(listed, machines))]
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


def _machines(listed: Sequence[Listed], machines: MachineNames) -> tuple[Block, ...]:
    """Return the facts about each machine as its newest run tells them, and how these runs differ from the first."""
    own = [[item for item in listed if machines.place(item.run.machine) == at] for at in range(len(machines.names))]
    newest = [items[0].run for items in own]
    memory = [run.machine.memory_gib for run in newest]
    gpus = [sorted({gpu for item in items for gpu in item.run.gpus.values() if gpu}) for items in own]

    def told(name: str) -> list[str]:
        return [_known(run.manifest.machine.get(name)) for run in newest]

    columns: list[tuple[Head, Sequence[Cell | str]]] = [
        (Head("processor", wraps=True), told("cpu")),
        (Head("CPUs", right=True), told("cpus")),
        (Head("usable", right=True), told("cpus_usable")),
        (Head("memory", right=True), ["-" if each is None else f"{significant(each)} GiB" for each in memory]),
        (Head("GPU", wraps=True), [", ".join(each) for each in gpus]),
        (Head("system", wraps=True), told("system")),
        (Head("Python"), told("python")),
        (Head("runs", right=True), [str(len(items)) for items in own]),
        (Head("newest run, UTC"), [Cell(day(items[0].run.manifest.created), target=items[0].page) for items in own]),
    ]
    facts = by_columns("facts", "What the newest run of each machine says about it", columns)
    first, *others = (run.manifest for run in newest)
    apart = {name: differences(first, other) for name, other in zip(machines.names[1:], others, strict=True)}
    items = [prose("{} / {}: {}.", machines.names[0], name, "; ".join(found)) for name, found in apart.items() if found]
    return (facts, Heading("How these runs differ"), Bullets(tuple(items))) if items else (facts,)


def _known(value: object) -> str:
    return "-" if value is None else str(value)


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
