"""The folder of a site: what an earlier build left there, what is written, kept and removed.

A file beside the pages names them all. Nothing else in the folder is ever touched, and a folder that holds anything but
lacks that file is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from bench.data.files import content_of
from bench.data.jsonfile import as_model, json_of
from bench.data.manifest import STRICT
from bench.data.store import check_empty, encoded, write_atomically
from bench.errors import DataFormatError, StorageError, UsageError, os_cure
from bench.output.outfile import DATA
from bench.output.site.names import PAGE, RUNS, STEPS

RECORD = "site.json"
"""The file that makes a folder a site."""


class PageRecord(BaseModel):
    """How a page was written."""

    model_config = STRICT

    made_of: str = ""
    """The digest of all that it depends on; empty as long as it was not written."""
    sha256: str = ""
    """The digest of its content."""


class SiteRecord(BaseModel):
    """All pages of a site."""

    model_config = STRICT

    site: Literal[1] = 1
    """The version of this file."""
    pages: dict[Annotated[str, Field(pattern=f"^{PAGE}$")], PageRecord]


class SiteFolder:
    """The folder of a site that is being built; interrupted at any time, it holds whole pages and knows them all."""

    def __init__(self, folder: Path, runs: Path) -> None:
        """Look at a folder; nothing is written yet.

        Args:
            folder: where the site is to be.
            runs: the folder that holds the runs.

        Raises:
            UsageError: a site would not belong there.
            DataFormatError: the record of an earlier site is damaged.
            StorageError: the folder holds something else, or cannot be read.
        """
        self.folder = folder
        _check_place(folder, runs)
        self._pages = _earlier(folder)
        self._put: set[str] = set()

    def begin(self, names: Iterable[str]) -> None:
        """Write down which pages there may be from now on."""
        self._pages = {**{name: PageRecord() for name in names}, **self._pages}
        self._save()

    def put(self, name: str, made_of: str, make: Callable[[], str]) -> bool:
        """Write a page, unless an earlier build wrote it of the same; returns whether it did.

        Args:
            name: one of those that `begin` was told.
            made_of: a digest of all that the page depends on.
            make: returns the page.

        Raises:
            StorageError: it cannot be written.
        """
        self._put.add(name)
        known = self._pages[name]
        if known.sha256 and known.made_of == made_of and known.sha256 == self._sha256(name):
            return False
        content = encoded(make())
        write_atomically(self.folder / name, content)
        self._pages[name] = PageRecord(made_of=made_of, sha256=hashlib.sha256(content).hexdigest())
        self._save()
        return True

    def finish(self) -> list[str]:
        """Remove the pages that were not put again, and return their names.

        Raises:
            StorageError: one cannot be removed.
        """
        gone = sorted(self._pages.keys() - self._put)
        there = [name for name in gone if (self.folder / name).exists()]
        for name in gone:
            try:
                (self.folder / name).unlink(missing_ok=True)
            except OSError as error:
                told = f"{self.folder / name}, a page of what is gone, cannot be removed ({error.strerror})"
                raise StorageError(f"{told}: {os_cure(error, 'remove it yourself')}.") from error
            del self._pages[name]
        self._save()
        for name in (RUNS, STEPS):
            with suppress(OSError):
                (self.folder / name).rmdir()  # if nothing is left in it
        return there

    def _sha256(self, name: str) -> str:
        try:
            return hashlib.sha256(content_of(self.folder / name)).hexdigest()
        except OSError:
            return ""

    def _save(self) -> None:
        record = SiteRecord(pages={name: self._pages[name] for name in sorted(self._pages)})
        write_atomically(self.folder / RECORD, record.model_dump_json(indent=1) + "\n")


def _check_place(folder: Path, runs: Path) -> None:
    """Refuse a folder that lies inside a run."""
    real, above = folder.resolve(), runs.resolve()
    inside = real.relative_to(above).parts if real.is_relative_to(above) else ()
    if inside and any((above / inside[0] / name).exists() for name in DATA):
        raise UsageError(f"--out {folder} is in {runs / inside[0]}, the folder of a run: choose another one.")
    for name in (RUNS, STEPS):
        if (folder / name).is_symlink():
            raise UsageError(f"--out {folder} holds a link, {name}, that leads elsewhere: remove it.")


def _earlier(folder: Path) -> dict[str, PageRecord]:
    """Return the pages that an earlier build left."""
    path = folder / RECORD
    try:
        raw = json_of(path)
        return as_model(SiteRecord, raw if isinstance(raw, dict) else {}, path).pages
    except FileNotFoundError:
        check_empty(folder)
        return {}
    except OSError as error:
        cure = os_cure(error, "choose another --out")
        raise StorageError(f"{path} cannot be read ({error.strerror}): {cure}.") from error
    except DataFormatError as error:
        told = f"{folder} holds no site that can be built anew ({str(error).removesuffix('.')})"
        raise DataFormatError(f"{told}: remove the folder, or choose another --out.") from error
