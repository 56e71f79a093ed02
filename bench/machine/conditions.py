"""What on this machine disturbs measurements, and which command cures it. It only reads, and changes nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.machine.cgroup import cgroup_quota
from bench.machine.files import content
from bench.machine.processor import affinity, fast_cpus, spans
from bench.machine.variables import find, variables
from bench.model.condition import FOREIGN_BYTES, Condition

_CPU = Path("/sys/devices/system/cpu")
HOT_CELSIUS = 80
"""Above this a GPU is close to where it slows itself down."""
_POWER = "lock a clock that it can hold, or raise the limit: sudo nvidia-smi --power-limit=WATTS"
_HEAT = "let it cool and check its fans: `nvidia-smi -q -d TEMPERATURE` shows where it slows down"
_HARDWARE = "check its power supply and its cooling: `nvidia-smi -q -d PERFORMANCE` shows which of them it is"
_THROTTLE_CURES = {"power cap": _POWER, "thermal": _HEAT, "hardware thermal": _HEAT}
"""Cures by the names of `bench.backends.nvidia.SLOWING`; all other reasons are the hardware's."""


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


def _governor() -> Finding:
    state = content(_CPU / "cpu0/cpufreq/scaling_governor")
    if state is None:
        return Finding("governor", "not visible (a virtual machine, or no frequency scaling)", False)
    slow = state != "performance"
    return Finding("governor", state, slow, "sudo cpupower frequency-set --governor performance" if slow else "")


def _turbo() -> Finding:
    off, boost = content(_CPU / "intel_pstate/no_turbo"), content(_CPU / "cpufreq/boost")
    if off is None and boost is None:
        return Finding("turbo", "not visible", False)
    on = off == "0" or boost == "1"
    path = _CPU / ("intel_pstate/no_turbo" if off is not None else "cpufreq/boost")
    cure = f"echo {1 if off is not None else 0} | sudo tee {path}"
    return Finding("turbo", "on" if on else "off", on, cure if on else "")


def _smt() -> Finding:
    state = content(_CPU / "smt/active")
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
    cpus = "1 CPU" if quota == 1 else f"{quota:g} CPUs"
    return Finding("cgroup quota", f"{cpus}, enforced by stopping the process", True, cure)


def _cores() -> Finding:
    """Say whether a process may land on fast and on slow cores, which shows as two groups of processes."""
    usable = affinity()
    fast = fast_cpus(usable)
    slow = usable - fast
    if not (fast and slow):
        alike = "slow ones only" if slow else "all alike, as far as the system tells"
        return Finding("cores", alike, False)
    state = f"CPUs {spans(fast)} are fast and {spans(slow)} slow: a process that is not pinned may land on either"
    return Finding("cores", state, True, f"taskset --cpu-list {spans(fast)} bench ...")


def _variables() -> list[Finding]:
    """Name the variables that change results or speed, each apart."""
    known = [(name, value, item) for name, value in variables().items() if (item := find(name)) and item.counts]
    found = [
        Finding(name, f"{value}: changes {item.changes}", True, f"unset {name}, unless it is meant")
        for name, value, item in known
    ]
    return found or [Finding("variables", "none that change results or speed", False)]


def _virtual() -> Finding:
    virtual = " hypervisor " in f" {content(Path('/proc/cpuinfo')) or ''} ".replace("\n", " ")
    cure = "measure on real hardware, or on a dedicated host, for figures that are to be published"
    return Finding("virtualisation", "a virtual machine" if virtual else "none seen", virtual, cure if virtual else "")


def _load() -> Finding:
    load = os.getloadavg()[0]
    busy = load > 0.25 * (os.cpu_count() or 1)
    cure = "close other programs, or wait: `top` shows which are busy"
    return Finding("load", f"{load:.2f} over the last minute", busy, cure if busy else "")


