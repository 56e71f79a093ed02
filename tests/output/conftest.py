"""Runs made by hand, as a fixture: test files do not import one another."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

NAME = "stepbench_test_builders"


def _load() -> ModuleType:
    if NAME not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            NAME, Path(__file__).resolve().parents[1] / "data" / "builders.py"
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[NAME] = module
        spec.loader.exec_module(module)
    return sys.modules[NAME]


@pytest.fixture(scope="session")
def build() -> ModuleType:
    """The module `tests/data/builders.py`."""
    return _load()
