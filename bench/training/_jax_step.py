"""The step of a user's own JAX program: its jitted functions, and how it is put back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.errors import StepError
from bench.model.problem import Dtype
from bench.model.step import BACKWARD, FORWARD, UPDATE, Stage, State, Step
from bench.training import Told, Training
from bench.training._given import kind_of
from bench.training._jax_flops import count_products

if TYPE_CHECKING:
    from bench.model.data import AnyArray, Array


def by_path(tree: Any) -> dict[str, Any]:
    """List the arrays of a tree, by their paths with a dot between two keys."""
    import jax

    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def to_host(tree: Any) -> dict[str, Array]:
    """Copy the arrays of a tree, by their paths; 16-bit floats, some of which NumPy lacks, are widened."""
    import numpy as np

    def copied(leaf: Any) -> Array:
        found = np.array(leaf)
        return found.astype(np.float32) if found.dtype.itemsize == 2 and found.dtype.kind not in "biu" else found

    return {name: copied(leaf) for name, leaf in by_path(tree).items()}


class JaxRun(ABC):
    """Parameters and a batch on a device, which all kinds of step have in common."""

    def __init__(
        self,
        told: Told,
        drawn: Training,
        parameters: Mapping[str, AnyArray],
        inputs: Mapping[str, AnyArray],
        put: Callable[[AnyArray], Any],
        dtype: Dtype,
    ) -> None:
        import jax
        import numpy as np

        self.told, self.drawn, self.put, self.dtype = told, drawn, put, dtype
        self.inputs = {name: put(array) for name, array in inputs.items()}
        self.by_name = not told.workload and isinstance(drawn.inputs, Mapping)
        form = jax.tree.structure(drawn.model)
        names = by_path(drawn.model)
        held = jax.tree.map(np.array, drawn.state)
        kept = jax.tree.map(lambda leaf: leaf.astype(dtype.value) if leaf.dtype.kind == "f" else leaf, held)
        self.start = jax.tree.unflatten(form, [parameters[name] for name in names]), kept
        self.reset()

    @property
    def batch(self) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """The arguments of the author's function after parameters and state."""
        return ((), self.inputs) if self.by_name else (tuple(self.inputs.values()), {})

    def error(self, reason: str) -> StepError:
        """Make an error that names the workload."""
        return StepError(f"{self.told.name} {reason}.")

    def reset(self) -> None:
        """Put parameters and state back: copies, since a step may give the arrays that it is handed to its results."""
        import jax

        self.parameters, self.held = jax.tree.map(self.put, self.start)

    def feed(self, arrays: Mapping[str, AnyArray]) -> None:
        """Take other inputs in the place of those that it has."""
        self.inputs = {name: self.put(arrays[name]) for name in self.inputs}

    def called(self, function: Callable[..., Any], parameters: Any, held: Any, batch: Any) -> tuple[Any, Any]:
        """Call an author's function; return what it gives and the new state. No step pays for the checks: it is traced.

        Raises:
            StepError: it does not give a state like the one that it is given.
        """
        import jax

        args, named = batch
        if self.drawn.state is None:
            return function(parameters, *args, **named), held
        pair = function(parameters, held, *args, **named)
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise self.error(
                f"has a state, but its function gives {kind_of(pair)}: give a pair, what it computes and the new state"
            )
        forms = [
            {name: (jax.numpy.shape(leaf), jax.numpy.result_type(leaf)) for name, leaf in by_path(tree).items()}
            for tree in (held, pair[1])
        ]
        if forms[0] != forms[1]:
            changed = sorted(name for name in {*forms[0], *forms[1]} if forms[0].get(name) != forms[1].get(name))
            cure = "give arrays of the same names, shapes and dtypes"
            raise self.error(f"gives a new state that is not like the one before in {', '.join(changed)}: {cure}")
        return pair

    @abstractmethod
    def state(self) -> State:
        """Read back what the last step computed."""

    @abstractmethod
    def step(self) -> Step:
        """Give the step."""

    @abstractmethod
    def count(self) -> dict[str, float]:
        """Count the floating-point operations of each phase; none where they are not known."""


