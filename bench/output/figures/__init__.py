"""Figures, one file each. A module here with a `TITLE` and a `draw(run)` is a figure; nothing lists them twice."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bench.data.schema import Manifest
from bench.data.store import FIGURES, read_manifest, read_summary, write_atomically
from bench.errors import DataFormatError, UsageError, nearest

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")


@dataclass(frozen=True)
class RunData:
    """What figures are drawn from: files on disk, never a live run."""

    manifest: Manifest
    summary: pd.DataFrame

    @classmethod
    def read(cls, folder: Path) -> RunData:
        """Read a run.

        Raises:
            DataFormatError: a file is missing, damaged or of another version, or nothing was measured.
        """
        data = cls(read_manifest(folder), read_summary(folder))
        if not (data.summary["status"] == "ok").any():
            raise DataFormatError(f"{folder} has no case that was measured: there is nothing to draw.")
        return data


def names() -> tuple[str, ...]:
    """The figures there are."""
    return tuple(item.name for item in pkgutil.iter_modules(__path__) if not item.name.startswith("_"))


def draw(folder: Path, figures: Sequence[str] = (), formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Draw figures of a run into its own `figures/` folder.

    Args:
        folder: the run's folder.
        figures: their names; all if empty.
        formats: file formats, from `FORMATS`.

    Returns:
        The files written.

    Raises:
        UsageError: there is no such figure.
        DataFormatError: the run cannot be read.
    """
    import matplotlib as mpl

    mpl.use("agg")
    from bench.output.figures import _style

    for name in figures:
        if name not in names():
            raise UsageError(f"There is no figure {name!r}: {nearest(name, names())}")
    data = RunData.read(folder)
    written = []
    for name in figures or names():
        draw_one: Callable[[RunData], Figure] = importlib.import_module(f"{__name__}.{name}").draw
        for kind in formats:
            path = folder / FIGURES / f"{name}.{kind}"
            # Drawn anew for each format: saving lays a figure out, and the next saving would start from that.
            with mpl.rc_context(cast("Any", _style.RC)):
                content = _style.rendered(draw_one(data), kind, data.manifest.run_id)
            write_atomically(path, content)
            written.append(path)
    return written
