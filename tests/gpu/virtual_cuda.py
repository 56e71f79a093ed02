"""One CUDA stream as a deterministic model: what it would cost is known, so what is read from it can be checked.

The host has a clock, and so has the device. Launching a kernel costs the host time and takes a place in a queue; a
kernel begins when the host has launched it and the device is done with what came before. `torch.cuda.Event`,
`torch.cuda.synchronize` and `torch.cuda._sleep` are replaced, and every operation that torch dispatches is one kernel
of known length. The arithmetic itself is really done, on the CPU.

Tensors of the "device" are CPU tensors. They are told from the host's by the handle `cpu:0`, which torch treats like
`cpu` but passes on as it is, and by the storages that operations on them return. What this cannot see: `.cpu()` and
`.numpy()`, which do nothing on a CPU tensor; the other files in this folder look for those.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.backends.torch import CudaBackend

HANDLE = torch.device("cpu:0")
READS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::masked_select"}
"""What makes the host wait because it wants a value of the device."""
_NO_KERNEL = ("aten::empty", "aten::new_empty")
_DEBUG_MODES = ("default", "warn", "error")


@dataclass(frozen=True)
class Costs:
    """What things take, in nanoseconds; roughly what a real GPU takes."""

    kernel: int = 2_000
    launch: int = 5_000
    event: int = 1_000
    synchronize: int = 10_000
    load: int = 40_000
    """The first launch of each kernel takes the host so much longer."""
    resolution: int = 500
    """Of events."""
    cycle: float = 0.5
    """One cycle of the device's clock, of which `torch.cuda._sleep` counts."""
    gap: int = 0
    """How long an event keeps the device."""
    places: int = 1024
    """Of the queue; the host waits for one if all are taken."""


@dataclass
class VirtualCuda:
    """The model. `host` and `device` are the times that the two have come to."""

    costs: Costs = field(default_factory=Costs)
    cost_of: Callable[[str], int] | None = None
    """Length of the kernel of an operation, if they are not all alike."""
    host: int = 0
    device: int = 0
    kernels: int = 0
    reads: int = 0
    debug: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    _queue: deque[int] = field(default_factory=deque)

    def now(self) -> int:
        """The host's clock."""
        return self.host

    def synchronize(self, device: object = None) -> None:
        """The host waits for the device."""
        self.host = max(self.host, self.device) + self.costs.synchronize

    def kernel(self, name: str, nanoseconds: float) -> None:
        """Launch one kernel."""
        self.host += self.costs.launch + (0 if self.seen[name] else self.costs.load)
        self.seen[name] += 1
        self.kernels += 1
        self._enqueue(math.ceil(nanoseconds))

    def operation(self, name: str) -> None:
        """Launch the kernel of an operation of torch."""
        self.kernel(name, self.costs.kernel if self.cost_of is None else self.cost_of(name))

    def read(self, name: str) -> None:
        """The host takes a value from the device, which makes it wait."""
        if _DEBUG_MODES[self.debug] == "error":
            raise RuntimeError(f"called a synchronizing CUDA operation: {name}")
        self.reads += 1
        self.synchronize()

    def mark(self) -> int:
        """Put an event into the queue; gives the time when the device gets there."""
        self.host += self.costs.event
        return self._enqueue(self.costs.gap)

    def sleep(self, cycles: int) -> None:
        """As `torch.cuda._sleep`: a kernel that does nothing for so many cycles."""
        self.kernel("sleep", cycles * self.costs.cycle)
        self.kernels -= 1

    def set_debug(self, mode: int | str) -> None:
        """As `torch.cuda.set_sync_debug_mode`."""
        self.debug = mode if isinstance(mode, int) else _DEBUG_MODES.index(mode)

    def _enqueue(self, nanoseconds: int) -> int:
        """Begins when host and device are ready; gives that time."""
        while len(self._queue) >= self.costs.places:
            self.host = max(self.host, self._queue.popleft())
        start = max(self.host, self.device)
        self.device = start + nanoseconds
        self._queue.append(self.device)
        return start

    @contextmanager
    def installed(self) -> Iterator[VirtualCuda]:
        """In place of CUDA, for torch and whoever uses it."""
        replaced = {
            "Event": lambda **options: Event(self, **options),
            "Stream": SimpleNamespace,
            "synchronize": self.synchronize,
            "_sleep": self.sleep,
            "get_sync_debug_mode": lambda: self.debug,
            "set_sync_debug_mode": self.set_debug,
            "get_device_name": lambda: "a model",
            "get_device_properties": lambda handle: SimpleNamespace(uuid="none", L2_cache_size=1024),
        }
        operations = _Operations(self)
        with ExitStack() as stack:
            for name, replacement in replaced.items():
                stack.enter_context(mock.patch.object(torch.cuda, name, replacement))
            # Settings of the whole process, which other tests share.
            for name in ("set_num_threads", "set_num_interop_threads", "set_float32_matmul_precision"):
                stack.enter_context(mock.patch.object(torch, name))
            stack.enter_context(mock.patch.object(torch.backends, "cudnn", SimpleNamespace(allow_tf32=False)))
            stack.enter_context(mock.patch.object(torch.Tensor, "pin_memory", lambda tensor: operations.pin(tensor)))
            stack.enter_context(operations)
            yield self


