from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.timing import memory
from bench.timing.memory import held_bytes, peak_bytes

HOST: Any = SimpleNamespace(held_bytes=lambda: None, peak_bytes=lambda: None)
MB = 1 << 20


def test_a_device_that_can_tell_is_asked() -> None:
    device: Any = SimpleNamespace(held_bytes=lambda: 7, peak_bytes=lambda: 9)
    assert (held_bytes(device), peak_bytes(device)) == (7, 9)


@pytest.mark.parametrize("statm", [memory._STATM, Path("/none")], ids=["linux", "elsewhere"])
def test_else_what_is_resident_counts(monkeypatch: pytest.MonkeyPatch, statm: Path) -> None:
    monkeypatch.setattr(memory, "_STATM", statm)
    before = held_bytes(HOST)
    kept = b"x" * (64 * MB)
    assert 60 * MB < held_bytes(HOST) - before < 80 * MB
    assert peak_bytes(HOST) > len(kept)


def test_pages_of_files_do_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "_STATM", tmp_path / "statm")
    monkeypatch.setattr("os.sysconf", {"SC_PAGESIZE": 4096}.__getitem__)
    (tmp_path / "statm").write_text("5000 1000 300 1 0 2000 0\n")
    assert held_bytes(HOST) == 700 * 4096
