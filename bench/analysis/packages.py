"""Which packages decide the times of a stored run: those that its backends name."""

from __future__ import annotations

from bench.data.manifest import Manifest
from bench.model.backends import BACKENDS


def backends_in(manifest: Manifest) -> list[str]:
    """Return the names of the backends that a run measures, in the order of its cases."""
    return list(dict.fromkeys(str(item.columns["backend"]) for item in manifest.cases if not item.skipped))


def packages_of(manifest: Manifest, backend: str) -> tuple[str, ...]:
    """Return the packages that decide a backend's times in a run.

    A run that was recorded before manifests held them is taken to agree with the backend of that name, if there is one.
    """
    if backend in manifest.backend_packages:
        return tuple(manifest.backend_packages[backend])
    return BACKENDS[backend].packages if backend in BACKENDS else ()


def deciding_packages(a: Manifest, b: Manifest) -> set[str]:
    """Return the packages that decide times which two runs share: another version of one of them forbids a verdict."""
    shared = set(backends_in(a)) & set(backends_in(b))
    return {name for backend in shared for run in (a, b) for name in packages_of(run, backend)}
