"""All backends by name: those that come with the harness, and those that loaded files have added."""

from __future__ import annotations

from collections.abc import Sequence

from bench.errors import LoadError
from bench.model.device import Backend

BACKENDS: dict[str, Backend] = {}


def backends_of(framework: str) -> tuple[Backend, ...]:
    """Return every backend of one framework, in the order of `BACKENDS`."""
    return tuple(item for item in BACKENDS.values() if item.framework == framework)


def add_backend(item: Backend, origin: str, path: Sequence[str] = ()) -> None:
    """Add a backend that a file has registered; the same file may be loaded again.

    Raises:
        LoadError: its name is taken by another.
    """
    taken = BACKENDS.get(item.name)
    if taken is not None and taken.origin != origin:
        by = taken.origin.partition(":")[2] or "stepbench itself"
        raise LoadError(f"{origin.partition(':')[2]} registers the backend {item.name!r}, which {by} has: rename one.")
    item.origin, item.path = origin, tuple(path)
    BACKENDS[item.name] = item
