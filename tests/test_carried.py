"""What is carried to a machine without a network: with what is there, all that the harness and its tests take."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

THERE = ("torch", "numpy", "matplotlib", "pytest")
"""What docs/gpu.md says that such a machine has."""
OF_TESTS = ("hypothesis", "pytest-timeout")
"""What the tests marked `cuda` take beside."""


def named(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(names: Iterable[str]) -> set[str]:
    """These packages and all that they need, as those say that are installed here."""
    found: set[str] = set()
    left = [named(name) for name in names]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        wanted = [Requirement(line) for line in requires(name) or []]
        usual = [each for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})]
        left += [named(each.name) for each in usual]
    return found


def test_nothing_that_a_proof_needs_is_left_at_home(root: Path) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    carried = set(re.search(r"^CARRIED := (.*)$", makefile, re.MULTILINE)[1].split())  # type: ignore[index]
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    assert block is not None
    needed = closure([*re.findall(r'"([\w.-]+)', block[1]), *OF_TESTS])
    assert needed - closure(THERE) - carried == set()
    assert carried <= needed, "and nothing is carried that nobody needs"
