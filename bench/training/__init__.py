"""A user's own model as a workload: what its author gives, and the decorator that registers it.

Each framework has its adapter, a module of this folder under the framework's name. It offers
`adapt(Author) -> Adapted` and imports the framework inside its functions only, as implementations do.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bench.errors import LoadError, nearest
from bench.model.registry import Build, implementation, workload
from bench.model.step import TRAINING, Phases

if TYPE_CHECKING:
    from numpy.random import Generator

    from bench.model.precision import Precision
    from bench.model.sizes import Sizes


@dataclass(frozen=True)
class Training:
    """A model, its batch and how it is trained, as the function under `@training` gives them.

    Without `loss` and `optimizer` it is inference: the outputs of `model(*inputs)`. The model stays in the mode that it
    is in, `train()` or `eval()`.
    """

    model: Any
    """The model, freshly made and on the CPU; for torch a `nn.Module`."""
    inputs: Any
    """The batch: a tuple of arrays or tensors, or a mapping by name, which is then passed by keyword."""
    loss: Callable[..., Any] | None = None
    """`loss(model, *inputs)`, which gives a scalar."""
    optimizer: Callable[[Any], Any] | None = None
    """`optimizer(parameters)`, which makes the framework's optimiser of a list of the model's parameters."""
    micro_batches: int = 1
    """Equal parts that every input is split into along its first axis. Each part's loss is divided by their number
    before its gradients are added up: with a loss that is a mean the step is that of the whole batch."""


Author = Callable[["Sizes", "Generator"], Training]
AuthorFunction = TypeVar("AuthorFunction", bound=Author)


@dataclass(frozen=True)
class Told:
    """What the decorator was told, for the adapter of its framework."""

    name: str
    function: Author
    phases: Phases
    fused: bool
    unverified: str


@dataclass(frozen=True)
class Adapted:
    """What an adapter makes of it."""

    program: Any
    """The workload's program; see `bench.model.registry.workload`."""
    eager: Build
    """What runs the model as it is written."""
    compiled: Build
    """What runs it through the framework's compiler."""
    precisions: tuple[Precision, ...]


def training(
    name: str,
    *,
    sizes: Mapping[str, int],
    framework: str = "torch",
    title: str = "",
    unverified: str = "",
    compiled: bool = True,
    fused: bool = False,
    phases: Phases = TRAINING,
) -> Callable[[AuthorFunction], AuthorFunction]:
    """Register the decorated `f(size, rng) -> Training` as a workload, with an eager and a compiled implementation.

    The function runs in measuring processes only, with the framework's random numbers seeded from the problem: it may
    import the framework, and must give the same arrays each time.

    Args:
        name: how tables, files and `--workload` call it.
        sizes: names and default values of its sizes.
        framework: the model's framework.
        title: a few words for figures and tables; by default the first line of the function's docstring.
        unverified: the reason why it cannot be verified, such as "dropout"; every table then says so.
        compiled: whether it can be compiled too.
        fused: True if its phases cannot all be timed apart: the optimiser evaluates the loss itself, or there are
            micro-batches.
        phases: `FORWARD` for inference.
    """
    known = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))
    if framework not in known:
        raise LoadError(f"@training({name!r}) is of the unknown framework {framework!r}: {nearest(framework, known)}")

    def register(function: AuthorFunction) -> AuthorFunction:
        words = title or ((function.__doc__ or "").strip().splitlines() or [name])[0].rstrip(".")
        told = Told(name, function, tuple(phases), fused, unverified)
        adapted: Adapted = importlib.import_module(f"{__name__}.{framework}").adapt(told)
        workload(name, sizes=sizes, baseline=f"{name}.eager", title=words, unverified=unverified)(
            lambda: adapted.program
        )
        builds = {"eager": adapted.eager, **({"compiled": adapted.compiled} if compiled else {})}
        for variant, build in builds.items():
            implementation(
                f"{name}.{variant}",
                framework=framework,
                workload=name,
                fused=fused,
                precisions=adapted.precisions,
                compiles=variant == "compiled",
            )(build)
        return function

    return register
