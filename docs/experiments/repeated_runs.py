"""Do runs of the same thing agree? Many runs of some programs, and how far their speedups lie apart.

An interval of 95 % should hold what is true in 95 of 100 runs. What is true is not known, but the mean of all other
runs is close to it. The script counts how often the interval of a run holds that, and compares how much speedups differ
from run to run with what their intervals say.

    .venv/bin/python docs/experiments/repeated_runs.py [--runs 20] [-i torch_tensor] [--budget 10s]
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from bench.stats.rates import binomial_interval

Speedups = dict[str, tuple[float, float, float]]
"""Logarithms of a speedup and of both ends of its interval, by implementation."""


def one_run(folder: Path, arguments: list[str]) -> Speedups:
    """Run once, as a user does."""
    command = [str(Path(sys.executable).with_name("bench")), "run", "--device", "cpu", "--no-figures"]
    command += [*arguments, "--out", str(folder)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own command
    summary = pd.read_csv(folder / "summary.csv")
    steps = summary[(summary["phase"] == "step") & summary["speedup_low"].notna() & (summary["speedup"] != 1)]
    columns = ["speedup", "speedup_low", "speedup_high"]
    found = zip(steps["implementation"], steps[columns].itertuples(index=False), strict=True)
    return {name: tuple(map(math.log, values)) for name, values in found}


def main() -> None:
    """Run, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    chosen, arguments = parser.parse_known_args()  # the others are those of `bench run`
    runs: list[Speedups] = []
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(chosen.runs):
            runs.append(one_run(Path(scratch) / str(number), arguments))
            print(f"run {number + 1} of {chosen.runs}", file=sys.stderr, flush=True)  # noqa: T201
    print("| program | runs | speedup | half an interval | spread of runs | intervals that hold the other runs' mean |")  # noqa: T201
    print("| --- " * 6 + "|")  # noqa: T201
    every: list[bool] = []
    for name in sorted({name for run in runs for name in run}):
        found = [run[name] for run in runs if name in run]
        values = [value for value, _, _ in found]
        others = [(sum(values) - value) / (len(values) - 1) for value in values]
        held = [low <= other <= high for (_, low, high), other in zip(found, others, strict=True)]
        half = statistics.mean((high - low) / 2 for _, low, high in found)
        spread = statistics.stdev(values)
        every += held
        print(  # noqa: T201
            f"| {name} | {len(found)} | {math.exp(statistics.mean(values)):.3f}x | {half:.1%} | {spread:.1%} "
            f"| {sum(held)} |"
        )
    if not every:
        sys.exit("No speedup has an interval: it takes six rounds, so raise --budget.")
    low, high = binomial_interval(sum(every), len(every))
    print(f"\nAll together: {sum(every)} of {len(every)} ({low:.1%} to {high:.1%}).")  # noqa: T201


if __name__ == "__main__":
    main()
