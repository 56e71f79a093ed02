"""A user's own model as a workload: what its author gives, and the decorator that registers it.

Each framework has its adapter, a module of this folder under the framework's name. It offers
`adapt(Told) -> Adapted` and imports the framework inside its functions only, as implementations do.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bench.errors import LoadError, nearest
from bench.model.registry import Build, implementation
from bench.model.registry import workload as new_workload
from bench.model.step import TRAINING, Phases

if TYPE_CHECKING:
    from numpy.random import Generator

    from bench.model.precision import Precision
    from bench.model.sizes import Sizes


@dataclass(frozen=True)
class Training:
    """A model, its batch and how it is trained, as the function under `@training` gives them.

    Without `loss` and `optimizer` it is inference: the outputs of `model(*inputs)`, or for JAX of `apply`. A torch
    model stays in the mode that it is in, `train()` or `eval()`.
    """

    model: Any
    """The model, freshly made and on the CPU: for torch an `nn.Module`, for Keras a `keras.Model`, for JAX its
    parameters, a tree of arrays."""
    inputs: Any = None
    """The batch: a tuple of arrays or tensors, or a mapping by name, which is then passed by keyword. In a workload
    that is joined the batch is that of the workload: a tuple of its names, each perhaps with an order of axes as in
    `names`; None for all of them."""
    loss: Callable[..., Any] | None = None
    """`loss(model, *inputs)`, which gives a scalar; for JAX `loss(parameters, *inputs)`."""
    optimizer: Any = None
    """For torch `optimizer(parameters)`, which makes the optimiser of a list of the model's parameters; for JAX an
    optax transformation, for Keras a `keras.optimizers.Optimizer`."""
    micro_batches: int = 1
    """For torch, equal parts that every input is split into along its first axis. Each part's loss is divided by their
    number before its gradients are added up: with a loss that is a mean the step is that of the whole batch."""
    state: Any = None
    """For JAX, a tree of arrays that are not parameters, such as running statistics: then the loss is
    `loss(parameters, state, *inputs)`, which gives the loss and the new state."""
    apply: Callable[..., Any] | None = None
    """For JAX, inference: `apply(parameters, *inputs)`, which gives the outputs; with a state after the parameters."""
    names: Mapping[str, Any] = field(default_factory=dict)
    """In a workload that is joined: the workload's name of each of the model's arrays, by the model's own name.
    `(name, axes)` says in which order the model has the axes of the workload's array. An array that is left out has the
    same name and axes in both."""


Author = Callable[["Sizes", "Generator"], Training]
AuthorFunction = TypeVar("AuthorFunction", bound=Author)


@dataclass(frozen=True)
class Told:
    """The arguments of the decorator, for the adapter of its framework."""

    name: str
    function: Author
    phases: Phases
    fused: bool
    unverified: str
    workload: str = ""
    """The workload that it joins; empty if it is one of its own."""


@dataclass(frozen=True)
class Way:
    """One way to run the step."""

    build: Build
    fused: bool = False
    """Whether its phases cannot all be timed apart."""
    compiles: bool = False
    """Whether its first step compiles."""
    spreads: str = ""
    """The way whose step it spreads over devices; empty for a step of one process."""


@dataclass(frozen=True)
class Adapted:
    """The program of a workload and the ways to run it, made by an adapter."""

    program: Any
    """The workload's program; see `bench.model.registry.workload`."""
    ways: Mapping[str, Way]
    """The ways to run it, by the end of the implementation's name; speedups are over the first."""
    precisions: tuple[Precision, ...]


def training(
    name: str,
    *,
    sizes: Mapping[str, int] | None = None,
    framework: str = "torch",
    title: str = "",
    unverified: str = "",
    compiled: bool = True,
    fused: bool = False,
    phases: Phases = TRAINING,
    workload: str = "",
) -> Callable[[AuthorFunction], AuthorFunction]:
    """Register the decorated `f(size, rng) -> Training` as a workload with its implementations, or have it join one.

    They are `NAME.eager`, `NAME.compiled` and, over several devices, `NAME.ddp` for torch, `NAME.staged` and
    `NAME.fused` for JAX, `NAME.fused` for Keras.
    The function runs in measuring processes only, with the random numbers of torch and Keras seeded from the problem:
    it may import the framework, and must give the same arrays each time.

    Args:
        name: how tables, files and `--workload` call it.
        sizes: names and default values of its sizes.
        framework: the model's framework.
        title: a few words for figures and tables; by default the first line of the function's docstring.
        unverified: the reason why it cannot be verified, such as "dropout"; every table then says so.
        compiled: whether a torch model can be compiled too.
        fused: True if its phases cannot all be timed apart: the optimiser evaluates the loss itself, or there are
            micro-batches.
        phases: `FORWARD` for inference.
        workload: the workload that it joins as a further implementation, perhaps of another framework: sizes, batch,
            initial parameters and truth are that workload's. If no loaded file has it, it is looked for in a file of
            its name beside this one.
    """
    _check(name, framework, sizes, title or unverified, workload)

    def register(function: AuthorFunction) -> AuthorFunction:
        told = Told(name, function, tuple(phases), fused, unverified, workload)
        adapted: Adapted = importlib.import_module(f"{__name__}.{framework}").adapt(told)
        if not compiled and "compiled" not in adapted.ways:
            raise LoadError(f"@training({name!r}) says compiled=False, which is for torch alone: leave it out.")
        ways = {way: each for way, each in adapted.ways.items() if compiled or way != "compiled"}
        if sizes is not None:
            words = title or ((function.__doc__ or "").strip().splitlines() or [name])[0].rstrip(".")
            baseline = f"{name}.{next(iter(ways))}"
            new_workload(name, sizes=sizes, baseline=baseline, title=words, unverified=unverified)(
                lambda: adapted.program
            )
        for way, each in ways.items():
            implementation(
                f"{name}.{way}",
                framework=framework,
                workload=workload or name,
                fused=each.fused,
                precisions=adapted.precisions,
                compiles=each.compiles,
                spreads=f"{name}.{each.spreads}" if each.spreads else "",
            )(each.build)
        return function

    return register


def _check(name: str, framework: str, sizes: Mapping[str, int] | None, about: str, workload: str) -> None:
    """Refuse arguments that do not go together; `about` is the title or reason that only a workload of its own has."""
    known = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))
    if framework not in known:
        raise LoadError(f"@training({name!r}) is of the unknown framework {framework!r}: {nearest(framework, known)}")
    if bool(workload) == (sizes is not None):
        cure = (
            "leave sizes out, they are the workload's" if workload else "give sizes={}, or the workload that it joins"
        )
        raise LoadError(f"@training({name!r}) needs either its sizes or the workload that it joins: {cure}.")
    if workload and about:
        raise LoadError(f"@training({name!r}) joins {workload}, which has its own title and reason: leave them out.")
