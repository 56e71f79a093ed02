"""What a measuring process has imported of the user's, as it reports it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
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


def from_elsewhere(path: Sequence[str], foreign: Sequence[str], around: Sequence[Surroundings]) -> str:
    """Say which module of the user's came from a folder that it must not come from; empty if none did.

    Args:
        path: what the process was told to import from; its first folder is the checkout that is measured.
        foreign: other checkouts of the same repository; the one that a file lies deepest in is where it came from.
        around: surroundings of the files that were loaded.
    """
    roots = [Path(folder).resolve() for folder in (*path[:1], *foreign)]
    for name, files in own_modules(around).items():
        for file in files:
            places = sorted((root for root in roots if file.is_relative_to(root)), key=lambda root: len(root.parts))
            if places and places[-1] != roots[0]:
                return (
                    f"it imported {name} from {file} and not from the revision's own checkout: keep packages at the "
                    "top of the repository or in its src/, and install none of it by an import hook."
                )
    return ""
