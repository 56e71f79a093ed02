"""CuPy as a backend: NumPy's functions on an NVIDIA GPU."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from typing_extensions import override

from bench.backends.nvidia import NvidiaGpu, absent_reason, lease, total_memory
from bench.model.device import Availability, Backend, Device, Settings, missing
from bench.model.precision import Precision

if TYPE_CHECKING:
    from bench.model.data import Array

CUPY_PIN = "cupy-cuda12x, or cupy-cuda13x for a driver of CUDA 13"


class CupyBackend(Backend):
    """CuPy on its current device, timed by the host."""

    name, framework, device = "cupy", "cupy", "cuda"
    packages = ("cupy", "cupy-cuda12x", "cupy-cuda13x", "numpy")
    may_fork = False  # that importing it leaves CUDA untouched has not been seen on a GPU
    precisions = (Precision.FULL, Precision.TF32)
    host_memory = False

    @property
    @override
    def lease(self) -> str:
        return lease()

    @override
    def availability(self) -> Availability:
        if (reason := absent_reason()) is not None:  # without a GPU it is not worth installing
            return Availability(False, reason)
        return missing("cupy", CUPY_PIN) or Availability(True)

    @override
    def preload(self) -> None:
        import cupy  # noqa: F401

    @override
    def open(self, settings: Settings) -> Device:
        os.environ["CUPY_TF32"] = str(int(settings.precision is Precision.TF32))  # read at the first product
        import cupy

        handle = cupy.cuda.Device()
        properties = cupy.cuda.runtime.getDeviceProperties(handle.id)
        gpu = NvidiaGpu.open()
        facts = {"cupy_tf32": os.environ["CUPY_TF32"]}

        def flush() -> None:
            cupy.zeros(2 * properties["l2CacheSize"], dtype=cupy.uint8)

        def matmul(a: Array, b: Array) -> Callable[[], object]:
            left, right = cupy.array(a), cupy.array(b)
            out = cupy.empty_like(left)
            return lambda: cupy.matmul(left, right, out=out)

        def copy(array: Array) -> Callable[[], object]:
            source = cupy.array(array)
            target = cupy.empty_like(source)
            return lambda: cupy.copyto(target, source)

        return Device(
            kind=self.device,
            name=properties["name"].decode(),
            threads=settings.threads,
            handle=handle,
            put=cupy.array,
            synchronize=handle.synchronize,
            facts=facts if gpu is None else facts | gpu.facts(),
            flush=flush,
            condition=None if gpu is None else gpu.read,
            matmul=matmul,
            copy=copy,
        )

    @override
    def threads_in_use(self) -> int | None:
        return None  # nothing is computed on the CPU

    @override
    def memory_bytes(self) -> int | None:
        return total_memory()

    @override
    def peak_bytes(self) -> int | None:
        # The pool keeps what it once had, so what it has now is the most that it ever needed.
        return self._pool("total_bytes")

    @override
    def held_bytes(self) -> int | None:
        return self._pool("used_bytes")

    def _pool(self, question: str) -> int:
        import cupy

        return int(getattr(cupy.get_default_memory_pool(), question)())
