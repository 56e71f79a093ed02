"""What the files of other tools hold, as far as `bench import` reads it; nothing in them is executed.

Formats as their makers write them: pytest-benchmark 5 (`--benchmark-json`, `--benchmark-save`), pyperf 2 (its JSON
format 1.0), github-action-benchmark 1 (what its custom tools take, and the `data.js` that it keeps).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat

from bench.data.files import TEXT_BYTES
from bench.data.foreign import MOST_BENCHMARKS, format_of
from bench.data.jsonfile import as_model, json_of
from bench.errors import DataFormatError

_LENIENT = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)
"""A tool's newer versions may write more, but nothing else in place of what is read."""
SCRIPT = "window.BENCHMARK_DATA ="
"""What the data.js of github-action-benchmark begins with."""
MOST_ENTRIES = 1000


class PytestStats(BaseModel):
    """Times of one benchmark, in seconds."""

    model_config = _LENIENT

    median: NonNegativeFloat
    data: list[NonNegativeFloat] = []
    """One a round, if they were kept."""


class PytestBenchmark(BaseModel):
    """One benchmark of pytest-benchmark."""

    model_config = _LENIENT

    name: str
    fullname: str = ""
    stats: PytestStats


class PytestFile(BaseModel):
    """What pytest-benchmark saves."""

    model_config = _LENIENT

    machine_info: dict[str, Any]
    commit_info: dict[str, Any] = {}
    benchmarks: list[PytestBenchmark] = Field(max_length=MOST_BENCHMARKS)
    datetime: str
    version: str = ""


class PyperfRun(BaseModel):
    """One process; one that only chose the number of loops has no values."""

    model_config = _LENIENT

    metadata: dict[str, Any] = {}
    values: list[NonNegativeFloat] = []


class PyperfBenchmark(BaseModel):
    """One benchmark of pyperf."""

    model_config = _LENIENT

    metadata: dict[str, Any] = {}
    runs: list[PyperfRun]


class PyperfFile(BaseModel):
    """A suite of pyperf."""

    model_config = _LENIENT

    version: str
    metadata: dict[str, Any] = {}
    benchmarks: list[PyperfBenchmark] = Field(max_length=MOST_BENCHMARKS)


class ActionBench(BaseModel):
    """One benchmark of github-action-benchmark."""

    model_config = _LENIENT

    name: str
    unit: str
    value: NonNegativeFloat


class ActionEntry(BaseModel):
    """What the action kept of one commit."""

    model_config = _LENIENT

    commit: dict[str, Any] = {}
    date: Annotated[int, Field(ge=0, lt=253_402_300_800_000)] | None = None
    """When, in milliseconds since 1970; before the year 10000."""
    tool: str = ""
    benches: list[ActionBench] = Field(max_length=MOST_BENCHMARKS)


class ActionFile(BaseModel):
    """The entries of each suite that the action keeps, or the one list that it takes."""

    model_config = _LENIENT

    entries: dict[str, list[ActionEntry]]


ToolFile = PytestFile | PyperfFile | ActionFile
_MODELS: dict[str, type[ToolFile]] = {
    "pytest-benchmark": PytestFile,
    "pyperf": PyperfFile,
    "github-action-benchmark": ActionFile,
}


def read_tool(path: Path) -> ToolFile:
    """Read a file of another tool.

    Raises:
        DataFormatError: it cannot be read, is none, or holds what it cannot.
    """
    try:
        found = json_of(path, constants=True, script=SCRIPT)
    except OSError as error:
        told = f"{path} cannot be read ({error.strerror})"
        raise DataFormatError(f"{told}: give a file of JSON of at most {TEXT_BYTES >> 20} MiB.") from error
    tool = format_of(found)
    model = _MODELS.get(tool or "")
    if model is None:
        what = f"a file of {tool}" if tool else "no file of a tool that is known"
        raise DataFormatError(f"{path} is {what}, which is not read: give one of {', '.join(_MODELS)}.")
    if isinstance(found, list):
        found = {"entries": {"": [{"benches": found}]}}
    read = as_model(model, found, path)
    if isinstance(read, ActionFile) and sum(map(len, read.entries.values())) > MOST_ENTRIES:
        raise DataFormatError(f"{path} holds more than {MOST_ENTRIES:,} entries: cut it into several files.")
    return read