class Event:
    """As `torch.cuda.Event`."""

    def __init__(self, cuda: VirtualCuda, enable_timing: bool = False) -> None:
        self._cuda, self._timing = cuda, enable_timing
        self.time: int | None = None

    def record(self, stream: object = None) -> None:
        """On the stream of the work, or on another one, which has nothing to do."""
        if stream is None:
            self.time = self._cuda.mark()
        else:
            self._cuda.host += self._cuda.costs.event
            self.time = self._cuda.host

    def query(self) -> bool:
        """Whether the device has got here."""
        return self.time is None or self._cuda.host >= self.time

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds from this to a later event."""
        if not (self._timing and end._timing) or self.time is None or end.time is None:
            raise RuntimeError("both events must be made with enable_timing and recorded")
        if not (self.query() and end.query()):
            raise RuntimeError("CUDA error: device not ready")
        resolution = self._cuda.costs.resolution
        return (end.time // resolution - self.time // resolution) * resolution / 1e6


class _Storages:
    """A set of storages that keeps none of them alive.

    A weak reference holds the place in memory, so a dead storage's number is not given to another one.
    """

    def __init__(self) -> None:
        self._alive: dict[int, StorageWeakRef] = {}
        self._sweep_at = 1024

    def add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        self._alive.setdefault(storage._cdata, StorageWeakRef(storage))
        if len(self._alive) > self._sweep_at:
            self._alive = {key: weak for key, weak in self._alive.items() if not weak.expired()}
            self._sweep_at = 2 * len(self._alive) + 1024

    def __contains__(self, tensor: torch.Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._alive


class _Operations(TorchDispatchMode):
    """Turns every operation on the device's tensors into a kernel, or into a wait of the host."""

    def __init__(self, cuda: VirtualCuda) -> None:
        super().__init__()
        self._cuda, self._device, self._pinned = cuda, _Storages(), _Storages()

    def pin(self, tensor: torch.Tensor) -> torch.Tensor:
        """As `Tensor.pin_memory`."""
        pinned = tensor.clone()
        self._pinned.add(pinned)
        return pinned

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = op._schema.name
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        asked = kwargs.get("device")
        on_device = asked == HANDLE if asked is not None else any(tensor in self._device for tensor in tensors)
        from_device = bool(tensors) and any(tensor in self._device for tensor in tensors)
        if name in READS and from_device:
            self._cuda.read(name)
        elif name in ("aten::copy_", "aten::_to_copy"):
            self._copy(name, on_device, tensors, True in (kwargs.get("non_blocking"), *args[2:3]))
        elif on_device and not op.is_view and not name.startswith(_NO_KERNEL):
            self._cuda.operation(name)
        result = op(*args, **kwargs)
        if on_device and not op._schema.is_mutable:
            for leaf in tree_leaves(result):
                if isinstance(leaf, torch.Tensor):
                    self._device.add(leaf)
        return result

    def _copy(self, name: str, on_device: bool, tensors: list[torch.Tensor], non_blocking: bool) -> None:
        """Inside the device a copy is a kernel; to and from the host it waits, unless it need not."""
        source = tensors[-1]
        to_device = tensors[0] in self._device if name == "aten::copy_" else on_device
        if to_device and (source in self._device or (non_blocking and source in self._pinned)):
            self._cuda.operation(name)
        elif to_device or source in self._device:
            self._cuda.read(name)


class VirtualBackend(CudaBackend):
    """The real CUDA backend, whose device is the model's."""

    def __init__(self) -> None:
        super().__init__()
        self.device = str(HANDLE)