class JaxTraining(JaxRun, ABC):
    """A loss and an optimiser."""

    def reset(self) -> None:
        """Put everything back; states of an optimiser are copied, since some begin as the very parameters."""
        import jax
        import numpy as np

        super().reset()
        self.loss: Any = None
        self.gradients: Any = {}
        self.memory = jax.tree.map(lambda leaf: self.put(np.array(leaf)), self.drawn.optimizer.init(self.parameters))

    def objective(self, parameters: Any, held: Any, batch: Any) -> tuple[Any, Any]:
        """Compute the loss and the new state.

        Raises:
            StepError: it is no loss.
        """
        import jax

        loss, new = self.called(self.drawn.loss, parameters, held, batch)  # type: ignore[arg-type]  # it is there
        if not isinstance(loss, jax.Array):
            raise self.error(f"has {kind_of(loss)} as its loss: give the array itself")
        if loss.shape != ():
            raise self.error(f"has a loss of shape {loss.shape}: give a scalar, such as its mean()")
        if loss.dtype != self.dtype.value:
            cure = "let it make its arrays in the dtype of its inputs"
            raise self.error(f"has a loss of {loss.dtype} where {self.dtype} is asked for: {cure}")
        return loss, new

    def descend(self, parameters: Any, memory: Any, gradients: Any) -> tuple[Any, Any]:
        """Compute new parameters and the optimiser's new state."""
        import optax

        updates, memory = self.drawn.optimizer.update(gradients, memory, parameters)
        return optax.apply_updates(parameters, updates), memory

    def count(self) -> dict[str, float]:
        """Count the operations of forward, backward and update; the first is a part of what computes gradients."""
        import jax

        given, gradients = (self.parameters, self.held, self.batch), self.parameters
        forward = count_products(self.objective, *given)
        both = count_products(jax.grad(self.objective, has_aux=True), *given)
        update = count_products(self.descend, self.parameters, self.memory, gradients)
        if forward is None or both is None or update is None:
            return {}
        return {str(FORWARD[0]): forward, str(BACKWARD[0]): both - forward, str(UPDATE[0]): update}

    def state(self) -> State:
        """Read loss, parameters, gradients and state back."""
        return State(float(self.loss), to_host(self.parameters), to_host(self.gradients), to_host(self.held))


class JaxStaged(JaxTraining):
    """Three jitted functions: the loss with its derivative, the gradients, the update."""

    def __init__(self, *given: Any) -> None:
        import jax

        super().__init__(*given)
        self.derivative: Any = None

        def forward(parameters: Any, held: Any, batch: Any) -> Any:
            return jax.vjp(lambda inner: self.objective(inner, held, batch), parameters, has_aux=True)

        def backward(derivative: Any, loss: Any) -> Any:
            return derivative(jax.numpy.ones_like(loss))[0]

        self.compute_loss, self.compute_gradients = jax.jit(forward), jax.jit(backward)
        self.update_all = jax.jit(self.descend)

    def forward(self) -> object:
        """Compute the loss, and what its derivative needs."""
        self.loss, self.derivative, self.held = self.compute_loss(self.parameters, self.held, self.batch)
        return self.loss, self.derivative, self.held

    def backward(self) -> object:
        """Compute the gradients."""
        self.gradients = self.compute_gradients(self.derivative, self.loss)
        return self.gradients

    def update(self) -> object:
        """Let the optimiser take its step."""
        self.parameters, self.memory = self.update_all(self.parameters, self.memory, self.gradients)
        return self.parameters, self.memory

    def step(self) -> Step:
        """Give the step, a stage a phase."""
        stages = Stage(FORWARD, self.forward), Stage(BACKWARD, self.backward), Stage(UPDATE, self.update)
        return Step(stages, self.state, self.reset, feed=self.feed)


class JaxFused(JaxTraining):
    """One jitted function, which may reuse the memory of parameters and states; gradients never leave it."""

    def __init__(self, *given: Any) -> None:
        import jax

        super().__init__(*given)

        def whole(parameters: Any, held: Any, memory: Any, batch: Any) -> Any:
            (loss, held), gradients = jax.value_and_grad(self.objective, has_aux=True)(parameters, held, batch)
            return loss, held, *self.descend(parameters, memory, gradients)

        self.whole = jax.jit(whole, donate_argnums=(0, 1, 2))

    def run(self) -> object:
        """Do it all."""
        found = self.whole(self.parameters, self.held, self.memory, self.batch)
        self.loss, self.held, self.parameters, self.memory = found
        return found

    def step(self) -> Step:
        """Give the step, of one stage."""
        return Step((Stage(FORWARD + BACKWARD + UPDATE, self.run),), self.state, self.reset, feed=self.feed)


class JaxInference(JaxRun):
    """Outputs, without a loss."""

    outputs: Any = None

    def __init__(self, *given: Any) -> None:
        import jax

        super().__init__(*given)
        apply: Any = self.drawn.apply
        self.compute = jax.jit(lambda parameters, held, batch: self.called(apply, parameters, held, batch))

    def forward(self) -> object:
        """Compute the outputs."""
        self.outputs, self.held = self.compute(self.parameters, self.held, self.batch)
        return self.outputs, self.held

    def count(self) -> dict[str, float]:
        """Count the operations of the outputs."""
        found = count_products(self.compute, self.parameters, self.held, self.batch)
        return {} if found is None else {str(FORWARD[0]): found}

    def state(self) -> State:
        """Read outputs and state back."""
        outputs = {f"output.{path}" if path else "output": leaf for path, leaf in to_host(self.outputs).items()}
        return State(None, results=outputs | to_host(self.held))

    def step(self) -> Step:
        """Give the step."""
        return Step((Stage(FORWARD, self.forward),), self.state, self.reset, feed=self.feed)
