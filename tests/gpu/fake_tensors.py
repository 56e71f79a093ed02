"""A program: runs implementations on a device that is not the CPU and computes nothing, and says what it saw.

    python fake_tensors.py [FILE.py ...]

Every implementation of torch that is not for one kind of device alone, and those in the files, build and run a few
steps on a device of torch's third-party kind (PrivateUse1) with fake tensors: shapes, types and devices are followed,
numbers are not. Prints one JSON object: of each implementation the error that it ended in, which operations strayed
from the device, and where the tensors are that it holds. A program of its own, since a process can register such a
device only once and for good.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from bench import Device, Settings, Step
from bench.backends.torch import TorchBackend
from bench.model.discovery import discover
from bench.model.registry import Implementation
from bench.workloads import tutorial

KIND = "fakegpu"


def devices(values: Any) -> list[tuple[str, int]]:
    """Kind of device and number of dimensions of every tensor in any structure."""
    return [(leaf.device.type, leaf.dim()) for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]


class Watch(TorchDispatchMode):
    """Notes operations that bring values of the device to the host, or that compute on the host.

    A single number may stay on the host as long as nothing of the device goes into it: optimisers count steps so.
    """

    def __init__(self) -> None:
        super().__init__()
        self.strays: list[str] = []

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = op(*args, **(kwargs or {}))
        taken, given = devices((args, kwargs)), devices(result)
        if any(kind == KIND for kind, _ in taken) and any(kind != KIND for kind, _ in given):
            self.strays.append(f"{op._schema.name} leaves the device")
        elif any(kind != KIND and dimensions for kind, dimensions in taken + given):
            self.strays.append(f"{op._schema.name} works on the host")
        return result


def tensors_of(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in a value, with their gradients; not the single numbers of an optimiser."""
    if isinstance(value, torch.Tensor):
        yield name, value
        if value.is_leaf and value.grad is not None:
            yield f"{name}.grad", value.grad
    elif isinstance(value, torch.nn.Module):
        for key, parameter in value.named_parameters():
            yield from tensors_of(f"{name}.{key}", parameter)
    elif isinstance(value, torch.optim.Optimizer):
        for index, state in enumerate(value.state.values()):
            for key, item in state.items():
                if isinstance(item, torch.Tensor) and item.dim():
                    yield f"{name}.{index}.{key}", item
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from tensors_of(f"{name}.{key}", item)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from tensors_of(f"{name}.{index}", item)


def held(step: Step) -> dict[str, str]:
    """Where the tensors are that the functions of a step hold, by the names that they have there."""
    functions = [*(stage.run for stage in step.stages), step.state, step.reset]
    variables = [inspect.getclosurevars(function).nonlocals for function in functions if inspect.isfunction(function)]
    return {
        found: tensor.device.type
        for nonlocals in variables
        for name, value in nonlocals.items()
        for found, tensor in tensors_of(name, value)
    }


def run(item: Implementation, device: Device) -> dict[str, Any]:
    """Two steps, and one more after a reset."""
    problem = tutorial(batch=4, d_in=6, hidden=5, d_out=3)
    watch = Watch()
    where: dict[str, str] = {}
    error = ""
    stages = 0
    with FakeTensorMode():
        try:
            step = item.build(problem, item.workload.data(problem), device)
            with watch:
                for number in range(3):
                    if number == 2:
                        step.reset()
                    for stage in step.stages:
                        stage.run()
                        stages += 1
            where = held(step)
        except Exception as caught:  # noqa: BLE001 - whatever it is, it is what the report is for
            error = f"{type(caught).__name__}: {caught}"
    return {"error": error, "strays": sorted(set(watch.strays)), "stages": stages, "where": where}


def main() -> None:
    """Run them all."""
    _setup_privateuseone_for_python_backend(KIND)
    device = TorchBackend(KIND).open(Settings(1))
    registry = discover([Path(argument) for argument in sys.argv[1:]])
    chosen = [item for item in registry if item.framework == "torch" and not item.devices and not item.spreads]
    sys.stdout.write(json.dumps({item.name: run(item, device) for item in chosen}))


if __name__ == "__main__":
    main()
