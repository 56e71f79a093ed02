"""Bugs planted into the timing of the CUDA path: each is found by the very checks that the right code passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import Stage
from bench.backends.torch import CudaStream
from bench.model.registry import Build, Registry
from bench.timing import measure as measuring
from bench.timing.passes import Rig, Taken
from bench.timing.proof import prove_device, prove_step

Start = Callable[..., Any]
SHORT, LONG = 2_000, 50_000
"""Kernels that end before the next is launched, and kernels that the host need not wait for to launch more."""


def unsynchronised(rig: Rig, iterations: int) -> Taken:
    """`time_whole` without its last line but one."""
    rig.synchronize()
    began = rig.now()
    for _ in range(iterations):
        rig.step()
    return Taken((rig.now() - began,))


class BesideTheWork(CudaStream):
    """Marks go to a stream on which nothing runs."""

    def record(self) -> Any:
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.Stream())
        return event


class NeverHeld(CudaStream):
    """A hold that does nothing."""

    def hold(self, units: int) -> None:
        """Nothing."""


class NeverHeldAndSilent(NeverHeld):
    """... and a question about it that is always answered well."""

    def reached(self, mark: Any) -> bool:
        return False


def with_stream(made: Any, stream: CudaStream) -> Any:
    return replace(made, device=replace(made.device, stream=stream))


@pytest.fixture
def nosy(root: Path, write: Callable[[str, str], Path]) -> Build:
    """torch_tensor, with one look at the loss at the end of its forward phase."""
    text = (root / "implementations" / "torch_tensor.py").read_text(encoding="utf-8")
    end = "        loss = (y_pred - y).pow(2).sum()\n"
    assert text.count(end) == 1
    registry = Registry()
    registry.load(f"file:{write('nosy.py', text.replace(end, end + '        loss.item()' + chr(10)))}")
    return registry["torch_tensor"].build


@pytest.mark.parametrize("kernel", [SHORT, LONG])
def test_a_missing_last_synchronisation_is_found(start: Start, monkeypatch: pytest.MonkeyPatch, kernel: int) -> None:
    monkeypatch.setattr(measuring, "time_whole", unsynchronised)
    made = start("torch_tensor", kernel=kernel)
    assert "host whole step" in made.problems(made.measured())


FIRST = {"device forward", "device step"}
"""Kernels longer than their launch keep the device behind the host by themselves: only the first is waited for."""
ALL = FIRST | {"device backward", "device update"}
BOUND = {"device launch_bound"}
BROKEN = [
    (BesideTheWork(), SHORT, ALL | BOUND),
    (BesideTheWork(), LONG, ALL | BOUND),
    (NeverHeld(), SHORT, ALL | BOUND),
    (NeverHeld(), LONG, FIRST | BOUND),
    (NeverHeldAndSilent(), SHORT, ALL),
    (NeverHeldAndSilent(), LONG, FIRST),
]


@pytest.mark.parametrize(("stream", "kernel", "expected"), BROKEN, ids=lambda value: type(value).__name__)
def test_a_broken_stream_is_found(start: Start, stream: CudaStream, kernel: int, expected: set[str]) -> None:
    made = with_stream(start("torch_tensor", kernel=kernel), stream)
    assert made.problems(made.measured()) == expected


@pytest.mark.parametrize("kernel", [SHORT, LONG])
def test_a_read_inside_a_phase_is_found(start: Start, nosy: Build, kernel: int) -> None:
    made = start("torch_tensor", build=nosy, kernel=kernel)
    assert {"host whole step", "host staged forward", "device launch_bound"} <= made.problems(made.measured())
    check = prove_step(made.rig)
    assert not check.passed
    assert "forward waits for the device" in check.detail
    assert "_local_scalar_dense" in check.detail


def test_a_batch_that_is_copied_from_ordinary_memory_is_found(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    made = start("torch_tensor")
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    target = made.device.put(made.data.x)
    upload = made.device.upload(target, made.data.x)
    forward, *rest = made.step.stages
    step = replace(made.step, stages=(Stage(forward.phases, upload), *rest))
    check = prove_step(replace(made.rig, step=step))
    assert not check.passed
    assert "forward waits for the device: called a synchronizing CUDA operation: aten::copy_" in check.detail


@pytest.mark.parametrize(
    ("stream", "failing"),
    [(BesideTheWork(), {"device clock against host clock", "hold"}), (NeverHeld(), {"hold"})],
    ids=["marks beside the work", "no hold"],
)
def test_the_proofs_of_a_device_fail_with_a_broken_stream(start: Start, stream: CudaStream, failing: set[str]) -> None:
    made = with_stream(start(), stream)
    made.cuda.cost_of = lambda name: 12_000_000
    checks = prove_device(made.device, made.cuda.now)
    assert failing <= {check.name for check in checks if not check.passed}
