"""How much memory a measuring process holds: on its device where that has memory of its own, else in the host's."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from bench.model.device import Backend

_STATM = Path("/proc/self/statm")


def peak_bytes(backend: Backend) -> int:
    """Return the most that was allocated on the device, or that was resident in the process."""
    if (on_device := backend.peak_bytes()) is not None:
        return on_device
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes everywhere but on macOS


def held_bytes(backend: Backend) -> int:
    """Return what is allocated on the device now, or is resident in the process.

    On Linux pages of files are left out: they become resident when code is first run, and nothing has been allocated.
    """
    if (on_device := backend.held_bytes()) is not None:
        return on_device
    if _STATM.exists():
        _, resident, of_files = map(int, _STATM.read_bytes().split()[:3])
        return (resident - of_files) * os.sysconf("SC_PAGESIZE")
    import psutil

    return int(psutil.Process().memory_info().rss)
