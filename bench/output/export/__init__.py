"""Runs as other tools read them, one format a file. A module here with an `export(run)` is a format; nothing lists it.

It may also have a `left_out(run)`, which says what the format cannot hold, `METRICS`, those that it can tell, times
only if it has none, and an `advice(run)`, which says what its tool must be told.

Importing this package imports nothing heavy: the command line asks it for the names.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from bench.errors import UsageError, nearest
from bench.output.export._wanted import EVERY, WHOLE_STEPS, Metric, Wanted

__all__ = ["EVERY", "WHOLE_STEPS", "Metric", "Wanted", "export", "names"]


def names() -> tuple[str, ...]:
    """List the formats as the command line spells them."""
    found = (item.name for item in pkgutil.iter_modules(__path__) if not item.name.startswith("_"))
    return tuple(name.replace("_", "-") for name in found)


def export(
    folder: Path, name: str, wanted: Wanted = WHOLE_STEPS, report: Callable[[str], object] = lambda text: None
) -> str:
    """Write a run in one of the formats.

    Args:
        folder: the run's folder.
        name: one of `names()`.
        wanted: which of its benchmarks; by default whole steps.
        report: called with a sentence for whatever the format does not get: a case that became wrong would else look
            like one that was not asked for.

    Returns:
        The whole file, as text that ends with a line's end.

    Raises:
        UsageError: there is no such format, implementation or phase, or the format does not hold that metric.
        DataFormatError: the run cannot be read, nothing in it was measured, or the format cannot hold what was.
    """
    if name not in names():
        raise UsageError(f"There is no export to {name!r}: {nearest(name, names())}")
    from bench.output.export._run import Run

    module = _module(name)
    able = [each for each in names() if wanted.metric in metrics(each)]
    if wanted.metric is not None and name not in able:
        raise UsageError(
            f"--metric {wanted.metric}: {name} holds times and nothing else; choose --to {' or '.join(able)}."
        )
    run = Run.read(folder, wanted)
    text: str = module.export(run)
    for what in (*run.left_out, *getattr(module, "left_out", lambda run: ())(run)):
        report(f"left out: {what}")
    for what in getattr(module, "advice", lambda run: ())(run):
        report(what)
    return text


def metrics(name: str) -> tuple[Metric, ...]:
    """Return what a format can tell of a benchmark."""
    found: tuple[Metric, ...] = getattr(_module(name), "METRICS", (Metric.TIME,))
    return found


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
