"""The machine, what disturbed it, and what could not be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.data.manifest import Manifest
from bench.machine.disturbance import MEANINGS
from bench.output.content import notes
from bench.output.content.passages import passages
from bench.output.content.summary import Summary
from bench.output.document import Block, Bullets, Cell, Head, Heading, Section, Table, Words, numbers, prose, table
from bench.output.names import counted
from bench.output.text import significant

if TYPE_CHECKING:
    from bench.output.figures import RunData

_FACTS = {
    "cpu": "processor",
    "cpu_model": "its family, model and stepping",
    "cpus": "CPUs",
    "cpus_usable": "CPUs that the run could use",
    "cpus_fast": "of these on cores of the fastest kind",
    "cores": "physical cores",
    "memory_bytes": "memory",
    "cgroup_cpus": "CPUs' worth of time that the container allows",
    "governor": "frequency governor",
    "load_1min": "load in the minute before",
    "system": "operating system",
    "python": "Python",
    "blas": "BLAS of NumPy",
    "blas_kernels": "its kernels",
}


def one_line(data: RunData) -> str:
    """Return processor, devices, memory and system."""
    machine = data.manifest.machine
    cpus, memory = machine.get("cpus_usable"), machine.get("memory_bytes")
    parts = [machine.get("cpu"), cpus and counted(int(cpus), "CPU"), memory and _gibibytes(memory)]
    return ", ".join(str(part) for part in [*parts, *devices(data), machine.get("system")] if part) or "unknown"


def devices(data: RunData) -> list[str]:
    """Return the hardware of all devices beside the CPU, by their own names."""
    others = data.processes[data.processes["device"] != "cpu"]
    return sorted(str(name) for name in others["device_name"].unique() if name)


def _gibibytes(count: Any) -> str:
    return f"{significant(float(count) / 2**30)} GiB"


def section(data: RunData, summary: Summary) -> Section:
    """Return all of it."""
    manifest = data.manifest
    reported = [(backend, name, value) for backend, found in manifest.facts.items() for name, value in found.items()]
    caption = "What each backend was set to, as it reported it"
    backends = table("backends", caption, ["backend", "setting", Head("value", wraps=True)], reported)
    facts: list[Block] = [item for item in (_facts(data), backends, _peaks(manifest)) if item.rows]
    missing = notes.unmeasured(summary) or [prose("Nothing: every case that was planned was measured.")]
    blocks = [
        *facts,
        Heading("What disturbed it"),
        Bullets(_disturbances(data, summary)),
        *_flags(data),
        Heading("What was not measured"),
        Bullets(tuple(missing)),
        Heading("How it ended"),
        notes.ended(manifest),
    ]
    return Section("machine", "The machine, and what disturbed it", tuple(blocks))


def _facts(data: RunData) -> Table:
    manifest = data.manifest
    known = {name: value for name, value in manifest.machine.items() if value is not None}
    rows = [
        (_FACTS.get(name, name.replace("_", " ")), _gibibytes(value) if name == "memory_bytes" else str(value))
        for name, value in known.items()
    ]
    rows += [(f"device {number}", name) for number, name in enumerate(devices(data), start=1)]
    asked = sorted({int(item.columns["threads"]) for item in manifest.cases})
    used = sorted(int(count) for count in data.processes["threads_used"].dropna().unique())
    computing = f"{', '.join(map(str, used))} found computing" if used else "not known how many compute"
    threads = f"{', '.join(map(str, asked)) or 'unknown number'} asked for; {computing}"
    rows += [*manifest.packages.items(), ("threads of a case", threads), *manifest.environment.items()]
    if unknown := [_FACTS.get(name, name) for name in manifest.machine if name not in known]:
        rows.append(("unknown or not set", ", ".join(unknown)))
    heads = [Head("what"), Head("value", wraps=True)]
    return table("machine", "Machine, software and threads", heads, rows)


def _peaks(manifest: Manifest) -> Table:
    heads = [*map(Head, ("backend", "number format", "precision")), *numbers("CPU threads")]
    heads.append(Head("matrix products, GFLOP/s", right=True, unit="GFLOP/s"))
    heads.append(Head("copy, GB/s", right=True, unit="GB/s"))
    rows = [
        [peak.backend, peak.dtype, peak.precision, str(peak.threads)]
        + [Cell(significant(value), (value,)) for value in (peak.gflops, peak.gigabytes_per_second)]
        for peak in manifest.peaks
    ]
    caption = "The most that each backend reached, measured before the first round; “of peak” is a part of this"
    return table("peaks", caption, heads, rows)


def _disturbances(data: RunData, summary: Summary) -> tuple[Words, ...]:
    throttled = data.processes[data.processes["throttled"] != ""].groupby("throttled")["round"]
    settled = data.processes["warmup_settled"].dropna().astype(bool)
    return passages(
        "notes.txt",
        "machine",
        found=data.manifest.disturbances,
        notes=notes.disturbances(summary),
        throttled=[(why, sorted({int(number) for number in rounds})) for why, rounds in throttled],
        settled=settled.sum(),
        processes=len(settled),
    )


def _flags(data: RunData) -> list[Table]:
    """Return how many samples carry which flag, those of single phases and of the device's clock included."""
    if not data.has_samples:
        return []
    flags = data.samples["flags"].astype(str).str.split().explode().dropna()
    counts = sorted((str(flag), int(count)) for flag, count in flags.value_counts().items())
    heads = [Head("flag"), *numbers("samples"), Head("meaning", wraps=True)]
    rows = [(flag, Cell(str(count), (count,)), MEANINGS.get(flag, "")) for flag, count in counts]
    caption = prose("Flagged samples among all {} of `samples.csv`; they are kept and count", len(data.samples))
    return [table("flags", caption, heads, rows)] if rows else []
