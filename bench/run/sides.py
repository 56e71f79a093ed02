"""The two sides of a comparison: where their implementations come from and which interpreter runs them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from inspect import getmodulename
from pathlib import Path

from bench.errors import LoadError, UsageError
from bench.model.backends import BACKENDS
from bench.model.device import Backend
from bench.model.imports import is_users
from bench.model.loading import programs_in
from bench.model.registry import Registry, forget_loaded
from bench.run.guarded import Interpreter
from bench.run.reading import read_each
from bench.run.revisions import built, checked_out, checkouts, commit_of, projects, repository
from bench.timing.imported import UNTRACKED

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
    """Other checkouts of its repository, and what was built in this one: nothing may be imported from there."""
    modules: tuple[str, ...] = ()
    """The repository's modules without a dot, in any of its checkouts: a copy of one from elsewhere is foreign too."""
    interpreter: Interpreter | None = None
    """None for the one that runs the command."""
    revision: str | None = None
    alone: bool = False
    """Whether it is one implementation that was named: it is compared with the other side's, whatever its name."""


def of_implementation(name: str, registry: Registry) -> Side:
    """Take one implementation as it is here.

    Raises:
        UsageError: there is none of that name.
    """
    return Side(registry[name].name, registry, (registry[name].name,), alone=True)


def of_interpreter(python: str, registry: Registry) -> Side:
    """Take all implementations as they are here, run by another interpreter."""
    return Side(python, registry, tuple(item.name for item in registry), interpreter=Interpreter(python=python))


def package_roots(top: Path, more: Iterable[Path] = ()) -> tuple[str, ...]:
    """List the folders of a checkout whose packages are imported by name.

    Args:
        top: the checkout; packages may lie at its top and in its `src/`.
        more: other folders of packages, by their place in it.
    """
    folders = (top, top / "src", *(top / place for place in more))
    return tuple(dict.fromkeys(str(folder) for folder in folders if folder.is_dir()))


def _on_path(top: Path) -> list[Path]:
    """List the folders of the working tree that modules are imported from here, as PYTHONPATH and .pth files say."""
    entries = (Path(entry).resolve() for entry in sys.path if entry)
    inside = [entry for entry in entries if entry.is_relative_to(top) and is_users(f"{entry}{os.sep}")]
    return [entry.relative_to(top) for entry in inside]


def _modules_in(folders: Iterable[str | Path]) -> set[str]:
    """Find the modules in folders; one without a file gives way to any other of its name, and is none here."""
    inside = [path for folder in folders for path in Path(folder).iterdir()]
    packages = {path.name for path in inside if (path / "__init__.py").is_file()}
    found = packages | {name for path in inside if path.is_file() and (name := getmodulename(path.name))}
    return {name for name in found if name.isidentifier()} - sys.stdlib_module_names - {"bench"}


def _in_folder(
    top: Path,
    label: str,
    load: Sequence[Path],
    revision: str | None,
    more: Iterable[Path],
    timeout: float | None,
) -> Side:
    """Take what a checkout holds: its implementations/ folder and the loaded files, by their place in it.

    Args:
        top: the checkout.
        label: the side's name in tables.
        load: the loaded files.
        revision: the commit; None for the working tree.
        more: other folders that its packages lie in, by their place in it.
        timeout: see `bench.run.reading.read_all`.
    """
    files = [path for path in programs_in(top / IMPLEMENTATIONS) if _MARK.search(path.read_bytes())]
    roots = package_roots(top, more)
    forget_loaded()
    registry, broken = read_each(dict.fromkeys([*files, *(top / path for path in load)]), roots, timeout)
    return Side(
        label,
        registry,
        tuple(item.name for item in registry),
        {str(path.relative_to(top)): _reason(reason, top, revision) for path, reason in broken.items()},
        backends={name: item for name, item in BACKENDS.items() if item.origin.startswith("file:")},
        path=roots,
        revision=revision,
    )


def _label(revision: str, commit: str) -> str:
    """Name a side: by the revision as it was given and the commit behind it, once if it is the commit itself."""
    return commit[:9] if revision == commit else f"{revision} ({commit[:9]})"


def _reason(reason: str, top: Path, revision: str | None) -> str:
    """Word why a file could not be loaded: by its path in the repository, and with what helps a revision."""
    failed = revision is not None and "No module named" in reason
    return reason.replace(f"{top}/", "") + (UNTRACKED if failed else "")


def _told_apart(sides: Sequence[Side], top: Path) -> list[Side]:
    """Tell each side what is not its own, and which modules must be.

    Args:
        sides: the two.
        top: the working tree, whether it is one of them or not.
    """
    tops, untracked = [str(each) for each in checkouts(top)], [str(each) for each in built(top)]
    of_projects = [each for side in sides for each in projects(Path(side.path[0]))]
    folders = {folder for project in (top, *of_projects) for folder in package_roots(project, [Path("python")])}
    modules = tuple(sorted(_modules_in(folders.union(*(side.path for side in sides)))))
    told = []
    for side in sides:
        others = [each for each in tops if each != side.path[0]]
        told.append(replace(side, foreign=(*others, *([] if side.revision else untracked)), modules=modules))
    return told


@contextmanager
def of_revisions(
    a: str, b: str | None, load: Sequence[Path], folder: Path, timeout: float | None = None
) -> Iterator[tuple[Side, Side]]:
    """Check out two revisions of the repository that `folder` is in, for as long as the context lasts.

    Args:
        a: the revision to compare with.
        b: the revision to judge; None for the files as they are now.
        load: files of implementations beside those in implementations/; each is taken from its side's own checkout.
        folder: where the command runs.
        timeout: see `bench.run.reading.read_all`.

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
        more = _on_path(top)
        sides = [
            _in_folder(tree, _label(name, commit), inside, commit, more, timeout)
            for tree, name, commit in zip(trees, (a, b or ""), commits, strict=False)
        ]
        if b is None:
            sides.append(_in_folder(top, "working tree", inside, None, more, timeout))
        if not any(side.names or side.broken for side in sides):
            raise UsageError(
                f"{top} has no implementations/ with registered steps: name the files that hold them with --load."
            )
        first, second = _told_apart(sides, top)
        yield first, second
