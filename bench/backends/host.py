"""The host as a device: what backends that compute in its memory share, where their arrays lie, and its last cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.model.device import Device, Settings, nothing

if TYPE_CHECKING:
    from bench.model.data import Array

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
LINE_BYTES = 64
"""A line of a cache. PyTorch and TensorFlow begin their arrays at one; NumPy takes whatever malloc gives."""
_USUAL_BYTES = 64 * 2**20
"""The size assumed where the system does not tell: larger than most."""


def host_device(
    settings: Settings,
    facts: Mapping[str, str],
    *,
    matmul: Callable[[Array, Array], Callable[[], object]],
    copy: Callable[[Array], Callable[[], object]],
) -> Device:
    """Return the CPU as a device of a framework whose arrays are NumPy's and whose calls return when they are done."""
    return Device(
        kind="cpu",
        name="",
        threads=settings.threads,
        handle=None,
        put=aligned,
        synchronize=nothing,
        facts={**facts, "alignment": f"{LINE_BYTES} bytes"},
        flush=flusher(),
        matmul=matmul,
        copy=copy,
    )


def aligned(array: Array) -> Array:
    """Return a copy of an array that begins with a line of the cache.

    With several threads the other cores hold lines of a parameter that the forward phase has read. Where it does not
    begin with a line, each wide store of its update in place strikes two of them: that took 2.7 times as long here
    (docs/experiments), and chance decided it once a process.
    """
    import numpy as np

    source = np.asarray(array)
    room = np.empty(source.nbytes + LINE_BYTES, dtype=np.uint8)
    start = -room.__array_interface__["data"][0] % LINE_BYTES
    found = room[start : start + source.nbytes].view(source.dtype).reshape(source.shape)
    found[...] = source
    return found


def threads_named(name: str) -> int | None:
    """Count this process's threads of a name, where no call of a framework tells the size of its pool."""
    names = [path.read_text(encoding="utf-8").strip() for path in Path("/proc/self/task").glob("*/comm")]
    return names.count(name) or None


def last_cache_bytes(folder: Path = _CACHES) -> int | None:
    """Return the size of the largest cache that the system shows; None where it shows none."""
    sizes = []
    for path in folder.glob("index*/size"):
        text = path.read_text(encoding="utf-8").strip()
        if text[:-1].isdecimal() and text[-1] in _UNITS:
            sizes.append(int(text[:-1]) * _UNITS[text[-1]])
    return max(sizes, default=None)


def flusher(size: Callable[[], int | None] = last_cache_bytes) -> Callable[[], None]:
    """Return a function that writes twice the last cache's size; its buffer is made at the first call."""
    made: list[Any] = []

    def flush() -> None:
        import numpy as np

        if not made:
            made.append(np.zeros((size() or _USUAL_BYTES) * 2 // 8, dtype=np.int64))
        made[0] += 1

    return flush
