"""Backends and devices: a backend is a framework plus a device.

Requirements that every `Backend` keeps:

- asking for its `availability` imports no framework and touches no device, so `bench list` is quick and a forking
  parent stays clean;
- `preload` imports the framework and runs nothing in it (no tensor operation, no device call), because a process
  forks after it;
- `open` is the first touch: it pins threads and precision and returns the `Device` for one measuring process;
- an absent backend says why, in words that contain the cure.

A new kind of device is one more subclass and one more line in `BACKENDS`.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

if TYPE_CHECKING:
    from bench.model.data import Array

TORCH_PIN = "torch==2.13.0"
TENSORFLOW_PIN = "tensorflow==2.21.0"


@dataclass(frozen=True)
class Availability:
    """Whether a backend can be used here, and if not, why not and what would help."""

    present: bool
    reason: str = ""


@dataclass(frozen=True)
class Device:
    """An open backend, as an implementation's `build` receives it."""

    kind: str
    """`cpu` or `cuda`."""
    name: str
    """The hardware's own name; empty for the CPU, whose name the environment probe knows."""
    threads: int
    handle: Any
    """What the framework calls a device: `torch.device` for torch, None for NumPy and TensorFlow graphs."""
    put: Callable[[Array], Any]
    """Copies a NumPy array to the device, as the framework's own array type."""
    synchronize: Callable[[], None]
    """Returns when the device has finished all work handed to it. Only the harness calls it."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What was pinned and what is really in use: threads, precision modes."""


def _nothing() -> None:
    """A CPU runs synchronously: there is nothing to wait for."""


def _missing(package: str, pin: str) -> Availability | None:
    if importlib.util.find_spec(package) is not None:
        return None
    return Availability(False, f"{package} is not installed: pip install {pin}")


class Backend(ABC):
    """A framework on a device; see the module's docstring for what a subclass must keep."""

    name: str
    framework: str
    device: str

    @abstractmethod
    def availability(self) -> Availability:
        """Present, or absent with the reason; imports no framework."""

    @abstractmethod
    def preload(self) -> None:
        """Import the framework and run nothing in it."""

    @abstractmethod
    def open(self, threads: int) -> Device:
        """Pin threads and full-precision arithmetic, then hand out the device."""

    @abstractmethod
    def threads_in_use(self) -> int | None:
        """CPU threads that compute, as the framework says or the system shows once a step has run; None if unknown."""

    def peak_bytes(self) -> int | None:
        """Peak memory allocated on the device by this process, or None where the host's figure is the one to use."""
        return None


class NumpyBackend(Backend):
    """NumPy with whatever BLAS it was built with."""

    name, framework, device = "numpy", "numpy", "cpu"

    @override
    def availability(self) -> Availability:
        return _missing("numpy", "numpy") or Availability(True)

    @override
    def preload(self) -> None:
        import numpy  # noqa: F401
        import threadpoolctl  # noqa: F401

    @override
    def open(self, threads: int) -> Device:
        import numpy as np
        from threadpoolctl import threadpool_info, threadpool_limits

        threadpool_limits(limits=threads)
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        facts = {"blas": ", ".join(f"{pool['internal_api']} {pool['version']}" for pool in pools)}
        return Device("cpu", "", threads, None, np.array, _nothing, facts)

    @override
    def threads_in_use(self) -> int | None:
        from threadpoolctl import threadpool_info

        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        return max((int(pool["num_threads"]) for pool in pools), default=1)


