"""Small files in which the kernel tells something."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")
"""The folder below which all of them lie; a test has one of its own."""


def content(path: Path) -> str | None:
    """Return what a file holds, without white space around it; None if that is nothing or it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None
