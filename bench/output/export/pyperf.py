"""A suite as pyperf keeps it (its JSON format 1.0), for `pyperf compare_to`, `show`, `stats` and `hist`.

A pyperf run is a process, its values are the samples in seconds an iteration. pyperf itself then takes all values of
all processes as one group: its mean and its significance know nothing of processes, so it calls small differences
significant sooner than `bench compare` does.
"""

from __future__ import annotations

from typing import Any

from bench.data.manifest import Manifest
from bench.errors import DataFormatError
from bench.output.export._run import Benchmark, Process, Run, to_json


def export(run: Run) -> str:
    """Write the run as a pyperf suite. pyperf takes no time of zero: a benchmark that holds one is left out.

    Raises:
        DataFormatError: every benchmark holds a time of zero, or the run has no samples.
    """
    run.require_samples("pyperf")
    positive = [each for each in run.benchmarks if _is_positive(each)]
    if not positive:
        raise DataFormatError(
            f"{run.manifest.run_id} has a time of zero in every benchmark, which pyperf does not take: "
            "export it to another format."
        )
    benchmarks: list[dict[str, Any]] = [
        {
            "metadata": {"name": each.name, **each.columns},
            "runs": [
                {"values": process.seconds, "metadata": _process(process, each.row.case.device == "cpu")}
                for process in each.processes
            ],
        }
        for each in positive
    ]
    return to_json({"version": "1.0", "metadata": _suite(run.manifest), "benchmarks": benchmarks})


def left_out(run: Run) -> list[str]:
    """Return sentences about the benchmarks that pyperf does not take."""
    zero = [each.name for each in run.benchmarks if not _is_positive(each)]
    return [f"{name}: it holds a time of zero, which pyperf does not take" for name in zero]


def _is_positive(benchmark: Benchmark) -> bool:
    return all(min(process.seconds) > 0 for process in benchmark.processes)


def _suite(manifest: Manifest) -> dict[str, Any]:
    """Collect what all benchmarks share. When a process ran is not kept, so there is the run's start and no `date`."""
    facts = {
        "unit": "second",
        "cpu_model_name": manifest.machine.get("cpu"),
        "cpu_count": manifest.machine.get("cpus"),
        "platform": manifest.machine.get("system"),
        "python_version": manifest.machine.get("python"),
        "run_id": manifest.run_id,
        "run_created": manifest.created,
        "stepbench_version": manifest.stepbench,
        **{f"{name}_version": version for name, version in manifest.packages.items()},
    }
    # pyperf refuses empty values and values of several lines.
    spaced = {name: " ".join(value.split()) if isinstance(value, str) else value for name, value in facts.items()}
    return {name: value for name, value in spaced.items() if value not in (None, "")}


def _process(process: Process, on_cpu: bool) -> dict[str, int]:
    known = {"process": process.number}
    if len(set(process.iterations)) == 1:  # pyperf knows one number of loops a run
        known["loops"] = process.iterations[0]
    if on_cpu and process.peak_bytes:  # on a GPU it is not the process's resident memory
        known["mem_max_rss"] = process.peak_bytes
    return known
