"""What a loaded file imports: its neighbours, and other modules that are the user's own."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_OURS = Path(__file__).resolve().parents[1]
_INSTALLED = re.compile(r"[\\/](site|dist)-packages[\\/]")
_LOADED = "stepbench_loaded_"
"""The beginning of the names under which loaded files themselves are modules."""


@contextmanager
def importing_from(folders: Sequence[str], stay: bool) -> Iterator[None]:
    """Let imports be looked for in these folders first.

    Args:
        folders: where to look, in order.
        stay: whether that holds from now on; otherwise what was imported from there is forgotten at the end, since
            another file may have neighbours of the same names.
    """
    known, inserted = set(sys.modules), list(dict.fromkeys(folders))
    sys.path[:0] = inserted
    try:
        yield
    finally:
        if not stay:
            for folder in inserted:
                sys.path.remove(folder)
            for name in set(sys.modules) - known:
                if any(place.is_relative_to(folder) for place in _places(name) for folder in inserted):
                    del sys.modules[name]


def _places(name: str) -> list[Path]:
    module = sys.modules[name]
    found = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    return [Path(place).resolve() for place in found if isinstance(place, str)]


def own_modules() -> dict[str, Path]:
    """Find the modules of this process that are the user's own, with their files, loaded files themselves aside.

    Everything that is installed, comes with Python or belongs to stepbench is left out: versions tell of those.
    """
    strangers = [Path(prefix).resolve() for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix}]
    found = {}
    for name in list(sys.modules):
        file = getattr(sys.modules[name], "__file__", None)
        if not isinstance(file, str) or name.startswith(_LOADED) or name == "__main__" or _INSTALLED.search(file):
            continue
        path = Path(file).resolve()
        if not any(path.is_relative_to(place) for place in (*strangers, _OURS)) and path.is_file():
            found[name] = path
    return found


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
