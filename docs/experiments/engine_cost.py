"""How long does it take to know a torch step's time to within 2 %, processes resampled?

Three harnesses measure the same step (the tutorial's network under autograd, one thread), taking turns on one machine:

- stepbench: `bench run` with 30 rounds of this one case, from the start of the command to its end;
- pyperf: its default of a warm-up and three values a worker process, its own calibration included;
- pytest-benchmark: one pytest process a measurement, with its own calibration.

Each process gives one number, its median. What counts is how many seconds a process costs and how much processes
differ: a median over n processes has a 95 % interval of about +- 1.96 x 1.2533 x s / sqrt(n), s being the standard
deviation of their logarithms. The seconds to 2 % follow; they are extrapolated by that formula where the interval did
not get there in the time given.

    .venv/bin/python docs/experiments/engine_cost.py [--minutes 5]
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.data.store import read_manifest
from bench.run.resume import done_so_far
from bench.stats.estimates import median_estimate

AIM = 0.02
STEP = """
import torch
torch.set_num_threads(1)
from bench.workloads import tutorial
from bench.model.backends import BACKENDS
from bench.model.device import Settings
from bench.model.registry import discover
item = discover()["torch_autograd"]
inner = item.build(tutorial(), item.workload.data(tutorial()), BACKENDS["torch-cpu"].open(Settings(1)))
count = 0
def step():
    global count
    count += 1
    if count % 500 == 0:  # as stepbench does, so that nothing runs into denormal numbers
        inner.reset()
    inner()
"""
PYPERF = STEP + "import pyperf\nrunner = pyperf.Runner()\nrunner.bench_func('step', step)\n"
PYTEST = STEP + "def test_step(benchmark):\n    benchmark(step)\n"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@dataclass
class Harness:
    """What one harness has found and spent so far."""

    name: str
    block: Callable[[], list[float]]
    """Runs a few processes and gives a median of each, in seconds."""
    medians: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def run(self) -> None:
        """One block, its wall time counted."""
        began = time.monotonic()
        self.medians += self.block()
        self.seconds += time.monotonic() - began

    @property
    def spread(self) -> float:
        """Standard deviation of the processes' log medians, by quartiles: one stalled process must not decide it."""
        low, _, high = statistics.quantiles([math.log(value) for value in self.medians], n=4)
        return (high - low) / 1.349

    @property
    def each(self) -> float:
        """Seconds a process costs."""
        return self.seconds / len(self.medians)

    @property
    def processes_needed(self) -> float:
        """Processes until the interval of the median is within the aim."""
        return max(6.0, (1.96 * 1.2533 * self.spread / AIM) ** 2)


def stepbench_block(folder: Path, count: int) -> Callable[[], list[float]]:
    """One `bench run` of so many rounds, as a user starts it: interpreters, files and summary included."""
    command = [str(Path(sys.executable).with_name("bench")), "run", "-i", "torch_autograd", "--device", "cpu"]
    command += ["--threads", "1", "--rounds", str(count), "--budget", "10m", "--no-figures", "--json"]
    number = itertools.count()

    def block() -> list[float]:
        out = folder / f"run{next(number)}"
        subprocess.run(  # noqa: S603 - our own command
            [*command, "--out", str(out)],
            check=True,
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        done = done_so_far(out, read_manifest(out))
        found = [turns for rounds in done.rounds.values() for turns in rounds.values() if turns is not None]
        return [statistics.median(turns.values()) for turns in found]

    return block


def pyperf_block(folder: Path, count: int) -> Callable[[], list[float]]:
    """One pyperf command with so many worker processes; its calibration process is part of the cost."""
    script = folder / "step_pyperf.py"
    script.write_text(PYPERF, encoding="utf-8")

    def block() -> list[float]:
        out = folder / "pyperf.json"
        out.unlink(missing_ok=True)
        command = [sys.executable, str(script), "--processes", str(count), "--output", str(out), "--quiet"]
        command += ["--inherit-environ", "OMP_NUM_THREADS"]
        subprocess.run(command, check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)  # noqa: S603 - our own script
        runs = json.loads(out.read_text(encoding="utf-8"))["benchmarks"][0]["runs"]
        return [statistics.median(run["values"]) for run in runs if "values" in run]

    return block


def pytest_block(folder: Path) -> Callable[[], list[float]]:
    """One pytest process with pytest-benchmark."""
    script = folder / "test_step.py"
    script.write_text(PYTEST, encoding="utf-8")

    def block() -> list[float]:
        out = folder / "pytest.json"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder)]
        command += ["--benchmark-json", str(out), str(script)]
        subprocess.run(  # noqa: S603 - our own script
            command, check=True, cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return [json.loads(out.read_text(encoding="utf-8"))["benchmarks"][0]["stats"]["median"]]

    return block


def measure(minutes: float, folder: Path) -> list[Harness]:
    """Let the three take turns until the time is over."""
    harnesses = [
        Harness("stepbench", stepbench_block(folder, 30)),
        Harness("pyperf", pyperf_block(folder, 5)),
        Harness("pytest-benchmark", pytest_block(folder)),
    ]
    began = time.monotonic()
    while time.monotonic() - began < minutes * 60:
        for harness in harnesses:
            harness.run()
        found = ", ".join(f"{harness.name} {len(harness.medians)}" for harness in harnesses)
        print(f"processes so far: {found}", file=sys.stderr)  # noqa: T201
    return harnesses


def report(harnesses: list[Harness]) -> str:
    """A table in Markdown."""
    ours = harnesses[0].each * harnesses[0].processes_needed
    lines = [
        "| harness | processes | s a process | median step | interval reached | spread of processes | "
        "s to +-2 % | against stepbench | at equal spread |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for harness in harnesses:
        estimate = median_estimate(harness.medians)
        reached = estimate.halfwidth or math.nan
        needed = harness.each * harness.processes_needed
        kind = "" if reached <= AIM else " (extrapolated)"
        lines.append(
            f"| {harness.name} | {len(harness.medians)} | {harness.each:.2f} | {estimate.value * 1e6:.0f} us "
            f"| +-{reached:.1%} | {harness.spread:.1%} | {needed:.0f}{kind} | {needed / ours:.1f}x "
            f"| {harness.each / harnesses[0].each:.1f}x |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    with tempfile.TemporaryDirectory() as folder:
        print(report(measure(parser.parse_args().minutes, Path(folder))))  # noqa: T201


if __name__ == "__main__":
    main()
