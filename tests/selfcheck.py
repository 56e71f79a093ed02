"""`make selfcheck`: does the harness find times that are known, and does it add any of its own?

Real time on a real machine, so this is no test of the ordinary suite: it prints figures and fails on gross misses.

1. Planted: stages that spin for a known time, one phase long and the others short, on a quiet machine and with another
   process loading a core. The harness's medians against what was planted. Aim: 1 %.
2. Added: the same real step timed by a plain hand-written loop and by the harness, alternating, so that a drift
   falls on both. The ratio of the pairs. Aim: 0.97 to 1.03.
3. Turns: processes that take long turns. The part that is usually timed, right after the lead, against the end of the
   turn, when the process has run by itself for a while: what taking turns does to a speedup. Aim: 0.5 %.
"""

from __future__ import annotations

import math
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache

from bench import BACKWARD, FORWARD, UPDATE, Device, Stage, State, Step
from bench.data.schema import Method
from bench.machine.environment import usable_cpus
from bench.model.backends import BACKENDS
from bench.model.device import Settings
from bench.model.discovery import discover
from bench.run.asking import Truths
from bench.run.plan import Selection, choose, plan_cases
from bench.run.pool import Pool
from bench.run.rounds import Rounds, Seat
from bench.stats.estimates import median_estimate
from bench.timing.clock import Now, host_now, resolution
from bench.timing.measure import Sampling, measure
from bench.timing.passes import Rig, time_whole
from bench.timing.policy import Sample, SamplingPolicy
from bench.workloads import tutorial

GROSS = 0.10
AIM = 0.01
PHASES = ("forward", "backward", "update")
PLANTED_SECONDS = (20e-6, 200e-6, 2e-3)
REST_SECONDS = 50e-6


@dataclass(frozen=True)
class Spin:
    """A stage that is busy for a time (a sleep would end when the scheduler likes) and notes what it really spent."""

    run: Callable[[], None]
    spent: list[int]
    call_nanoseconds: float = 0.0
    """The cost of calling it beside the time that it notes: a stage's call is part of the stage."""

    @property
    def seconds(self) -> float:
        """The median of what it really spent: a little over what was asked for, since its clock has a resolution."""
        return (statistics.median(self.spent) + self.call_nanoseconds) / 1e9


def call_cost() -> float:
    """Measure the nanoseconds that calling a spin costs beside what it notes: a plain loop over spins of no length."""
    spin = spinning(0.0)
    totals = []
    for _ in range(50):
        start = time.perf_counter_ns()
        for _ in range(200):
            spin.run()
        totals.append((time.perf_counter_ns() - start) / 200)
    return statistics.median(totals) - statistics.median(spin.spent)


def spinning(seconds: float, call_nanoseconds: float = 0.0) -> Spin:
    """Make a spin of that length: a closure, so that the call itself costs as little as can be."""
    nanoseconds = int(seconds * 1e9)
    spent: list[int] = []

    def run(now: Now = time.perf_counter_ns, note: Callable[[int], None] = spent.append) -> None:
        start = last = now()
        end = start + nanoseconds
        while last < end:
            last = now()
        note(last - start)

    return Spin(run, spent, call_nanoseconds)


def found_seconds(spins: dict[str, Spin], phase: str) -> tuple[float, float]:
    """Return what the harness finds for one phase and for the whole step."""
    stages = tuple(Stage(kind, spins[str(kind[0])].run) for kind in (FORWARD, BACKWARD, UPDATE))
    step = Step(stages, lambda: State(0.0, {}), lambda: None)
    policy = SamplingPolicy(process_seconds=0.4, turn_seconds=0.02, lead_seconds=0.0, max_units=100)
    rig = Rig(step, host_now, lambda: None)
    found = measure(Sampling(rig, resolution=resolution(), steps=10_000, policy=policy), policy)

    def median(name: str, method: Method) -> float:
        samples = [s for s in found if (s.phase, s.method) == (name, method)]
        return statistics.median(s.nanoseconds / s.iterations for s in samples) / 1e9

    return median(phase, Method.STAGED), median("step", Method.WHOLE)


