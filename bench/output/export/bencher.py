"""Bencher Metric Format, the JSON that `bencher run --adapter json` takes.

Written and tested against the schema on bencher.dev/docs/reference/bencher-metric-format; no Bencher has read it yet.
"""

from __future__ import annotations

from bench.output.export._run import Run, to_json


def export(run: Run) -> str:
    """Each benchmark's `latency` in nanoseconds, with its 95 % interval; throughput is not measured."""
    found = {}
    for benchmark in run.benchmarks:
        low, high = benchmark.row.low_seconds, benchmark.row.high_seconds
        ends = {"value": benchmark.median, "lower_value": low, "upper_value": high}
        found[benchmark.name] = {"latency": {end: value * 1e9 for end, value in ends.items() if value is not None}}
    return to_json(found)
