"""The timing code of the CUDA path against a model of a stream, on which every true time is known.

Real are: the implementations, `CudaBackend` with its stream and its waiting, `measure` and all below it. Only CUDA
itself is a model.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch

from bench.data.schema import Method
from bench.model.case import Mode
from bench.model.discovery import discover
from bench.timing.passes import hold_rate, time_device, time_whole
from bench.timing.proof import prove_device, prove_step

Start = Callable[..., Any]
NAMES = [item.name for item in discover() if item.framework == "torch" and item.by_default and not item.devices]
SHORT, LONG = 2_000, 50_000
"""Kernels that end before the next is launched, and kernels that the host need not wait for to launch more."""
COUNTED = {"torch_tensor": (6, 7, 4), "torch_autograd": (6, 9, 4)}
"""Kernels of each phase, counted by hand where that is easy."""


@pytest.mark.parametrize("kernel", [SHORT, LONG])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_is_true(start: Start, timed: ModuleType, name: str, kernel: int) -> None:
    made = start(name, kernel=kernel)
    assert made.kernels == COUNTED.get(name, made.kernels)
    before = made.cuda.reads
    found = made.measured()
    assert made.problems(found) == set()
    assert {sample.phase for sample in timed.of_device(found)} == {"forward", "backward", "update", "step"}
    methods = {sample.method for sample in timed.of_device(found) if sample.phase != "step"}
    assert methods == {Method.BATCHED if kernel == SHORT else Method.STAGED}
    assert made.cuda.reads == before, "no phase reads a value of the device"


@pytest.mark.parametrize("kernel", [SHORT, LONG])
@pytest.mark.parametrize("mode", Mode)
def test_what_is_read_is_true_in_every_mode(start: Start, mode: Mode, kernel: int) -> None:
    """A transferred batch is two copies in the forward phase; a flush is in no time at all."""
    made = start("torch_tensor", mode=mode, kernel=kernel)
    assert made.kernels == (8 if mode.transferred else 6, 7, 4)
    assert made.problems(made.measured()) == set()


@pytest.mark.parametrize("kernel", [SHORT, LONG])
def test_twice_as_long_kernels_read_twice_as_long(start: Start, timed: ModuleType, kernel: int) -> None:
    readings = []
    for factor in (1, 2):
        made = start(kernel=kernel * factor)
        found = timed.of_device(made.measured())
        readings.append({item.phase: item.nanoseconds / item.iterations for item in found})
    once, twice = readings
    assert once.keys() == twice.keys()
    for phase in once:
        assert twice[phase] == pytest.approx(2 * once[phase], rel=0.02)


@pytest.mark.parametrize("gap", [500, 2_000])
def test_the_gap_that_an_event_leaves_counts_once_a_sample_of_short_phases(
    start: Start, timed: ModuleType, gap: int
) -> None:
    made = start(gap=gap)
    for sample in timed.of_device(made.measured()):
        true = dict(zip(("forward", "backward", "update"), made.kernels, strict=True))
        kernels = true.get(sample.phase, sum(made.kernels)) * sample.iterations
        assert abs(sample.nanoseconds - kernels * SHORT) <= gap + made.allowed(sample)


def test_without_a_hold_the_same_events_read_the_host(start: Start) -> None:
    made = start()
    rig, stream = made.rig, made.device.stream
    assert stream is not None
    made.step()
    groups = [[run] for run in rig.runs]
    true = tuple(count * SHORT for count in made.kernels)
    at_once = time_device(rig, stream, 1, 0, groups)
    assert not at_once.held
    assert all(read > 2 * right for read, right in zip(at_once.nanoseconds, true, strict=True))
    units = round(1e6 / hold_rate(stream, rig.synchronize))
    later = time_device(rig, stream, 1, units, groups)
    assert later.held
    assert later.nanoseconds == true


def test_a_stream_that_cannot_be_held_back_is_launch_bound(
    start: Start, timed: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = start()
    monkeypatch.setattr(torch.cuda, "_sleep", lambda cycles: None)
    found = made.measured()
    assert {sample.flags for sample in timed.of_device(found)} == {"launch_bound"}
    assert {sample.flags for sample in found if sample.clock == "host"} == {""}


@pytest.mark.parametrize("places", [1024, 300])
def test_what_the_queue_cannot_hold_is_held_with_fewer_iterations(start: Start, timed: ModuleType, places: int) -> None:
    made = start("torch_tensor", places=places)
    wanted = -(-round(timed.FULL_POLICY.device_sample_seconds * 1e9) // (min(made.kernels) * SHORT))
    assert wanted * sum(made.kernels) > places
    found = made.measured(policy=timed.FULL_POLICY)
    assert made.problems(found) == set()
    (iterations,) = {sample.iterations for sample in timed.of_device(found)}
    assert places / 4 < iterations * sum(made.kernels) < places


def test_a_step_that_is_too_much_for_the_queue_by_itself_is_launch_bound(start: Start, timed: ModuleType) -> None:
    made = start(places=8)
    found = made.measured()
    assert {(sample.iterations, sample.flags) for sample in timed.of_device(found)} == {(1, "launch_bound")}


def test_the_proofs_of_a_device_pass_on_the_model_and_those_of_a_step_with_every_implementation(
    start: Start,
) -> None:
    made = start()
    made.cuda.cost_of = lambda name: 12_000_000  # the first sizes are then large enough to be peaks
    checks = prove_device(made.device, made.cuda.now)
    assert [check.passed for check in checks] == [True, True, True], checks
    for name in NAMES:
        for mode in (Mode.RESIDENT_WARM, Mode.TRANSFERRED_WARM):
            assert prove_step(start(name, mode=mode).rig).passed, name


def test_the_model_waits_queues_and_refuses_as_cuda_does(virtual: ModuleType) -> None:
    costs = virtual.Costs(launch=5, kernel=20, event=1, synchronize=10, load=100, resolution=1, places=2)
    cuda = virtual.VirtualCuda(costs)
    with cuda.installed():
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        with pytest.raises(RuntimeError, match="recorded"):
            start.elapsed_time(end)
        start.record()
        cuda.operation("mm")
        assert (cuda.host, cuda.device) == (106, 126), "the first of its kind is loaded"
        end.record()
        assert not end.query()
        with pytest.raises(RuntimeError, match="not ready"):
            start.elapsed_time(end)
        torch.cuda.synchronize()
        assert cuda.host == 136
        assert start.elapsed_time(end) == pytest.approx(125e-6)
        cuda.operation("mm")
        cuda.operation("mm")
        assert (cuda.host, cuda.device) == (146, 181)
        cuda.operation("mm")
        assert (cuda.host, cuda.device) == (161, 201), "the host waited for a place"


def test_the_model_tells_the_hosts_tensors_from_the_devices(virtual: ModuleType) -> None:
    cuda = virtual.VirtualCuda()
    with cuda.installed():
        here = torch.ones(3)
        here.add_(1).sum().item()
        assert (cuda.kernels, cuda.reads) == (0, 0)
        there = here.to(virtual.HANDLE)
        assert (cuda.kernels, cuda.reads) == (0, 1)
        moved = (there * here.sum()).view(3, 1).t()
        assert cuda.kernels == 1
        here.copy_(moved[0])
        assert (cuda.kernels, cuda.reads) == (1, 2)
        assert here.sum().item() == 36.0
        assert cuda.reads == 2
        moved.sum().item()
        assert (cuda.kernels, cuda.reads) == (2, 3)


def test_a_whole_step_costs_what_the_model_says(start: Start) -> None:
    """Once in plain figures: 17 launches of 5 us, the last kernel's 2 us and a synchronisation of 10 us."""
    made = start("torch_tensor", kernel=SHORT)
    made.step()
    assert time_whole(made.rig, 1).nanoseconds == (17 * 5_000 + 2_000 + 10_000,)
    made = start("torch_tensor", kernel=LONG)
    made.step()
    assert time_whole(made.rig, 1).nanoseconds == (5_000 + 17 * 50_000 + 10_000,)
