"""What a run's programs are made of: the files that were loaded and the modules and packages that they imported."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bench.data.manifest import Manifest
from bench.errors import UsageError
from bench.model.imports import digest
from bench.run.plan import Planned
from bench.timing.protocol import Reply


def source_hashes(planned: Iterable[Planned]) -> dict[str, str]:
    """Return the SHA-256 of the files of implementations, by name, and of workloads and backends that were loaded.

    What comes from an installed module is known by its package.
    """
    hashes = {}
    for item in planned:
        own, workload = item.implementation, item.implementation.workload
        origins = {f"workload {workload.name}": workload.origin, item.case.backend: item.backend.origin}
        for name, origin in {**origins, own.name: own.origin}.items():
            kind, _, target = origin.partition(":")
            if kind == "file":
                hashes[name] = digest(Path(target)) if Path(target).is_file() else "gone"
    return hashes


def take_imports(manifest: Manifest, item: Planned, reply: Reply) -> bool:
    """Put what a measuring process imported into the manifest; return whether anything of it is new there.

    Raises:
        UsageError: a file, a module or a package is not what it was for the processes before.
    """
    name, own = item.case.implementation, item.backend.packages
    sources = source_hashes([item]) | {f"{name}/{module}": found for module, found in reply.modules.items()}
    packages = {package: version for package, version in reply.packages.items() if package not in own}
    before = {**manifest.sources, **manifest.packages}
    changed = sorted(key for key, found in {**sources, **packages}.items() if before.get(key, found) != found)
    if changed:
        raise UsageError(
            f"{', '.join(changed)} changed since run {manifest.run_id} began: start a new run, or undo the change and "
            "finish this one with --resume."
        )
    known = sorted({*manifest.step_packages.get(name, ()), *packages})
    new = not sources.items() <= manifest.sources.items() or known != manifest.step_packages.get(name, [])
    manifest.sources |= sources
    manifest.packages |= packages
    manifest.step_packages[name] = known
    return new
