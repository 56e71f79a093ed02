"""Checks of what an author gives, shared by the adapters of all frameworks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bench.errors import StepError
from bench.model.step import FORWARD
from bench.training import Told, Training

if TYPE_CHECKING:
    from numpy.random import Generator

    from bench.model.sizes import Sizes


def kind_of(value: object) -> str:
    """Say in words of what kind a value is that should be something else."""
    return f"the class {value.__name__}" if isinstance(value, type) else f"a value of type {type(value).__name__}"


def drawn(told: Told, size: Sizes, rng: Generator, wrong: Callable[[Training], Iterator[str]]) -> Training:
    """Call the author's function and check what it gives.

    Args:
        told: what the decorator was told.
        size: for the function.
        rng: for the function.
        wrong: gives what is wrong with it, each as half a sentence; later ones may rely on the earlier ones.

    Raises:
        StepError: something of it cannot be.
    """
    found = told.function(size, rng)
    if not isinstance(found, Training):
        raise StepError(f"{told.name} gives {kind_of(found)}: return bench.Training(model=..., inputs=...).")
    if found.names and not told.workload:
        raise StepError(f"{told.name} gives names, and joins no workload: say workload='NAME' in @training.")
    if not isinstance(found.names, Mapping):
        raise StepError(f"{told.name} gives {kind_of(found.names)} as names: give a mapping from names to names.")
    for reason in wrong(found):
        raise StepError(f"{told.name} {reason}.")
    return found


def named(inputs: Any) -> dict[str, Any]:
    """Give a batch by name; inputs without one are called input0, input1 and so on."""
    if isinstance(inputs, Mapping):
        return {str(name): value for name, value in inputs.items()}
    return {f"input{number}": value for number, value in enumerate(inputs)}


def wrong_inputs(found: Training, kinds: tuple[type, ...], words: str) -> Iterator[str]:
    """Give what is wrong with a batch.

    Args:
        found: what the author gives.
        kinds: the types of arrays that there may be.
        words: these types in words.
    """
    import numpy as np

    if not isinstance(found.inputs, (tuple, list, Mapping)):
        yield f"gives {kind_of(found.inputs)} as inputs: give a tuple, as in inputs=(x, y), or a mapping by name"
    if not found.inputs:
        yield "gives no inputs: give at least one array"
    for name, value in named(found.inputs).items():
        if not isinstance(value, (np.ndarray, *kinds)):
            yield f"gives {kind_of(value)} as {name}: give {words}"
        if isinstance(value, np.ndarray) and value.dtype.kind not in "biuf":
            yield f"gives an array of {value.dtype} as {name}: give numbers"
        if 0 in value.shape:
            yield f"gives an empty array as {name}, of shape {tuple(value.shape)}"


def wrong_training(told: Told, found: Training) -> Iterator[str]:
    """Give what is wrong with loss and optimiser, as far as it is so for each framework."""
    wanted = told.phases != FORWARD
    if (found.loss is None) != (found.optimizer is None):
        yield "gives only one of loss and optimizer: training has both, inference has neither"
    if wanted and found.loss is None:
        yield "gives no loss and no optimizer: say phases=FORWARD in @training if it is inference"
    if not wanted and found.loss is not None:
        yield "gives a loss, and @training says phases=FORWARD: leave one of them out"
    loss: Any = found.loss  # the author's file is not type-checked
    if loss is not None and not callable(loss):
        yield f"gives {kind_of(loss)} as its loss: give a function, called as loss(model, *inputs)"


def wrong_elsewhere(found: Training, framework: str, *fields: str) -> Iterator[str]:
    """Give what of it belongs to another framework.

    Args:
        found: what the author gives.
        framework: the name of this one.
        fields: the names of what is not for it.
    """
    usual = Training(None)
    for name in fields:
        if getattr(found, name) != getattr(usual, name):
            yield f"gives {name}, which is not for {framework}: leave it out"