@contextmanager
def loaded_core() -> Iterator[None]:
    """Keep another process running that never rests."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            yield
        finally:
            other.kill()


def check_planted(condition: str) -> float:
    """Print a line for each planted time; return the largest error."""
    worst = 0.0
    call = call_cost()
    print(f"{condition:12}  calling a stage costs {call:.0f} ns, counted as planted")  # noqa: T201
    for seconds in PLANTED_SECONDS:
        for phase in PHASES:
            spins = {name: spinning(seconds if name == phase else REST_SECONDS, call) for name in PHASES}
            in_phase, whole = found_seconds(spins, phase)
            planted = spins[phase].seconds
            error = in_phase / planted - 1
            whole_error = whole / sum(spin.seconds for spin in spins.values()) - 1
            worst = max(worst, abs(error), abs(whole_error))
            print(  # noqa: T201 - printing is what this is for
                f"{condition:12}  {phase:9} planted {planted * 1e6:8.2f} us"
                f"   found {in_phase * 1e6:8.2f} us ({error:+.2%})"
                f"   whole step ({whole_error:+.2%})"
            )
    return worst


def hand_written(step: Step, iterations: int) -> int:
    """Return the nanoseconds of the loop that one would write without a harness."""
    forward, backward, update = (stage.run for stage in step.stages)
    start = time.perf_counter_ns()
    for _ in range(iterations):
        forward()
        backward()
        update()
    return time.perf_counter_ns() - start


@cache
def cpu_device(framework: str) -> Device:
    """Open the CPU device of a framework, with one thread."""
    return next(b for b in BACKENDS.values() if b.framework == framework and b.device == "cpu").open(Settings(1))


def check_added(name: str) -> float:
    """Print the ratio of harness to hand-written loop; return its distance from 1."""
    item = discover()[name]
    problem = tutorial()
    step = item.build(problem, item.workload.data(problem), cpu_device(item.framework))
    for _ in range(50):
        step()
    logs = []
    for index in range(60):
        step.reset()
        order = ("hand", "harness") if index % 2 else ("harness", "hand")
        times = {}
        for which in order:
            if which == "hand":
                times[which] = hand_written(step, 20)
            else:
                (times[which],) = time_whole(Rig(step, host_now, lambda: None), 20).nanoseconds
        logs.append(math.log(times["harness"] / times["hand"]))
    ratio = median_estimate(logs)
    low, high = math.exp(ratio.low or 0), math.exp(ratio.high or 0)
    print(  # noqa: T201
        f"added         {name:18} harness / hand-written loop {math.exp(ratio.value):.4f}"
        f"  (95 % interval {low:.4f} … {high:.4f})"
    )
    return abs(math.exp(ratio.value) - 1)


TAKE_TURNS = ("numpy_manual", "torch_autograd")
"""A baseline and a contender."""
ALONE_SECONDS = 0.04
"""The part of a turn after its lead from which on a process counts as running alone."""


def slower_at_first(samples: Sequence[Sample], policy: SamplingPolicy) -> list[float]:
    """Return how much longer steps take at first in each turn of one process than alone, as logarithms."""
    turns: dict[int, tuple[list[float], list[float], list[int]]] = {}
    for sample in samples:
        first, alone, spent = turns.setdefault(sample.turn, ([], [], []))
        seconds = sum(spent) / 1e9
        if sample.phase == "step" and seconds < policy.turn_seconds:
            first.append(math.log(sample.nanoseconds / sample.iterations))
        elif sample.phase == "step" and seconds > ALONE_SECONDS:
            alone.append(math.log(sample.nanoseconds / sample.iterations))
        spent.append(sample.nanoseconds)
    # A turn that was cut short, since its warm-up was disturbed, has no steps alone.
    whole = [(first, alone) for first, alone, _ in turns.values() if alone]
    return [statistics.median(first) - statistics.median(alone) for first, alone in whole]


def check_turns(threads: int, rounds: int = 8, turns: int = 50) -> float:
    """Print what taking turns does to a speedup; return how much that surely is."""
    usual = SamplingPolicy()
    policy = replace(usual, turn_seconds=2 * ALONE_SECONDS, max_units=10_000, min_turns=turns, max_turns=turns)
    planned = plan_cases(Selection(choose(discover(), TAKE_TURNS), devices=("cpu",), threads=(threads,)))
    slower: dict[str, list[float]] = {name: [] for name in TAKE_TURNS}
    with Pool() as pool:
        taking = Rounds(Truths(pool, None), None, random.Random(1), policy)  # noqa: S311 - an order
        for _ in range(rounds):
            for item, found in zip(planned, taking.measure([Seat(item, pool) for item in planned]), strict=True):
                slower[item.case.implementation] += slower_at_first(found.arms.get("", []), usual)
    (baseline, contender), means = TAKE_TURNS, {name: statistics.mean(found) for name, found in slower.items()}
    half = 2 * math.hypot(*(statistics.stdev(found) / math.sqrt(len(found)) for found in slower.values()))
    bias = means[baseline] - means[contender]
    print(  # noqa: T201
        f"turns         {threads} threads: steps {means[baseline]:+.2%} ({baseline}) and {means[contender]:+.2%} "
        f"({contender}), their speedup {bias:+.2%} +- {half:.2%}"
    )
    return max(0.0, abs(bias) - half)


def main() -> None:
    """Run all checks; exit with 1 on a gross miss."""
    worst = check_planted("quiet")
    with loaded_core():
        worst = max(worst, check_planted("loaded core"))
    added = max(check_added(name) for name in ("numpy_manual", "torch_tensor", "torch_autograd"))
    turns = max(check_turns(threads) for threads in sorted({1, min(2, usable_cpus())}))
    good = worst <= AIM and added <= 0.03 and turns <= 0.005
    verdict = "within the aim" if good else "outside the aim, not a gross miss"
    failed = max(worst, added, turns) > GROSS
    print(  # noqa: T201
        f"Largest error of a planted time {worst:.2%} (aim 1 %), of the ratio {added:.2%} (aim 3 %), of a speedup by "
        f"taking turns surely {turns:.2%} (aim 0.5 %): " + ("GROSS MISS" if failed else verdict)
    )
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
