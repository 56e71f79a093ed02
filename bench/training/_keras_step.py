"""The step of a user's own Keras model, by the means of the library that Keras computes with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.errors import StepError
from bench.model.problem import Dtype
from bench.model.step import FORWARD, TRAINING, Stage, State, Step
from bench.training import Told, Training
from bench.training._given import kind_of

if TYPE_CHECKING:
    from bench.model.data import AnyArray, Array


def paths(model: Any, variables: Sequence[Any]) -> dict[str, Any]:
    """List variables by their paths, without the name of the model, which counts up from model to model."""
    return {variable.path.removeprefix(f"{model.name}/"): variable for variable in variables}


def to_host(value: Any) -> Array:
    """Copy a tensor into a NumPy array."""
    import keras
    import numpy as np

    return np.array(keras.ops.convert_to_numpy(value))


class KerasRun(ABC):
    """A model with its batch: what is the same for all libraries."""

    def __init__(
        self,
        told: Told,
        drawn: Training,
        parameters: Mapping[str, AnyArray],
        inputs: Mapping[str, AnyArray],
        dtype: Dtype,
    ) -> None:
        import keras
        import numpy as np

        self.told, self.drawn, self.dtype = told, drawn, dtype
        self.model, self.optimizer = drawn.model, drawn.optimizer
        self.trained = list(self.model.trainable_variables)
        self.rest = list(self.model.non_trainable_variables)
        self.memory = [] if self.optimizer is None else self._built()
        known = paths(self.model, self.trained)
        for name, variable in known.items():
            variable.assign(parameters[name])
        self.start = [to_host(variable) for variable in self.all]
        self.shown = {
            name: variable
            for name, variable in paths(self.model, self.rest).items()
            if np.dtype(keras.backend.standardize_dtype(variable.dtype)).kind == "f"
        }
        self.by_name = not told.workload and isinstance(drawn.inputs, Mapping)
        self.inputs = {name: self.put(array) for name, array in inputs.items()}
        self.loss: Any = None
        self.found: Any = None
        self.gradients: Sequence[Any] = ()
        self.prepare()

    def _built(self) -> list[Any]:
        self.optimizer.build(self.trained)
        return list(self.optimizer.variables)

    @property
    def all(self) -> list[Any]:
        """Every variable, in the order of parameters, other variables of the model, the optimiser's."""
        return [*self.trained, *self.rest, *self.memory]

    @staticmethod
    def put(array: AnyArray) -> Any:
        """Copy an input to where it is computed with."""
        import keras

        return keras.ops.convert_to_tensor(array.copy())

    def compute(self, *batch: Any) -> Any:
        """Compute the loss, or for inference the outputs."""
        named = dict(zip(self.inputs, batch, strict=True)) if self.by_name else {}
        args = () if self.by_name else batch
        if self.drawn.loss is None:
            return self.model(*args, **named, training=False)
        return self.drawn.loss(self.model, *args, **named)

    def checked(self, *batch: Any) -> Any:
        """Compute the same and check what comes out.

        Raises:
            StepError: it is no loss.
        """
        import keras

        loss = self.compute(*batch)
        if self.drawn.loss is None:
            return loss
        if not keras.ops.is_tensor(loss):
            raise self.error(f"has {kind_of(loss)} as its loss: give the tensor itself")
        if tuple(loss.shape) != ():
            raise self.error(f"has a loss of shape {tuple(loss.shape)}: give a scalar, such as its mean")
        dtype = keras.backend.standardize_dtype(loss.dtype)
        if dtype != self.dtype.value:
            cure = "let it make its tensors in the dtype of its inputs"
            raise self.error(f"has a loss of {dtype} where {self.dtype} is asked for: {cure}")
        return loss

    def error(self, reason: str) -> StepError:
        """Make an error that names the workload."""
        return StepError(f"{self.told.name} {reason}.")

    def feed(self, arrays: Mapping[str, AnyArray]) -> None:
        """Take other inputs in the place of those that it has."""
        self.inputs = {name: self.put(arrays[name]) for name in self.inputs}

    def reset(self) -> None:
        """Put all variables back."""
        for variable, value in zip(self.all, self.start, strict=True):
            variable.assign(value)

    @abstractmethod
    def prepare(self) -> None:
        """Make the functions that the stage runs."""

    @abstractmethod
    def train(self) -> object:
        """Run the whole step."""

    @abstractmethod
    def infer(self) -> object:
        """Compute the outputs."""

    def state(self) -> State:
        """Read loss or outputs, variables and gradients back."""
        import keras

        results = {name: to_host(variable.value) for name, variable in self.shown.items()}
        if self.drawn.loss is None:
            leaves = keras.tree.flatten_with_path(self.found)
            outputs = {".".join(["output", *map(str, path)]): to_host(leaf) for path, leaf in leaves}
            return State(None, results=outputs | results)
        known = paths(self.model, self.trained)
        shown = zip(known, self.gradients, strict=False)  # a library may show none
        gradients = {name: to_host(value) for name, value in shown if value is not None}
        return State(
            float(to_host(self.loss)), {name: to_host(known[name].value) for name in known}, gradients, results
        )

    def step(self) -> Step:
        """Give the step, of one stage."""
        stage = Stage(FORWARD, self.infer) if self.drawn.loss is None else Stage(TRAINING, self.train)
        return Step((stage,), self.state, self.reset, feed=self.feed)


