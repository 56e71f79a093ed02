"""How well this machine is suited to measuring: its conditions, its clock, its backends, and a short A/A."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.backends.nvidia import NvidiaGpu, absent_reason
from bench.machine.conditions import Finding, gpu_findings, machine_findings, steal_finding, steal_share
from bench.machine.environment import machine_facts, package_versions
from bench.machine.processor import pinned_cpu
from bench.model.backends import BACKENDS
from bench.run.asking import Asks, Truths
from bench.run.pairs import PAIR_POLICY
from bench.run.plan import Planned, backends_of
from bench.run.records import whole_steps
from bench.run.rounds import Rounds, Seat
from bench.run.watcher import Watcher
from bench.stats.estimates import detectable_slowdown, round_log_ratio
from bench.timing.clock import Now, host_now, resolution


@dataclass(frozen=True)
class BackendState:
    """Whether a backend can be used here."""

    name: str
    present: bool
    reason: str


@dataclass(frozen=True)
class NoiseFloor:
    """The result of an A/A: the same case against itself, in pairs of fresh processes."""

    case: str
    pairs: int
    ratio: float
    """The median of B / A, which differs from 1 by noise alone."""
    spread: float
    """The standard deviation of the pairs' log ratios."""
    detectable: float
    """The smallest slowdown that this many pairs would find (alpha 0.01, power 0.8)."""
    start_seconds: float
    """The median time from asking for a process to the end of its first step."""
    reason: str = ""
    """Why the case could not be measured; empty if it was."""


@dataclass(frozen=True)
class Report:
    """Everything that `bench doctor` reports."""

    machine: dict[str, str | int | float | None]
    packages: dict[str, str]
    findings: tuple[Finding, ...]
    backends: tuple[BackendState, ...]
    clock_resolution_seconds: float
    clock_cost_seconds: float
    noise: tuple[NoiseFloor, ...]


def clock_cost(now: Now = host_now, readings: int = 20_000) -> float:
    """Return how many seconds one reading of the clock takes."""
    start = now()
    for _ in range(readings):
        now()
    return (now() - start) / readings / 1e9


def backend_states() -> tuple[BackendState, ...]:
    """Return the state of every backend: present, or why it is not."""
    found = [(backend.name, backend.availability()) for backend in BACKENDS.values()]
    return tuple(BackendState(name, state.present, state.reason) for name, state in found)


def examine(planned: Sequence[Planned], asks: Asks, watcher: Watcher, pairs: int, timeout: float | None) -> Report:
    """Look at the machine and run a short A/A of each planned case; change nothing."""
    absent = absent_reason()
    gpu = None if absent is not None else NvidiaGpu.open()
    conditions = (
        *machine_findings(),
        steal_finding(steal_share(0.5)),
        *gpu_findings(None if gpu is None else gpu.read(), absent),
    )
    backends = backends_of(planned)
    watcher.starting(sorted({backend.framework for backend in backends}))
    asks.start(backends)
    truths = Truths(asks, timeout)
    noise = [_noise_floor(item, asks, truths, watcher, pairs, timeout) for item in planned]
    return Report(
        machine=machine_facts(),
        packages=package_versions(BACKENDS.values()),
        findings=conditions,
        backends=backend_states(),
        clock_resolution_seconds=resolution() / 1e9,
        clock_cost_seconds=clock_cost(),
        noise=tuple(noise),
    )


def _noise_floor(
    item: Planned, asks: Asks, truths: Truths, watcher: Watcher, pairs: int, timeout: float | None
) -> NoiseFloor:
    chance = random.Random(item.case.problem.seed)  # noqa: S311 - an order
    cpu = pinned_cpu(item.case.threads)
    rounds = Rounds(truths, timeout, chance, PAIR_POLICY, cpu)
    logs, starts = [], []
    for number in range(pairs):
        watcher.pairing(item.case, number, pairs)
        found = rounds.measure([Seat(item, asks), Seat(item, asks)])
        a, b = (whole_steps(each.samples) for each in found)
        ratio = round_log_ratio(b, a)
        if ratio is None:
            reason = next((each.reply.reason for each in found if each.reply.reason), "the clock saw no time pass")
            return NoiseFloor(item.case.label, 0, math.nan, math.nan, math.nan, math.nan, reason)
        logs.append(ratio)
        starts += [each.reply.start_seconds or math.nan for each in found]
    return NoiseFloor(
        case=item.case.label,
        pairs=pairs,
        ratio=math.exp(statistics.median(logs)),
        spread=statistics.stdev(logs),
        detectable=detectable_slowdown(logs),
        start_seconds=statistics.median(starts),
    )
