"""Which tool finds a slowdown, which one cries wolf, and at what price?

The same torch step (the tutorial's network under autograd, one thread, pinned to one core) is judged by four rules,
which take turns on one machine: against itself (A/A), and against itself with a delay of 2, 5 or 10 % of the step, spun
in its forward, backward or update phase.

- stepbench: the pairs and the verdict of `bench ab`, 20 pairs a verdict, in one look. Side B takes turns with itself in
  all four conditions, so that one set of pairs gives four verdicts; every fifth trial is a plain A/A, which gives the
  seconds.
- pytest-benchmark: a saved run of the base, then `--benchmark-compare-fail=min:5%` on the contender; the exit status.
- pyperf: three processes a variant, then `compare_to`; slower and significant.
- asv: the rules of `asv continuous`, by its own functions: slower by its default factor 1.1, and different by its
  Mann-Whitney test, on two processes of ten samples of 10 ms each.

Each tool gets its share of the time given. Intervals are exact (Clopper and Pearson).

    .venv/bin/python docs/experiments/regression_tools.py [--minutes 30]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.analysis.decision import changed_phases
from bench.analysis.rule import Criteria, Verdict
from bench.analysis.verdict import judge
from bench.machine.processor import pinned_cpu
from bench.model.discovery import discover
from bench.model.step import TRAINING
from bench.run.ab import family_of, typical_seconds
from bench.run.asking import Truths
from bench.run.calibrate import arms_of, name_of
from bench.run.pairs import PAIR_POLICY, A, B, PairCase, measure_pair
from bench.run.plan import Selection, choose, plan_cases
from bench.run.pool import Pool
from bench.run.rounds import Rounds, Seat
from bench.stats.rates import binomial_interval

PAIRS = 20
SHARES = (0.0, 0.02, 0.05, 0.10)
STEP = """
import os, time
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
from bench.workloads import tutorial
from bench.model.backends import BACKENDS
from bench.model.device import Settings
from bench.model.discovery import discover
item = discover()["torch_autograd"]
inner = item.build(tutorial(), item.workload.data(tutorial()), BACKENDS["torch-cpu"].open(Settings(1)))
delay, phase = int(os.environ["DELAY"]), os.environ["PHASE"]
count = 0
def step():
    global count
    count += 1
    if count % 500 == 0:  # as stepbench does, so that nothing runs into denormal numbers
        inner.reset()
    for stage in inner.stages:
        stage.run()
        if delay and phase in stage.phases:
            end = time.perf_counter_ns() + delay
            while time.perf_counter_ns() < end:
                pass
"""
PYTEST = STEP + "def test_step(benchmark):\n    benchmark(step)\n"
PYPERF = STEP + "import pyperf\nrunner = pyperf.Runner()\nrunner.bench_func('step', step)\n"
ASV = (
    STEP
    + """
import json
for _ in range(30):
    step()
def sample(number):
    start = time.perf_counter()
    for _ in range(number):
        step()
    return (time.perf_counter() - start) / number
