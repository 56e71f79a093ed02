"""A run by hand for the tests of what is made of one."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def made(build: ModuleType, tmp_path: Path) -> Any:
    made = build.HandMade(tmp_path / "run")
    made.peak, made.case = build.make_peak, build.make_case
    return made
