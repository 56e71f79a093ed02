"""The step of a user's own torch model: what its stages run on, and how it is put back."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.errors import StepError
from bench.model.precision import Precision
from bench.model.problem import Dtype
from bench.model.step import BACKWARD, FORWARD, UPDATE, Stage, State, Step
from bench.training import Told, Training
from bench.training._given import kind_of

if TYPE_CHECKING:
    from bench.model.data import AnyArray, Array
    from bench.model.device import Device

Arguments = tuple[Sequence[Any], Mapping[str, Any]]
"""What the loss, or for inference the model, is called with."""


def to_host(tensor: Any) -> Any:
    """Copy a tensor into a NumPy array of its own type; NumPy has none of 16 bits that suits, so that is widened."""
    import torch

    found = tensor.detach()
    if found.layout is not torch.strided:  # sparse gradients
        found = found.to_dense()
    narrow = found.is_floating_point() and found.dtype != torch.float64
    return found.to("cpu", torch.float32 if narrow else found.dtype, copy=True).numpy()


class TorchRun(ABC):
    """A model on a device with its batch: what the stages of both kinds of step have in common."""

    def __init__(
        self,
        told: Told,
        drawn: Training,
        inputs: Mapping[str, Any],
        device: Device,
        dtype: Dtype,
        compiled: bool,
    ) -> None:
        import torch

        self.told, self.drawn, self.model, self.inputs, self.dtype = told, drawn, drawn.model, inputs, dtype
        self.called = self.wrapped(drawn.model)
        """The model as the loss is given it."""
        self.watched = not told.unverified and not compiled
        self.parts = _parts(inputs, isinstance(drawn.inputs, Mapping), drawn.micro_batches)
        low = {Precision.AMP_BF16: torch.bfloat16, Precision.AMP_FP16: torch.float16}.get(device.precision)
        objective = torch.compile(self.objective) if compiled else self.objective
        self.plain = objective if low is None else torch.autocast(device.handle.type, dtype=low)(objective)
        self.compute: Callable[..., Any] = self._first
        self.parameters = dict(self.model.named_parameters())
        self.start = {name: value.detach().clone() for name, value in self._values()}
        self.shown = [name for name, value in self.model.named_buffers() if _is_result(name, value)]

    def wrapped(self, model: Any) -> Any:
        """Return what stands for the model in its loss."""
        return model

    @abstractmethod
    def objective(self, *args: Any, **named: Any) -> Any:
        """Compute what the inputs are for."""

    @abstractmethod
    def check(self, found: Any) -> None:
        """Refuse what the objective gave when it was first called if it cannot be."""

    def _values(self) -> Iterator[tuple[str, Any]]:
        yield from self.parameters.items()
        yield from self.model.named_buffers()

    def _first(self, *args: Any, **named: Any) -> Any:
        """Compute and look at what comes out; from then on nothing is looked at."""
        import torch

        before = torch.get_rng_state()
        try:
            found = self.plain(*args, **named)
        except (RuntimeError, TypeError) as error:
            if self.dtype is not Dtype.FLOAT64:
                raise
            detail = " ".join(str(error).split()).rstrip(".")
            cure = "let it make its tensors in the dtype of its inputs"
            raise StepError(f"{self.told.name} cannot run in float64 ({detail}): {cure}.") from error
        self.check(found)
        if self.watched and not torch.equal(before, torch.get_rng_state()):
            cure = "say unverified='dropout' in @training, or give model.eval()"
            raise StepError(f"{self.told.name} draws random numbers while it runs, so no two runs agree: {cure}.")
        self.compute = self.plain
        return found

    def feed(self, arrays: Mapping[str, AnyArray]) -> None:
        """Copy other inputs into the place of those that it has."""
        import torch

        for name, array in arrays.items():
            self.inputs[name].copy_(torch.tensor(array))

    def reset(self) -> None:
        """Put parameters and buffers back, in place: what was compiled holds their addresses."""
        import torch

        with torch.no_grad():
            for name, value in self._values():
                value.copy_(self.start[name])

    def buffers(self) -> dict[str, Array]:
        """Read the buffers back."""
        found = dict(self.model.named_buffers())
        return {name: to_host(found[name]) for name in self.shown}


def _is_result(name: str, buffer: Any) -> bool:
    """Tell whether a buffer can be compared: masks are often infinite, tables of angles often complex.

    What hangs on the count of batches stands in running statistics, and other frameworks do not count them.
    """
    counts = name.endswith("num_batches_tracked")
    return not counts and not buffer.is_complex() and bool(buffer.isfinite().all())


def _parts(inputs: Mapping[str, Any], by_name: bool, count: int) -> list[Arguments]:
    """Split the inputs into parts, which are views: what is fed into the whole is in the parts."""
    split = {name: value.chunk(count) if count > 1 else (value,) for name, value in inputs.items()}
    parts = [{name: values[number] for name, values in split.items()} for number in range(count)]
    return [((), part) if by_name else (tuple(part.values()), {}) for part in parts]


class TorchLoop(TorchRun):
    """Training: a loss, its gradients, and an optimiser's update."""

    loss: Any = None
    optimizer: Any = None
    scaler: Any = None
    evaluations = 0
    """Evaluations of the loss in the last step, where the optimiser asks for them."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        device: Device = given[3]
        self.scaled = device.kind if device.precision is Precision.AMP_FP16 else ""
        self.leaves = [value for value in self.parameters.values() if value.requires_grad]
        self.renew()
        self._check_optimizer()
        self.searches = _needs_closure(self.optimizer) or (self.told.fused and len(self.parts) == 1)
        if self.searches and not self.told.fused:
            raise self.error("has an optimizer that evaluates the loss itself: say fused=True in @training")
        if self.searches and self.scaled:
            raise self.error(
                "has an optimizer that evaluates the loss itself, so its loss cannot be scaled: leave out amp-fp16"
            )

    def error(self, reason: str) -> StepError:
        """Make an error that names the workload."""
        return StepError(f"{self.told.name} {reason}.")

    def renew(self) -> None:
        """Make a new optimiser: some have a state from the start, which only they can make."""
        import torch

        make: Callable[[Any], Any] = self.drawn.optimizer
        self.optimizer = make(list(self.parameters.values()))
        if self.scaled:
            self.scaler = torch.amp.GradScaler(self.scaled)

    def _check_optimizer(self) -> None:
        import torch

        if not isinstance(self.optimizer, torch.optim.Optimizer):
            raise self.error(f"gives {kind_of(self.optimizer)} as its optimizer: give one of torch.optim's kind")
        held = {id(value) for group in self.optimizer.param_groups for value in group["params"]}
        own = {id(value) for value in self.parameters.values()}
        if not held & own:
            raise self.error("has an optimizer of none of the model's parameters: make it of those that it is given")
        if held - own:
            raise self.error(
                "has an optimizer of parameters that are not the model's: make it of those that it is given"
            )

    def objective(self, *args: Any, **named: Any) -> Any:
        """Compute the loss."""
        return self.drawn.loss(self.called, *args, **named)  # type: ignore[misc]  # it is there

    def check(self, found: Any) -> None:
        """Refuse a loss that is no scalar, or of which there is no gradient."""
        import torch

        if not isinstance(found, torch.Tensor):
            raise self.error(f"has {kind_of(found)} as its loss: give the tensor itself")
        if found.numel() != 1:
            raise self.error(f"has a loss of shape {tuple(found.shape)}: give a scalar, such as its mean()")
        if not found.requires_grad:
            raise self.error("has a loss that needs no gradient: compute it from parameters that do, without no_grad")

    def forward(self) -> None:
        """Compute the loss of the whole batch."""
        self.loss = None  # lets go of the last graph first
        ((args, named),) = self.parts
        self.loss = self.compute(*args, **named)

    def backward(self) -> None:
        """Compute the gradients anew."""
        self.clear()
        self.differentiate(self.loss)

    def clear(self) -> None:
        """Let go of all gradients, those of parameters that the optimiser does not hold included."""
        for value in self.leaves:
            value.grad = None

    def differentiate(self, loss: Any) -> None:
        """Add the gradients of a loss."""
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    def passes(self) -> None:
        """Compute loss and gradients, micro-batch by micro-batch."""
        self.clear()
        self.loss = None
        for args, named in self.parts:
            part = self.compute(*args, **named)
            if len(self.parts) > 1:
                part = part / len(self.parts)
            self.differentiate(part)
            self.loss = part.detach() if self.loss is None else self.loss + part.detach()

    def update(self) -> None:
        """Let the optimiser take its step."""
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()

    def search(self) -> None:
        """Let the optimiser take its step and evaluate loss and gradients as often as it likes."""
        losses = []

        def closure() -> Any:
            self.passes()
            losses.append(self.loss)
            return self.loss

        self.optimizer.step(closure)
        if not losses:
            raise self.error("has an optimizer that evaluates no loss: leave fused=True out of @training")
        self.loss, self.evaluations = losses[0], len(losses)

    def counts(self) -> dict[str, int]:
        """Count what the last step did."""
        if self.searches:
            return {"evaluations": self.evaluations}
        return {"skipped_updates": int(not all(bool(value.isfinite().all()) for value in self.gradients().values()))}

    def gradients(self) -> dict[str, Any]:
        """Find the gradients that there are."""
        return {name: value.grad for name, value in self.parameters.items() if value.grad is not None}

    def state(self) -> State:
        """Read loss, parameters, gradients and buffers back."""
        # An optimiser that divides by the scale itself leaves no gradients that could be read.
        hidden = self.scaler is not None and getattr(self.optimizer, "_step_supports_amp_scaling", False)
        gradients = {} if hidden else {name: to_host(value) for name, value in self.gradients().items()}
        parameters = {name: to_host(value) for name, value in self.parameters.items()}
        return State(self.whole_loss(), parameters, gradients, self.buffers())

    def whole_loss(self) -> float:
        """Read the loss of the whole batch back."""
        return float(self.loss.item())

    def reset(self) -> None:
        """Put everything back."""
        super().reset()
        self.clear()
        self.loss = None
        self.renew()

    def step(self) -> Step:
        """Give the step, divided as far as its optimiser and its micro-batches let it."""
        if self.searches:
            stages = [Stage(FORWARD + BACKWARD + UPDATE, self.search)]
        elif len(self.parts) > 1:
            stages = [Stage(FORWARD + BACKWARD, self.passes), Stage(UPDATE, self.update)]
        else:
            stages = [Stage(FORWARD, self.forward), Stage(BACKWARD, self.backward), Stage(UPDATE, self.update)]
        counts = self.counts if self.searches or self.scaled else None
        return Step(tuple(stages), self.state, self.reset, feed=self.feed, counts=counts)


def _needs_closure(optimizer: Any) -> bool:
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty


class TorchInference(TorchRun):
    """Outputs of a model, without gradients."""

    outputs: Any = None

    def objective(self, *args: Any, **named: Any) -> Any:
        """Compute the outputs."""
        return self.model(*args, **named)

    def check(self, found: Any) -> None:
        """Refuse outputs that hold no tensor."""
        if not dict(_leaves("output", found)):
            raise StepError(f"the model of {self.told.name} gives {kind_of(found)}: it must give tensors.")

    def forward(self) -> None:
        """Run the model."""
        import torch

        ((args, named),) = self.parts
        with torch.no_grad():
            self.outputs = self.compute(*args, **named)

    def state(self) -> State:
        """Read outputs and buffers back."""
        outputs = {name: to_host(value) for name, value in _leaves("output", self.outputs)}
        return State(None, results=outputs | self.buffers())

    def step(self) -> Step:
        """Give the step."""
        return Step((Stage(FORWARD, self.forward),), self.state, self.reset, feed=self.feed)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Go through the tensors in outputs, which may be nested."""
    import torch

    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, (Mapping, tuple, list)):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, inner in pairs:
            yield from _leaves(f"{name}.{key}", inner)
