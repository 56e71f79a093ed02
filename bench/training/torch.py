"""A user's own torch model: what its author gives becomes data, and a step that runs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench.model.data import Data
from bench.model.precision import Precision
from bench.model.step import FORWARD, Step
from bench.training import Adapted, Told, Training, Way
from bench.training._given import drawn, kind_of, named, wrong_elsewhere, wrong_inputs, wrong_training
from bench.training._names import beginning
from bench.training._torch_flops import count_flops
from bench.training._torch_ranks import TorchRanks
from bench.training._torch_step import TorchInference, TorchLoop, to_host

if TYPE_CHECKING:
    import numpy as np

    from bench.model.data import AnyArray, Array
    from bench.model.device import Device
    from bench.model.problem import Problem
    from bench.model.sizes import Sizes


def adapt(told: Told) -> Adapted:
    """Make a workload's program and the ways to run it: inference has no gradients that devices could add up."""
    program = TorchProgram(told)
    ways = {"eager": Way(program.eager, told.fused), "compiled": Way(program.compiled, told.fused, compiles=True)}
    if told.phases != FORWARD:
        ways["ddp"] = Way(program.ddp, told.fused, spreads="eager")
    return Adapted(program, ways, tuple(Precision))


class TorchProgram:
    """A workload that one function of its author describes."""

    framework = "torch"

    def __init__(self, told: Told) -> None:
        self.told = told
        self.phases = told.phases

    def data(self, size: Sizes, rng: np.random.Generator) -> Data:
        """Give the batch and the initial parameters that the author's function draws."""
        found = self._draw(size, rng)
        return Data(_inputs(found), _parameters(found))

    def eager(self, problem: Problem, data: Data, device: Device) -> Step:
        """Run the model as it is written."""
        return self._build(problem, data, device)

    def ddp(self, problem: Problem, data: Data, device: Device) -> Step:
        """Run the model through DistributedDataParallel, on this process's part of the batch."""
        return self._build(problem, data, device, spread=True)

    def compiled(self, problem: Problem, data: Data, device: Device) -> Step:
        """Run model and loss through torch.compile; that happens in the first step."""
        return self._build(problem, data, device, compiled=True)

    def count(self, problem: Problem, data: Data, device: Device) -> dict[str, float]:
        """Count the floating-point operations of each stage; none where they are not known."""
        step = self.eager(problem, data, device)
        if step.counts is not None:  # a line search does more in one step than in another
            return {}
        return count_flops(step)

    def _build(
        self, problem: Problem, data: Data, device: Device, *, compiled: bool = False, spread: bool = False
    ) -> Step:
        import numpy as np
        import torch

        found = self._draw(problem.sizes, np.random.default_rng(problem.seed))
        low = device.precision is Precision.BF16
        dtype = torch.bfloat16 if low else getattr(torch, problem.dtype.value)
        model = found.model.to(device.handle, dtype)
        start = beginning(self.told, found, _parameters(found), dict(model.named_buffers()), data)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(torch.tensor(start.parameters[name]))
        inputs = {name: _put(device, array, dtype) for name, array in start.inputs.items()}
        run = TorchInference if found.loss is None else TorchRanks if spread else TorchLoop
        return start.finished(run(self.told, found, inputs, device, problem.dtype, compiled).step())

    def _draw(self, size: Sizes, rng: np.random.Generator) -> Training:
        import torch

        torch.manual_seed(rng.bit_generator.seed_seq.entropy)  # type: ignore[attr-defined]  # the problem's seed
        return drawn(self.told, size, rng, self._wrong)

    def _wrong(self, found: Training) -> Iterator[str]:
        """Give what is wrong with it, each as half a sentence; later checks rely on the earlier ones."""
        import torch

        if not isinstance(found.model, torch.nn.Module):
            yield f"gives {kind_of(found.model)} as its model: give a torch.nn.Module"
        for name, value in (*found.model.named_parameters(), *found.model.named_buffers()):
            if torch.nn.parameter.is_lazy(value):
                yield f"has no values for {name} yet: run the model once on its inputs before it is returned"
            if value.device.type != "cpu":
                yield f"has its model on {value.device}: leave it on the CPU, the harness moves it"
        if not self.told.workload:
            yield from wrong_inputs(found, (torch.Tensor,), "an array or a tensor")
        yield from wrong_elsewhere(found, "torch", "state", "apply")
        yield from wrong_training(self.told, found)
        optimizer: Any = found.optimizer  # the author's file is not type-checked
        if optimizer is not None and not callable(optimizer):
            yield f"gives {kind_of(optimizer)} as its optimizer: give a function, called as optimizer(parameters)"
        yield from self._wrong_parts(found)

    def _wrong_parts(self, found: Training) -> Iterator[str]:
        parts: Any = found.micro_batches
        if isinstance(parts, bool) or not isinstance(parts, int) or parts < 1:
            yield f"has micro_batches={parts!r}: give a whole number of at least 1"
        if parts == 1:
            return
        if self.told.phases == FORWARD:
            yield "has micro-batches, whose gradients would be added up, and inference has none: leave them out"
        if not self.told.fused:
            yield "has micro-batches, which fuse forward and backward: say fused=True in @training"
        for name, array in ({} if self.told.workload else _inputs(found)).items():
            if not array.ndim or len(array) % parts:
                yield f"cannot split {name} of shape {array.shape} into {parts} equal micro-batches"


def _inputs(found: Training) -> dict[str, AnyArray]:
    import numpy as np

    inputs = named(found.inputs)
    return {name: value if isinstance(value, np.ndarray) else to_host(value) for name, value in inputs.items()}


def _parameters(found: Training) -> dict[str, Array]:
    return {name: to_host(value) for name, value in found.model.named_parameters()}


def _put(device: Device, array: AnyArray, dtype: Any) -> Any:
    """Copy an input to the device; the tensor that `device.put` gave stays the same, since later copies go there."""
    there = device.put(array)
    if there.is_floating_point():
        there.data = there.data.to(dtype)
    return there
