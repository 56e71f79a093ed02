"""Bencher Metric Format, the JSON that `bencher run --adapter json` takes.

Written and tested against the schema on bencher.dev/docs/reference/bencher-metric-format; no Bencher has read it yet.
"""

from __future__ import annotations

from bench.output.export._run import Benchmark, Run, to_json


def export(run: Run) -> str:
    """Each benchmark's `latency` in nanoseconds, with its 95 % interval; throughput is not measured."""
    return to_json({benchmark.name: {"latency": _latency(benchmark)} for benchmark in run.benchmarks})


def _latency(benchmark: Benchmark) -> dict[str, float]:
    ends = {"value": benchmark.median, "lower_value": benchmark.low, "upper_value": benchmark.high}
    return {name: seconds * 1e9 for name, seconds in ends.items() if seconds is not None}
