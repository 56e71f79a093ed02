"""What a measuring process has imported of the user's, as it reports it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.machine.environment import versions_behind
from bench.model.imports import Surroundings, digest, own_modules


def imported(around: Sequence[Surroundings]) -> dict[str, Any]:
    """Return the user's modules with their SHA-256 and the packages with their versions, as fields of a `Reply`.

    Args:
        around: surroundings of the files that were loaded.
    """
    others = {name: file for each in around for name, file in each.others.items()}
    modules = {name: digest(*files) for name, files in own_modules(around).items()}
    return {"modules": modules, "packages": versions_behind(others)}
