"""What the machine is, as the operating system and the packages' metadata tell; no framework but NumPy is imported."""

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

from bench.backends.numpy import blas
from bench.machine.cgroup import cgroup_quota
from bench.machine.files import ROOT, content
from bench.machine.processor import affinity, cpu_model, cpu_name, fast_cpus
from bench.model.device import Backend

_PROJECT = Path(__file__).resolve().parents[2]


def usable_cpus() -> int:
    """Return how many CPUs this process may use: its affinity, or fewer where a container's quota allows fewer."""
    cpus = len(affinity()) or os.cpu_count() or 1
    quota = cgroup_quota()
    return cpus if quota is None else max(1, min(cpus, int(quota)))


def machine_facts() -> dict[str, str | int | float | None]:
    """Return what identifies the machine and what steers its speed. Unknown values are None."""
    import psutil

    return {
        "cpu": cpu_name(),
        "cpu_model": cpu_model(),
        "cpus": os.cpu_count(),
        "cpus_usable": usable_cpus(),
        "cpus_fast": len(fast_cpus(affinity())) or None,
        "cores": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
        "cgroup_cpus": cgroup_quota(),
        "governor": content(ROOT / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **blas(),
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
        holds = module in tops.split() if tops else beginning.search(each.read_text("RECORD") or "")
        # Metadata are parsed each time that they are asked for. Without them it is what an uninstallation left behind.
        if holds and each.metadata["Name"] and each.version:
            yield each


def git_revision(folder: Path = _PROJECT) -> str | None:
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
    path = _PROJECT / "constraints.txt"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
