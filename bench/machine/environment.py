"""What the machine is, as the operating system and the packages' metadata tell; no framework is imported."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distributions, requires, version
from pathlib import Path

from bench.model.device import Backend

_ROOT = Path(__file__).resolve().parents[2]


def _content(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def cpu_name() -> str:
    """Return the processor's own name."""
    for line in (_content("/proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def usable_cpus() -> int:
    """Return how many CPUs this process may use: its affinity, or fewer where a container's quota allows fewer."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota()
    return cpus if quota is None else max(1, min(cpus, int(quota)))


def cgroup_quota() -> float | None:
    """Return how many CPUs' worth of time a container may use, from cgroup v2; None where there is no limit."""
    pairs = [setting.partition(" ") for setting in _cgroup_settings("cpu.max")]
    return min((float(limit) / float(period) for limit, _, period in pairs if limit != "max" and period), default=None)


def cgroup_memory() -> int | None:
    """Return the bytes of memory that a container may use, from cgroup v2; None where there is no limit."""
    return min((int(setting) for setting in _cgroup_settings("memory.max") if setting.isdecimal()), default=None)


def _cgroup_settings(name: str) -> list[str]:
    """Return a setting of this process's control group and of all above it; the tightest of these limits counts."""
    group = next((line[3:] for line in (_content("/proc/self/cgroup") or "").splitlines() if line[:3] == "0::"), "/")
    found = (_content(f"/sys/fs/cgroup{str(path).rstrip('/')}/{name}") for path in (Path(group), *Path(group).parents))
    return [setting for setting in found if setting is not None]


def machine_facts() -> dict[str, str | int | float | None]:
    """Return what identifies the machine and what steers its speed. Unknown values are None."""
    import psutil

    return {
        "cpu": cpu_name(),
        "cpus": os.cpu_count(),
        "cpus_usable": usable_cpus(),
        "cores": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
        "cgroup_cpus": cgroup_quota(),
        "governor": _content("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def package_versions(backends: Iterable[Backend], more: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions of what these backends name and the harness asks for; what is not installed is left out.

    Args:
        backends: name their packages.
        more: other packages.
    """
    named = [name for backend in backends for name in backend.packages]
    found = {}
    for name in sorted({*named, *more, *_requirements()}):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _requirements() -> list[str]:
    """Return the packages that the harness itself asks for, its extras left out; none where it is not installed."""
    try:
        lines = requires("stepbench") or []
    except PackageNotFoundError:
        return []
    return [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines if "extra ==" not in line]


def versions_behind(modules: Mapping[str, str]) -> dict[str, str]:
    """Return the versions of the packages that modules were installed by, by their names in lower case with dashes.

    Modules of Python and the harness, and those that no package claims, are left out. Only the packages beside a module
    are looked through, and their lists of files as text: this is done in every measuring process.

    Args:
        modules: files by the names of their modules, which have no dot.
    """
    found = {}
    for name, file in modules.items():
        if name in sys.stdlib_module_names or name == "bench":
            continue
        folder = Path(file).parent.parent if Path(file).stem == "__init__" else Path(file).parent
        for owner in _owners(name, folder):
            found[re.sub(r"[-_.]+", "-", owner.metadata["Name"]).lower()] = owner.version
    return found


def _owners(module: str, folder: Path) -> Iterator[Distribution]:
    """Find the packages in a folder that hold a module."""
    beginning = re.compile(rf"^{re.escape(module)}[/.]", re.MULTILINE)
    for each in distributions(path=[str(folder)]):
        tops = each.read_text("top_level.txt")
        if not (each.metadata["Name"] and each.version):  # what an uninstallation left behind
            continue
        if module in tops.split() if tops else beginning.search(each.read_text("RECORD") or ""):
            yield each


def thread_variables() -> dict[str, str]:
    """Return the environment variables that steer the threads of numerical libraries."""
    prefixes = ("OMP_", "MKL_", "KMP_", "GOMP_", "OPENBLAS_", "TF_NUM_", "TF_ENABLE_")
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(prefixes)}


def git_revision(folder: Path = _ROOT) -> str | None:
    """Return the commit that the harness was run from, with `-dirty` if files differ; None outside a repository."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty"],  # noqa: S607 - whichever git the user has
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def constraints_sha256() -> str | None:
    """Return the hash of the project's pinned versions; None where the package is installed without them."""
    path = _ROOT / "constraints.txt"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
