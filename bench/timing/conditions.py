"""What about this machine disturbs measurements, and which command cures it. Reads only; it changes nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.timing.environment import cgroup_quota

_CPU = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class Finding:
    """One condition of the machine."""

    name: str
    state: str
    disturbs: bool
    cure: str = ""
    """A command or a sentence; empty if nothing needs curing."""

    @property
    def sentence(self) -> str:
        """The finding in one line."""
        return f"{self.name}: {self.state}"


def _read(path: Path | str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _governor() -> Finding:
    state = _read(_CPU / "cpu0/cpufreq/scaling_governor")
    if state is None:
        return Finding("governor", "not visible (a virtual machine, or no frequency scaling)", False)
    slow = state != "performance"
    return Finding("governor", state, slow, "sudo cpupower frequency-set --governor performance" if slow else "")


def _turbo() -> Finding:
    off, boost = _read(_CPU / "intel_pstate/no_turbo"), _read(_CPU / "cpufreq/boost")
    if off is None and boost is None:
        return Finding("turbo", "not visible", False)
    on = off == "0" or boost == "1"
    path = _CPU / ("intel_pstate/no_turbo" if off is not None else "cpufreq/boost")
    cure = f"echo {1 if off is not None else 0} | sudo tee {path}"
    return Finding("turbo", "on" if on else "off", on, cure if on else "")


def _smt() -> Finding:
    state = _read(_CPU / "smt/active")
    if state is None:
        return Finding("SMT", "not visible", False)
    on = state == "1"
    cure = f"echo off | sudo tee {_CPU / 'smt/control'}"
    return Finding("SMT", "on: two hardware threads share a core" if on else "off", on, cure if on else "")


def _quota() -> Finding:
    quota = cgroup_quota()
    if quota is None:
        return Finding("cgroup quota", "none", False)
    cure = "run outside the container, or raise its limit (docker run --cpus, CPUQuota= in systemd)"
    return Finding("cgroup quota", f"{quota:g} CPUs, enforced by stopping the process", True, cure)


def _virtual() -> Finding:
    virtual = " hypervisor " in f" {_read('/proc/cpuinfo') or ''} ".replace("\n", " ")
    cure = "measure on real hardware, or on a dedicated host, for figures that are to be published"
    return Finding("virtualisation", "a virtual machine" if virtual else "none seen", virtual, cure if virtual else "")


def _load() -> Finding:
    load = os.getloadavg()[0]
    busy = load > 0.25 * (os.cpu_count() or 1)
    cure = "close other programs, or wait: `top` shows who is busy"
    return Finding("load", f"{load:.2f} over the last minute", busy, cure if busy else "")


def steal_share(seconds: float, sleep: Callable[[float], None] = time.sleep) -> float | None:
    """Part of all CPU time that the hypervisor gave to others while `sleep(seconds)` ran; None where unknown."""

    def ticks() -> tuple[int, int] | None:
        fields = (_read("/proc/stat") or "").partition("\n")[0].split()[1:]
        return (int(fields[7]), sum(int(value) for value in fields[:8])) if len(fields) > 7 else None

    before = ticks()
    sleep(seconds)
    after = ticks()
    if before is None or after is None or after[1] == before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])


def steal_finding(share: float | None) -> Finding:
    """Whether a share of stolen time disturbs: over half a percent it shows in single samples."""
    if share is None:
        return Finding("steal time", "not visible", False)
    disturbs = share > 0.005
    cure = "the host is shared: measure at another time, or on a dedicated host"
    return Finding("steal time", f"{share:.1%} of CPU time", disturbs, cure if disturbs else "")


def machine_findings() -> list[Finding]:
    """All conditions that can be read at once."""
    return [_governor(), _turbo(), _smt(), _quota(), _virtual(), _load()]
