"""A run's files."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from bench.data.store import RunStore


@pytest.fixture
def store(build: ModuleType, tmp_path: Path) -> RunStore:
    """A new run with two finished processes."""
    store = RunStore.create(tmp_path / "run", build.make_manifest())
    for number in range(2):
        samples = [build.sample_row(process=number, turn=index, seconds=0.25 + index) for index in range(3)]
        store.append(samples, build.process_row(process=number))
    return store
