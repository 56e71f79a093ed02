"""Finding implementations: the built-in folder, installed entry points and files named by `--load`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from bench.errors import LoadError
from bench.model.loading import programs_in
from bench.model.registry import Registry

BUILT_IN = Path(__file__).resolve().parents[2] / "implementations"
ENTRY_POINTS = "stepbench.implementations"
Tell = Callable[[str], object]
"""Is told of each file or module that is about to be loaded."""


def load_each(
    files: Iterable[Path], path: Sequence[str] = (), tell: Tell = lambda target: None
) -> tuple[Registry, dict[Path, str]]:
    """Load files one by one; those that cannot be loaded are left out, each with the reason.

    Args:
        files: the files.
        path: see `Registry.load`.
        tell: told before each.
    """
    registry, broken = Registry(), {}
    for file in files:
        tell(str(file))
        try:
            registry.load(f"file:{file.resolve()}", path)
        except LoadError as error:
            broken[file] = str(error)
    return registry, broken


def discover(load: Iterable[Path] = (), tell: Tell = lambda target: None) -> Registry:
    """Load the built-in implementations, those of installed packages, then the files in `load`, in this process."""
    registry = built_in()
    for origin in (*installed(), *(f"file:{path.resolve()}" for path in load)):
        tell(origin.partition(":")[2])
        registry.load(origin)
    return registry


def built_in() -> Registry:
    """Load the built-in implementations."""
    registry = Registry()
    for path in programs_in(BUILT_IN):
        registry.load(f"file:{path}")
    return registry


def installed() -> tuple[str, ...]:
    """List the origins of the implementations that installed packages bring."""
    return tuple(f"module:{entry.module}" for entry in entry_points(group=ENTRY_POINTS))
