"""Loading of the user's files, as their sources are now, with a record of them.

Python trusts bytecode in `__pycache__` if its source still has the size and, to the second, the time that it had; or
without looking (`compileall --invalidation-mode unchecked-hash`). So a changed file may run as it was before. And what
was loaded need not stay in `sys.modules`, or be there under a name that tells where it came from. Both are up to
Python's loaders, in which every way of importing ends; Python has no hook for either.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader, SourcelessFileLoader
from pathlib import Path
from types import CodeType
from typing import Any
from zipimport import zipimporter

from bench.model.imports import is_users

BYTECODE = "STEPBENCH_BYTECODE"
"""The variable that tells measuring processes which folder their command keeps bytecode in."""
_LOADERS: tuple[type[Any], ...] = (SourceFileLoader, SourcelessFileLoader, zipimporter)
_loaded: set[str] = set()


def loaded_files() -> tuple[Path, ...]:
    """Return the user's files that were loaded as modules of any name, those forgotten since included."""
    return tuple(Path(place) for place in sorted(_loaded))


def forget_files() -> None:
    """Begin a new record, in a process that was forked from one with loaded files of its own."""
    _loaded.clear()


def programs_in(folder: Path) -> list[Path]:
    """List the files of a folder of implementations; not what editors hide beside them, nor pipes and broken links."""
    return [path for path in sorted(folder.glob("[!._]*.py")) if path.is_file()]


@contextmanager
def from_source(bytecode: str) -> Iterator[None]:
    """Load the user's files from their sources for as long as the context lasts, and keep a record of them.

    Args:
        bytecode: a folder that holds no bytecode but what this command has compiled; `os.devnull` keeps none.
    """

    def replaced(get_code: Callable[[Any, str], CodeType | None]) -> Callable[[Any, str], CodeType | None]:
        def load(loader: Any, name: str) -> CodeType | None:
            place = os.path.abspath(loader.get_filename(name))  # noqa: PTH100 - without `..`, and links left as they are
            if not is_users(place):
                return get_code(loader, name)
            _loaded.add(place)
            prefix, sys.pycache_prefix = sys.pycache_prefix, bytecode
            try:
                return get_code(loader, name)
            finally:
                sys.pycache_prefix = prefix

        return load

    before = {loader: loader.get_code for loader in _LOADERS}
    for loader, get_code in before.items():
        loader.get_code = replaced(get_code)
    try:
        yield
    finally:
        for loader, get_code in before.items():
            loader.get_code = get_code
