"""What the control groups that a process is in allow it, by version 1 and 2: a container's limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.machine.files import ROOT, content

_NO_LIMIT = 2**62
"""Version 1 writes the largest number that fits where there is no limit of memory."""


def cgroup_quota(root: Path = ROOT) -> float | None:
    """Return how many CPUs' worth of time this process may use; None where there is no limit."""
    limits = [text.partition(" ")[::2] for text in _settings(root, "", "cpu.max")]
    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    limits += [(content(folder / names[0]) or "", content(folder / names[1]) or "") for folder in _folders(root, "cpu")]
    found = (int(most) / int(period) for most, period in limits if most.isdecimal() and period.strip("0").isdecimal())
    return min(found, default=None)


def cgroup_memory(root: Path = ROOT) -> int | None:
    """Return the bytes of memory that this process may use; None where there is no limit."""
    limits = [*_settings(root, "", "memory.max"), *_settings(root, "memory", "memory.limit_in_bytes")]
    found = [int(text) for text in limits if text.isdecimal()]
    return min((limit for limit in found if limit < _NO_LIMIT), default=None)


def _settings(root: Path, controller: str, name: str) -> list[str]:
    return [text for folder in _folders(root, controller) if (text := content(folder / name)) is not None]


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """List the folders of this process's group and of all above it; the tightest of their limits counts.

    Args:
        root: where the files of the system begin.
        controller: one of version 1; empty for version 2, which has one tree for all.
    """
    group = _group(root, controller)
    if group is None:
        return
    top, mounted = _mount(root, controller)
    inside = group.relative_to(top) if group.is_relative_to(top) else Path(*group.parts[1:])
    for part in (inside, *inside.parents):
        yield root / mounted.relative_to("/") / part


def _group(root: Path, controller: str) -> Path | None:
    """Return the group that this process is in, as /proc/self/cgroup names it: `4:cpu,cpuacct:/docker/x`."""
    for line in (content(root / "proc/self/cgroup") or "").splitlines():
        _, _, described = line.partition(":")
        names, _, path = described.partition(":")
        if controller in names.split(","):  # version 2 has a line without any
            return Path(path)
    return None


def _mount(root: Path, controller: str) -> tuple[Path, Path]:
    """Return which group is mounted where: a container sees its own group as the top of the tree."""
    kind = "cgroup" if controller else "cgroup2"
    for line in (content(root / "proc/self/mountinfo") or "").splitlines():
        here, _, there = line.partition(" - ")
        described = there.split()
        if described[:1] == [kind] and (not controller or controller in described[-1].split(",")):
            return Path(here.split()[3]), Path(here.split()[4])
    return Path("/"), Path("/sys/fs/cgroup") / controller
