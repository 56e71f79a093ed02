"""What a loaded file imports: its neighbours, and other modules that are the user's own.

The code of a file finds its own neighbours whenever it runs: while it is loaded, and while something that it registered
is called. In between they make room, since another file may have neighbours of the same names.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, wraps
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, TypeVar

_INSTALLED = tuple(f"{os.sep}{folder}{os.sep}" for folder in ("site-packages", "dist-packages"))
_STRANGERS = tuple(
    os.path.join(place, "")  # noqa: PTH118 - texts, since thousands of them are compared
    for place in (
        str(Path(__file__).resolve().parents[1]),
        *(sysconfig.get_paths()[kind] for kind in ("stdlib", "platstdlib")),
        *(os.path.join(prefix, "lib") for prefix in (sys.prefix, sys.base_prefix)),  # noqa: PTH118
    )
)
"""Folders whose files are not the user's: the harness, the standard library, what comes with the environment."""
COMPILED = (".so", ".pyd", ".pyc")
"""The ends of the names of modules that are no sources."""
LOADED = "stepbench_loaded_"
"""The beginning of the names under which loaded files themselves are modules."""

Result = TypeVar("Result")


class Surroundings:
    """The folders that a loaded file imports from, and what it has imported from there."""

    _settled: ClassVar[Surroundings | None] = None
    """Those of the last file that was loaded to stay."""

    def __init__(self, folders: Sequence[str], stay: bool) -> None:
        """Prepare; nothing is importable yet.

        Args:
            folders: where its imports are looked for first, in order.
            stay: whether they stay importable once the file is loaded: in a process that serves it alone. Modules of
                another file make room only where they have a name that this one's folders hold too.
        """
        self._folders = list(dict.fromkeys(folders))
        self._inside = tuple(os.path.join(folder, "") for folder in self._folders)  # noqa: PTH118
        self._stay = stay
        self.modules: dict[str, ModuleType] = {}
        """The modules that came from these folders, by name."""
        self.others: dict[str, str] = {}
        """The modules without a dot that its code imported from anywhere else, with their files."""

    @contextmanager
    def entered(self, loading: bool = False) -> Iterator[None]:
        """Let imports be looked for in these folders first, and let modules from elsewhere give way to theirs.

        Args:
            loading: whether the file is being loaded, after which what should stay does.
        """
        known = set(sys.modules)
        away = self._take_place()
        sys.path[:0] = self._folders
        try:
            yield
        finally:
            new = {name for name in sys.modules if name not in known or name in away}
            self.modules |= {name: sys.modules[name] for name in new if self._holds(name)}
            tops = (name for name in new - self.modules.keys() if "." not in name and not name.startswith(LOADED))
            self.others |= {name: place for name in tops if os.path.isfile(place := _place(name))}  # noqa: PTH113
            if self._stay and loading:
                Surroundings._settled = self
            else:
                self._make_room(new & self.modules.keys(), away)

    def _take_place(self) -> dict[str, ModuleType]:
        """Put this file's modules where those of their names from elsewhere were; return these."""
        hiding = {name for name in sys.modules if "." not in name and self._hides(name)}
        names = [name for name in sys.modules if name.partition(".")[0] in hiding] if hiding else []
        away = {name: sys.modules.pop(name) for name in names}
        for name, module in self.modules.items():
            sys.modules.setdefault(name, module)
        return away

    def _make_room(self, mine: Iterable[str], away: dict[str, ModuleType]) -> None:
        """Undo `_take_place` once the file's code has run; where files stay, the last one that was loaded takes it."""
        for folder in self._folders:
            with suppress(ValueError):  # the file's own code may have taken it away
                sys.path.remove(folder)
        if not self._stay:
            for name in mine:
                del sys.modules[name]
        sys.modules.update(away)
        if self._stay and Surroundings._settled is not None:
            Surroundings._settled._take_place()

    def inside(self, function: Callable[..., Result]) -> Callable[..., Result]:
        """Make a function that does the same with these surroundings entered."""

        @wraps(function)
        def call(*arguments: Any, **options: Any) -> Result:
            with self.entered():
                return function(*arguments, **options)

        return call

    def keep_inside(self, owner: object, names: Iterable[str]) -> None:
        """Have the methods of an author's object that it has among `names` run with these surroundings entered."""
        for name in names:
            if callable(method := getattr(owner, name, None)):
                with suppress(AttributeError):  # a class with __slots__ must import at the top of its file
                    object.__setattr__(owner, name, self.inside(method))

    def _holds(self, name: str) -> bool:
        return _is_own(name) and _place(name).startswith(self._inside)

    def _hides(self, name: str) -> bool:
        if not _is_own(name) or self._holds(name) or self.others.get(name) == _place(name):
            return False
        spec = PathFinder.find_spec(name, self._folders)
        # A folder without __init__.py gives way to a module of its name wherever that is, as imports have it.
        return spec is not None and (spec.has_location or sys.modules[name].__dict__.get("__file__") is None)


def _place(name: str) -> str:
    """Return the file of a module that is imported, or the folder of a package that has none; empty if unknown."""
    held = getattr(sys.modules.get(name), "__dict__", {})  # not by attribute: some modules make up what is asked for
    if isinstance(file := held.get("__file__"), str):
        return file
    if parent := name.rpartition(".")[0]:
        return _place(parent)
    return str(next(iter(held.get("__path__") or ()), ""))


def file_of(name: str) -> Path | None:
    """Return the file of a module that is imported; None if it is not, or has none."""
    place = getattr(sys.modules.get(name), "__dict__", {}).get("__file__")
    return Path(place).resolve() if isinstance(place, str) else None


def _is_own(name: str) -> bool:
    """Tell whether a module is the user's: not installed, not of Python or the harness, not a loaded file itself."""
    return name != "__main__" and not name.startswith(LOADED) and is_users(_place(name))


@cache
def is_users(place: str) -> bool:
    """Tell whether a file is the user's: not installed, not of Python or the harness."""
    return (
        place.startswith(os.sep)
        and not place.startswith(_STRANGERS)
        and not any(folder in place for folder in _INSTALLED)
    )


def own_modules(around: Iterable[Surroundings] = ()) -> dict[str, tuple[Path, ...]]:
    """Find the modules of this process that are the user's own, with their files, loaded files themselves aside.

    Everything that is installed, comes with Python or belongs to stepbench is left out: versions tell of those.

    Args:
        around: surroundings of loaded files, whose modules count even while they make room for others.
    """
    found: dict[str, set[Path]] = {}
    present = {name: module for name, module in list(sys.modules.items()) if _is_own(name)}
    for modules in (present, *(each.modules for each in around)):
        for name, module in modules.items():
            path = Path(str(getattr(module, "__file__", None))).resolve()
            if path.is_file():  # not so for a package without a file
                found.setdefault(name, set()).add(path)
    return {name: tuple(sorted(found[name])) for name in sorted(found)}


def digest(*paths: Path) -> str:
    """Return the SHA-256 of one file, or of several one after the other."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def run_file(path: Path) -> None:
    """Execute a file as a module of its own, under a name that no other file's module has."""
    mark = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"{LOADED}{path.stem}_{mark}", path)
    if spec is None or spec.loader is None:
        raise ImportError("its name does not end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