number = max(1, round(0.01 / sample(5)))
print(json.dumps([sample(number) for _ in range(10)]))
"""
)


@dataclass
class Tool:
    """What one tool has said so far."""

    name: str
    share: float
    """The part of the time given that is its."""
    trials: Iterator[None]
    said: dict[float, list[bool]] = field(default_factory=lambda: {share: [] for share in SHARES})
    localised: list[bool] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """Times of comparisons of two variants."""
    spent: float = 0.0


def conditions() -> Iterator[tuple[float, str]]:
    """Give delays in turn, the A/A three times as often as any other; the phase moves on."""
    phases = itertools.cycle(map(str, TRAINING))
    while True:
        for share in (0.0, 0.02, 0.0, 0.05, 0.0, 0.10):
            yield share, next(phases)


class Others:
    """The tools that are run as commands."""

    def __init__(self, folder: Path, step_seconds: float) -> None:
        self._folder, self._step = folder, step_seconds
        for name, text in (("test_step.py", PYTEST), ("perf_step.py", PYPERF), ("asv_step.py", ASV)):
            (folder / name).write_text(text, encoding="utf-8")

    def _run(self, share: float, phase: str, *command: str) -> subprocess.CompletedProcess[str]:
        delay = str(round(share * self._step * 1e9))
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "DELAY": delay, "PHASE": phase}
        return subprocess.run(  # noqa: S603
            [sys.executable, *command], cwd=self._folder, env=environment, capture_output=True, text=True, check=False
        )

    def pytest_benchmark(self, share: float, phase: str) -> bool:
        """Say whether its exit status says regression."""
        common = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_step.py", "--benchmark-storage=saved")
        base = self._run(0.0, phase, *common, "--benchmark-save=base")
        if base.returncode:
            raise SystemExit(base.stdout + base.stderr)
        compared = ("--benchmark-compare=*_base", "--benchmark-compare-fail=min:5%")
        done = self._run(share, phase, *common, *compared)
        for path in (self._folder / "saved").rglob("*.json"):
            path.unlink()
        if done.returncode and "Performance has regressed" not in done.stdout + done.stderr:
            raise SystemExit(done.stdout + done.stderr)
        return done.returncode != 0

    def pyperf(self, share: float, phase: str) -> bool:
        """Say whether it calls the second slower, and not the difference insignificant."""
        for name, planted in (("a.json", 0.0), ("b.json", share)):
            (self._folder / name).unlink(missing_ok=True)
            inherited = "--inherit-environ=DELAY,PHASE,OMP_NUM_THREADS,PYTHONPATH"
            done = self._run(planted, phase, "perf_step.py", "-p", "3", "--quiet", inherited, "-o", name)
            if done.returncode:
                raise SystemExit(done.stdout + done.stderr)
        said = self._run(0.0, phase, "-m", "pyperf", "compare_to", "a.json", "b.json").stdout
        return "slower" in said and "not significant" not in said.lower()

    def asv(self, share: float, phase: str) -> bool:
        """Say whether it is slower by more than its factor, and different by its test."""
        from asv._stats import is_different
        from asv_runner.statistics import compute_stats

        samples: dict[float, list[float]] = {0.0: [], 1.0: []}
        for _ in range(2):
            for side, planted in ((0.0, 0.0), (1.0, share)):
                done = self._run(planted, phase, "asv_step.py")
                samples[side] += json.loads(done.stdout)
        (a, stats_a), (b, stats_b) = (compute_stats(samples[side], 1) for side in (0.0, 1.0))
        return bool(b > 1.1 * a and is_different(samples[0.0], samples[1.0], stats_a, stats_b))


def by_command(tool: Tool, ask: Callable[[float, str], bool]) -> Iterator[None]:
    """Make one comparison after the other."""
    for share, phase in conditions():
        began = time.monotonic()
        tool.said[share].append(ask(share, phase))
        tool.seconds.append(time.monotonic() - began)
        yield


def by_stepbench(tool: Tool, zygotes: Pool) -> Iterator[None]:
    """Find four verdicts a trial; every fifth is a plain A/A for the seconds."""
    (item,) = plan_cases(Selection(choose(discover(), ["torch_autograd"]), devices=("cpu",)))
    zygotes.start([item.backend])
    chance = random.Random(0)  # noqa: S311
    rounds = Rounds(Truths(zygotes, 60.0), 60.0, chance, PAIR_POLICY, cpu=pinned_cpu(1))
    measure = partial(measure_pair, rounds, PairCase(item, item), dict.fromkeys((A, B), partial(Seat, asks=zygotes)))
    for number, phase in enumerate(itertools.cycle(map(str, TRAINING))):

        def verdict(pairs: list, arm: str, seed: int = number):  # type: ignore[no-untyped-def, type-arg]
            (found,) = judge([family_of(arm, pairs, (), A, arm)], seed, Criteria())
            return found

        if number % 5 == 0:
            began = time.monotonic()
            plain = [measure() for _ in range(PAIRS)]
            tool.seconds.append(time.monotonic() - began)
            tool.said[0.0].append(verdict(plain, B).verdict is Verdict.REGRESSION)
            yield
            continue
        pairs = [measure(arms_of(phase)) for _ in range(PAIRS)]
        seconds = typical_seconds(pairs, A)
        tool.said[0.0].append(verdict(pairs, "same").verdict is Verdict.REGRESSION)
        for share in SHARES[1:]:
            found = verdict(pairs, name_of(share))
            regressed = found.verdict is Verdict.REGRESSION
            tool.said[share].append(regressed)
            if regressed:
                changes = changed_phases(found, seconds)
                tool.localised.append(bool(changes) and changes[0].phase.value == phase)
        yield


def rate(outcomes: list[bool]) -> str:
    """Say how often it was so, with the exact 95 % interval."""
    if not outcomes:
        return "-"
    low, high = binomial_interval(sum(outcomes), len(outcomes))
    return f"{sum(outcomes)} of {len(outcomes)} ({low:.1%} to {high:.1%})"


def table(tools: list[Tool]) -> str:
    """Return the result as Markdown."""
    lines = ["| tool | false alarms, A/A | finds 2 % | finds 5 % | finds 10 % | names the phase | s a comparison |"]
    lines.append("| --- " * 7 + "|")
    for tool in tools:
        rates = [rate(tool.said[share]) for share in SHARES]
        seconds = f"{statistics.median(tool.seconds):.0f}" if tool.seconds else "-"
        lines.append(f"| {tool.name} | {' | '.join(rates)} | {rate(tool.localised)} | {seconds} |")
    return "\n".join(lines)


def undisturbed_step(folder: Path) -> float:
    """Return the seconds of the step: the shortest of a few processes' samples."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DELAY": "0", "PHASE": "forward"}
    (folder / "asv_step.py").write_text(ASV, encoding="utf-8")
    found = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "asv_step.py"], cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
        found += json.loads(done.stdout)
    return float(min(found))


def main() -> None:
    """Let the tools take turns, each by its share of the time, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as scratch, Pool() as zygotes:
        folder = Path(scratch)
        step_seconds = undisturbed_step(folder)
        others = Others(folder, step_seconds)
        print(f"The step takes {step_seconds * 1e6:.0f} us undisturbed.", flush=True)  # noqa: T201
        tools = [Tool("stepbench `bench ab`", 0.4, iter(()))]
        tools[0].trials = by_stepbench(tools[0], zygotes)
        for name, ask in (
            ("pytest-benchmark `min:5%`", others.pytest_benchmark),
            ("asv's rules", others.asv),
            ("pyperf `compare_to`", others.pyperf),
        ):
            tool = Tool(name, 0.2, iter(()))
            tool.trials = by_command(tool, ask)
            tools.append(tool)
        end = time.monotonic() + minutes * 60
        while time.monotonic() < end:
            tool = min(tools, key=lambda each: each.spent / each.share)
            began = time.monotonic()
            next(tool.trials)
            tool.spent += time.monotonic() - began
            print(f"{end - time.monotonic():5.0f} s left; {tool.name}", file=sys.stderr, flush=True)  # noqa: T201
        print(table(tools))  # noqa: T201


if __name__ == "__main__":
    main()
