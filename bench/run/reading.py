"""What the user's files register, as the command learns it from a process that loads them.

A loaded file may print, exit, crash or never end. In the process that judges it could end a gate with status 0 and no
verdict; so it is loaded by `bench.timing.reader`, and stands here as plain data that ask that process where need be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.model.discovery import built_in, installed
from bench.model.registry import Registry


def read_all(load: Iterable[Path] = (), timeout: float | None = None) -> Registry:
    """Find what comes with the harness, with installed packages, and from the files in `load`.

    Args:
        load: the files.
        timeout: longest silence of the process that loads them, in seconds; None for that of `bench.run.patience`.

    Raises:
        LoadError: a file cannot be used.
    """
    registry, files = built_in(), tuple(str(path.resolve()) for path in load)
    if files or installed():
        from bench.run.reader import Reader, take
        from bench.timing.reader import FilesToRead

        take(registry, Reader(FilesToRead(files), timeout))
    return registry


def read_each(
    files: Iterable[Path], path: Sequence[str] = (), timeout: float | None = None
) -> tuple[Registry, dict[Path, str]]:
    """Read files one by one; those that cannot be loaded are left out, each with the reason.

    Args:
        files: the files, without what comes with the harness.
        path: where else their imports are looked for; see `Registry.load`.
        timeout: as in `read_all`.
    """
    from bench.run.reader import Reader, Unread, take
    from bench.timing.reader import FilesToRead

    registry, left, broken = Registry(), list(map(str, files)), dict[Path, str]()
    while left:
        try:
            reader = Reader(FilesToRead(tuple(left), tuple(path), apart=True), timeout)
        except Unread as error:
            if error.target not in left:
                raise
            left.remove(error.target)
            broken[Path(error.target)] = str(error)
        else:
            take(registry, reader)
            return registry, broken | {Path(file): reason for file, reason in reader.found.broken}
    return registry, broken
