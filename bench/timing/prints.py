"""What measuring processes print: a file of which only the end is kept, since only the last line is ever read."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_MOST_BYTES, _KEPT_BYTES = 1 << 20, 1 << 14
_LONGEST_LINE = 400
"""The most characters of a line that are quoted."""


def shorten(descriptor: int) -> None:
    """Cut a file that is appended to once it is long; whatever else can be written to is left alone."""
    with suppress(OSError):
        if (size := os.fstat(descriptor).st_size) > _MOST_BYTES:
            kept = os.pread(descriptor, _KEPT_BYTES, size - _KEPT_BYTES)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, kept)


def last_line(path: Path, start: int = 0) -> str:
    """Return the last line of a file, shortened; empty if there is none.

    Args:
        path: the file.
        start: how long it was before; what it held then does not count, unless it has been cut since.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start if start <= size else 0, size - _KEPT_BYTES))
        lines = file.read().decode("utf-8", errors="replace").strip().splitlines()
    line = lines[-1].strip() if lines else ""
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} ..."
