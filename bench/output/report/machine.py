"""The machine, what disturbed it, and what could not be measured."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from bench.data.manifest import Manifest
from bench.data.schema import Status
from bench.output.report.model import (
    Block,
    Bullets,
    Cell,
    Column,
    Heading,
    Paragraph,
    Section,
    Table,
    Words,
    prose,
    ticked,
)
from bench.output.report.rows import Summary
from bench.output.report.tables import text_table
from bench.output.table import disturbance_notes, ending
from bench.output.text import significant

if TYPE_CHECKING:
    from bench.output.figures import RunData

_FACTS = {
    "cpu": "processor",
    "cpus": "CPUs",
    "cpus_usable": "CPUs that the run could use",
    "cores": "physical cores",
    "memory_bytes": "memory",
    "cgroup_cpus": "CPUs' worth of time that the container allows",
    "governor": "frequency governor",
    "load_1min": "load in the minute before",
    "system": "operating system",
    "python": "Python",
}
_FLAGS = {
    "preempted": "the kernel took a CPU away from the process",
    "stolen": "the hypervisor gave a CPU to somebody else",
    "pressure": "runnable tasks waited for a CPU for a tenth of the sample or more",
    "unsettled": "the warm-up of the whole process never became steady",
    "throttled": "the device ran slower than it can",
    "foreign": "other programs held memory of the device",
    "launch_bound": "the device waited for the host's launches",
}


def one_line(data: RunData) -> str:
    """Processor, devices, memory and system."""
    machine = data.manifest.machine
    parts = [str(machine["cpu"])] if machine.get("cpu") else []
    if machine.get("cpus_usable"):
        count = int(machine["cpus_usable"] or 0)
        parts.append(f"{count} CPU{'' if count == 1 else 's'}")
    if machine.get("memory_bytes"):
        parts.append(_gibibytes(machine["memory_bytes"]))
    parts += devices(data)
    parts += [str(machine["system"])] if machine.get("system") else []
    return ", ".join(parts) or "unknown"


def devices(data: RunData) -> list[str]:
    """The hardware of all devices beside the CPU, by their own names."""
    samples = data.samples[data.samples["device"] != "cpu"]
    return sorted(str(name) for name in samples["device_name"].unique() if name)


def _gibibytes(count: Any) -> str:
    return f"{significant(float(count) / 2**30)} GiB"


def section(data: RunData, summary: Summary) -> Section:
    """All of it."""
    manifest = data.manifest
    blocks: list[Block] = [_facts(data), *_modes(manifest), *_peaks(manifest)]
    blocks += [Heading("What disturbed it"), Bullets(tuple(_disturbances(data, summary))), *_flags(data)]
    blocks += [Heading("What was not measured"), *_unmeasured(summary)]
    blocks += [Heading("How it ended"), Paragraph(ticked(ending(manifest, f"results/{manifest.run_id}")))]
    return Section("machine", "The machine, and what disturbed it", tuple(blocks))


def _facts(data: RunData) -> Table:
    manifest = data.manifest
    rows = []
    for name, value in manifest.machine.items():
        if value is not None:
            text = _gibibytes(value) if name == "memory_bytes" else str(value)
            rows.append((_FACTS.get(name, name.replace("_", " ")), text))
    unknown = [_FACTS.get(name, name) for name, value in manifest.machine.items() if value is None]
    rows += [(f"device {number}", name) for number, name in enumerate(devices(data), start=1)]
    rows += [(name, version) for name, version in manifest.packages.items()]
    rows += [("threads of a case", _threads(data))]
    rows += [(name, value) for name, value in manifest.environment.items()]
    rows += [("unknown or not set", ", ".join(unknown))] if unknown else []
    heads: list[Column | str] = ["what", Column("value", wraps=True)]
    return text_table("machine", prose("Machine, software and threads"), heads, rows)


def _threads(data: RunData) -> str:
    asked = sorted({int(item.columns["threads"]) for item in data.manifest.cases})
    used = sorted(int(count) for count in data.processes["threads_used"].dropna().unique())
    found = f"{', '.join(map(str, used))} found computing" if used else "not known how many compute"
    return f"{', '.join(map(str, asked)) or 'unknown number'} asked for; {found}"


def _modes(manifest: Manifest) -> list[Block]:
    rows = [(backend, name, value) for backend, found in manifest.modes.items() for name, value in found.items()]
    if not rows:
        return []
    caption = prose("What each backend was set to, as it reported it")
    return [text_table("modes", caption, ["backend", "setting", Column("value", wraps=True)], rows)]


def _peaks(manifest: Manifest) -> list[Block]:
    if not manifest.peaks:
        return []
    heads: list[Column | str] = ["backend", "number format", "precision", Column("CPU threads", right=True)]
    numbers: list[Column | str] = [
        Column("matrix products, GFLOP/s", right=True, unit="GFLOP/s"),
        Column("copy, GB/s", right=True, unit="GB/s"),
    ]
    rows = [
        (
            peak.backend,
            peak.dtype,
            peak.precision,
            peak.threads,
            Cell(significant(peak.gflops), (peak.gflops,)),
            Cell(significant(peak.gigabytes_per_second), (peak.gigabytes_per_second,)),
        )
        for peak in manifest.peaks
    ]
    caption = prose("The most that each backend reached, measured before the first round; “of peak” is a part of this")
    return [text_table("peaks", caption, [*heads, *numbers], rows)]


def _disturbances(data: RunData, summary: Summary) -> list[Words]:
    found: list[Words] = [prose("found at the start: {}", text) for text in data.manifest.disturbances]
    if not found:
        found.append(prose("Nothing about the machine was found to disturb when the run began."))
    found += [ticked(line) for line in disturbance_notes(summary.measured)]
    throttled = data.processes[data.processes["throttled"] != ""]
    for why, rows in throttled.groupby("throttled"):
        numbers = sorted({int(number) for number in rows["round"]})
        rounds = f"round{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}"
        found.append(prose("A device was throttled ({}) in {}.", str(why), rounds))
    settled = data.processes["warmup_settled"].dropna()
    if len(settled):
        steady = int(settled.astype(bool).sum())
        found.append(prose("The warm-up became steady in {} of {} processes.", str(steady), str(len(settled))))
    return found


def _flags(data: RunData) -> list[Block]:
    """How many samples carry which flag, those of single phases and of the device's clock included."""
    counts: Counter[str] = Counter()
    for flags, count in data.samples["flags"].value_counts().items():
        for flag in str(flags).split():
            counts[flag] += int(count)
    if not counts:
        return []
    heads: list[Column | str] = ["flag", Column("samples", right=True), Column("meaning", wraps=True)]
    rows = [(flag, Cell(str(count), (count,)), _FLAGS.get(flag, "")) for flag, count in sorted(counts.items())]
    caption = prose("Flagged samples among all {} of `samples.csv`; they are kept and count", str(len(data.samples)))
    return [text_table("flags", caption, heads, rows)]


def _unmeasured(summary: Summary) -> list[Block]:
    """Cases without a time, those with the same reason together."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in summary.headlines:
        if row.status is not Status.OK:
            named = f"{row.implementation} on {row.backend}"
            reasons.setdefault((row.status.value, row.reason), []).append(named)
    if not reasons:
        return [Paragraph(prose("Nothing: every case that was planned was measured."))]
    rows = [
        (status, reason or "no reason is recorded", ", ".join(_counted(names)))
        for (status, reason), names in sorted(reasons.items(), key=lambda item: _ORDER.index(Status(item[0][0])))
    ]
    caption = prose("Cases without a time, by reason")
    heads: list[Column | str] = ["what became of it", Column("why", wraps=True), Column("cases", wraps=True)]
    return [text_table("unmeasured", caption, heads, rows)]


_ORDER = [Status.WRONG, Status.FAILED, Status.TIMEOUT, Status.SKIPPED]


def _counted(names: list[str]) -> list[str]:
    return [name if count == 1 else f"{name} ({count} cases)" for name, count in Counter(names).items()]
