"""stepbench: a benchmark harness for one training step. These are the names an implementation needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import bench.backends
import bench.workloads  # noqa: F401 - importing them registers what comes with the harness
from bench.model.data import Data
from bench.model.device import Availability, Backend, Device, Settings, Stream
from bench.model.precision import Precision
from bench.model.problem import Dtype, Problem
from bench.model.registry import backend, implementation, workload
from bench.model.sizes import Sizes
from bench.model.step import BACKWARD, DATA, FORWARD, UPDATE, Operation, Phase, Stage, State, Step
from bench.model.workload import Cost, Memory
from bench.training import Training, training

if TYPE_CHECKING:
    from bench.data.run import StoredRun

__version__ = "0.1.0"

__all__ = [
    "BACKWARD",
    "DATA",
    "FORWARD",
    "UPDATE",
    "Availability",
    "Backend",
    "Cost",
    "Data",
    "Device",
    "Dtype",
    "Memory",
    "Operation",
    "Phase",
    "Precision",
    "Problem",
    "Settings",
    "Sizes",
    "Stage",
    "State",
    "Step",
    "Stream",
    "Training",
    "__version__",
    "backend",
    "implementation",
    "open_run",
    "training",
    "workload",
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
