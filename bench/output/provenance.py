"""The notes in a figure's file: which run and data it shows, and the command that draws it again."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import shlex
import warnings
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.data.files import opened
from bench.errors import DataFormatError, visible

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
            with opened(path) as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
        except FileNotFoundError:
            continue
        except OSError as error:
            raise DataFormatError(f"{path} cannot be read ({error.strerror}): restore the file.") from error
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
    try:
        with opened(path, _LARGEST_BYTES) as file:
            content = file.read()
    except FileNotFoundError as error:
        raise DataFormatError(f"{path} does not exist: give a figure's file, such as one below results/.") from error
    except OSError as error:
        told = f"{path} cannot be read ({error.strerror})"
        raise DataFormatError(f"{told}: give a .png, .svg or .pdf file that `bench plot` drew.") from error
    if kind not in readers:
        raise DataFormatError(f"{path} is no figure of stepbench: give a .png, .svg or .pdf file that it drew.")
    try:
        with warnings.catch_warnings(action="ignore"):
            return readers[kind](content)
    except Exception as error:
        told = f"{path} is damaged, or no {kind[1:].upper()} file that can be read"
        raise DataFormatError(f"{told}: draw it anew with `bench plot`.") from error


def _from_png(content: bytes) -> str | None:
    from PIL import Image

    bomb = warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning)
    with bomb, Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        found = image.info.get("Source")
        image.verify()
    return found if isinstance(found, str) else None


def _from_svg(content: bytes) -> str | None:
    """Return the first dc:source; refuse a file that declares entities, which could grow."""
    if b"<!ENTITY" in content:
        raise ValueError
    return ElementTree.fromstring(content).findtext(f".//{_SVG_SOURCE}") or None  # noqa: S314 - it has no entities


def _from_pdf(content: bytes) -> str | None:
    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # the error says it
    found = PdfReader(io.BytesIO(content), strict=True).metadata
    return None if found is None else found.subject