class TorchBackend(Backend):
    """torch on the CPU or on a CUDA device: one class, since the device is a parameter."""

    framework = "torch"

    def __init__(self, device: str) -> None:
        self.device = device
        self.name = f"torch-{device}"

    @override
    def availability(self) -> Availability:
        if (missing := _missing("torch", TORCH_PIN)) is not None:
            return missing
        if self.device == "cpu":
            return Availability(True)
        if (reason := _no_nvidia_device()) is not None:
            return Availability(False, reason)
        version, cuda = _torch_build()
        if cuda is None:
            return Availability(False, f"torch {version} is a CPU build: install a CUDA build of {TORCH_PIN}")
        return Availability(True)

    @override
    def preload(self) -> None:
        import torch
        import torch._dynamo  # an optimiser's first step would import it, for over a second  # noqa: F401

    @override
    def open(self, threads: int) -> Device:
        import torch

        torch.set_num_threads(threads)
        torch.set_num_interop_threads(threads)
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        handle = torch.device(self.device)
        on_cuda = self.device == "cuda"

        def put(array: Array) -> Any:
            return torch.tensor(array, device=handle)

        facts = {
            "torch_threads": str(torch.get_num_threads()),
            "torch_interop_threads": str(torch.get_num_interop_threads()),
            "torch_matmul_precision": torch.get_float32_matmul_precision(),
            "cudnn_tf32": str(torch.backends.cudnn.allow_tf32),
        }
        return Device(
            self.device,
            torch.cuda.get_device_name() if on_cuda else "",
            threads,
            handle,
            put,
            torch.cuda.synchronize if on_cuda else _nothing,
            facts,
        )

    @override
    def threads_in_use(self) -> int | None:
        import torch

        return torch.get_num_threads()

    @override
    def peak_bytes(self) -> int | None:
        if self.device == "cpu":
            return None
        import torch

        return int(torch.cuda.max_memory_allocated())


class TensorflowGraphBackend(Backend):
    """TensorFlow, executing a graph that was built once, on the CPU."""

    name, framework, device = "tf-graph", "tensorflow", "cpu"

    @override
    def availability(self) -> Availability:
        return _missing("tensorflow", TENSORFLOW_PIN) or Availability(True)

    @override
    def preload(self) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow  # noqa: F401

    @override
    def open(self, threads: int) -> Device:
        # A session created without a configuration reads these when it makes its thread pools.
        os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)
        self.preload()
        import numpy as np
        import tensorflow as tf

        tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
        tf.config.experimental.enable_tensor_float_32_execution(False)
        facts = {
            "tf_intra_op_threads": os.environ["TF_NUM_INTRAOP_THREADS"],
            "tf_inter_op_threads": os.environ["TF_NUM_INTEROP_THREADS"],
            "tf_tf32": str(tf.config.experimental.tensor_float_32_execution_enabled()),
        }
        return Device("cpu", "", threads, None, np.array, _nothing, facts)

    @override
    def threads_in_use(self) -> int | None:
        # No call tells: the session's pool takes its size from the environment. But its threads carry a name.
        names = [path.read_text(encoding="utf-8").strip() for path in Path("/proc/self/task").glob("*/comm")]
        return names.count("tf_Compute") or None


def _torch_build() -> tuple[str, str | None]:
    """Version and CUDA version of the installed torch, read from its source and not by importing it."""
    spec = importlib.util.find_spec("torch")
    values: dict[str, Any] = {}
    if spec is not None and spec.origin is not None:
        tree = ast.parse((Path(spec.origin).parent / "version.py").read_text(encoding="utf-8"))
        for node in tree.body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            if isinstance(target, ast.Name) and isinstance(getattr(node, "value", None), ast.Constant):
                values[target.id] = node.value.value  # type: ignore[attr-defined]
    return str(values.get("__version__", importlib.metadata.version("torch"))), values.get("cuda")


def _no_nvidia_device() -> str | None:
    """Why there is no CUDA device, asked of the driver's management library; None if there is one."""
    try:
        import pynvml
    except ImportError:
        return "no CUDA device can be looked for: pip install nvidia-ml-py"
    try:
        pynvml.nvmlInit()
        try:
            count = pynvml.nvmlDeviceGetCount()
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError_LibraryNotFound:
        return "no CUDA device: no NVIDIA driver is installed"
    except pynvml.NVMLError as error:
        return f"no CUDA device: the NVIDIA driver does not answer ({error})"
    return None if count else "no CUDA device: the NVIDIA driver reports no GPU"


BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (NumpyBackend(), TorchBackend("cpu"), TorchBackend("cuda"), TensorflowGraphBackend())
}


def backends_of(framework: str) -> tuple[Backend, ...]:
    """Every backend of one framework, in the order of `BACKENDS`."""
    return tuple(backend for backend in BACKENDS.values() if backend.framework == framework)
