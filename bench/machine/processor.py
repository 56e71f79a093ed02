"""Which processor this is, which of its cores are fast, and which CPU a process is pinned to."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Collection, Iterable
from pathlib import Path

from bench.machine.cgroup import cgroup_quota
from bench.machine.files import ROOT, content

_ARM = {
    "0x41 0xd03": "Arm Cortex-A53",
    "0x41 0xd05": "Arm Cortex-A55",
    "0x41 0xd08": "Arm Cortex-A72",
    "0x41 0xd0b": "Arm Cortex-A76",
    "0x41 0xd0c": "Arm Neoverse N1",
    "0x41 0xd40": "Arm Neoverse V1",
    "0x41 0xd41": "Arm Cortex-A78",
    "0x41 0xd42": "Arm Cortex-A78AE",
    "0x41 0xd49": "Arm Neoverse N2",
    "0x41 0xd4f": "Arm Neoverse V2",
    "0x41 0xd84": "Arm Neoverse V3",
    "0x41 0xd8e": "Arm Neoverse N3",
    "0x46 0x001": "Fujitsu A64FX",
    "0x48 0xd01": "HiSilicon TaiShan v110",
    "0x4e 0x004": "NVIDIA Carmel",
    "0x61 0x022": "Apple M1",
    "0x61 0x023": "Apple M1",
    "0x61 0x024": "Apple M1 Pro",
    "0x61 0x025": "Apple M1 Pro",
    "0x61 0x028": "Apple M1 Max",
    "0x61 0x029": "Apple M1 Max",
    "0x61 0x032": "Apple M2",
    "0x61 0x033": "Apple M2",
    "0x61 0x034": "Apple M2 Pro",
    "0x61 0x035": "Apple M2 Pro",
    "0x61 0x038": "Apple M2 Max",
    "0x61 0x039": "Apple M2 Max",
    "0xc0 0xac3": "Ampere-1",
    "0xc0 0xac4": "Ampere-1A",
}
"""Names of cores by the numbers of implementer and part, which is all that such a processor tells of itself."""
_NAMES = ("model name", "cpu model", "uarch", "cpu", "isa")
"""Keys of /proc/cpuinfo with a processor's name, the best first; which of them there are differs by architecture."""
_ALIKE = 0.9
"""A core is of the fastest kind if it is at least this much of the fastest: favoured cores differ by a few percent."""


def cpu_name(root: Path = ROOT) -> str:
    """Return the processor's own name; that of its architecture where nothing better is known."""
    cpus = _cpuinfo(root)
    if arm := [cpu for cpu in cpus if "cpu implementer" in cpu]:
        return " + ".join(dict.fromkeys(map(_arm_name, arm)))
    found = (cpu[key] for key in _NAMES for cpu in cpus if cpu.get(key))
    return next(found, "") or _apple_name() or platform.processor() or platform.machine()


def _cpuinfo(root: Path) -> list[dict[str, str]]:
    """Return what /proc/cpuinfo says of each CPU, by keys in lower case."""
    blocks = (content(root / "proc/cpuinfo") or "").split("\n\n")
    lines = [[line.partition(":") for line in block.splitlines()] for block in blocks]
    return [{key.strip().lower(): value.strip() for key, _, value in block} for block in lines]


def _arm_name(cpu: dict[str, str]) -> str:
    """Name a core, with its revision as Arm writes it: r3p1."""
    maker, part = cpu["cpu implementer"], cpu.get("cpu part", "?")
    name = _ARM.get(f"{maker} {part}", f"Arm implementer {maker}, part {part}")
    variant = cpu.get("cpu variant", "?").removeprefix("0x")
    return f"{name} r{variant}p{cpu.get('cpu revision', '?')}"


def _apple_name() -> str:
    """Return the name of a Mac's processor; empty elsewhere."""
    if platform.system() != "Darwin":
        return ""
    command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()  # noqa: S603 - no part of it is given
    except (OSError, subprocess.SubprocessError):
        return ""


def cpu_model(root: Path = ROOT) -> str | None:
    """Return what an x86 processor says of itself beside its name, which virtual machines share; None elsewhere."""
    first = _cpuinfo(root)[0]
    numbers = [first.get(key) for key in ("cpu family", "model", "stepping")]
    return None if None in numbers else "family {}, model {}, stepping {}".format(*numbers)


def affinity() -> set[int]:
    """Return the CPUs that this process may run on; none where the system does not tell."""
    return set(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else set()


def fast_cpus(cpus: Iterable[int], root: Path = ROOT) -> set[int]:
    """Choose the CPUs on the fastest kind of core; all where they are alike or the system does not tell.

    Args:
        cpus: those to choose from.
        root: where the files of the system begin.
    """
    performance = content(root / "sys/devices/cpu_core/cpus")  # of Intel's processors with cores of two kinds
    if performance is not None:
        return set(cpus) & _cpus_in(performance)
    speeds = _speeds(root)
    least = _ALIKE * max(speeds.values(), default=0)
    return {cpu for cpu in cpus if speeds.get(cpu, least) >= least}


def _speeds(root: Path) -> dict[int, int]:
    """Return how fast each CPU can be, by the kernel's measure or else by its highest clock."""
    for name in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        told = {int(path.name.removeprefix("cpu")): content(path / name) for path in _cpu_folders(root)}
        if found := {cpu: int(text) for cpu, text in told.items() if text and text.isdecimal()}:
            return found
    return {}


def _cpu_folders(root: Path) -> list[Path]:
    return list((root / "sys/devices/system/cpu").glob("cpu[0-9]*"))


def pinned_cpus(threads: int, cpus: Collection[int] | None = None, root: Path = ROOT) -> tuple[int, ...]:
    """Choose the CPUs that processes are pinned to, one of each fast core: the last first, away from most interrupts.

    Args:
        threads: of a process; with more than one it is not pinned.
        cpus: those that may be chosen; None for those that this process may run on.
        root: where the files of the system begin.

    Returns:
        As many as a container's quota allows; none where nothing is pinned.
    """
    usable = affinity() if cpus is None else cpus
    if threads > 1 or not usable:
        return ()
    found: dict[str, int] = {}
    for cpu in sorted(fast_cpus(usable, root) or usable, reverse=True):
        siblings = content(root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        found.setdefault(siblings or str(cpu), cpu)
    quota = cgroup_quota(root)
    return tuple(found.values())[: None if quota is None else max(1, int(quota))]


def pinned_cpu(threads: int) -> int | None:
    """Return the first of `pinned_cpus`, for processes that run one at a time; None where nothing is pinned."""
    return next(iter(pinned_cpus(threads)), None)


def core_kind(cpu: int | None, root: Path = ROOT) -> str:
    """Return the kind of core that a CPU is on, fast or slow; empty for no CPU and where no kinds are told apart."""
    every = {int(path.name.removeprefix("cpu")) for path in _cpu_folders(root)}
    fast = fast_cpus(every, root)
    return "" if cpu is None or fast == every else "fast" if cpu in fast else "slow"


def spans(cpus: Iterable[int]) -> str:
    """Write CPUs as the kernel and `taskset` do: 0-3,8."""
    found: list[list[int]] = []
    for cpu in sorted(cpus):
        if found and found[-1][-1] == cpu - 1:
            found[-1] = [found[-1][0], cpu]
        else:
            found.append([cpu])
    return ",".join("-".join(map(str, span)) for span in found)


def _cpus_in(text: str) -> set[int]:
    """Read what `spans` writes."""
    ends = [[int(end) for end in span.split("-")] for span in text.split(",")]
    return {cpu for span in ends for cpu in range(span[0], span[-1] + 1)}
