"""Figures, one file each. A module here with a `TITLE` and a `draw(data, look)` is a figure; nothing lists them twice.

A figure raises `NothingToShowError` where a run does not hold what it shows. It may also have

- `HEADLINE = 1`, its place among those that `bench run` and `bench sweep` draw when they end;
- `inputs(data)`: the files that it is drawn from, if it takes more than those of the run;
- `READING`: how to read it, in one or two plain sentences;
- `SHOWS`: the columns of a case that it shows, the foremost first; see `bench.output.content.cases.SHOWN`;
- `alt(data)`: what it shows, for who does not see it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from bench import __version__
from bench.data.store import FIGURES, write_atomically
from bench.errors import NothingToShowError, UsageError, nearest
from bench.output.catalogue import figure_names
from bench.output.figures._data import RunData
from bench.output.figures._look import Look, Style, Width
from bench.output.provenance import Provenance, as_command, digest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FORMATS",
    "About",
    "Drawn",
    "Look",
    "RunData",
    "Style",
    "Width",
    "about",
    "data_sha256",
    "draw",
    "draw_headlines",
    "headlines",
    "names",
    "picture",
    "title",
]

FORMATS = ("png", "svg", "pdf")


@dataclass
class Drawn:
    """What `draw` has done."""

    paths: list[Path] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Figures that the run has nothing for, and why."""


def names() -> tuple[str, ...]:
    """The figures there are."""
    return figure_names(__path__)


def title(name: str) -> str:
    """What a figure is called."""
    found: str = _module(name).TITLE
    return found


@dataclass(frozen=True)
class About:
    """What a figure says about itself."""

    title: str
    reading: str
    """Empty if it does not say."""
    shows: tuple[str, ...]
    """Likewise."""
    alt: Callable[[RunData], str] | None


def about(name: str) -> About:
    """The words of a figure."""
    module = _module(name)
    reading, shows = getattr(module, "READING", ""), getattr(module, "SHOWS", ())
    return About(module.TITLE, reading, tuple(shows), getattr(module, "alt", None))


def headlines() -> tuple[str, ...]:
    """The figures that a run is given when it ends, the foremost first."""
    ranks = {name: getattr(_module(name), "HEADLINE", 0) for name in names()}
    return tuple(sorted((name for name in ranks if ranks[name]), key=lambda name: ranks[name]))


@cache
def _module(name: str) -> ModuleType:
    import matplotlib as mpl

    mpl.use("agg")
    return importlib.import_module(f"{__name__}.{name}")


def draw(
    folder: Path,
    figures: Sequence[str] = (),
    formats: Sequence[str] = ("png", "svg"),
    look: Look | None = None,
    data: RunData | None = None,
    report: Callable[[Path], object] = lambda path: None,
) -> Drawn:
    """Draw figures of a run into its own `figures/` folder; what is drawn stays there if the rest cannot be.

    Args:
        folder: the run's folder.
        figures: their names; if empty, all that the run has something for.
        formats: file formats, from `FORMATS`.
        look: width and style; a page in light by default.
        data: the run, if it has been read already.
        report: called with each file as soon as it is written.

    Raises:
        UsageError: there is no such figure.
        NothingToShowError: a figure that was asked for has nothing to show, or none has.
        DataFormatError: the run cannot be read.
    """
    for name in figures:
        if name not in names():
            raise UsageError(f"There is no figure {name!r}: {nearest(name, names())}")
    data, look, done = data or RunData(folder), look or Look(), Drawn()
    for name in figures or names():
        try:
            for kind in formats:
                path = folder / FIGURES / f"{name}{look.stem}.{kind}"
                write_atomically(path, picture(data, name, kind, look))
                done.paths.append(path)
                report(path)
        except NothingToShowError as error:
            if figures:
                raise NothingToShowError(f"--figure {name}: {error}") from error
            done.left_out[name] = str(error)
    if not done.paths:
        raise NothingToShowError(f"{folder} has nothing that a figure could show.")
    return done


def draw_headlines(folder: Path) -> list[Path]:
    """The figures that a run is given when it ends, as far as it has something for them; gives their files."""
    data, found = RunData(folder), []
    for name in headlines():
        with suppress(NothingToShowError):
            found += draw(folder, [name], data=data).paths
    return found


def picture(data: RunData, name: str, kind: str, look: Look) -> bytes:
    """One figure as the content of a png, svg or pdf file; the same data give the same bytes.

    Raises:
        NothingToShowError: the run does not hold what it shows.
    """
    from bench.output.figures import _file

    draw_one: Callable[[RunData, Look], Figure] = _module(name).draw
    # Drawn anew for each format: saving lays a figure out, and the next saving would start from that.
    return _file.rendered(lambda: draw_one(data, look), kind, look, provenance(data, name, kind, look))


def data_sha256(data: RunData, name: str) -> str:
    """Of the files that a figure of this run is drawn from, as they are now."""
    inputs: Callable[[RunData], Sequence[Path]] = getattr(_module(name), "inputs", lambda data: data.inputs)
    paths = tuple(inputs(data))
    return _digest(paths, tuple(map(_stamp, paths)))


def provenance(data: RunData, name: str, kind: str, look: Look) -> Provenance:
    """What the file of a figure says about itself."""
    manifest = data.manifest
    words = ["bench", "plot", f"results/{manifest.run_id}", "--figure", name, "--format", kind]
    words += ["--width", look.width.value, "--style", look.style.value]
    return Provenance(
        stepbench=__version__,
        figure=name,
        run_id=manifest.run_id,
        data_sha256=data_sha256(data, name),
        command=as_command(words),
        measured_by=as_command(manifest.command),
    )


def _stamp(path: Path) -> tuple[int, int] | None:
    """Changes when a file does, so that a digest is not computed for each figure anew."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


@cache
def _digest(paths: tuple[Path, ...], stamps: tuple[tuple[int, int] | None, ...]) -> str:
    return digest(paths)
