"""How much memory a measuring process holds: on its device where that has memory of its own, else in the host's."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from bench.model.device import Backend
from bench.model.step import Step

_STATM = Path("/proc/self/statm")
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"
"""The value that makes the kernel reset the high-water mark of resident memory (proc_pid_clear_refs(5))."""


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


class Meter:
    """The memory of a process from before its step is built: what was held then, and the peak while steps are sampled.

    Where the system or the framework cannot reset a peak, that of the steps alone is not known.
    """

    def __init__(self, backend: Backend) -> None:
        """Take note of what is held before the build."""
        self._backend = backend
        self._on_host = backend.peak_bytes() is None
        known = self._on_host or backend.held_bytes() is not None
        self.framework_bytes = held_bytes(backend) if known else None
        self.ours = 0
        """Bytes that the harness itself holds beside the step: the truth."""
        self.step_peak_bytes: int | None = None
        self.phase_peaks: dict[str, int] = {}
        self._earlier = 0
        self._reserved: int | None = None
        self._watching = False

    @property
    def peak_bytes(self) -> int:
        """The most that was held since the process began."""
        return max(self._earlier, peak_bytes(self._backend))

    @property
    def reserved_bytes(self) -> int | None:
        """The most that the framework's allocator had reserved on the device; None where that is not known."""
        now = self._backend.reserved_bytes()
        return now if self._reserved is None or now is None else max(self._reserved, now)

    def begin(self) -> None:
        """Begin the peak of sampled steps, after verification and warm-up."""
        self._watching = self._forget()

    def end(self) -> None:
        """Read that peak, after the last turn."""
        self.step_peak_bytes = self._read() if self._watching else None

    def by_phase(self, step: Step, cycle: int) -> None:
        """Find the peak of each stage by steps that are not timed, on a device that has memory of its own.

        Args:
            step: it is reset, and warmed up by one cycle.
            cycle: steps after which the amount of work repeats.
        """
        if len(step.stages) == 1 or self._on_host or not self._watching:
            return
        step.reset()
        for _ in range(cycle):
            step()
        found = dict.fromkeys((stage.label for stage in step.stages), 0)
        for _ in range(cycle):
            for stage in step.stages:
                if not self._forget():
                    return
                stage.run()
                found[stage.label] = max(found[stage.label], self._read() or 0)
        self.phase_peaks = found

    def _forget(self) -> bool:
        """Reset the peak, and remember what it was; False where that cannot be done."""
        self._earlier, self._reserved = self.peak_bytes, self.reserved_bytes
        return forget_peak() if self._on_host else self._backend.reset_peak()

    def _read(self) -> int | None:
        """Return the peak since `_forget`, without what was held before the build and what the harness holds."""
        before = self.framework_bytes
        peak = resident_peak() if self._on_host else peak_bytes(self._backend)
        if peak is None or before is None:
            return None
        return max(0, peak - before - (self.ours if self._on_host else 0))


def limit_memory(count: int, status: Path = _STATUS) -> None:
    """Let this process allocate so many bytes more and no further: then an allocation fails, and nothing is killed.

    Only Linux counts what is allocated; elsewhere nothing is limited.
    """
    if sys.platform == "linux":
        (line,) = (line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmData:"))
        most = int(line.split()[1]) * 1024 + count
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def forget_peak(clear: Path = _CLEAR) -> bool:
    """Have the kernel reset the high-water mark of resident memory; False where it cannot, as outside Linux."""
    try:
        clear.write_text(_FORGET_PEAK, encoding="ascii")
    except OSError:
        return False
    return True


def resident_peak(status: Path = _STATUS) -> int | None:
    """Return the high-water mark of resident memory without pages of files, in bytes; None where it is not told.

    The mark counts pages of files too. What is resident of them now is taken off: they come when code is first run,
    which is over when steps are sampled, and they stay.
    """
    try:
        lines = status.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    values = dict(line.split(":", 1) for line in lines if line.startswith(("VmHWM:", "RssFile:", "RssShmem:")))
    if len(values) < 3:
        return None
    mark, of_files, shared = (int(values[name].split()[0]) for name in ("VmHWM", "RssFile", "RssShmem"))
    return (mark - of_files - shared) * 1024
