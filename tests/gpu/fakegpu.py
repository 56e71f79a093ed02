"""A file for `--load`: a GPU that is not there. `bench run --load tests/gpu/fakegpu.py --device fakegpu`

torch gets a third-party device (PrivateUse1) whose tensors have no memory of their own; each stands for a CPU tensor,
and every operation is really done on those. So results are those of the CPU, to the last bit, while devices, copies
and waits are those of a GPU: an operation that mixes devices is refused, and a value taken from the device is noticed.

Time is made up: a queue of kernels of known length, and a host that takes 5 us to launch one. The harness's own clock
is replaced in the measuring process, so that nothing depends on the machine that it runs on.

STEPBENCH_FAKEGPU_KERNEL gives the nanoseconds of a kernel beside computing, STEPBENCH_FAKEGPU_FLOPS how many operations
it computes a nanosecond.

Faults are planted by the variable STEPBENCH_FAKEGPU_FAULT, several with commas:

    slow-clock     the device's clock loses a tenth
    quick-profiler the profiler loses a twentieth
    no-hold        holding the queue back does nothing
    half-wait      synchronising waits for half of what there is to wait for
    capped         no more than 9 kernels between two synchronisations take any time
    reads          every matrix product makes the host wait
    throttle-once  the first process that asks is told of heat; STEPBENCH_FAKEGPU_ONCE names a file to remember it by
"""

from __future__ import annotations

import os
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from bench import Device, Settings, Stream, backend
from bench.backends.torch import TorchBackend
from bench.model.condition import Condition

KIND = "fakegpu"
LAUNCH, MARK, WAIT = 5_000, 1_000, 10_000
"""Nanoseconds that these take the host."""
KERNEL = int(os.environ.get("STEPBENCH_FAKEGPU_KERNEL", "1_000_000"))
FLOPS_PER_NANOSECOND = float(os.environ.get("STEPBENCH_FAKEGPU_FLOPS", "2"))
BYTES_PER_NANOSECOND = 5.0
WATTS = 300.0
READS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::masked_select"}


def faulty(name: str) -> bool:
    """Whether a fault is planted."""
    return name in os.environ.get("STEPBENCH_FAKEGPU_FAULT", "").split(",")


