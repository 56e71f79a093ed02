"""stepbench: a benchmark harness for one training step. These are the names an implementation needs."""

import bench.backends  # noqa: F401 - importing them registers the backends that come with the harness
from bench.model.data import Data
from bench.model.device import Availability, Backend, Device, Settings, Stream
from bench.model.problem import Dtype, Problem
from bench.model.registry import backend, implementation
from bench.model.step import BACKWARD, FORWARD, UPDATE, Operation, Phase, Stage, State, Step

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
]
