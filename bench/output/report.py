"""The report of a run: one document, built once, in the format asked for.

Importing this imports nothing heavy: the command line asks it for the formats.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError
from bench.output.catalogue import several_figures

if TYPE_CHECKING:
    from bench.output.document import Document, Link
    from bench.output.figures import RunData, RunsData

FORMATS = {"html": "html", "markdown": "md", "latex": "tex"}
"""The formats, and the endings of their files' names."""
_TEX_PATH = re.compile(r"[A-Za-z0-9/._-]+")


def report(folder: Path, kind: str, beside: Path | None = None, baseline: str = "", columns: Sequence[str] = ()) -> str:
    """Return the report of a run as text; the same files give the same text.

    Pictures that Markdown and LaTeX refer to are drawn into the run's own `figures/` folder.

    Args:
        folder: the run's folder.
        kind: a format, from `FORMATS`.
        beside: the folder that the text will lie in, from which pictures are named; by default that of the run.
        baseline: what speedups are over, as `--baseline` has it; empty: what they were when it was measured.
        columns: names of the columns of its tables of cases; the usual ones if empty.

    Raises:
        DataFormatError: the run cannot be read, or nothing was measured.
        StorageError: a picture cannot be written.
        UsageError: LaTeX could not read the path from there to the pictures, or there is no such baseline.
    """
    from bench.output.figures import RunData

    return written(RunData(folder, baseline), kind, beside, columns)


def written(data: RunData | RunsData, kind: str, beside: Path | None = None, columns: Sequence[str] = ()) -> str:
    """Return the report of a run, or of several side by side; see `report`.

    Args:
        data: the run, or the runs.
        kind: see `report`.
        beside: see there.
        columns: see there; of one run only.
    """
    from bench.data.store import FIGURES
    from bench.output import figures
    from bench.output.figures import Look, Width
    from bench.output.render import latex, markdown

    if kind == "html":
        return page(data, columns)
    look, ending = (Look(Width.COLUMN), "pdf") if kind == "latex" else (Look(), "png")
    folder = data.folder.resolve()
    folders = Path(os.path.relpath(folder, (beside or folder).resolve())).as_posix()
    if kind == "latex" and not _TEX_PATH.fullmatch(folders):
        raise UsageError(
            f"--output is a file from which the figures are at {folders}/{FIGURES}, which LaTeX cannot read: "
            "choose one in the run's own folder."
        )
    paths, left_out = figures.of_each(_in_order(data), lambda name: figures.write(data, name, ending, look))
    place = FIGURES if folders == "." else f"{folders}/{FIGURES}"
    targets = {name: f"{place}/{path.name}" for name, path in paths.items()}
    document = _document(data, tuple(targets), left_out, columns)
    return latex.render(document, targets) if kind == "latex" else markdown.render(document, targets)


def page(
    data: RunData | RunsData,
    columns: Sequence[str] = (),
    elsewhere: Mapping[str, str] | None = None,
    links: Sequence[Link] = (),
) -> str:
    """Return the report of a run, or of several side by side, as HTML.

    Args:
        data: the run, or the runs.
        columns: see `report`.
        elsewhere: figures that are not drawn, since they stand on another page, each with a sentence that says where.
        links: the pages beside it.
    """
    from bench.output import figures
    from bench.output.render import html

    elsewhere = elsewhere or {}
    shown = [name for name in _in_order(data) if name not in elsewhere]
    pictures, left_out = figures.of_each(
        shown, lambda name: html.drawings(lambda look: figures.picture(data, name, "svg", look))
    )
    here = f"{data.folder}{os.sep}"  # a page may be shown to anybody
    told = {name: reason.replace(here, "") for name, reason in left_out.items()}
    document = _document(data, tuple(pictures), {**told, **elsewhere}, columns)
    return html.render(replace(document, links=tuple(links)), pictures)


def _in_order(data: RunData | RunsData) -> list[str]:
    """Return the names of all figures, the foremost first."""
    from bench.output import figures

    if isinstance(data, figures.RunsData):
        return list(several_figures())
    first = figures.headlines()
    return [*first, *(name for name in figures.names() if name not in first)]


def _document(
    data: RunData | RunsData, drawn: Sequence[str], left_out: Mapping[str, str], columns: Sequence[str]
) -> Document:
    from bench.output.content import beside_report, report
    from bench.output.figures import RunsData

    if isinstance(data, RunsData):
        return beside_report.build(data, drawn, left_out)
    return report.build(data, drawn, left_out, columns)
