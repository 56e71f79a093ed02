"""Opening of files that somebody else may have made: nothing is waited for, and nothing endless is read."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

TEXT_BYTES, TABLE_BYTES = 1 << 26, 1 << 32
"""The most that a file of notes, such as manifest.json, and a table may hold."""


def opened(path: Path, largest: int = TABLE_BYTES) -> BufferedReader:
    """Open a regular file, or the one that a link leads to.

    Args:
        path: the file.
        largest: the most bytes that it may hold.

    Raises:
        OSError: it cannot be opened, is none (a FIFO would keep a reader waiting, a device has no end) or too large.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "It is no regular file", str(path))
        if found.st_size > largest:
            raise OSError(errno.EFBIG, f"It is larger than {largest >> 20} MiB", str(path))
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def content_of(path: Path) -> bytes:
    """Read a file of notes as a whole.

    Raises:
        OSError: see `opened`.
    """
    with opened(path, TEXT_BYTES) as file:
        return file.read(TEXT_BYTES + 1)
