"""The JSON that pytest-benchmark saves, for `pytest-benchmark compare` and whatever else reads it.

A round is a process: one datum is the median of one process, so `median` is that of summary.csv, and `stddev` and
`iqr` say how much processes differ, which is what decides whether a difference means anything.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from bench.output.export._run import Benchmark, Run, to_json


def export(run: Run) -> str:
    """Write the run as pytest-benchmark would have saved it; times in seconds.

    The machine is the one that measured, as far as the manifest knows it. The commit is the harness's own; its times
    and its branch are in no file of a run.

    Raises:
        DataFormatError: the run has no samples.
    """
    run.require_samples("pytest-benchmark")
    manifest = run.manifest
    facts = manifest.machine
    system, _, release = str(facts.get("system") or "").partition(" ")
    known = {
        "processor": facts.get("cpu"),
        "python_version": facts.get("python"),
        "system": system,
        "release": release,
        "cpu": {"brand_raw": facts.get("cpu"), "count": facts.get("cpus")},
    }
    revision = manifest.git_revision or ""
    commit = {
        "id": revision.removesuffix("-dirty") or "unknown",
        "time": None,
        "author_time": None,
        "dirty": revision.endswith("-dirty"),
        "project": "stepbench",
        "branch": "(unknown)",
    }
    return to_json(
        {
            "machine_info": {name: value for name, value in known.items() if value},
            "commit_info": commit,
            "benchmarks": [_benchmark(benchmark) for benchmark in run.benchmarks],
            "datetime": manifest.created,
            "version": f"stepbench {manifest.stepbench}",
        }
    )


def _benchmark(benchmark: Benchmark) -> dict[str, Any]:
    name, row, samples = benchmark.name, benchmark.row, benchmark.samples
    medians = [statistics.median(process.seconds) for process in benchmark.processes]
    return {
        "group": f"{row.phase}[{benchmark.label}]",  # what one table compares
        "name": name,
        "fullname": name,
        "params": benchmark.columns,
        "param": benchmark.label,
        "extra_info": {"low_seconds": row.low_seconds, "high_seconds": row.high_seconds, "samples": samples},
        "options": {},
        # Processes differ in how often they iterate: at least so many iterations are behind each datum.
        "stats": _stats(medians) | {"iterations": min(sum(process.iterations) for process in benchmark.processes)},
    }


def _stats(data: Sequence[float]) -> dict[str, Any]:
    """Work out the fields of a benchmark's `stats`.

    Quartiles are those of pytest-benchmark, the mean of both ways to halve the data, with the middle value and without
    ("Method 3" of en.wikipedia.org/wiki/Quartile).
    """
    ordered, n = sorted(data), len(data)
    mean, total = statistics.mean(ordered), sum(data)
    deviation = statistics.stdev(ordered) if n > 1 else 0.0
    without, with_middle = max(n // 2, 1), (n + 1) // 2
    q1 = (statistics.median(ordered[:without]) + statistics.median(ordered[:with_middle])) / 2
    q3 = (statistics.median(ordered[-without:]) + statistics.median(ordered[-with_middle:])) / 2
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    far = sum(abs(value - mean) > deviation for value in data)
    beyond = sum(not low <= value <= high for value in data)
    return {
        "min": ordered[0],
        "max": ordered[-1],
        "mean": mean,
        "stddev": deviation,
        "rounds": n,
        "median": statistics.median(ordered),
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": beyond,
        "stddev_outliers": far,
        "outliers": f"{far};{beyond}",
        "ld15iqr": min(value for value in ordered if value >= low),
        "hd15iqr": max(value for value in ordered if value <= high),
        "ops": n / total if total else 0.0,
        "total": total,
        "data": list(data),
    }
