"""A user's own Keras model: what its author gives becomes data, and a step that runs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench.model.data import Data
from bench.model.precision import Precision
from bench.model.problem import Dtype
from bench.model.step import FORWARD, Step
from bench.training import Adapted, Told, Training, Way
from bench.training._given import drawn, kind_of, named, wrong_elsewhere, wrong_inputs, wrong_training
from bench.training._keras_step import ON, paths, to_host
from bench.training._names import beginning

if TYPE_CHECKING:
    from numpy.random import Generator

    from bench.model.device import Device
    from bench.model.problem import Problem
    from bench.model.sizes import Sizes


def adapt(told: Told) -> Adapted:
    """Make a workload's program and the one way to run it, on whichever library Keras computes with."""
    program = KerasProgram(told)
    return Adapted(program, {"fused": Way(program.fused, told.phases != FORWARD, compiles=True)}, (Precision.FULL,))


class KerasProgram:
    """A workload that one function of its author describes."""

    framework = "keras"
    draws_alike = False
    """Initial values come from the random numbers of the library that Keras runs on."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.phases = told.phases

    def data(self, size: Sizes, rng: Generator) -> Data:
        """Give the batch and the initial parameters that the author's function draws."""
        found = self._draw(size, rng, Dtype.FLOAT32)
        inputs = {name: to_host(value) for name, value in named(found.inputs).items()}
        return Data(inputs, _parameters(found))

    def fused(self, problem: Problem, data: Data, device: Device) -> Step:
        """Run the whole step as Keras does with its library: compiled by JAX and TensorFlow, as it is by torch."""
        import keras
        import numpy as np

        found = self._draw(problem.sizes, np.random.default_rng(problem.seed), problem.dtype)
        others = paths(found.model, found.model.non_trainable_variables)
        start = beginning(self.told, found, _parameters(found), others, data)
        run = ON[keras.config.backend()]
        return start.finished(run(self.told, found, start.parameters, start.inputs, problem.dtype).step())

    def _draw(self, size: Sizes, rng: Generator, dtype: Dtype) -> Training:
        """Call the author's function, with Keras as it is at the start of a process."""
        import keras

        _widen(dtype)
        keras.utils.clear_session(free_memory=False)  # names count up from model to model
        keras.utils.set_random_seed(rng.bit_generator.seed_seq.entropy % 2**32)  # type: ignore[attr-defined]
        keras.config.set_floatx(dtype.value)
        keras.config.set_dtype_policy(dtype.value)
        return drawn(self.told, size, rng, self._wrong)

    def _wrong(self, found: Training) -> Iterator[str]:
        """Give what is wrong with it, each as half a sentence; later checks rely on the earlier ones."""
        import keras

        if not isinstance(found.model, keras.Model):
            yield f"gives {kind_of(found.model)} as its model: give a keras.Model"
        if not found.model.built or not found.model.variables:
            yield "has a model without variables yet: begin it with keras.Input(shape), or call it once on its inputs"
        if not self.told.workload:
            yield from wrong_inputs(found, (), "a NumPy array")
        yield from wrong_elsewhere(found, "Keras", "micro_batches", "state", "apply")
        yield from wrong_training(self.told, found)
        optimizer: Any = found.optimizer  # the author's file is not type-checked
        if optimizer is not None and not isinstance(optimizer, keras.optimizers.Optimizer):
            yield f"gives {kind_of(optimizer)} as its optimizer: give one of keras.optimizers, such as Adam(1e-3)"


def _parameters(found: Training) -> dict[str, Any]:
    variables = paths(found.model, found.model.trainable_variables)
    return {name: to_host(variable.value) for name, variable in variables.items()}


def _widen(dtype: Dtype) -> None:
    """Let the library compute in float64 where that is asked for, which JAX does not do by itself."""
    import keras

    if keras.config.backend() == "jax":
        import jax

        jax.config.update("jax_enable_x64", dtype is Dtype.FLOAT64)