def steal_share(seconds: float, sleep: Callable[[float], None] = time.sleep) -> float | None:
    """Return the share of CPU time that the hypervisor gave to others during `sleep(seconds)`; None if unknown."""

    def ticks() -> tuple[int, int] | None:
        fields = (content(Path("/proc/stat")) or "").partition("\n")[0].split()[1:]
        return (int(fields[7]), sum(int(value) for value in fields[:8])) if len(fields) > 7 else None

    before = ticks()
    sleep(seconds)
    after = ticks()
    if before is None or after is None or after[1] == before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])


def steal_finding(share: float | None) -> Finding:
    """Judge a share of stolen time: above half a percent it shows in single samples."""
    if share is None:
        return Finding("steal time", "not visible", False)
    disturbs = share > 0.005
    cure = "the host is shared: measure at another time, or on a dedicated host"
    return Finding("steal time", f"{share:.1%} of CPU time", disturbs, cure if disturbs else "")


def machine_findings() -> list[Finding]:
    """Return all conditions that can be read without waiting."""
    return [_governor(), _turbo(), _smt(), _cores(), _quota(), _virtual(), _load(), *_variables()]


def gpu_findings(condition: Condition | None, absent: str | None) -> list[Finding]:
    """Return what on the GPU disturbs, from its condition, or one line that says why this is not known."""
    if condition is None:
        return [Finding("GPU", absent or "there is one, but its driver does not tell its condition", False)]
    return [
        _persistence(condition),
        _gpu_clock(condition),
        _throttling(condition),
        _gpu_memory(condition),
        _mig(condition),
        _temperature(condition),
    ]


def _persistence(condition: Condition) -> Finding:
    on = condition.persistence
    if on is None:
        return Finding("GPU persistence", "not visible", False)
    state = "on" if on else "off: the driver lets go of the GPU between processes"
    return Finding("GPU persistence", state, not on, "" if on else "sudo nvidia-smi -pm 1")


def _gpu_clock(condition: Condition) -> Finding:
    """Judge the GPU's clock: whether it is locked is not told, but one below its maximum has room to move."""
    now, most = condition.sm_clock_mhz, condition.max_sm_clock_mhz
    if now is None or most is None:
        return Finding("GPU clock", "not visible", False)
    if now >= most:
        return Finding("GPU clock", f"{now} MHz, its maximum", False)
    state = f"{now} MHz of {most} MHz: it moves with load and heat unless it is locked, which the driver does not tell"
    cure = (
        "sudo nvidia-smi --lock-gpu-clocks=MHZ,MHZ with a clock that it can hold steadies it; "
        "`nvidia-smi -q -d SUPPORTED_CLOCKS` lists them, `sudo nvidia-smi --reset-gpu-clocks` undoes it"
    )
    return Finding("GPU clock", state, True, cure)


def _throttling(condition: Condition) -> Finding:
    reasons = condition.throttle
    cures = dict.fromkeys(_THROTTLE_CURES.get(reason, _HARDWARE) for reason in reasons)
    return Finding("GPU throttling", ", ".join(reasons) or "none seen", bool(reasons), "; ".join(cures))


def _gpu_memory(condition: Condition) -> Finding:
    held = condition.other_bytes
    if held is None:
        return Finding("GPU memory of others", "not visible", False)
    shared = held > FOREIGN_BYTES
    state = f"{held / 2**20:.0f} MiB, so others may compute there" if shared else f"{held / 2**20:.0f} MiB"
    cure = "`nvidia-smi` shows whose it is: end those programs, or measure on another GPU"
    return Finding("GPU memory of others", state, shared, cure if shared else "")


def _mig(condition: Condition) -> Finding:
    on = condition.mig
    if on is None:
        return Finding("GPU instances (MIG)", "not visible", False)
    state = "on: what is measured is a part of the GPU, and its neighbours share power and clocks" if on else "off"
    return Finding("GPU instances (MIG)", state, on, "for the whole GPU: sudo nvidia-smi -mig 0" if on else "")


def _temperature(condition: Condition) -> Finding:
    celsius = condition.temperature_celsius
    if celsius is None:
        return Finding("GPU temperature", "not visible", False)
    hot = celsius > HOT_CELSIUS
    return Finding("GPU temperature", f"{celsius:.0f} C", hot, _HEAT if hot else "")
