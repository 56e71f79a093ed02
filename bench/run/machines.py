"""The machines of a run whose rounds a launcher starts elsewhere: all of one kind, and each known by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.data.manifest import Manifest
from bench.machine.identity import identity, same, told
from bench.run.worker import JobFound


def take_machine(manifest: Manifest, part: JobFound) -> bool:
    """Put the machine of a part into the manifest; return whether it is new there."""
    if part.machine in manifest.machines:
        return False
    if not manifest.machines:
        manifest.machine = dict(part.facts)  # what runs are compared by is what was measured on
    manifest.machines[part.machine] = dict(part.facts)
    named = [f"{part.machine}: {sentence}" for sentence in part.disturbances]
    manifest.disturbances = list(dict.fromkeys([*manifest.disturbances, *named]))
    return True


def kind_differs(wanted: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Name what makes two machines of different kinds, as `name: theirs / here`; empty if they are of one."""
    one, other = identity(wanted), identity(here)
    odd = [name for name in one if not same(name, one[name], other[name])]
    return "; ".join(f"{name}: {told(name, one[name])} / {told(name, other[name])}" for name in odd)
