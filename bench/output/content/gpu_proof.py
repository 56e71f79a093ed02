"""The result of `bench gpu-proof`: the machine, a line for each question, and the speedups of the programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.analysis.card import speedup_card
from bench.analysis.whole import is_whole
from bench.backends.nvidia import NvidiaGpu
from bench.data.run import StoredRun, summary_rows
from bench.data.schema import DEVICE, STEP
from bench.errors import DataFormatError
from bench.machine.environment import machine_facts, package_versions
from bench.model.backends import BACKENDS
from bench.output.document import Block, Cell, Code, Head, Heading, Line, Tone, numbers, prose, table
from bench.output.text import duration, factor, interval
from bench.run.gpu_plan import CUDA, PROGRAMS
from bench.run.gpu_proof import LOGS, GpuProof, Judged

_TONES: Mapping[Judged, Tone] = {Judged.PASS: "good", Judged.FAIL: "bad", Judged.SKIP: "warn"}


def proof_document(found: GpuProof, device: str, folder: Path) -> list[Block]:
    """Return all of PROOF.md.

    Args:
        found: what was found.
        device: the kind of device.
        folder: the proof's, with the runs in it.
    """
    counts = ", ".join(f"{sum(line.answer is each for line in found.lines)} {each}" for each in Judged)
    end = " It was interrupted." if found.interrupted else ""
    rows: list[Line] = [
        [Cell(line.answer, tone=_TONES[line.answer]), line.name, line.figure, f"{line.seconds:.0f} s"]
        for line in found.lines
    ]
    heads = [Head(""), Head("question"), Head("figure", wraps=True), Head("took", right=True)]
    return [
        Heading("GPU proof"),
        prose("{}: {} in {} s.{}", Code(f"bench gpu-proof --device {device}"), counts, f"{found.seconds:.0f}", end),
        table("machine", (), ["", Head("", wraps=True)], [[name, value] for name, value in _machine(device, folder)]),
        table("lines", (), heads, rows),
        prose("Lines of one command took its time together. What each said is in {}.", Code(f"{LOGS}/")),
        *_speedups(folder / PROGRAMS, device),
    ]


def _machine(device: str, folder: Path) -> list[tuple[str, str]]:
    facts = machine_facts()
    backends = [backend for backend in BACKENDS.values() if backend.device == device]
    versions = package_versions(backends)
    found = [
        ("device", _device_name(folder, device)),
        ("CPU", f"{facts['cpu']}, {facts['cpus_usable']} usable"),
        ("Python", str(facts["python"])),
        *((name, versions[name]) for name in ("torch", "numpy") if name in versions),
    ]
    if device != CUDA:
        return found
    gpu = NvidiaGpu.open()
    if gpu is None:
        return [*found, ("NVML", "no: clocks, throttling and power are unknown")]
    try:
        return [*found, ("NVML", "yes"), *((name.replace("_", " "), text) for name, text in gpu.facts().items())]
    finally:
        gpu.close()


def _device_name(folder: Path, device: str) -> str:
    """Return what the measuring processes call the hardware; the kind of device where none got so far."""
    for run in sorted(path.parent for path in folder.glob("*/processes.csv")):
        try:
            processes = StoredRun(run).processes
        except DataFormatError:
            continue
        names = [name for name in processes["device_name"][processes["device"] == device] if name]
        if names:
            return str(names[0])
    return device


def _speedups(folder: Path, device: str) -> list[Block]:
    """Return the times of the programs on the device beside the same programs on the CPU."""
    try:
        run = StoredRun(folder)
        rows = summary_rows(run.summary)
        cells = speedup_card(run.manifest, rows, run.samples, run.processes)
    except (DataFormatError, OSError):
        return []
    whole = run.summary[is_whole(run.summary)]
    by_host = {(row["implementation"], row["device"]): row["median_seconds"] for row in whole.to_dict("records")}
    own = run.summary[(run.summary["clock"] == DEVICE) & (run.summary["phase"] == STEP) & run.summary["variant"].isna()]
    by_device = {row["implementation"]: row["median_seconds"] for row in own.to_dict("records")}
    over = {
        cell.case.implementation: cell.speedup
        for cell in cells
        if cell.over.implementation == cell.case.implementation and cell.case.device == device
    }
    lines: list[Line] = []
    for name, kind in by_host:
        if kind != device:
            continue
        speedup = over.get(name)
        ends = "-" if speedup is None else interval(speedup.low, speedup.high, factor)
        times = (by_host.get((name, "cpu")), by_host[name, kind], by_device.get(name))
        lines.append([name, *map(duration, times), factor(None if speedup is None else speedup.value), ends])
    heads = [Head("program"), *numbers("step on one CPU thread", f"step on {device}", "on device")]
    heads += numbers("speedup over the same on the CPU", "95 % interval")
    return [Heading("Speedups"), table("speedups", (), heads, lines)] if lines else []
