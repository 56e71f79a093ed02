"""A program: the proofs of `bench doctor --device` on the GPU that is not there, with each of its faults in turn.

Prints one JSON object: under `faults` of each fault which checks fail, under `reads` of each implementation how often
the host took a value from the device in three steps and in reading the state, under `memory` what is left of it, and
under `mixed` what an operation on tensors of two devices ends in.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

from bench import Device, Settings
from bench.model.backends import BACKENDS
from bench.model.discovery import discover
from bench.model.registry import Implementation
from bench.timing.passes import Rig
from bench.timing.proof import prove_device, prove_step
from bench.workloads import tutorial

FAULTS = ("", "slow-clock", "no-hold", "half-wait", "capped", "reads")


def failing(device: Device, now: Any, item: Implementation) -> list[str]:
    """The names of the checks that do not pass."""
    problem = tutorial(batch=8, d_in=20, hidden=10, d_out=4)
    step = item.build(problem, item.workload.data(problem), device)
    checks = (*prove_device(device, now), prove_step(Rig(step, now, device.synchronize, None, device.stream)))
    return [check.name for check in checks if not check.passed]


def reads(simulator: Any, device: Device, item: Implementation) -> dict[str, int]:
    """In the steps and in reading the state; and how many pieces of memory a hundred more steps leave behind."""
    problem = tutorial(batch=8, d_in=20, hidden=10, d_out=4)
    step = item.build(problem, item.workload.data(problem), device)
    before = simulator.queue.reads
    for _ in range(12):
        step()
    during = simulator.queue.reads - before
    step.state()
    after = simulator.queue.reads - before - during
    held = len(simulator.memory)
    for _ in range(20):
        step()
    return {"steps": during, "state": after, "grown": len(simulator.memory) - held}


def mixed(device: Device) -> str:
    """What a product of a tensor of the device and one of the host ends in."""
    import torch

    try:
        device.put(torch.ones(3).numpy()) * torch.ones(3)
    except RuntimeError as error:
        return str(error)
    return "nothing"


def main() -> None:
    """Run them all."""
    registry = discover([Path(sys.argv[1])])
    backend: Any = BACKENDS["torch-fakegpu"]
    device = backend.open(Settings(1))
    simulator = backend.simulator
    chosen = [
        item
        for item in registry
        if item.framework == "torch"
        and not item.compiles
        and not item.spreads
        and (not item.devices or "fakegpu" in item.devices)
    ]
    found: dict[str, Any] = {"reads": {item.name: reads(simulator, device, item) for item in chosen}}
    found["mixed"] = mixed(device)
    faults = {}
    for fault in FAULTS:
        os.environ["STEPBENCH_FAKEGPU_FAULT"] = fault
        faults[fault] = failing(device, simulator.queue.now, registry["torch_tensor"])
    gc.collect()
    sys.stdout.write(json.dumps({**found, "faults": faults, "memory": simulator.memory.bytes}))


if __name__ == "__main__":
    main()
