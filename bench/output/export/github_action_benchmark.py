"""The list that github-action-benchmark takes with `tool: customSmallerIsBetter`, or of rates `customBiggerIsBetter`.

Written and tested against the fields and units that its documentation and source name; the action has not read it yet.
"""

from __future__ import annotations

from bench.machine.identity import machine_of
from bench.output.export._run import Benchmark, Run, to_json
from bench.output.export._wanted import Metric
from bench.stats.estimates import Estimate

METRICS = tuple(Metric)
_UNITS = {Metric.TIME: ("us", 1e6), Metric.SPEEDUP: ("x", 1.0), Metric.THROUGHPUT: ("rows/s", 1.0)}
"""One unit for all of a metric, and the factor to it: the action draws one axis a name; of times it knows s to ns."""


def export(run: Run) -> str:
    """Return each benchmark's median in microseconds, or another metric, to six digits, since the action shows them.

    A name of anything but a time ends with what it is, so that no series joins two metrics.
    """
    machine, metric = str(machine_of(run.manifest.machine)), run.metric or Metric.TIME
    entries = [_entry(each, found, metric, machine) for each in run.benchmarks if (found := each.measured(metric))]
    return to_json(entries)


def advice(run: Run) -> list[str]:
    """Return how the action must be told which direction is better, where it is not that of a time."""
    if run.metric in (None, Metric.TIME):
        return []
    return [f"tell the action `tool: customBiggerIsBetter` for a {run.metric}, of which more is better"]


def _entry(benchmark: Benchmark, found: Estimate, metric: Metric, machine: str) -> dict[str, str | float]:
    unit, factor = _UNITS[metric]
    name = benchmark.name if metric is Metric.TIME else f"{benchmark.name}: {metric}"
    middle, low, high = (
        found.value * factor,
        *(None if end is None else end * factor for end in (found.low, found.high)),
    )
    entry: dict[str, str | float] = {"name": name, "unit": unit, "value": float(_six(middle))}
    counts = f"processes: {benchmark.row.processes}\nsamples: {benchmark.samples}\nmachine: {machine}"
    if metric is Metric.SPEEDUP:
        counts += f"\nover: {benchmark.row.baseline}"
    if low is None or high is None:
        return {**entry, "extra": f"no interval: too few processes\n{counts}"}
    # The action knows only one number on both sides: the farther end, so that the whole interval is inside.
    reach = _six(max(high - middle, middle - low))
    interval = f"95 % interval: {_six(low)} to {_six(high)} {unit}"
    return {**entry, "range": f"± {reach}", "extra": f"{interval}\n{counts}"}


def _six(value: float) -> str:
    """Six digits, trailing zeros kept: the action reads no range of a single digit."""
    return f"{value:#.6g}"