class KerasOnTorch(KerasRun):
    """Torch, operation by operation, as Keras trains with it."""

    objective: Callable[..., Any]

    def prepare(self) -> None:
        """Have the first loss checked; there is nothing to compile."""

        def first(*batch: Any) -> Any:
            found = self.checked(*batch)
            self.objective = self.compute
            return found

        self.objective = first

    def train(self) -> object:
        """Run the whole step."""
        import torch

        for variable in self.trained:
            variable.value.grad = None
        loss = self.objective(*self.inputs.values())
        loss.backward()
        self.gradients = [variable.value.grad for variable in self.trained]
        with torch.no_grad():
            self.optimizer.apply(self.gradients, self.trained)
        self.loss = loss.detach()
        return self.loss

    def infer(self) -> object:
        """Compute the outputs."""
        import torch

        with torch.no_grad():
            self.found = self.objective(*self.inputs.values())
        return self.found


class KerasOnTensorflow(KerasRun):
    """TensorFlow, as one graph."""

    run: Callable[..., Any]

    def prepare(self) -> None:
        """Make the graph's function; it is traced when it is first called."""
        import tensorflow as tf

        def train(*batch: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = self.checked(*batch)
            gradients = tape.gradient(loss, [variable.value for variable in self.trained])
            self.optimizer.apply(gradients, self.trained)
            return loss, gradients

        self.run = tf.function(self.compute if self.drawn.loss is None else train, autograph=False)

    def train(self) -> object:
        """Run the whole step."""
        self.loss, self.gradients = self.run(*self.inputs.values())
        return self.loss

    def infer(self) -> object:
        """Compute the outputs."""
        self.found = self.run(*self.inputs.values())
        return self.found


class KerasOnJax(KerasRun):
    """JAX, as one jitted function of all variables' values; gradients never leave it."""

    run: Callable[..., Any]
    values: Any

    def prepare(self) -> None:
        """Make the jitted function; it is traced when it is first called."""
        import jax
        import keras

        def compute(trained: Any, rest: Any, batch: Any) -> Any:
            pairs = [*zip(self.trained, trained, strict=True), *zip(self.rest, rest, strict=True)]
            with keras.StatelessScope(state_mapping=pairs) as scope:
                found = self.checked(*batch)
            held = [scope.get_current_value(variable) for variable in self.rest]
            return found, [old if new is None else new for old, new in zip(rest, held, strict=True)]

        def train(values: Any, batch: Any) -> Any:
            trained, rest, memory = values
            (loss, rest), gradients = jax.value_and_grad(compute, has_aux=True)(trained, rest, batch)
            trained, memory = self.optimizer.stateless_apply(memory, gradients, trained)
            return loss, (trained, rest, memory)

        def infer(values: Any, batch: Any) -> Any:
            trained, rest, memory = values
            found, rest = compute(trained, rest, batch)
            return found, (trained, rest, memory)

        if self.drawn.loss is None:
            self.run = jax.jit(infer)
        else:
            self.run = jax.jit(train, donate_argnums=0)
        self.take()

    def take(self) -> None:
        """Take the variables' values as they are."""
        kinds = (self.trained, self.rest, self.memory)
        self.values = tuple([self.put(to_host(variable.value)) for variable in variables] for variables in kinds)

    def reset(self) -> None:
        """Put all values back."""
        super().reset()
        self.take()

    def train(self) -> object:
        """Run the whole step."""
        self.loss, self.values = self.run(self.values, tuple(self.inputs.values()))
        return self.loss, self.values

    def infer(self) -> object:
        """Compute the outputs."""
        self.found, self.values = self.run(self.values, tuple(self.inputs.values()))
        return self.found, self.values

    def state(self) -> State:
        """Give the values to the variables and read them back from there."""
        for variables, values in zip((self.trained, self.rest, self.memory), self.values, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(to_host(value))
        return super().state()


ON: dict[str, type[KerasRun]] = {"torch": KerasOnTorch, "tensorflow": KerasOnTensorflow, "jax": KerasOnJax}
"""The kind of run for each library."""
