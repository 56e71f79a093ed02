"""The user's files are loaded as they are now, and noted."""

from __future__ import annotations

import os
import py_compile
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from bench.model.loading import forget_files, from_source, loaded_files

NAME = "module_that_is_loaded"
"""pytest itself loads what is called test_* or *_test."""
UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    forget_files()
    yield tmp_path / f"{NAME}.py"
    sys.modules.pop(NAME, None)


def word() -> object:
    sys.modules.pop(NAME, None)
    return __import__(NAME).WORD


def stale(file: Path, mode: py_compile.PycInvalidationMode) -> None:
    """Leave bytecode of a source that has changed since, within the same second and to the same size."""
    file.write_text("WORD = 'old'")
    now = file.stat().st_mtime_ns
    py_compile.compile(str(file), invalidation_mode=mode)
    file.write_text("WORD = 'new'")
    os.utime(file, ns=(now, now))


@pytest.mark.parametrize("mode", [py_compile.PycInvalidationMode.TIMESTAMP, UNCHECKED])
def test_a_source_is_what_runs_whatever_bytecode_lies_beside_it(
    file: Path, tmp_path: Path, mode: py_compile.PycInvalidationMode
) -> None:
    stale(file, mode)
    assert word() == "old"  # as Python has it
    with from_source(str(tmp_path / "bytecode")):
        assert word() == word() == "new"
    assert [path.name.partition(".")[0] for path in (tmp_path / "bytecode").rglob("*.pyc")] == [NAME]
    with from_source(os.devnull):
        assert word() == "new"
    assert word() == "old"


def test_what_is_loaded_is_noted_until_it_is_forgotten(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("WORD = 1")
    installed = tmp_path / "site-packages" / "installed_module.py"
    installed.parent.mkdir()
    installed.write_text("")
    monkeypatch.syspath_prepend(installed.parent)
    with from_source(os.devnull):
        word()
        __import__(installed.stem)
        SourceFileLoader("any", os.path.relpath(file)).get_code("any")
    del sys.modules[installed.stem]
    assert loaded_files() == (file,)
    forget_files()
    word()
    assert loaded_files() == ()
