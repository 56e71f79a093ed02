"""Figures, one file each: a module here with a `TITLE` and a `draw(data, look)` is a figure, and no list repeats them.

A figure raises `NothingToShowError` where a run lacks what it shows. It may also have

- `HEADLINE = 1`: its place among those that `bench run` and `bench sweep` draw when they end;
- `inputs(data)`: the files that it is drawn from, if these are more than the files of the run;
- `READING`: how to read it, in one or two plain sentences;
- `SHOWS`: the columns of a case that it shows, the foremost first; see `bench.output.content.cases.SHOWN`.

A figure with the line `OF = "calibration"` shows a calibration of a machine, one with `OF = "several runs"` shows runs
side by side; its `draw` takes that, or a `RunsData`, instead of a run.

The modules whose names begin with an underscore are shared:

- `_look`: widths, colours, measuring of text, and the bytes of a file;
- `_data`: the files of a run and the meaning of their columns;
- `_several`: several runs, and what their figures have in common;
- `_ticks`: numbers along an axis;
- `_cast`: what contenders are called and look like, the same in all figures of a run;
- `_words`: words for rungs and entrants;
- `_frame`: texts, keys and panels, each with the room that it needs;
- `_bars` and `_lines`: what figures of bars, and figures of lines, have in common.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from bench import __version__
from bench.analysis.several import read_several
from bench.data.store import FIGURES
from bench.errors import NothingToShowError, UsageError, nearest
from bench.output.catalogue import calibration_figures, figure_names, several_figures
from bench.output.figures._cast import Choice as Choice
from bench.output.figures._data import RunData as RunData
from bench.output.figures._data import files_of as files_of
from bench.output.figures._look import Look as Look
from bench.output.figures._look import Style as Style
from bench.output.figures._look import Width as Width
from bench.output.figures._look import rendered
from bench.output.figures._several import RunsData as RunsData
from bench.output.outfile import write_output
from bench.output.provenance import Provenance, as_command, digest
from bench.run import calibration

FORMATS = ("png", "svg", "pdf")
SEVERAL = Path("several")
"""The folder for what is made of several runs, where no other is named."""


_Made = TypeVar("_Made")


@dataclass
class Drawn:
    """The outcome of `draw`."""

    paths: list[Path]
    left_out: dict[str, str]
    """Figures that the run has nothing for, each with the reason."""


def names() -> tuple[str, ...]:
    """Return the names of all figures of a run."""
    others = (*calibration_figures(), *several_figures())
    return tuple(name for name in figure_names(__path__) if name not in others)


@dataclass(frozen=True)
class About:
    """The words of a figure about itself."""

    title: str
    reading: str
    """How to read it; empty if the figure does not say."""
    shows: tuple[str, ...]
    """The columns that it shows; empty if the figure does not say."""


def about(name: str) -> About:
    """Return what a figure says about itself."""
    module = _module(name)
    return About(module.TITLE, getattr(module, "READING", ""), getattr(module, "SHOWS", ()))


def headlines() -> tuple[str, ...]:
    """Return the figures that are drawn when a run ends, the foremost first."""
    ranks = {name: getattr(_module(name), "HEADLINE", 0) for name in names()}
    return tuple(sorted(filter(ranks.get, ranks), key=lambda name: ranks[name]))


@cache
def _module(name: str) -> ModuleType:
    import matplotlib as mpl

    mpl.use("agg")
    return importlib.import_module(f"{__name__}.{name}")


def data_of(
    folders: Sequence[Path], into: Path | None = None, baseline: str = "", choice: Choice | None = None
) -> RunData | RunsData:
    """Read the run that figures show, or the several.

    Args:
        folders: of the runs.
        into: the folder for what is made of several runs, which have none of their own; `SEVERAL` if None.
        baseline: what speedups are to be over, if not what they were when each run was measured.
        choice: which implementations are shown, in which order and under which names.

    Raises:
        UsageError: a folder is given for one run, or baseline or choice do not fit.
        DataFormatError: a run cannot be read.
    """
    if len(folders) > 1:
        several = read_several(folders, baseline, choice.only if choice else ())
        return RunsData(several, SEVERAL if into is None else into, choice)
    if into is not None:
        raise UsageError(
            f"--output {into} is for figures of several runs, and one run has its own folder: leave it out."
        )
    return RunData(folders[0], baseline, choice)


def draw(
    folder: Path,
    figures: Sequence[str] = (),
    formats: Sequence[str] = ("png", "svg"),
    look: Look | None = None,
    data: RunData | RunsData | None = None,
    report: Callable[[Path], object] = lambda path: None,
) -> Drawn:
    """Draw figures of a run, or of several, into a `figures/` folder; those already drawn stay if another fails.

    Args:
        folder: the run's folder, or the one for the figures of several.
        figures: their names; if empty, all that the run has something for.
        formats: file formats, from `FORMATS`.
        look: width and style; a page in light by default.
        data: the run, if it has been read already, or the several.
        report: called with each file as soon as it is written.

    Raises:
        UsageError: there is no such figure.
        NothingToShowError: a figure that was asked for has nothing to show, or none has.
        DataFormatError: the run cannot be read.
    """
    known = several_figures() if isinstance(data, RunsData) else names()
    for name in figures:
        if name in calibration_figures():
            raise UsageError(
                f"--figure {name} shows a calibration and no run: give the file that `bench doctor --calibrate` wrote."
            )
        if name not in known and name in (*names(), *several_figures()):
            what = "several runs" if name in several_figures() else "one run"
            raise UsageError(f"--figure {name} shows {what}: name {what}, or choose one of {', '.join(known)}.")
        if name not in known:
            raise UsageError(f"There is no figure {name!r}: {nearest(name, known)}")
    data, paths = data or RunData(folder), list[Path]()

    def save(name: str) -> None:
        for kind in formats:
            paths.append(write(data, name, kind, look or Look()))
            report(paths[-1])

    _, left_out = of_each(figures or known, save)
    for name in figures:
        if name in left_out:
            raise NothingToShowError(f"--figure {name}: {left_out[name]}")
    if not paths:
        raise NothingToShowError(f"{folder} has nothing that a figure could show.")
    return Drawn(paths, left_out)


def draw_headlines(folder: Path) -> list[Path]:
    """Draw the figures for the end of a run, as far as it has something for them, and return their files."""
    data = RunData(folder)
    found, _ = of_each(headlines(), lambda name: [write(data, name, kind, Look()) for kind in ("png", "svg")])
    return [path for paths in found.values() for path in paths]


def draw_calibration(
    path: Path,
    figures: Sequence[str] = (),
    formats: Sequence[str] = ("png", "svg"),
    look: Look | None = None,
    report: Callable[[Path], object] = lambda path: None,
) -> list[Path]:
    """Draw figures of a calibration beside its file, whose name theirs begin with, and return their files.

    Args:
        path: the calibration's file.
        figures: their names; if empty, all that show a calibration.
        formats: file formats, from `FORMATS`.
        look: width and style; a page in light by default.
        report: called with each file as soon as it is written.

    Raises:
        UsageError: there is no such figure of a calibration.
        NothingToShowError: the calibration lacks what it shows.
        DataFormatError: it is no calibration.
        StorageError: a figure cannot be written.
    """
    found, look, paths = calibration.read(path), look or Look(), list[Path]()
    for name in figures:
        if name not in calibration_figures():
            raise UsageError(
                f"{path.name} is a calibration, of which there is no figure {name!r}: give a run's folder."
            )
    for name, kind in product(figures or calibration_figures(), formats):
        words = ["bench", "plot", path.name, "--figure", name, "--format", kind]
        words += look.options
        notes = Provenance(
            stepbench=__version__,
            figure=name,
            run_id=found.fingerprint,
            data_sha256=digest([path]),
            command=as_command(words),
            measured_by="bench doctor --calibrate",
        )
        content = rendered(partial(_module(name).draw, found, look), kind, look, notes)
        paths.append(path.with_name(f"{path.stem}-{name}{look.stem}.{kind}"))
        write_output(paths[-1], content)
        report(paths[-1])
    return paths


def of_each(figures: Iterable[str], make: Callable[[str], _Made]) -> tuple[dict[str, _Made], dict[str, str]]:
    """Return what `make` makes of each figure, and why the run has nothing for the others."""
    found, left_out = {}, {}
    for name in figures:
        try:
            found[name] = make(name)
        except NothingToShowError as error:
            left_out[name] = str(error)
    return found, left_out


def write(data: RunData | RunsData, name: str, kind: str, look: Look) -> Path:
    """Draw one figure into the run's folder, and return its file; see `picture`."""
    path = data.folder / FIGURES / f"{name}{look.stem}.{kind}"
    write_output(path, picture(data, name, kind, look))
    return path


def picture(data: RunData | RunsData, name: str, kind: str, look: Look) -> bytes:
    """Return one figure as the content of a png, svg or pdf file; the same data give the same bytes.

    Raises:
        NothingToShowError: the run lacks what it shows.
    """
    module = _module(name)
    # Drawn anew for each format: saving lays a figure out, and the next saving would start from that.
    return rendered(lambda: module.draw(data, look), kind, look, provenance(data, name, kind, look))


def data_sha256(data: RunData | RunsData, name: str) -> str:
    """Return the digest of the files that a figure of this run, or of these, is drawn from."""
    module = _module(name)
    return data.digest(module.inputs(data) if hasattr(module, "inputs") else data.inputs)


def provenance(data: RunData | RunsData, name: str, kind: str, look: Look) -> Provenance:
    """Return what the file of a figure says about itself."""
    words = ["bench", "plot", *data.words, "--figure", name, "--format", kind]
    words += [*look.options, *data.options]
    return Provenance(
        stepbench=__version__,
        figure=name,
        run_id=data.run_id,
        data_sha256=data_sha256(data, name),
        command=as_command(words),
        measured_by=as_command(data.measured_by),
    )
