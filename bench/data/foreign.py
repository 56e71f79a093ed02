"""Files of other benchmark tools, recognised so that a message can say what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

_LARGEST = 64 << 20
"""The most bytes of a file that are looked into."""


def tool_of(path: Path) -> str | None:
    """Return the tool that wrote a file, or whose format `bench export` wrote; None where it is none that is known."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return next((tool for tool, written in _FORMATS.items() if written(found)), None)


def told(path: Path) -> str:
    """Return what a file of another tool is, as an addition to what it is not; empty for any other file."""
    tool = tool_of(path)
    return "" if tool is None else f" but a file of {tool}, which is written and not read"


def _keys(item: Any) -> set[str]:
    return set(item) if isinstance(item, dict) else set()


def _first(items: Any) -> Any:
    return items[0] if isinstance(items, list) and items else None


_FORMATS: dict[str, Callable[[Any], bool]] = {
    "pytest-benchmark": lambda found: {"benchmarks", "machine_info"} <= _keys(found),
    "pyperf": lambda found: {"benchmarks", "version"} <= _keys(found) and "runs" in _keys(_first(found["benchmarks"])),
    "github-action-benchmark": lambda found: {"name", "unit", "value"} <= _keys(_first(found)),
    "bencher": lambda found: "latency" in _keys(next(iter(found.values()), None) if isinstance(found, dict) else None),
}
"""By the name of each tool, how its files are told from others."""
