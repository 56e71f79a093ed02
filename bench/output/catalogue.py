"""Which figures there are and what they are called, told from their files: nothing that draws is imported."""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Iterable
from pathlib import Path

FIGURES = Path(__file__).with_name("figures")


def figure_names(folders: Iterable[str | Path] = (FIGURES,)) -> tuple[str, ...]:
    """Return the modules in these folders that are figures, in the order of their names."""
    modules = pkgutil.iter_modules(map(str, folders))
    return tuple(sorted(module.name for module in modules if not module.name.startswith("_")))


def figure_titles() -> dict[str, str]:
    """Return the title of each figure of stepbench by its name."""
    return {name: _title((FIGURES / f"{name}.py").read_text(encoding="utf-8")) for name in figure_names()}


def _title(source: str) -> str:
    """Return what a module assigns to `TITLE`; empty if that is no constant."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["TITLE"]:
            return str(node.value.value) if isinstance(node.value, ast.Constant) else ""
    return ""
