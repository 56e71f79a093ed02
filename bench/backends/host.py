"""The host's caches: how large the last one is, and how to push a step's data out of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
_USUAL_BYTES = 64 * 2**20
"""Taken where the system does not tell: larger than most."""


def last_cache_bytes(folder: Path = _CACHES) -> int | None:
    """Size of the largest cache that the system shows; None where it shows none."""
    sizes = []
    for path in folder.glob("index*/size"):
        text = path.read_text(encoding="utf-8").strip()
        if text[:-1].isdecimal() and text[-1] in _UNITS:
            sizes.append(int(text[:-1]) * _UNITS[text[-1]])
    return max(sizes, default=None)


def flusher(size: Callable[[], int | None] = last_cache_bytes) -> Callable[[], None]:
    """A function that writes twice the last cache's size. Its buffer is made at the first call."""
    made: list[Any] = []

    def flush() -> None:
        import numpy as np

        if not made:
            made.append(np.zeros((size() or _USUAL_BYTES) * 2 // 8, dtype=np.int64))
        made[0] += 1

    return flush
