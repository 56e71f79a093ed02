"""What must stay the same while something is measured: machine, packages, variables and the harness itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bench import __version__
from bench.machine.environment import git_revision, machine_facts, package_versions
from bench.machine.variables import patterns, variables
from bench.model.device import Backend


def circumstances(backends: Iterable[Backend], packages: Iterable[str] = ()) -> dict[str, Any]:
    """Look at what must stay the same while something is measured, as a manifest has it.

    Args:
        backends: what is measured on.
        packages: other packages that count, since a measuring process has imported them.
    """
    return {
        "stepbench": __version__,
        "environment": variables(),
        "looked_for": patterns(),
        "machine": machine_facts(),
        "packages": package_versions(backends, packages),
        "git_revision": git_revision(),
    }
