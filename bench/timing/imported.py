"""What a measuring process has imported of the user's, as it reports it, and whether it may have."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.machine.environment import versions_behind
from bench.machine.files import ROOT, content
from bench.model.imports import COMPILED, Surroundings, digest, file_of, is_users, own_modules
from bench.model.loading import forget_files, loaded_files
from bench.timing.protocol import Request

_WHERE = "at the top of the repository, in its src/ and in folders of it that PYTHONPATH or a .pth file names"
_CURE = f"modules are looked for {_WHERE}, so keep them there, and have none of them imported in another way."
_BUILT = (
    "no revision holds what was built in the working tree, so build each in an environment of its own and compare "
    "these with --python-a and --python-b, or delete it."
)
UNTRACKED = f"; of a revision there is only what git tracks, and its modules are looked for {_WHERE}"
"""What helps where a revision's import fails."""


def imported(around: Sequence[Surroundings], cache: str = "") -> dict[str, Any]:
    """Return the user's modules with their SHA-256 and the packages with their versions, as fields of a `Reply`.

    Args:
        around: surroundings of the files that were loaded.
        cache: folder of the compiler's cache: what it has written there is imported too, and is not the user's.
    """
    others = {name: file for each in around for name, file in each.others.items()}
    made = Path(cache).resolve() if cache else None
    modules = {
        name: digest(*files)
        for name, files in own_modules(around).items()
        if made is None or not all(file.is_relative_to(made) for file in files)
    }
    return {"modules": modules, "packages": versions_behind(others)}


def from_elsewhere(request: Request, around: Sequence[Surroundings]) -> str:
    """Say which code of the repository came from where it must not come from; empty if none did.

    Args:
        request: names the checkout and what is foreign to it; one without a checkout may import what it likes.
        around: surroundings of the files that were loaded.
    """
    if not request.path:
        return ""
    is_foreign, own = _foreign_to(request), Path(request.path[0]).resolve()
    code = [(name, file) for name, file in _found(around) if is_foreign(file)]
    named = [(name, file) for name in request.modules if (file := file_of(name)) is not None]
    copies = [(name, file) for name, file in named if not (file.is_relative_to(own) and is_users(str(file)))]
    for name, file in (*code, *copies):
        what = f"imported {name} from" if name else "loaded"
        cure = _BUILT if file.suffix in COMPILED else _CURE
        return f"it {what} {file}, which is not the revision's own: {cure}"
    return ""


def forget_foreign(request: Request) -> None:
    """Forget what the interpreter that this process was forked from knows of other checkouts."""
    forget_files()
    is_foreign = _foreign_to(request)
    for name, files in own_modules().items():
        if any(map(is_foreign, files)):
            del sys.modules[name]
    sys.path[:] = [entry for entry in sys.path if not is_foreign(Path(entry).resolve())]


def _found(around: Sequence[Surroundings]) -> Iterator[tuple[str, Path]]:
    """List the code of the user's in this process, with its name if it has one.

    That is modules, files that were loaded under no name or are gone by now, and libraries.
    """
    for name, files in own_modules(around).items():
        yield from ((name, file) for file in files)
    yield from (("", file.resolve()) for file in loaded_files())
    for line in (content(ROOT / "proc/self/maps") or "").splitlines():
        _, permissions, *_, path = line.split(maxsplit=5)
        if "x" in permissions and is_users(path):
            yield "", Path(path)


def _foreign_to(request: Request) -> Callable[[Path], bool]:
    """Make what tells whether a file or a folder is foreign: of all checkouts it is part of the deepest it lies in."""
    roots = [Path(folder).resolve() for folder in (*request.path[:1], *request.foreign)]

    def is_foreign(file: Path) -> bool:
        places = [root for root in roots if file.is_relative_to(root)]
        return is_users(f"{file}/") and max(places, key=lambda root: len(root.parts), default=roots[0]) != roots[0]

    return is_foreign if request.foreign else lambda file: False
