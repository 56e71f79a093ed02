"""Runs as other tools read them, one format a file. A module here with an `export(run)` is a format; nothing lists it.

Importing this package imports nothing heavy: the command line asks it for the names.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError, nearest
from bench.output.export._choice import EVERY, WHOLE_STEPS, Choice

__all__ = ["EVERY", "WHOLE_STEPS", "Choice", "export", "names"]

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.output.export._run import Run


def names() -> tuple[str, ...]:
    """List the formats as the command line spells them."""
    found = (item.name for item in pkgutil.iter_modules(__path__) if not item.name.startswith("_"))
    return tuple(name.replace("_", "-") for name in found)


def export(folder: Path, name: str, choice: Choice = WHOLE_STEPS) -> str:
    """Write a run in one of the formats.

    Args:
        folder: the run's folder.
        name: one of `names()`.
        choice: which of its benchmarks; by default whole steps.

    Returns:
        The whole file, as text that ends with a line's end.

    Raises:
        UsageError: there is no such format, implementation or phase.
        DataFormatError: the run cannot be read, nothing in it was measured, or the format cannot hold what was.
    """
    if name not in names():
        raise UsageError(f"There is no export to {name!r}: {nearest(name, names())}")
    from bench.output.export._run import Run

    to_text: Callable[[Run], str] = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").export
    return to_text(Run.read(folder, choice))
