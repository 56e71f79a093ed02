"""A user's own torch model: what its author gives becomes data, and a step that runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bench.errors import StepError
from bench.model.data import Data
from bench.model.precision import Precision
from bench.model.step import FORWARD, Step
from bench.training import Adapted, Told, Training
from bench.training._torch_flops import count_flops
from bench.training._torch_step import TorchInference, TorchLoop, kind_of, to_host

if TYPE_CHECKING:
    import numpy as np

    from bench.model.data import AnyArray, Array
    from bench.model.device import Device
    from bench.model.problem import Problem
    from bench.model.sizes import Sizes


def adapt(told: Told) -> Adapted:
    """Make a workload's program and the two ways to run it."""
    program = TorchProgram(told)
    return Adapted(program, program.eager, program.compiled, tuple(Precision))


class TorchProgram:
    """A workload that one function of its author describes."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.phases = told.phases

    def data(self, size: Sizes, rng: np.random.Generator) -> Data:
        """Give the batch and the initial parameters that the author's function draws."""
        drawn = self._draw(size, rng)
        return Data(_inputs(drawn), _parameters(drawn))

    def eager(self, problem: Problem, data: Data, device: Device) -> Step:
        """Run the model as it is written."""
        return self._build(problem, data, device, compiled=False)

    def compiled(self, problem: Problem, data: Data, device: Device) -> Step:
        """Run model and loss through torch.compile; that happens in the first step."""
        import torch._inductor.compile_fx  # the first step would import it, for seconds  # noqa: F401

        return self._build(problem, data, device, compiled=True)

    def count(self, problem: Problem, data: Data, device: Device) -> dict[str, float]:
        """Count the floating-point operations of each stage; none where they are not known."""
        step = self.eager(problem, data, device)
        return (
            {} if step.counts is not None else count_flops(step)
        )  # a line search does more in one step than in another

    def _build(self, problem: Problem, data: Data, device: Device, *, compiled: bool) -> Step:
        import numpy as np
        import torch

        drawn = self._draw(problem.sizes, np.random.default_rng(problem.seed))
        low = device.precision is Precision.BF16
        dtype = torch.bfloat16 if low else getattr(torch, problem.dtype.value)
        model = drawn.model.to(device.handle, dtype)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(torch.tensor(data.parameters[name]))
        inputs = {name: _put(device, array, dtype) for name, array in data.inputs.items()}
        run = TorchInference if drawn.loss is None else TorchLoop
        return run(self.told, drawn, inputs, device, problem.dtype, compiled).step()

    def _draw(self, size: Sizes, rng: np.random.Generator) -> Training:
        """Call the author's function and check what it gives.

        Raises:
            StepError: something of it cannot be.
        """
        import torch

        torch.manual_seed(rng.bit_generator.seed_seq.entropy)  # type: ignore[attr-defined]  # the problem's seed
        found = self.told.function(size, rng)
        if not isinstance(found, Training):
            raise self._error(f"gives {kind_of(found)}: return bench.Training(model=..., inputs=...)")
        for reason in self._wrong(found):
            raise self._error(reason)
        return found

    def _error(self, reason: str) -> StepError:
        return StepError(f"{self.told.name} {reason}.")

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
        yield from _wrong_inputs(found)
        yield from self._wrong_training(found)

    def _wrong_training(self, found: Training) -> Iterator[str]:
        wanted = self.told.phases != FORWARD
        if (found.loss is None) != (found.optimizer is None):
            yield "gives only one of loss and optimizer: training has both, inference has neither"
        if wanted and found.loss is None:
            yield "gives no loss and no optimizer: say phases=FORWARD in @training if it is inference"
        if not wanted and found.loss is not None:
            yield "gives a loss, and @training says phases=FORWARD: leave one of them out"
        loss: Any = found.loss  # the author's file is not type-checked
        optimizer: Any = found.optimizer
        if loss is not None and not callable(loss):
            yield f"gives {kind_of(loss)} as its loss: give a function, called as loss(model, *inputs)"
        if optimizer is not None and not callable(optimizer):
            yield f"gives {kind_of(optimizer)} as its optimizer: give a function, called as optimizer(parameters)"
        parts: Any = found.micro_batches
        if isinstance(parts, bool) or not isinstance(parts, int) or parts < 1:
            yield f"has micro_batches={parts!r}: give a whole number of at least 1"
        if parts == 1:
            return
        if not wanted:
            yield "has micro-batches, whose gradients would be added up, and inference has none: leave them out"
        if not self.told.fused:
            yield "has micro-batches, which fuse forward and backward: say fused=True in @training"
        for name, array in _inputs(found).items():
            if not array.ndim or len(array) % parts:
                yield f"cannot split {name} of the shape {array.shape} into {parts} equal micro-batches"


def _wrong_inputs(found: Training) -> Iterator[str]:
    import numpy as np
    import torch

    if not isinstance(found.inputs, (tuple, list, Mapping)):
        yield f"gives {kind_of(found.inputs)} as inputs: give a tuple, as in inputs=(x, y), or a mapping by name"
    if not found.inputs:
        yield "gives no inputs: give at least one array"
    for name, value in _named(found.inputs).items():
        if not isinstance(value, (np.ndarray, torch.Tensor)):
            yield f"gives {kind_of(value)} as {name}: give an array or a tensor"
        if isinstance(value, np.ndarray) and value.dtype.kind not in "biuf":
            yield f"gives an array of {value.dtype} as {name}: give numbers"
        if 0 in value.shape:
            yield f"gives an empty array as {name}, of the shape {tuple(value.shape)}"


def _named(inputs: Any) -> dict[str, Any]:
    if isinstance(inputs, Mapping):
        return {str(name): value for name, value in inputs.items()}
    return {f"input{number}": value for number, value in enumerate(inputs)}


def _inputs(drawn: Training) -> dict[str, AnyArray]:
    import numpy as np

    named = _named(drawn.inputs)
    return {name: value if isinstance(value, np.ndarray) else to_host(value) for name, value in named.items()}


def _parameters(drawn: Training) -> dict[str, Array]:
    return {name: to_host(value) for name, value in drawn.model.named_parameters()}


def _put(device: Device, array: AnyArray, dtype: Any) -> Any:
    """Copy an input to the device; the tensor that `device.put` gave stays the same, since later copies go there."""
    there = device.put(array)
    if there.is_floating_point():
        there.data = there.data.to(dtype)
    return there
