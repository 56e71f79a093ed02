"""The notes in a figure's file: which run and data it shows, and the command that draws it again."""

from __future__ import annotations

import hashlib
import json
import logging
import shlex
import stat
import warnings
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.errors import DataFormatError
from bench.output.text import visible

_SVG_SOURCE = "{http://purl.org/dc/elements/1.1/}source"
_LARGEST_BYTES = 64_000_000
_LONGEST_NOTES = 100_000


class Provenance(BaseModel):
    """Where a figure comes from; the same data and command give the same file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stepbench: str
    figure: str
    run_id: str
    data_sha256: str
    """The digest of the files that it was drawn from; see `digest`."""
    command: str
    """The command that draws it again; it names the run by its id, so that a moved folder gives the same bytes."""
    measured_by: str
    """The command that measured the run."""


def digest(paths: Iterable[Path]) -> str:
    """Return the SHA-256 over the names and contents of files, in their order, and over which of them exist.

    Raises:
        DataFormatError: a file cannot be read.
    """
    found = hashlib.sha256()
    for path in paths:
        found.update(path.name.encode() + b"\0")
        try:
            if path.exists():
                with path.open("rb") as file:
                    found.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise DataFormatError(f"{path} cannot be read ({error.strerror}): look at its permissions.") from error
    return found.hexdigest()


def as_command(words: Iterable[str]) -> str:
    """Return a command line as a shell takes it."""
    return shlex.join(words)


def as_words(command: str) -> list[str] | None:
    """Return the words of a command line that `as_command` wrote; None if a shell could make more of it."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    return words if as_command(words) == command else None


def metadata(provenance: Provenance, kind: str) -> dict[str, str | None]:
    """Return the metadata that matplotlib puts into a png, svg or pdf file; `read` finds it there."""
    title = visible(f"{provenance.figure} of run {provenance.run_id}")
    text = json.dumps(provenance.model_dump())  # ASCII, which each format holds as it is
    if kind == "png":
        return {"Software": "stepbench", "Title": title, "Source": text}
    date, place = ("CreationDate", "Subject") if kind == "pdf" else ("Date", "Source")
    return {date: None, "Creator": "stepbench", "Title": title, place: text}


def read(path: Path) -> Provenance:
    """Return what a figure's file says about itself. It is read to its end, and nothing in it is executed.

    Raises:
        DataFormatError: it cannot be read, is damaged, or was not drawn by stepbench.
    """
    text = _notes(path)
    if text is None:
        raise DataFormatError(f"{path} does not say where it comes from: only a file that `bench plot` drew does.")
    unknown = f"{path} was drawn by another program or version, whose notes cannot be read: draw it anew."
    try:
        notes = Provenance.model_validate_json(text[:_LONGEST_NOTES])
    except ValidationError as error:
        raise DataFormatError(unknown) from error
    # Somebody may copy the commands into a shell: they must be what they look like.
    drawing = (as_words(notes.command) or [])[:2] in (["bench", "plot"], ["bench", "history"])
    if not drawing or as_words(notes.measured_by) is None:
        raise DataFormatError(unknown)
    return notes


def _notes(path: Path) -> str | None:
    readers = {".png": _from_png, ".svg": _from_svg, ".pdf": _from_pdf}
    kind = path.suffix.lower()
    damaged = f"{path} is damaged, or no {kind[1:].upper()} file: draw it anew with `bench plot`."
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise DataFormatError(f"{path} is not a file: give a .png, .svg or .pdf file that `bench plot` drew.")
        if kind not in readers:
            raise DataFormatError(f"{path} is no figure of stepbench: give a .png, .svg or .pdf file that it drew.")
        if found.st_size > _LARGEST_BYTES:
            raise DataFormatError(f"{path} is larger than any figure of stepbench: give a file that it drew.")
        return readers[kind](path)
    except FileNotFoundError as error:
        raise DataFormatError(f"{path} does not exist: give a figure's file, such as one below results/.") from error
    except OSError as error:
        if error.errno is None:  # it comes from a library that reads pictures
            raise DataFormatError(damaged) from error
        raise DataFormatError(f"{path} cannot be read ({error.strerror}): look at its permissions.") from error
    except _DAMAGED as error:
        raise DataFormatError(damaged) from error


_DAMAGED = (AttributeError, LookupError, SyntaxError, TypeError, ValueError, Warning)
"""Errors of libraries for a file that is not what its name says."""


def _from_png(path: Path) -> str | None:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=["PNG"]) as image:
                found = image.info.get("Source")
                image.verify()
        except Image.DecompressionBombError as error:
            raise ValueError from error
    return found if isinstance(found, str) else None


def _from_svg(path: Path) -> str | None:
    """Return the first dc:source; refuse a file that declares entities, which could grow."""
    content = path.read_bytes()
    if b"<!ENTITY" in content:
        raise ValueError
    return ElementTree.fromstring(content).findtext(f".//{_SVG_SOURCE}") or None  # noqa: S314 - it has no entities


def _from_pdf(path: Path) -> str | None:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # the error says it
    try:
        found = PdfReader(path, strict=True).metadata
        return None if found is None else found.subject
    except PyPdfError as error:
        raise ValueError from error
