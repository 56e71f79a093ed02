"""How many CPUs a step keeps busy: exact, since both clocks are simulated."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.data.schema import Method, Status
from bench.model.registry import Registry
from bench.oracle.verify import Verification
from bench.timing.compiling import FirstSteps
from bench.timing.load import LEAST_NANOSECONDS, Load, Workers, excess
from bench.timing.measure import Sampling, measure
from bench.timing.passes import Rig, Taken
from bench.timing.policy import Sample, SamplingPolicy
from bench.timing.protocol import Task
from bench.timing.ranks import Team
from bench.timing.worker import Prepared

MILLISECONDS = 1_000_000


@pytest.mark.parametrize(
    ("threads", "in_use", "cpus", "said"),
    [
        (1, 1, 1.0, ""),
        (1, 1, 1.25, ""),
        (2, 2, 2.25, ""),
        (4, 1, 0.5, ""),
        (1, None, None, ""),
        (1, 2, None, "it computed with 2 threads, and it was told to use 1"),
        (2, 4, 1.0, "or measure it with --threads 4."),
        (1, 1, 1.31, "it kept 1.3 CPUs busy, and it was told to use 1"),
        (1, None, 1.9, "or measure it with --threads 2."),
        (2, None, 3.5, "or measure it with --threads 4."),
    ],
)
def test_more_than_it_was_told_is_said_with_the_number_and_the_cure(
    threads: int, in_use: int | None, cpus: float | None, said: str
) -> None:
    found = excess(threads, in_use, cpus)
    assert said in found
    assert bool(found) == bool(said)


@pytest.mark.parametrize(("threads", "workers", "said"), [(1, 1, ""), (2, 2, ""), (1, 2, "--threads 2."), (2, 3, "3")])
def test_threads_of_its_own_that_take_turns_are_said_too(threads: int, workers: int, said: str) -> None:
    """One of them may do the work while the main thread waits: frameworks do so."""
    found = excess(threads, threads, 0.9, workers)
    assert said in found
    assert bool(found) == bool(said)


def test_a_thread_of_pythons_counts_by_its_share_of_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cpu = [1000]
    main = threading.main_thread()
    others: list[Any] = [SimpleNamespace(native_id=number) for number in (1, 2, 3, 4)]
    monkeypatch.setattr("bench.timing.load.ROOT", tmp_path)

    def spent(alive: list[Any], *nanoseconds: int) -> None:
        monkeypatch.setattr(threading, "enumerate", lambda: alive)
        for thread, taken in zip(alive, nanoseconds, strict=True):
            file = tmp_path / f"proc/self/task/{thread.native_id}/schedstat"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{taken} 77777777 12\n")

    spent([main, *others[:2]], 1000, 0, 500)
    workers = Workers(lambda: cpu[0])
    assert workers.number == 0
    cpu[0] = 2000
    spent([main, *others[:3]], 1500, 200, 530, 270)  # the second took 30 of 1000, the third came later
    assert workers.number == 2
    monkeypatch.setattr(threading, "enumerate", lambda: [main, *others])
    assert workers.number == 2  # of the fourth the kernel tells nothing


def test_a_kernel_that_counts_in_ticks_makes_no_cpus_out_of_them() -> None:
    """Two CPUs busy in passes of 1.7 ms; a tick of 4 ms of the other thread falls into some of them whole."""
    load = Load()
    for number in range(200):
        ticks = (number + 1) * 17 // 40 - number * 17 // 40
        load.add(Taken((1_700_000,), cpu_nanoseconds=1_700_000 + ticks * 4_000_000))
    assert load.cpus == pytest.approx(2.0, abs=0.1)


def test_too_little_time_says_nothing() -> None:
    """A right step of two threads looked like 2.4 CPUs by one stretch that had two ticks more than its share."""
    load = Load()
    for ratio in (2.4, 2.0):
        load.add(Taken((LEAST_NANOSECONDS,), cpu_nanoseconds=round(ratio * LEAST_NANOSECONDS)))
    load.add(Taken((LEAST_NANOSECONDS - 1,), cpu_nanoseconds=2 * LEAST_NANOSECONDS - 2))
    assert load.cpus is None
    load.add(Taken((1,), cpu_nanoseconds=2))
    assert load.cpus == 2.0


def test_a_pool_that_spins_before_it_sleeps_is_no_load_of_the_step() -> None:
    load = Load()
    for cpus in (2, 2, 1, 1, 1):
        load.add(Taken((LEAST_NANOSECONDS,), cpu_nanoseconds=cpus * LEAST_NANOSECONDS))
    assert load.cpus == 1.0


class Cpus:
    """Steps take their time on so many CPUs; what is not a step takes none of it."""

    def __init__(self, world: Any, busy: float) -> None:
        self.world, self.busy, self.spent = world, busy, 0.0
        cost = world.cost_of_step

        def cost_of_step(index: int) -> Any:
            found = cost(index)
            self.spent += sum(found) / 3 * busy  # it is asked once a phase
            return found

        world.cost_of_step = cost_of_step

    def __call__(self) -> int:
        return round(self.spent)


@pytest.fixture
def rig(world: Any) -> Callable[..., Rig]:
    def make(busy: float, cold: bool = False) -> Rig:
        world.cost_of_step = lambda index: (MILLISECONDS, MILLISECONDS, MILLISECONDS)
        return replace(world.rig(cold=cold), cpu_now=Cpus(world, busy))

    return make


def sampling(rig: Rig, policy: SamplingPolicy = SamplingPolicy()) -> Sampling:
    return Sampling(rig, resolution=1, steps=1000, policy=policy)


@pytest.mark.parametrize("busy", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("cold", [False, True])
def test_a_measurement_knows_the_cpus_of_its_whole_steps(rig: Callable[..., Rig], busy: float, cold: bool) -> None:
    step = sampling(rig(busy, cold))
    measure(step, SamplingPolicy())
    assert step.cpus_used == pytest.approx(busy, abs=1e-3)


def test_a_short_measurement_does_not(rig: Callable[..., Rig]) -> None:
    """Whole steps of 3 ms, one a turn: seven are more than 20 ms, and three times as many are enough."""
    step = sampling(rig(1.7), SamplingPolicy(turn_seconds=0.0, lead_seconds=0.0))
    for number in range(20):
        step.turn(number)
    assert step.cpus_used is None
    step.turn(20)
    assert step.cpus_used == pytest.approx(1.7, abs=1e-3)


def test_what_leads_a_turn_counts_too(rig: Callable[..., Rig]) -> None:
    step = sampling(rig(1.7), SamplingPolicy(turn_seconds=0.0, lead_seconds=0.06))
    step.turn(0)
    assert step.cpus_used == pytest.approx(1.7, abs=1e-3)


def reply(in_use: int | None, cpus: float | None, task: Task = Task.TURNS, workers: int = 0) -> Any:
    sample = Sample("step", Method.WHOLE, 0, 1, 1000)
    nothing: Any = SimpleNamespace(name="", facts={}, path=(), foreign=(), threads=1, task=task, cache="")
    backend: Any = SimpleNamespace(threads_in_use=lambda: in_use)
    meter = SimpleNamespace(peak_bytes=1, framework_bytes=1, step_peak_bytes=None, phase_peaks={}, reserved_bytes=None)
    passed = Verification(True, "", 4)
    rig: Any = SimpleNamespace(step=SimpleNamespace(counts=None))
    built: Any = SimpleNamespace(registry=Registry(), backend=backend, device=nothing, meter=meter, seconds=0.1)
    made = (nothing, built, Team(), None, rig, sample, FirstSteps(rig), True, passed, None)
    return Prepared(*made, lambda: None).reply(cpus, (sample,), workers)


def test_a_row_that_used_more_threads_is_wrong_and_has_no_times() -> None:
    for found in (reply(2, None), reply(None, 1.8), reply(1, 0.9, workers=2)):
        assert found.status is Status.WRONG
        assert "it was told to use 1" in found.reason
        assert found.samples == ()
    assert (reply(2, 1.8).threads, reply(2, 1.8).cpus_used) == (2, 1.8)


def test_a_row_that_kept_to_it_or_is_only_verified_is_well() -> None:
    assert reply(1, 1.0).status is reply(None, None).status is reply(2, None, Task.VERIFY).status is Status.OK
    assert len(reply(1, 1.0).samples) == 1
