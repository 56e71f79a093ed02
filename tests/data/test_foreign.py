"""Files of other tools are called by their name; what is none of them is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.data.foreign import tool_of
from bench.output.export import export, names


@pytest.mark.parametrize("name", names())
def test_each_of_our_own_exports_is_recognised(name: str, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(export(root / "tests" / "data" / "sample", name))
    assert tool_of(path) == name


@pytest.mark.parametrize("other", [[], {}, 1, None, "text", [1], {"a": 1}, {"benchmarks": []}, {"version": "1.0"}])
def test_other_json_is_nobodys(other: Any, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps(other))
    assert tool_of(path) is None


def test_what_is_no_json_or_no_file_is_nobodys(tmp_path: Path) -> None:
    for name, content in (
        ("cut.json", b'{"benchmarks": ['),
        ("deep.json", b"[" * 100_000),
        ("bytes.json", b"\xff\x00"),
    ):
        (tmp_path / name).write_bytes(content)
        assert tool_of(tmp_path / name) is None
    assert tool_of(tmp_path) is tool_of(tmp_path / "nowhere") is None


@pytest.mark.parametrize("command", ["history", "plot", "report", "compare"])
def test_a_command_that_is_given_one_says_what_it_is(
    command: str, root: Path, tmp_path: Path, here: Callable[..., Any], error: Callable[..., str]
) -> None:
    path = tmp_path / "own.json"
    path.write_text(export(root / "tests" / "data" / "sample", "pytest-benchmark"))
    given = [path, path] if command == "compare" else [path]
    assert "a file of pytest-benchmark" in error(here(command, *given))
