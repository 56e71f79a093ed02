"""Benchmarks that another tool measured: what its file is, and what `bench import` keeps of it.

Such a run is no run of stepbench: nothing says of it which device, threads or rounding it had, that a step was right,
or that its processes took turns. So it has a file of its own, and no row of it stands among ours.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, NonNegativeInt, PositiveFloat, model_validator

from bench.data.jsonfile import as_model, json_of
from bench.data.manifest import STRICT
from bench.errors import DataFormatError, quoted
from bench.model.case import Case

FOREIGN = "foreign.json"
"""The one file of a foreign run."""
VERSION = 1
MOST_BENCHMARKS = 10_000
_LARGEST = 64 << 20
"""The most bytes of a file that are looked into."""


@dataclass(frozen=True)
class ForeignCase:
    """A benchmark of another tool, which knows it by its name only; where a `Case` is shown, it can be too."""

    name: str
    tool: str
    """The tool that measured it, without its version."""

    @property
    def implementation(self) -> str:
        """The name."""
        return self.name

    @property
    def backend(self) -> str:
        """The tool."""
        return self.tool

    @property
    def workload(self) -> str:
        """What it has in common with the other benchmarks of the tool."""
        return f"measured by {self.tool}"

    @property
    def label(self) -> str:
        """The name in messages."""
        return self.name

    @property
    def conditions(self) -> dict[str, str | int]:
        """The values of sizes and conditions: none is known."""
        return {}

    @property
    def columns(self) -> dict[str, str | int]:
        """What is known of it, by the names of a case's columns."""
        return {"implementation": self.name, "workload": self.workload, "backend": self.backend}


AnyCase = Case | ForeignCase


class ForeignBenchmark(BaseModel):
    """The time of one benchmark."""

    model_config = STRICT

    name: str = Field(min_length=1, max_length=1000)
    seconds: PositiveFloat
    """The median of its values, or the one that the file has."""
    low: PositiveFloat | None = None
    """Lower end of a 95 % interval of the median of its values; None if the file does not hold them, or too few."""
    high: PositiveFloat | None = None
    values: NonNegativeInt = 0
    """How many the file holds."""
    over: str = ""
    """What one value is of: `processes`, or `rounds of one process`, which says less; empty where there are none."""

    @model_validator(mode="after")
    def _ends_make_sense(self) -> ForeignBenchmark:
        ends = (self.low, self.high)
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval with one end")
        if self.low is not None and self.high is not None and not self.low <= self.seconds <= self.high:
            raise ValueError(f"an interval that does not hold its time: {ends}")
        return self


class ForeignRun(BaseModel):
    """What another tool measured in one go."""

    model_config = STRICT

    foreign_version: int = VERSION
    run_id: str
    """The name of its folder."""
    created: str
    """When it was measured, ISO 8601."""
    tool: str = Field(min_length=1)
    """The tool whose file it was, such as `pytest-benchmark`."""
    measured_by: str = Field(min_length=1)
    """What measured it, with its version if the file says it: mostly that tool."""
    file: str
    """The file's name."""
    sha256: str
    """Of the file."""
    machine: dict[str, str | int | float | None] = {}
    """What the file tells of the machine, by the names of a manifest."""
    packages: dict[str, str] = {}
    git_revision: str | None = None
    benchmarks: list[ForeignBenchmark] = Field(min_length=1, max_length=MOST_BENCHMARKS)

    @model_validator(mode="after")
    def _names_differ(self) -> ForeignRun:
        name, count = Counter(each.name for each in self.benchmarks).most_common(1)[0]
        if count > 1:
            raise ValueError(f"two benchmarks are called {quoted(name)}")
        return self

    @property
    def command(self) -> list[str]:
        """The command that measured it: nobody knows it."""
        return []

    @property
    def times(self) -> dict[ForeignCase, ForeignBenchmark]:
        """Its benchmarks, by what stands for them among cases."""
        return {ForeignCase(each.name, self.tool): each for each in self.benchmarks}


def is_foreign(folder: Path) -> bool:
    """Say whether a folder holds what `bench import` wrote."""
    return (folder / FOREIGN).is_file()


def read_foreign(folder: Path) -> ForeignRun:
    """Read what `bench import` wrote.

    Raises:
        DataFormatError: it is missing, damaged or of another version.
    """
    path = folder / FOREIGN
    try:
        raw = json_of(path)
    except OSError as error:
        raise DataFormatError(f"{path} cannot be read ({error.strerror}): restore the file.") from error
    if not isinstance(raw, dict) or raw.get("foreign_version") != VERSION:
        raise DataFormatError(f"{path} is not what this stepbench imports: import the tool's file again.")
    return as_model(ForeignRun, raw, path)


def tool_of(path: Path) -> str | None:
    """Return the tool that wrote a file, or whose format `bench export` wrote; None where it is none that is known."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return format_of(found)


def format_of(found: Any) -> str | None:
    """Return the tool whose format some JSON is in; None where it is none that is known."""
    return next((tool for tool, written in _FORMATS.items() if written(found)), None)


def told(path: Path) -> str:
    """Return what a file of another tool, or what was imported from it, is, as an addition to what it is not.

    It is empty for anything else.
    """
    if is_foreign(path):
        return " but what another tool measured, which `history` shows, and beside others `compare --across` and `plot`"
    tool = tool_of(path)
    if tool is None:
        return ""
    return f" but a file of {tool}, which " + (
        "is written and not read" if tool == "bencher" else "`bench import` reads"
    )


def _keys(item: Any) -> set[str]:
    return set(item) if isinstance(item, dict) else set()


def _first(items: Any) -> Any:
    return items[0] if isinstance(items, list) and items else None


_FORMATS: dict[str, Callable[[Any], bool]] = {
    "pytest-benchmark": lambda found: {"benchmarks", "machine_info"} <= _keys(found),
    "pyperf": lambda found: {"benchmarks", "version"} <= _keys(found) and "runs" in _keys(_first(found["benchmarks"])),
    "github-action-benchmark": lambda found: (
        {"name", "unit", "value"} <= _keys(_first(found)) or {"entries", "lastUpdate"} <= _keys(found)
    ),
    "bencher": lambda found: "latency" in _keys(next(iter(found.values()), None) if isinstance(found, dict) else None),
}
"""By the name of each tool, how its files are told from others."""
