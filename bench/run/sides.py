"""The two sides of a comparison: where their implementations come from and which interpreter runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import LoadError, UsageError
from bench.model.backends import BACKENDS
from bench.model.device import Backend
from bench.model.registry import Registry, discover, forget_loaded, load_each
from bench.run.interpreter import Interpreter
from bench.run.revisions import checked_out, commit_of, repository

IMPLEMENTATIONS = "implementations"
_MARK = re.compile(rb"^\s*@(\w+\.)*(implementation|backend|workload)\b", re.MULTILINE)


@dataclass(frozen=True)
class Side:
    """One side of a comparison."""

    label: str
    """The name in tables."""
    registry: Registry
    names: tuple[str, ...]
    """What may be compared of it; the registry may hold more."""
    broken: Mapping[str, str] = field(default_factory=dict)
    """Files that could not be loaded, by their path inside the repository, with the reason."""
    backends: Mapping[str, Backend] = field(default_factory=dict)
    """Backends that its files have registered, by name."""
    path: tuple[str, ...] = ()
    """Where its implementations' own imports are looked for: its checkout, and folders in it."""
    foreign: tuple[str, ...] = ()
    """Other checkouts of its repository, which nothing may be imported from."""
    interpreter: Interpreter | None = None
    """None for the one that runs the command."""
    revision: str | None = None
    alone: bool = False
    """Whether it is one implementation that was named: it is compared with the other side's, whatever its name."""


def of_implementation(name: str, load: Sequence[Path]) -> Side:
    """Take one implementation as it is here.

    Raises:
        UsageError: there is none of that name.
    """
    registry = discover(load)
    return Side(registry[name].name, registry, (registry[name].name,), alone=True)


def of_interpreter(python: str, load: Sequence[Path]) -> Side:
    """Take all implementations as they are here, run by another interpreter."""
    registry = discover(load)
    return Side(python, registry, tuple(item.name for item in registry), interpreter=Interpreter(python=python))


def package_roots(top: Path) -> tuple[str, ...]:
    """List the folders of a checkout whose packages are imported by name: itself, and `src/` where it has one."""
    return tuple(str(folder) for folder in (top, top / "src") if folder.is_dir())


def _in_folder(top: Path, label: str, load: Sequence[Path], revision: str | None, checkouts: Sequence[Path]) -> Side:
    """Take what a checkout holds: its implementations/ folder and the loaded files, by their place in it.

    Args:
        top: the checkout.
        label: the side's name in tables.
        load: the loaded files.
        revision: the commit; None for the working tree.
        checkouts: all checkouts of the repository, this one among them.
    """
    own = sorted((top / IMPLEMENTATIONS).glob("*.py"))
    files = [path for path in own if not path.name.startswith("_") and _MARK.search(path.read_bytes())]
    roots = package_roots(top)
    forget_loaded()
    registry, broken = load_each(dict.fromkeys([*files, *(top / path for path in load)]), roots)
    return Side(
        label,
        registry,
        tuple(item.name for item in registry),
        {str(path.relative_to(top)): reason.replace(f"{top}/", "") for path, reason in broken.items()},
        backends={name: item for name, item in BACKENDS.items() if item.origin.startswith("file:")},
        path=roots,
        foreign=tuple(str(other) for other in checkouts if other != top),
        revision=revision,
    )


def _label(revision: str, commit: str) -> str:
    """Name a side: by the revision as it was given and the commit behind it, once if it is the commit itself."""
    return commit[:9] if revision == commit else f"{revision} ({commit[:9]})"


@contextmanager
def of_revisions(a: str, b: str | None, load: Sequence[Path], folder: Path) -> Iterator[tuple[Side, Side]]:
    """Check out two revisions of the repository that `folder` is in, for as long as the context lasts.

    Args:
        a: the revision to compare with.
        b: the revision to judge; None for the files as they are now.
        load: files of implementations beside those in implementations/; each is taken from its side's own checkout.
        folder: where the command runs.

    Raises:
        UsageError: there is no repository, no such revision, or a loaded file lies outside the repository.
        LoadError: neither side has a loaded file.
    """
    top = repository(folder).resolve()
    inside = []
    for path in load:
        try:
            inside.append(path.resolve().relative_to(top))
        except ValueError as error:
            raise UsageError(f"{path} is outside the repository {top}, so it has no revisions.") from error
    commits = [commit_of(top, revision) for revision in (a, *([] if b is None else [b]))]
    with ExitStack() as stack:
        trees = [stack.enter_context(checked_out(top, commit)) for commit in commits]
        for path in inside:
            if not any((root / path).is_file() for root in (*trees, *([top] if b is None else []))):
                raise LoadError(
                    f"There is no file {path} on either side: give the path of a Python file of the repository."
                )
        sides = [
            _in_folder(tree, _label(name, commit), inside, commit, [*trees, top])
            for tree, name, commit in zip(trees, (a, b or ""), commits, strict=False)
        ]
        if b is None:
            sides.append(_in_folder(top, "working tree", inside, None, [*trees, top]))
        if not any(side.names or side.broken for side in sides):
            raise UsageError(
                f"{top} has no implementations/ with registered steps: name the files that hold them with --load."
            )
        yield sides[0], sides[1]
