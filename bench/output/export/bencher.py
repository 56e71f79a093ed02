"""Bencher Metric Format, the JSON that `bencher run --adapter json` takes.

Written and tested against the schema on bencher.dev/docs/reference/bencher-metric-format; no Bencher has read it yet.
"""

from __future__ import annotations

from bench.machine.identity import machine_of
from bench.output.export._run import Benchmark, Run, to_json
from bench.output.export._wanted import Metric
from bench.stats.estimates import Estimate

METRICS = tuple(Metric)
_MEASURES = {Metric.TIME: ("latency", 1e9), Metric.SPEEDUP: ("speedup", 1.0), Metric.THROUGHPUT: ("throughput", 1.0)}
"""What Bencher calls each, and the factor to its unit: nanoseconds, none, operations per second."""


def export(run: Run) -> str:
    """Return each benchmark's `latency` and its `speedup`, or the one metric that was chosen, with 95 % intervals.

    The format has no room for the machine, and only a speedup means the same on several.
    """
    metrics = (Metric.TIME, Metric.SPEEDUP) if run.metric is None else (run.metric,)
    return to_json({benchmark.name: _measures(benchmark, metrics) for benchmark in run.benchmarks})


def advice(run: Run) -> list[str]:
    """Return where Bencher takes the machine, if nothing that is told means the same on several."""
    if run.metric in (None, Metric.SPEEDUP) and any(each.measured(Metric.SPEEDUP) for each in run.benchmarks):
        return []
    machine = machine_of(run.manifest.machine)
    return [f"the format has no room for the machine: name it to Bencher with --testbed ({machine})"]


def _measures(benchmark: Benchmark, metrics: tuple[Metric, ...]) -> dict[str, dict[str, float]]:
    found = {}
    for metric in metrics:
        name, factor = _MEASURES[metric]
        if (estimate := benchmark.measured(metric)) is not None:
            found[name] = _metric(estimate, factor)
    return found


def _metric(found: Estimate, factor: float) -> dict[str, float]:
    ends = {"value": found.value, "lower_value": found.low, "upper_value": found.high}
    return {name: value * factor for name, value in ends.items() if value is not None}
