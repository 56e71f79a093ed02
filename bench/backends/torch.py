"""torch as a backend: on the CPU, on CUDA, and as a base class for any other device that torch knows."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from bench.backends.host import flusher
from bench.backends.nvidia import NvidiaGpu, absent_reason, gpu_count, lease, total_memory
from bench.model.device import Availability, Backend, Compilations, Device, Settings, Stream, missing, nothing
from bench.model.precision import Precision

if TYPE_CHECKING:
    from bench.model.data import Array

TORCH_PIN = "torch==2.13.0"
_DEVICE_WORK = ("kernel", "gpu_memcpy", "gpu_memset")
"""What the traces of torch's profiler call work of the device; its ranges of user annotations are none."""


class TorchBackend(Backend):
    """torch on one kind of device; a subclass for another kind overrides what its hardware does differently."""

    framework = "torch"
    packages = ("torch", "numpy")
    meets = True
    matmul_kinds = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")
    precisions: tuple[Precision, ...] = (Precision.FULL, Precision.AMP_BF16, Precision.BF16)

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.name = f"torch-{device}"
        self.host_memory = device == "cpu"
        self._meeting: Any = None

    @override
    def availability(self) -> Availability:
        return missing("torch", TORCH_PIN) or Availability(True)

    @override
    def preload(self) -> None:
        import torch
        import torch._dynamo  # an optimiser's first step would import it, for over a second  # noqa: F401

    @override
    def open(self, settings: Settings) -> Device:
        import torch

        tf32 = settings.precision is Precision.TF32
        torch.set_num_threads(settings.threads)
        torch.set_num_interop_threads(settings.threads)
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        handle = torch.device(self.device)
        facts = {
            "torch_threads": str(torch.get_num_threads()),
            "torch_interop_threads": str(torch.get_num_interop_threads()),
            "torch_matmul_precision": torch.get_float32_matmul_precision(),
            "cudnn_tf32": str(torch.backends.cudnn.allow_tf32),
        }

        def put(array: Array) -> Any:
            return torch.tensor(array).to(handle)

        def matmul(a: Array, b: Array) -> Callable[[], object]:
            left, right = put(a), put(b)
            out = torch.empty_like(left)
            return lambda: torch.mm(left, right, out=out)

        def copy(array: Array) -> Callable[[], object]:
            source = put(array)
            target = torch.empty_like(source)
            return lambda: target.copy_(source)

        instruments = self.instruments(handle)
        return Device(
            kind=self.device,
            name=self.hardware_name(),
            threads=settings.threads,
            handle=handle,
            put=put,
            synchronize=self.wait,
            facts=facts | instruments.pop("facts", {}),
            matmul=matmul,
            copy=copy,
            **instruments,
        )

    def hardware_name(self) -> str:
        """Return the hardware's own name; empty for the CPU."""
        return ""

    def wait(self) -> None:
        """Return when the device has finished all its work."""
        nothing()

    def instruments(self, handle: Any) -> dict[str, Any]:
        """Return what `Device` holds for the harness: any of `stream`, `upload`, `flush`, `condition` and `facts`."""
        return {"flush": flusher()}

    @override
    def threads_in_use(self) -> int | None:
        import torch

        return torch.get_num_threads()

    @override
    def meet(self, ranks: int) -> dict[str, str]:
        from torch.distributed import TCPStore  # type: ignore[attr-defined]  # the documentation names it

        # Its own port, found by the system; all ranks come to it as guests, as under torchrun.
        self._meeting = TCPStore("127.0.0.1", 0, ranks, is_master=True, wait_for_workers=False)
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(self._meeting.port)}
        return place | {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"}

    @override
    def communicating(self, run: Callable[[], object]) -> float | None:
        from bench.backends.torch_trace import communicating

        return communicating(run, self.device)

    @override
    def cache_in(self, folder: Path) -> None:
        # Both are read whenever something is compiled.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "inductor")
        os.environ["TRITON_CACHE_DIR"] = str(folder / "triton")

    @override
    def load_compiler(self) -> None:
        import torch._dynamo.config
        import torch._inductor.compile_fx  # takes a second

        # By default torch goes on without its compiler where it would have to compile the same function for the ninth
        # time, and only a warning tells.
        torch._dynamo.config.fail_on_recompile_limit_hit = True

    @override
    def compilations(self) -> Compilations:
        from torch._dynamo.utils import counters

        cached = {**counters["inductor"], **counters["aot_autograd"]}
        hits, misses = (
            sum(cached.get(f"{cache}_{what}", 0) for cache in ("fxgraph_cache", "autograd_cache"))
            for what in ("hit", "miss")
        )
        programs = counters["stats"]["unique_graphs"] + counters["compiled_autograd"]["captures"]
        return Compilations(programs, sum(counters["graph_break"].values()), hits, misses)

    @override
    def rest_compilers(self) -> None:
        used = sys.modules.get("torch._inductor.async_compile")
        if used is None:
            return
        used.shutdown_compile_workers()
        pool = used.AsyncCompile.pool
        if pool.cache_info().currsize:
            pool().shutdown()
            pool.cache_clear()  # what is compiled later, if anything, makes another


class CudaBackend(TorchBackend):
    """torch on an NVIDIA GPU."""

    precisions = tuple(Precision)

    def __init__(self) -> None:
        super().__init__("cuda")
        self._cache: Any = None

    @override
    def open(self, settings: Settings) -> Device:
        import torch

        if settings.place:
            torch.cuda.set_device(settings.place)  # what asks for "cuda" means this one from now on
        return super().open(settings)

    @override
    def device_count(self) -> int | None:
        return gpu_count()

    @property
    @override
    def lease(self) -> str:
        return lease()

    @override
    def availability(self) -> Availability:
        if (not_installed := missing("torch", TORCH_PIN)) is not None:
            return not_installed
        build = _torch_build()
        version = build["__version__"]
        if build.get("hip") is not None:
            reason = f"torch {version} is a build for AMD's GPUs (ROCm), and torch-cuda times NVIDIA's"
            return Availability(False, f"{reason}: write a backend of your own, or install a CUDA build of {TORCH_PIN}")
        if (absent := absent_reason()) is not None:
            return Availability(False, absent)
        if build.get("cuda") is None:
            return Availability(False, f"torch {version} is a CPU build: install a CUDA build of {TORCH_PIN}")
        return Availability(True)

    @override
    def hardware_name(self) -> str:
        import torch

        return torch.cuda.get_device_name()

    @override
    def wait(self) -> None:
        import torch

        torch.cuda.synchronize()

    @override
    def instruments(self, handle: Any) -> dict[str, Any]:
        import torch

        properties = torch.cuda.get_device_properties(handle)
        gpu = NvidiaGpu.open(str(properties.uuid))
        self._cache = None

        def flush() -> None:
            if self._cache is None:  # only a case with cold caches needs it, and `peak_bytes` leaves it out
                self._cache = torch.zeros(2 * properties.L2_cache_size, dtype=torch.uint8, device=handle)
            self._cache.zero_()

        def upload(target: Any, array: Array) -> Callable[[], None]:
            source = torch.tensor(array).pin_memory()  # only pinned memory is copied without the host waiting

            def again() -> None:
                target.copy_(source, non_blocking=True)

            return again

        return {
            "stream": CudaStream(),
            "upload": upload,
            "flush": flush,
            "condition": None if gpu is None else gpu.read,
            "facts": {} if gpu is None else gpu.facts(),
        }

    @override
    def memory_bytes(self) -> int | None:
        return total_memory()

    @override
    def peak_bytes(self) -> int | None:
        import torch

        ours = 0 if self._cache is None else self._cache.numel()
        return int(torch.cuda.max_memory_allocated()) - ours

    @override
    def held_bytes(self) -> int | None:
        import torch

        return int(torch.cuda.memory_allocated())

    @override
    def reserved_bytes(self) -> int | None:
        import torch

        return int(torch.cuda.max_memory_reserved())

    @override
    def reset_peak(self) -> bool:
        import torch

        torch.cuda.reset_peak_memory_stats()
        return True


class CudaStream(Stream):
    """The current CUDA stream, timed by CUDA events: their resolution is about half a microsecond."""

    @override
    def record(self) -> Any:
        import torch

        event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    @override
    def reached(self, mark: Any) -> bool:
        return bool(mark.query())

    @override
    def nanoseconds(self, start: Any, end: Any) -> float:
        return float(start.elapsed_time(end)) * 1e6

    @override
    def hold(self, units: int) -> None:
        import torch

        torch.cuda._sleep(units)  # type: ignore[no-untyped-call]  # cycles of the device's clock

    @override
    @contextmanager
    def watched(self) -> Iterator[None]:
        import torch

        before = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode(before)

    @override
    def kernels(self, run: Callable[[], object]) -> tuple[float, ...]:
        from torch.profiler import ProfilerActivity, profile

        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            run()
        with tempfile.TemporaryDirectory() as folder:  # its trace file has kept its form where its objects have not
            path = Path(folder) / "trace.json"
            profiler.export_chrome_trace(str(path))
            events = json.loads(path.read_bytes())["traceEvents"]
        work = sorted((event["ts"], event["dur"]) for event in events if event.get("cat") in _DEVICE_WORK)
        return tuple(1e3 * microseconds for _, microseconds in work)


def _torch_build() -> dict[str, str | None]:
    """Return what the installed torch says of itself, read from its source without importing it.

    `__version__` is always there; `cuda` and `hip` are the versions that it was built for, None or absent where it was
    not.
    """
    spec = importlib.util.find_spec("torch")
    values: dict[str, Any] = {}
    if spec is not None and spec.origin is not None:
        tree = ast.parse((Path(spec.origin).parent / "version.py").read_text(encoding="utf-8"))
        for node in tree.body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            if isinstance(target, ast.Name) and isinstance(getattr(node, "value", None), ast.Constant):
                values[target.id] = node.value.value  # type: ignore[attr-defined]
    return values if "__version__" in values else {**values, "__version__": importlib.metadata.version("torch")}
