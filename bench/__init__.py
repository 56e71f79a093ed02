"""stepbench: a benchmark harness for one training step. These are the names an implementation needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import bench.backends
import bench.workloads  # noqa: F401 - importing them registers what comes with the harness
from bench.model.data import Data
from bench.model.device import Availability, Backend, Device, Settings, Stream
from bench.model.problem import Dtype, Problem
from bench.model.registry import backend, implementation
from bench.model.step import BACKWARD, FORWARD, UPDATE, Operation, Phase, Stage, State, Step

if TYPE_CHECKING:
    from bench.data.run import StoredRun

__version__ = "0.1.0"

__all__ = [
    "BACKWARD",
    "FORWARD",
    "UPDATE",
    "Availability",
    "Backend",
    "Data",
    "Device",
    "Dtype",
    "Operation",
    "Phase",
    "Problem",
    "Settings",
    "Stage",
    "State",
    "Step",
    "Stream",
    "__version__",
    "backend",
    "implementation",
    "open_run",
]


def open_run(folder: str | Path) -> StoredRun:
    """Open a run for a notebook: `open_run("results/sample").joined` has everything beside each sample.

    Raises:
        DataFormatError: the folder holds no run, or one of a version that cannot be read.
    """
    from bench.data.run import StoredRun  # here, so that an implementation's file does not wait for pydantic

    found = StoredRun(folder)
    _ = found.manifest
    return found
