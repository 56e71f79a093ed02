"""Bencher Metric Format, the JSON that `bencher run --adapter json` takes.

Written and tested against the schema on bencher.dev/docs/reference/bencher-metric-format; no Bencher has read it yet.
"""

from __future__ import annotations

from bench.data.schema import SummaryRow
from bench.output.export._run import Run, to_json


def export(run: Run) -> str:
    """Return each benchmark's `latency` in nanoseconds and its `speedup`, with their 95 % intervals.

    The format has no room for the machine, and only a speedup means the same on several.
    """
    return to_json({benchmark.name: _measures(benchmark.row) for benchmark in run.benchmarks})


def _measures(row: SummaryRow) -> dict[str, dict[str, float]]:
    found = {"latency": _metric((row.median_seconds, row.low_seconds, row.high_seconds), 1e9)}
    speedup = (row.speedup, row.speedup_low, row.speedup_high)
    return found if row.speedup is None else {**found, "speedup": _metric(speedup)}


def _metric(ends: tuple[float | None, ...], factor: float = 1.0) -> dict[str, float]:
    names = ("value", "lower_value", "upper_value")
    return {name: value * factor for name, value in zip(names, ends, strict=True) if value is not None}
