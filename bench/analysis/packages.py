"""Which packages and sources decide the times of a stored run: those that its backends name and its steps import."""

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
    """Return the packages that decide times which two runs share: another version of one of them forbids a verdict.

    Of those that steps import only what both runs record counts: another import is another program.
    """
    shared = set(backends_in(a)) & set(backends_in(b))
    imported = {
        name
        for implementation in _implementations_in(a) & _implementations_in(b)
        for name in a.step_packages.get(implementation, ())
        if name in b.step_packages.get(implementation, ())
    }
    return imported | {name for backend in shared for run in (a, b) for name in packages_of(run, backend)}


def _implementations_in(manifest: Manifest) -> set[str]:
    return {str(item.columns["implementation"]) for item in manifest.cases if not item.skipped}


def sources_of(manifest: Manifest, implementation: str, backend: str) -> dict[str, str]:
    """Return the first letters of the digests of what a case's program is made of, each by a name for people."""
    workloads = {
        f"workload {item.columns['workload']}"
        for item in manifest.cases
        if item.columns["implementation"] == implementation
    }
    own = {implementation, backend, *workloads}
    return {
        f"source of {name}": digest[:7]
        for name, digest in manifest.sources.items()
        if name in own or name.startswith(f"{implementation}/")
    }


def changed_sources(a: Manifest, b: Manifest) -> list[str]:
    """Name what programs of both runs are made of and what differs, each as `name: A / B`; as far as both record it."""
    shared = {(str(item.columns["implementation"]), str(item.columns["backend"])): None for item in a.cases}
    programs = [own for own in shared if own[0] in _implementations_in(a) & _implementations_in(b)]
    before, now = ({name: it for own in programs for name, it in sources_of(run, *own).items()} for run in (a, b))
    return [f"{name}: {it} / {now[name]}" for name, it in before.items() if now.get(name, it) != it]
