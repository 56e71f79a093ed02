"""The list that github-action-benchmark takes with `tool: customSmallerIsBetter`.

Written and tested against the fields and units that its documentation and source name; the action has not read it yet.
"""

from __future__ import annotations

from bench.machine.identity import machine_of
from bench.output.export._run import Benchmark, Run, to_json

UNIT = "us"
"""One unit for all: the action draws one axis a name, and knows s, ms, us and ns."""


def export(run: Run) -> str:
    """Return each benchmark's median in microseconds, to six digits, since the action shows them as they are."""
    machine = str(machine_of(run.manifest.machine))
    return to_json([_entry(benchmark, machine) for benchmark in run.benchmarks])


def _entry(benchmark: Benchmark, machine: str) -> dict[str, str | float]:
    middle, low, high = benchmark.median, benchmark.row.low_seconds, benchmark.row.high_seconds
    entry: dict[str, str | float] = {"name": benchmark.name, "unit": UNIT, "value": float(_microseconds(middle))}
    counts = f"processes: {benchmark.row.processes}\nsamples: {benchmark.samples}\nmachine: {machine}"
    if low is None or high is None:
        return {**entry, "extra": f"no interval: too few processes\n{counts}"}
    # The action knows only one number on both sides: the farther end, so that the whole interval is inside.
    reach = _microseconds(max(high - middle, middle - low))
    interval = f"95 % interval: {_microseconds(low)} to {_microseconds(high)} {UNIT}"
    return {**entry, "range": f"± {reach}", "extra": f"{interval}\n{counts}"}


def _microseconds(seconds: float) -> str:
    """Six digits, trailing zeros kept: the action reads no range of a single digit."""
    return f"{seconds * 1e6:#.6g}"
