"""How long does it take to know a speedup to within 2 %, with processes as the unit?

How much faster is the tutorial's network under autograd than in NumPy, one thread each? Three harnesses measure it,
taking turns on one machine:

- stepbench: `bench run` with 20 rounds of these two cases, from the start of the command to its end;
- pyperf: its default of a warm-up and three values a worker process, for each program, with what it calls calibration;
- pytest-benchmark: one pytest process a measurement for each program, with the same.

A round of stepbench gives one speedup, since its processes take turns. The other two give one time a process, and as
many speedups as the programs have processes, whose spread is that of both together. What counts is how many seconds a
speedup costs and how much they differ: the mean of n has a 95 % interval of about +- 1.96 x s / sqrt(n), s being the
standard deviation of their logarithms. The seconds to 2 % follow; they are extrapolated by that formula where the
interval did not get there in the time given.

    .venv/bin/python docs/experiments/engine_cost.py [--minutes 6]
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
from bench.stats.estimates import round_log_ratios

AIM = 0.02
PROGRAMS = {"numpy_manual": "numpy", "torch_autograd": "torch-cpu"}
"""The baseline and the contender, with the backend of each."""
STEP = """
import os
from bench.workloads import tutorial
from bench.model.backends import BACKENDS
from bench.model.device import Settings
from bench.model.discovery import discover
name, backend = os.environ["PROGRAM"], os.environ["BACKEND"]
item = discover()[name]
inner = item.build(tutorial(), item.workload.data(tutorial()), BACKENDS[backend].open(Settings(1)))
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
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass
class Harness:
    """What one harness has found and spent so far."""

    name: str
    block: Callable[[], list[float]]
    """What measures a few speedups, as logarithms."""
    speedups: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def run(self) -> None:
        """Measure one block, and count its wall time."""
        began = time.monotonic()
        self.speedups += self.block()
        self.seconds += time.monotonic() - began

    @property
    def spread(self) -> float:
        """The standard deviation of the speedups, by quartiles: one stalled process must not decide it."""
        low, _, high = statistics.quantiles(self.speedups, n=4)
        return (high - low) / 1.349

    @property
    def each(self) -> float:
        """Seconds that a speedup costs."""
        return self.seconds / len(self.speedups)

    def halfwidth(self, count: float) -> float:
        """Return half the interval of the mean of so many speedups."""
        return 1.96 * self.spread / math.sqrt(count)

    @property
    def needed(self) -> float:
        """Seconds until that is within the aim."""
        return self.each * max(6.0, (1.96 * self.spread / AIM) ** 2)


def stepbench_block(folder: Path, count: int) -> Callable[[], list[float]]:
    """Make what runs `bench run` with so many rounds, as a user starts it: interpreters, files and summary included."""
    names = [argument for name in PROGRAMS for argument in ("-i", name)]
    command = [str(Path(sys.executable).with_name("bench")), "run", *names, "--device", "cpu", "--threads", "1"]
    command += ["--rounds", str(count), "--budget", "10m", "--no-figures", "--json"]
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
        rounds = {case.implementation: found for case, found in done.rounds.items()}
        times = ({key: turns for key, turns in rounds[name].items() if turns} for name in PROGRAMS)
        return list(round_log_ratios(*times).values())

    return block


def apart(block: Callable[[dict[str, str]], list[float]]) -> Callable[[], list[float]]:
    """Make what measures one program after the other; a process of each makes a speedup."""

    def speedups() -> list[float]:
        environments = [{**ENVIRONMENT, "PROGRAM": name, "BACKEND": backend} for name, backend in PROGRAMS.items()]
        baseline, contender = (block(environment) for environment in environments)
        return [math.log(a / b) for a, b in zip(baseline, contender, strict=True)]

    return speedups


def pyperf_block(folder: Path, count: int) -> Callable[[], list[float]]:
    """Make what runs pyperf with so many worker processes; its calibration process is part of the cost."""
    script = folder / "step_pyperf.py"
    script.write_text(PYPERF, encoding="utf-8")

    def block(environment: dict[str, str]) -> list[float]:
        out = folder / "pyperf.json"
        out.unlink(missing_ok=True)
        command = [sys.executable, str(script), "--processes", str(count), "--output", str(out), "--quiet"]
        command += ["--inherit-environ", "OMP_NUM_THREADS,OPENBLAS_NUM_THREADS,PROGRAM,BACKEND"]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603 - our own script
        runs = json.loads(out.read_text(encoding="utf-8"))["benchmarks"][0]["runs"]
        return [statistics.median(run["values"]) for run in runs if "values" in run]

    return apart(block)


def pytest_block(folder: Path) -> Callable[[], list[float]]:
    """Make what runs one pytest process with pytest-benchmark."""
    script = folder / "test_step.py"
    script.write_text(PYTEST, encoding="utf-8")

    def block(environment: dict[str, str]) -> list[float]:
        out = folder / "pytest.json"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder)]
        command += ["--benchmark-json", str(out), str(script)]
        subprocess.run(  # noqa: S603 - our own script
            command, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return [json.loads(out.read_text(encoding="utf-8"))["benchmarks"][0]["stats"]["median"]]

    return apart(block)


def measure(minutes: float, folder: Path) -> list[Harness]:
    """Let the three take turns until the time is over."""
    harnesses = [
        Harness("stepbench", stepbench_block(folder, 20)),
        Harness("pyperf", pyperf_block(folder, 5)),
        Harness("pytest-benchmark", pytest_block(folder)),
    ]
    began = time.monotonic()
    while time.monotonic() - began < minutes * 60:
        for harness in harnesses:
            harness.run()
        found = ", ".join(f"{harness.name} {len(harness.speedups)}" for harness in harnesses)
        print(f"speedups so far: {found}", file=sys.stderr)  # noqa: T201
    return harnesses


def report(harnesses: list[Harness]) -> str:
    """Return a table in Markdown."""
    ours = harnesses[0]
    lines = [
        "| harness | speedups | s a speedup | speedup | spread | interval reached | s to +-2 % | against stepbench | "
        "at equal spread |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for harness in harnesses:
        count = len(harness.speedups)
        kind = "" if harness.halfwidth(count) <= AIM else " (extrapolated)"
        lines.append(
            f"| {harness.name} | {count} | {harness.each:.2f} | {math.exp(statistics.median(harness.speedups)):.3f}x "
            f"| {harness.spread:.1%} | +-{harness.halfwidth(count):.1%} | {harness.needed:.0f}{kind} "
            f"| {harness.needed / ours.needed:.1f}x | {harness.each / ours.each:.1f}x |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=6.0)
    with tempfile.TemporaryDirectory() as folder:
        print(report(measure(parser.parse_args().minutes, Path(folder))))  # noqa: T201


if __name__ == "__main__":
    main()
