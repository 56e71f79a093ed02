"""Each proof passes on a sound device, and fails on one with the very fault that it looks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench import Stage
from bench.timing import peaks
from bench.timing.passes import Rig
from bench.timing.proof import AGREEMENT, DOUBLING, SECOND_CLOCK, Check, compare_clocks, prove_device, prove_step

CLOCK, HOLD, DOUBLED = (
    "device clock against host clock",
    "hold",
    "twice the work takes twice the time",
)


class Multiplier:
    """A matrix product that takes a millisecond; `saved` of all that follow the first behind one wait are not done."""

    def __init__(self, gpu: Any, nanoseconds: int = 1_000_000, saved: float = 0.0) -> None:
        self.gpu, self.nanoseconds, self.saved = gpu, nanoseconds, saved
        self.pending = 0

    def synchronize(self) -> None:
        self.pending = 0
        self.gpu.synchronize()

    def matmul(self, *_: Any) -> Callable[[], None]:
        def run() -> None:
            self.gpu.enqueue(self.nanoseconds * (1 - self.saved * (self.pending >= 8)), 0)
            self.pending += 1

        return run


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "_SIZES", (8,))
    monkeypatch.setattr(peaks, "_COPY_BYTES", (64,))


def proved(gpu: Any, clock: bool = True, **options: Any) -> dict[str, Check]:
    unit = Multiplier(gpu, **options)
    device = replace(gpu.device(matmul=unit.matmul, copy=unit.matmul), synchronize=unit.synchronize)
    device = device if clock else replace(device, stream=None)
    return {check.name: check for check in prove_device(device, gpu.now)}


def failed(checks: dict[str, Check]) -> list[str]:
    return [name for name, check in checks.items() if not check.passed]


@pytest.mark.parametrize("unit", [0.5, 1.0, 2.0])
def test_a_sound_device_passes_all(gpu: Any, unit: float) -> None:
    gpu.unit = unit
    checks = proved(gpu)
    assert list(checks) == [CLOCK, HOLD, DOUBLED]
    assert failed(checks) == []
    assert checks[CLOCK].detail == "a kernel lasts 50.00 ms by the host, 50.00 ms by the device (-0.00%)"
    assert checks[DOUBLED].detail == "8 matrix products take 8.000 ms, 16 take 16.000 ms: 2.000 times as long"


@pytest.mark.parametrize("drift", [1.02, 0.98])
def test_a_device_clock_that_is_off_by_two_percent_fails(gpu: Any, drift: float) -> None:
    gpu.drift = drift
    checks = proved(gpu)
    assert failed(checks) == [CLOCK]
    assert f"({drift - 1:+.2%})" in checks[CLOCK].detail


def test_a_device_clock_within_the_agreement_passes(gpu: Any) -> None:
    gpu.drift = 1 + AGREEMENT * 0.9
    assert failed(proved(gpu)) == []


def test_a_hold_that_does_not_hold_fails(gpu: Any) -> None:
    gpu.holds = False
    checks = proved(gpu)
    assert HOLD in failed(checks)
    assert checks[HOLD].detail == "what is enqueued behind a hold began before the hold was over"


@pytest.mark.parametrize(("saved", "passes"), [(1.0, False), (2.2 * DOUBLING, False), (1.8 * DOUBLING, True)])
def test_work_that_does_not_double_fails(gpu: Any, saved: float, passes: bool) -> None:
    checks = proved(gpu, saved=saved)
    assert checks[DOUBLED].passed == passes
    assert f"{2 - saved:.3f} times as long" in checks[DOUBLED].detail


def test_without_a_matrix_product_nothing_can_double(gpu: Any) -> None:
    checks = {check.name: check for check in prove_device(gpu.device(), gpu.now)}
    assert failed(checks) == [DOUBLED]
    assert "offers no matrix product" in checks[DOUBLED].detail


@pytest.mark.parametrize(("saved", "passes"), [(0.0, True), (1.0, False)])
def test_a_device_without_a_clock_doubles_by_the_clock_of_the_host(gpu: Any, saved: float, passes: bool) -> None:
    (check,) = proved(gpu, clock=False, saved=saved).values()
    assert (check.name, check.passed) == (DOUBLED, passes)
    assert f"{2 - saved:.3f} times as long" in check.detail


# What an implementation does


def waiting(gpu: Any, number: int, when: Callable[[], bool] = lambda: True) -> Any:
    """A step one of whose phases reads a value back."""
    step = gpu.step()
    stage = step.stages[number]

    def run() -> None:
        stage.run()
        if when():
            gpu.read_back()

    return replace(step, stages=tuple(Stage(s.phases, run) if s is stage else s for s in step.stages))


def test_a_step_that_only_enqueues_passes(gpu: Any) -> None:
    assert prove_step(gpu.rig()) == Check("no synchronisation inside a phase", True, "every phase only enqueues")


@pytest.mark.parametrize(("number", "phase"), [(0, "forward"), (1, "backward"), (2, "update")])
def test_a_phase_that_waits_is_named_with_what_was_said(gpu: Any, number: int, phase: str) -> None:
    check = prove_step(gpu.rig(step=waiting(gpu, number)))
    assert not check.passed
    assert check.detail == f"{phase} waits for the device: called a synchronizing operation"
    assert not gpu.watching, "the watch is over"


def test_a_fused_stage_is_named_by_all_its_phases(gpu: Any) -> None:
    step = gpu.step(fused=True)
    fused = replace(step, stages=(Stage(step.stages[0].phases, gpu.read_back),))
    assert prove_step(gpu.rig(step=fused)).detail.startswith("forward+backward+update waits")


def test_what_waits_once_while_it_is_loaded_is_no_fault(gpu: Any) -> None:
    assert prove_step(gpu.rig(step=waiting(gpu, 2, lambda: gpu.steps == 1))).passed


def test_a_step_on_a_device_without_a_clock_cannot_be_watched(world: Any) -> None:
    assert prove_step(world.rig()) is None


# The second clock


def growing(gpu: Any, factors: list[int]) -> Callable[[int], Rig]:
    """Makes a step whose kernels are as many times as long as its sizes."""
    costs = tuple(gpu.costs)

    def at(factor: int) -> Rig:
        factors.append(factor)
        gpu.costs = [factor * each for each in costs]
        rig: Rig = gpu.rig()
        return rig

    return at


def test_a_profiler_that_sees_what_the_marks_see_passes_at_the_first_size_with_long_kernels(gpu: Any) -> None:
    gpu.costs, factors = (50_000, 100_000, 60_000), list[int]()
    check = compare_clocks(growing(gpu, factors))
    assert check == Check(
        "second clock",
        True,
        "5 steps at 4 times the sizes last 4.200 ms by the device's marks, their 15 kernels 4.200 ms by the profiler "
        "(+0.00%)",
    )
    assert factors == [1, 2, 4]


@pytest.mark.parametrize(("seen", "passes"), [(0.0, False), (0.975, False), (0.985, True), (1.025, False)])
def test_a_profiler_that_sees_less_or_more_fails_beyond_two_percent(gpu: Any, seen: float, passes: bool) -> None:
    gpu.costs, gpu.profiler = (300_000, 300_000, 300_000), seen
    check = compare_clocks(growing(gpu, []))
    assert check.passed is passes
    assert f"({seen - 1:+.2%})" in check.detail
    assert SECOND_CLOCK == 0.02


def test_the_hold_is_no_kernel_of_the_steps_and_everything_is_enqueued_behind_it(gpu: Any) -> None:
    gpu.costs, gpu.launch = (300_000, 300_000, 300_000), 400_000
    assert compare_clocks(growing(gpu, [])).passed, "launching takes longer than computing, and the hold hides it"


def test_without_a_profiler_or_without_a_clock_there_is_no_second_clock(gpu: Any, world: Any) -> None:
    gpu.profiler = None
    assert compare_clocks(growing(gpu, [])) is None
    assert compare_clocks(lambda factor: world.rig()) is None
