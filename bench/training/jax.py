"""A user's own JAX program: what its author gives becomes data, and a step that runs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench.model.data import Data
from bench.model.precision import USUAL
from bench.model.problem import Dtype
from bench.model.step import FORWARD, Step
from bench.training import Adapted, Told, Training, Way
from bench.training._given import drawn, kind_of, named, wrong_elsewhere, wrong_inputs, wrong_training
from bench.training._jax_step import JaxFused, JaxInference, JaxRun, JaxStaged, by_path
from bench.training._names import Beginning, beginning

if TYPE_CHECKING:
    from numpy.random import Generator

    from bench.model.device import Device
    from bench.model.problem import Problem
    from bench.model.sizes import Sizes


def adapt(told: Told) -> Adapted:
    """Make a workload's program and the ways to run it: phase by phase, and as one function."""
    program = JaxProgram(told)
    fused = {"fused": Way(program.fused, fused=True, compiles=True)}
    ways = {"staged": Way(program.staged, compiles=True)}
    if told.phases != FORWARD:
        ways = fused if told.fused else ways | fused
    return Adapted(program, ways, USUAL)


class JaxProgram:
    """A workload that one function of its author describes."""

    framework = "jax"

    def __init__(self, told: Told) -> None:
        self.told = told
        self.phases = told.phases

    def data(self, size: Sizes, rng: Generator) -> Data:
        """Give the batch and the initial parameters that the author's function draws."""
        import numpy as np

        found = self._draw(size, rng)
        inputs = {name: np.array(value) for name, value in named(found.inputs).items()}
        return Data(inputs, {name: np.array(leaf) for name, leaf in by_path(found.model).items()})

    def staged(self, problem: Problem, data: Data, device: Device) -> Step:
        """Run loss, gradients and update as a jitted function each."""
        return self._build(JaxStaged, problem, data, device)

    def fused(self, problem: Problem, data: Data, device: Device) -> Step:
        """Run the whole step as one jitted function."""
        return self._build(JaxFused, problem, data, device)

    def count(self, problem: Problem, data: Data, device: Device) -> dict[str, float]:
        """Count the floating-point operations of each phase; none where they are not known."""
        return self._made(JaxStaged, problem, data, device)[0].count()

    def _build(self, kind: type[JaxRun], problem: Problem, data: Data, device: Device) -> Step:
        run, start = self._made(kind, problem, data, device)
        return start.finished(run.step())

    def _made(self, kind: type[JaxRun], problem: Problem, data: Data, device: Device) -> tuple[JaxRun, Beginning]:
        import jax
        import numpy as np

        found = self._draw(problem.sizes, np.random.default_rng(problem.seed))
        # One process computes a truth in both formats. In float32 nothing that the author makes may become float64.
        jax.config.update("jax_enable_x64", problem.dtype is Dtype.FLOAT64)
        start = beginning(self.told, found, by_path(found.model), by_path(found.state), data)
        chosen = JaxInference if found.loss is None else kind
        return chosen(self.told, found, start.parameters, start.inputs, device.put, problem.dtype), start

    def _draw(self, size: Sizes, rng: Generator) -> Training:
        import jax

        # What jax.random draws differs with the format: this one gives the same in every process.
        with jax.enable_x64(False):
            return drawn(self.told, size, rng, self._wrong)

    def _wrong(self, found: Training) -> Iterator[str]:
        """Give what is wrong with it, each as half a sentence; later checks rely on the earlier ones."""
        import jax
        import jax.numpy as jnp
        import numpy as np
        import optax

        parameters = by_path(found.model)
        if not parameters:
            yield "gives no parameters as its model: give a tree of arrays, such as a dictionary by name"
        for what, tree in (("model", parameters), ("state", by_path(found.state))):
            for name, leaf in tree.items():
                if not isinstance(leaf, (np.ndarray, jax.Array)):
                    place = f" at {name}" if name else ""
                    yield f"gives {kind_of(leaf)}{place} in its {what}: give a tree of arrays"
        for name, leaf in parameters.items():
            if not jnp.issubdtype(leaf.dtype, jnp.floating):
                yield f"has the parameter {name} of {leaf.dtype}: what has no gradient belongs in state="
        if not self.told.workload:
            yield from wrong_inputs(found, (jax.Array,), "an array")
        yield from wrong_elsewhere(found, "JAX", "micro_batches")
        yield from wrong_training(self.told, found)
        optimizer: Any = found.optimizer  # the author's file is not type-checked
        if optimizer is not None and not isinstance(optimizer, optax.GradientTransformation):
            yield f"gives {kind_of(optimizer)} as its optimizer: give one of optax, such as optax.adam(1e-3)"
        if found.loss is None and not callable(found.apply):
            yield f"gives {kind_of(found.apply)} as apply: give a function, called as apply(parameters, *inputs)"
        if found.loss is not None and found.apply is not None:
            yield "gives both loss and apply, which is for inference: leave one of them out"
