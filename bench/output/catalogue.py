"""The names and titles of the figures, told from their files: nothing that draws is imported."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterable
from pathlib import Path

FIGURES = Path(__file__).with_name("figures")
_OF = re.compile(r'^OF = "(.*)"$', re.MULTILINE)
_TITLE = re.compile(r'^TITLE = "(.*)"$', re.MULTILINE)


def figure_names(folders: Iterable[str | Path] = (FIGURES,)) -> tuple[str, ...]:
    """Return the modules in these folders that are figures, in the order of their names."""
    modules = pkgutil.iter_modules(map(str, folders))
    return tuple(sorted(module.name for module in modules if not module.name.startswith("_")))


def calibration_figures() -> tuple[str, ...]:
    """Return the figures that show a calibration of a machine and not a run."""
    return _figures_of("calibration")


def several_figures() -> tuple[str, ...]:
    """Return the figures that show several runs side by side."""
    return _figures_of("several runs")


def _figures_of(what: str) -> tuple[str, ...]:
    return tuple(name for name in figure_names() if (found := _OF.search(_source(name))) and found[1] == what)


def figure_titles() -> dict[str, str]:
    """Return the title of each figure of stepbench by its name, as its file begins a line with it."""
    return {name: found[1] for name in figure_names() if (found := _TITLE.search(_source(name)))}


def _source(name: str) -> str:
    return (FIGURES / f"{name}.py").read_text(encoding="utf-8")