class Queue(Stream):
    """The device's queue and the two clocks."""

    def __init__(self) -> None:
        self.host = self.device = 0
        self.reads = 0
        self._since_wait = 0
        self._watched = False
        self._ran: list[float] = []

    def now(self) -> int:
        """The host's clock."""
        return self.host

    def launch(self, nanoseconds: float) -> None:
        """Put a kernel of that length into the queue."""
        self._since_wait += 1
        if faulty("capped") and self._since_wait > 9:
            nanoseconds = 0
        self.host += LAUNCH
        self.device = max(self.device, self.host) + round(nanoseconds)
        self._ran.append(round(nanoseconds))

    def synchronize(self) -> None:
        """Wait for the device."""
        self._since_wait = 0
        behind = max(0, self.device - self.host)
        self.host += (behind // 2 if faulty("half-wait") else behind) + WAIT

    def read(self, name: str) -> None:
        """The host takes a value from the device."""
        if self._watched:
            raise RuntimeError(f"{name} takes a value from the device")
        self.reads += 1
        self.synchronize()

    def record(self) -> int:
        """A mark is the time when the device gets to it."""
        self.host += MARK
        self.device = max(self.device, self.host)
        return self.device

    def reached(self, mark: int) -> bool:
        """Whether the host's time is past it."""
        return self.host >= mark

    def nanoseconds(self, start: int, end: int) -> float:
        """Refused, as by a GPU, if the host has not waited."""
        if max(start, end) > self.host and not faulty("half-wait"):
            raise RuntimeError("the device has not come to the mark")
        return (end - start) * (0.9 if faulty("slow-clock") else 1.0)

    def hold(self, units: int) -> None:
        """A unit is a nanosecond."""
        if not faulty("no-hold"):
            self.launch(units)

    def kernels(self, run: Callable[[], object]) -> tuple[float, ...]:
        """A profiler that sees every kernel."""
        before = len(self._ran)
        run()
        return tuple((0.95 if faulty("quick-profiler") else 1.0) * each for each in self._ran[before:])

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Reads raise inside it."""
        self._watched = True
        try:
            yield
        finally:
            self._watched = False


class Memory:
    """How many bytes the tensors of the device hold, now and at most."""

    def __init__(self) -> None:
        self.bytes = self.peak = 0
        self._users: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._users)

    def take(self, fake: Any) -> Any:
        """Count a new tensor of the device; a view and what it is of share their bytes."""
        held = fake.real_tensor.untyped_storage()
        if not self._users[held._cdata]:
            self.bytes += held.nbytes()
            self.peak = max(self.peak, self.bytes)
        self._users[held._cdata] += 1
        weakref.finalize(fake, self._drop, held._cdata, held.nbytes())
        return fake

    def _drop(self, place: int, size: int) -> None:
        self._users[place] -= 1
        if not self._users[place]:
            del self._users[place]
            self.bytes -= size


class Simulator:
    """Runs operations of the device on the CPU."""

    def __init__(self) -> None:
        self.queue, self.memory = Queue(), Memory()
        self._library = self._tensor = None

    def register(self) -> None:
        """Make the device known to torch: once in a process, and for good."""
        import torch
        from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

        _setup_privateuseone_for_python_backend(KIND)
        self._tensor = _tensor_class(self.run)
        self._library = library = torch.library.Library("aten", "IMPL")  # what it registers lasts as long as it does
        aten = torch.ops.aten
        for operation in (aten.empty.memory_format, aten.empty_strided.default):  # the others begin with a tensor
            library.impl(operation, partial(self.run, operation), "PrivateUse1")

    def run(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        """One operation that takes or makes tensors of the device."""
        import torch
        from torch.utils._pytree import tree_leaves, tree_map

        name, schema = operation._schema.name, operation._schema
        if name in ("aten::_to_copy", "aten::copy_"):
            return (self._copy if schema.is_mutable else self._moved)(*args, **kwargs)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if any(tensor.device.type != KIND and tensor.dim() for tensor in tensors):
            raise RuntimeError(f"{name} got tensors of cpu and of {KIND}: all must be on one device")
        if name in READS:
            self.queue.read(name)
        real_args, real_kwargs = tree_map(_real, (args, kwargs))
        result = operation(*real_args, **real_kwargs)
        self._charge(operation, [_real(tensor) for tensor in tensors])
        if schema.is_mutable:
            names = [(n, a.name) for n, a in enumerate(schema.arguments) if a.alias_info and a.alias_info.is_write]
            written = [args[n] if n < len(args) else kwargs[name] for n, name in names]
            return (written[0] if len(written) == 1 else tuple(written)) if schema.returns else None
        return tree_map(lambda leaf: self._wrap(leaf) if isinstance(leaf, torch.Tensor) else leaf, result)

    def _wrap(self, real: Any) -> Any:
        return self.memory.take(self._tensor(real))

    def _moved(self, source: Any, *, device: Any = None, non_blocking: bool = False, **options: Any) -> Any:
        """A copy, of another type or on another device."""
        import torch

        target = torch.ops.aten._to_copy(_real(source), **options)
        to_device = device is None or torch.device(device).type == KIND
        self._charge_copy(source, to_device, target.nbytes, non_blocking)
        return self._wrap(target) if to_device else target

    def _copy(self, target: Any, source: Any, non_blocking: bool = False) -> Any:
        self._charge_copy(source, target.device.type == KIND, target.nbytes, non_blocking)
        _real(target).copy_(_real(source))
        return target

    def _charge_copy(self, source: Any, to_device: bool, size: int, non_blocking: bool) -> None:
        """The host waits for a copy that it takes part in, unless it gives and asks not to."""
        if not to_device or (source.device.type != KIND and not non_blocking):
            self.queue.read("a copy between host and device")
        else:
            self.queue.launch(KERNEL + size / BYTES_PER_NANOSECOND)

    def _charge(self, operation: Any, tensors: list[Any]) -> None:
        """The time that an operation takes the device."""
        name = operation._schema.name.removeprefix("aten::")
        if operation.is_view or name.startswith(("empty", "new_empty")) or operation._schema.name in READS:
            return
        flops = 0.0
        if name in ("mm", "addmm"):
            left, right = [tensor for tensor in tensors if tensor.dim() == 2][:2]
            flops = 2.0 * left.shape[0] * left.shape[1] * right.shape[1]
            if faulty("reads"):
                self.queue.read(name)
        self.queue.launch(KERNEL + flops / FLOPS_PER_NANOSECOND)


def _real(leaf: Any) -> Any:
    """The CPU tensor behind a tensor of the device, and the CPU for the device itself; all else as it is."""
    import torch

    if isinstance(leaf, torch.Tensor):
        return getattr(leaf, "real_tensor", leaf)
    return torch.device("cpu") if isinstance(leaf, torch.device) else leaf


def _tensor_class(run: Callable[..., Any]) -> Any:
    """The class of the device's tensors: shape, strides and type, and a CPU tensor that does the work."""
    import torch

    class DeviceTensor(torch.Tensor):
        real_tensor: torch.Tensor

        @staticmethod
        def __new__(cls: Any, real: torch.Tensor) -> Any:
            like = {"strides": real.stride(), "storage_offset": real.storage_offset(), "dtype": real.dtype}
            fake = torch.Tensor._make_wrapper_subclass(cls, real.shape, device=torch.device(KIND, 0), **like)
            fake.real_tensor = real
            return fake

        __torch_function__ = torch._C._disabled_torch_function_impl

        @classmethod
        def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return run(operation, *args, **(kwargs or {}))

    return DeviceTensor


@backend
class FakeGpu(TorchBackend):
    """torch on the GPU that is not there."""

    def __init__(self) -> None:
        super().__init__(KIND)
        self.simulator = Simulator()

    def open(self, settings: Settings) -> Device:
        """Registers the device; not before, since a process forks after `preload`."""
        from bench.timing import tasks, worker

        self.simulator.register()
        for module in (tasks, worker):
            assert module.host_now  # what the harness times with; from now on it is the model's
            module.host_now = self.simulator.queue.now
        # What the CPU really does in the place of the device is no work of the host's.
        worker.Rig = partial(worker.Rig, cpu_now=self.simulator.queue.now)  # type: ignore[misc]
        return super().open(settings)

    def hardware_name(self) -> str:
        return "a GPU that is not there"

    def wait(self) -> None:
        self.simulator.queue.synchronize()

    def peak_bytes(self) -> int | None:
        return self.simulator.memory.peak

    def held_bytes(self) -> int | None:
        return self.simulator.memory.bytes

    def reserved_bytes(self) -> int | None:
        return 2 * self.simulator.memory.peak

    def reset_peak(self) -> bool:
        self.simulator.memory.peak = self.simulator.memory.bytes
        return True

    def instruments(self, handle: Any) -> dict[str, Any]:
        import torch

        def upload(target: Any, array: Any) -> Callable[[], None]:
            source = torch.tensor(array)
            return lambda: target.copy_(source, non_blocking=True)

        flush = torch.zeros(1024, device=handle).zero_
        return {"stream": self.simulator.queue, "upload": upload, "flush": flush, "condition": self.condition}

    def condition(self) -> Condition:
        """Constant but for the energy, which is the power times the time."""
        return Condition(
            sm_clock_mhz=1410,
            max_sm_clock_mhz=1410,
            throttle=("thermal",) if self._throttled() else (),
            power_watts=WATTS,
            temperature_celsius=45.0,
            other_bytes=0,
            energy_joules=WATTS * self.simulator.queue.host / 1e9,
        )

    def _throttled(self) -> bool:
        if not faulty("throttle-once"):
            return False
        marker, me = Path(os.environ["STEPBENCH_FAKEGPU_ONCE"]), str(os.getpid())
        with suppress(FileExistsError), marker.open("x") as file:
            file.write(me)
        return marker.read_text() == me
