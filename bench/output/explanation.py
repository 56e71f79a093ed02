"""The origin of a figure's file, and whether the files it was drawn from are still the same."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

from bench.analysis.several import read_several
from bench.data.store import FIGURES, MANIFEST, read_manifest
from bench.errors import DataFormatError, UsageError
from bench.output.catalogue import calibration_figures, figure_titles, several_figures
from bench.output.document import Block, Glossary
from bench.output.provenance import Provenance, as_command, as_words, digest, read
from bench.run import calibration


class Freshness(StrEnum):
    """Whether a figure shows the files of its run as they are."""

    SAME = "same"
    CHANGED = "changed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Explanation:
    """The origin of one figure, as far as it is known."""

    file: Path
    notes: Provenance
    title: str
    """Title of the figure; empty if this stepbench has no such figure."""
    run: Path | None
    """The folder of its run, or the file of its calibration; None if it was not found."""
    freshness: Freshness
    reason: str = ""
    """Why it is unknown."""

    @property
    def command(self) -> str:
        """The command that draws the figure again from here, with the folder that the run was found in."""
        words = as_words(self.notes.command) or []
        name = "".join(words[2:3])
        if self.run is None or not (name == f"results/{self.notes.run_id}" or self.run.name == name):
            return self.notes.command
        return as_command([*words[:2], str(self.run), *words[3:]])


def explain(file: Path, run: Path | None = None) -> Explanation:
    """Read a figure's notes back and compare its run's files with them.

    Args:
        file: the figure.
        run: the folder of its run, or its calibration; if None it is looked for around the figure, and in results/ or
            where calibrations are kept.

    Raises:
        DataFormatError: the file was not drawn by stepbench or is damaged; or `run` cannot be read.
        UsageError: `run` is another run.
    """
    notes = read(file)
    title = figure_titles().get(notes.figure, "")
    if notes.figure in calibration_figures():
        return _of_calibration(file, notes, title, run)
    if notes.figure in several_figures():
        return _of_several(file, notes, title, run)
    found = run or _found(file, notes)
    if run is not None and (given := read_manifest(run).run_id) != notes.run_id:
        raise UsageError(f"--run {run} is the run {given!r}, and the figure shows {notes.run_id!r}: name that one.")
    try:
        freshness, reason = _freshness(notes, title, found)
    except DataFormatError as error:
        if run is not None:
            raise
        freshness, reason = Freshness.UNKNOWN, str(error)
    return Explanation(file, notes, title, found, freshness, reason)


def _of_calibration(file: Path, notes: Provenance, title: str, given: Path | None) -> Explanation:
    """Compare a calibration with the notes of a figure that shows one."""
    if given is not None and (mark := calibration.read(given).fingerprint) != notes.run_id:
        raise UsageError(f"--run {given} is the calibration {mark!r}, not {notes.run_id!r}: name that one.")
    beside = file.resolve().parent / Path("".join((as_words(notes.command) or [])[2:3])).name
    found = given or (beside if beside.is_file() else calibration.place_of(notes.run_id))
    if found is None:
        reason = "its calibration was not found: name its file with --run."
        return Explanation(file, notes, title, None, Freshness.UNKNOWN, reason)
    same = digest([found]) == notes.data_sha256
    return Explanation(file, notes, title, found, Freshness.SAME if same else Freshness.CHANGED)


def _of_several(file: Path, notes: Provenance, title: str, given: Path | None) -> Explanation:
    """Compare the files of several runs, below results/ as the command names them, with the notes of a figure."""
    if given is not None:
        raise UsageError(
            f"--run {given}: the figure shows several runs, which are looked for in results/: leave it out."
        )
    words = (as_words(notes.command) or [])[2:]
    named = [Path(word) for word in takewhile(lambda word: not word.startswith("-"), words)]
    if len(named) < 2 or not all(path.parent == Path("results") and path.is_dir() for path in named):
        reason = "its runs are not all in results/."
        return Explanation(file, notes, title, None, Freshness.UNKNOWN, reason)
    try:
        same = digest(read_several(named).files) == notes.data_sha256
    except DataFormatError as error:
        return Explanation(file, notes, title, None, Freshness.UNKNOWN, str(error))
    return Explanation(file, notes, title, None, Freshness.SAME if same else Freshness.CHANGED)


def _freshness(notes: Provenance, title: str, run: Path | None) -> tuple[Freshness, str]:
    """Return whether the files are as they were, and why that is unknown."""
    if run is None:
        return Freshness.UNKNOWN, "its run was not found: name its folder with --run."
    if not title:
        return Freshness.UNKNOWN, f"this stepbench has no figure {notes.figure!r}: ask the stepbench that drew it."
    if ("--machine", "all") in pairwise(as_words(notes.command) or []):
        return Freshness.UNKNOWN, "it shows runs of several machines: draw it again to find out."
    from bench.output.figures import RunData, data_sha256

    same = data_sha256(RunData(run), notes.figure) == notes.data_sha256
    return (Freshness.SAME if same else Freshness.CHANGED), ""


def _found(file: Path, notes: Provenance) -> Path | None:
    """Return the run around a figure in its figures/ folder, or the one of that name in results/."""
    around = file.resolve().parent
    places = [file.parent.parent, around.parent] if around.name == FIGURES else []
    if Path(notes.run_id).name == notes.run_id not in ("", ".."):  # it comes from the file and must not lead elsewhere
        places.append(Path("results", notes.run_id))
    for place in places:
        with suppress(DataFormatError, OSError):
            if (place / MANIFEST).is_file() and read_manifest(place).run_id == notes.run_id:
                return place
    return None


def explanation_blocks(found: Explanation) -> list[Block]:
    """Return what a reader wants to know; each command stands on a line of its own, to be copied."""
    notes = found.notes
    now = {
        Freshness.SAME: "drawn from the files as they are",
        Freshness.CHANGED: "the files changed since: draw it again",
        Freshness.UNKNOWN: f"unknown whether the files changed: {found.reason}",
    }
    lines = {
        "figure": f"{notes.figure}: {found.title}" if found.title else notes.figure,
        "run": notes.run_id if found.run is None else f"{notes.run_id}, in {found.run}",
        "drawn by": f"stepbench {notes.stepbench}",
        "data": f"SHA-256 {notes.data_sha256}",
        "now": now[found.freshness],
        "draw again": found.command,
        "measured by": notes.measured_by or "several commands: see the manifests of its runs",
    }
    return [Glossary(tuple((name, (text,)) for name, text in lines.items()))]


def explanation_json(found: Explanation) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        **found.notes.model_dump(),
        "file": str(found.file),
        "title": found.title or None,
        "run": None if found.run is None else str(found.run),
        "files": found.freshness.value,
        "reason": found.reason or None,
        "command": found.command,
    }
