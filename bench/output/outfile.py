"""The one way in which a file that somebody names is written, and what is refused before anything is done for it.

A file is replaced as a whole, and one behind a symbolic link where it is. Pipes, devices and descriptors are written
into, as any program does; they are never replaced. The data of a run are never written over.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from pathlib import Path

from bench.errors import ReaderGoneError, StorageError, os_cure

STANDARD_OUTPUT = Path("-")
DATA = frozenset(f"{name}.csv" for name in ("samples", "processes", "summary", "crossovers", "pairs")) | {
    "manifest.json",
    "verdicts.json",
    "bisect.json",
}
"""Files that a run, a comparison or a search writes and reads itself."""
_MOST_LINKS = 40


def odd_name(text: str) -> str:
    """Say why a name can be no file's and no folder's; nothing if it can."""
    if not text:
        return "names nothing: give a path"
    try:
        Path(text).stat()
    except ValueError:
        return "holds a sign that no name may: rename it"
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "is a symbolic link that leads back to itself: remove it, or name another path"
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
            return f"cannot be looked at ({error.strerror}): {os_cure(error, 'name another path')}"
    return ""


def refusal(text: str) -> str:
    """Say why a file cannot be written; nothing if it can, as far as one can tell before."""
    path = Path(text)
    if why := odd_name(text):
        return why
    if path.is_dir() or text.endswith(os.sep):
        return "is a folder: name a file in it"
    real = Path(os.path.realpath(path))
    if real.name in DATA and any((real.parent / name).exists() for name in DATA):
        return "is one of the data files of a run, which nothing else is written over: name another file"
    if _descriptor(path) is not None:
        return ""
    if path.exists() and not _is_replaced(path):
        return "" if os.access(path, os.W_OK) else "lets nobody write into it: change its permissions"
    above = next(each for each in real.parents if each.exists())
    if not above.is_dir():
        return f"cannot be made, since {above} is no folder: name another file"
    return "" if os.access(above, os.W_OK | os.X_OK) else f"cannot be made in {above}: change its permissions"


def write_output(path: Path, content: str | bytes) -> None:
    """Write a file that somebody named.

    Raises:
        StorageError: it cannot be written; a regular file is then as it was.
        ReaderGoneError: who read from the pipe has gone.
    """
    from bench.data.store import encoded, write_atomically

    if why := refusal(str(path)):
        raise StorageError(f"{path} {why}.")
    data = encoded(content) if isinstance(content, str) else content
    try:
        number = _descriptor(path)
        if number is None and _is_replaced(path):
            write_atomically(Path(os.path.realpath(path)), data)
            return
        sys.stdout.flush()  # it may lead to the same place
        with open(path if number is None else number, "wb", closefd=number is None) as file:
            file.write(data)
    except BrokenPipeError:
        raise ReaderGoneError(f"{path} cannot be written, since who read from it has gone.") from None
    except OSError as error:
        cure = os_cure(error, "name another file")
        raise StorageError(f"{path} cannot be written ({error.strerror}): {cure}.") from error


def _is_replaced(path: Path) -> bool:
    """Tell whether a file is replaced as a whole, and not written into as pipes and devices are."""
    return not path.exists() or stat.S_ISREG(path.stat().st_mode)


def _descriptor(path: Path) -> int | None:
    """Return the number of the open file that a path such as /dev/stdout or a shell's `>(...)` stands for."""
    place = path.absolute()
    for _ in range(_MOST_LINKS):
        place = Path(os.path.realpath(place.parent)) / place.name
        if number := re.fullmatch(rf"/proc/{os.getpid()}/fd/([0-9]+)", str(place)):
            return int(number[1])
        if not place.is_symlink():
            return None
        place = place.parent / place.readlink()
    return None
