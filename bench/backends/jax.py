"""JAX as a backend: on the CPU, and on a CUDA device through its plugin."""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from bench.backends.host import flusher, threads_named
from bench.backends.nvidia import NvidiaGpu, absent_reason, lease, total_memory
from bench.model.device import Availability, Backend, Compilations, Device, Settings, missing, nothing
from bench.model.precision import Precision
from bench.model.problem import Dtype

if TYPE_CHECKING:
    from bench.model.data import Array

JAX_PIN = "jax==0.10.2"
OPTAX_PIN = "optax==0.2.8"
"""Its optimisers: the two are installed together, as the extra `jax`."""
_PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin")
_COMPILED = "/jax/core/compile/backend_compile_duration"
_CACHE = "/jax/compilation_cache/cache"
"""JAX's names of the events of its compiler and of its cache on disk."""


class JaxBackend(Backend):
    """JAX on the CPU; a subclass for another kind of device overrides what its hardware does differently."""

    framework = "jax"
    packages = ("jax", "jaxlib", "numpy")

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.name = f"jax-{device}"
        self.host_memory = device == "cpu"
        self._events: Counter[str] = Counter()
        """Events that JAX has reported of itself, by how often."""

    @override
    def availability(self) -> Availability:
        return missing("jax", JAX_PIN) or missing("optax", OPTAX_PIN) or Availability(True)

    @override
    def preload(self) -> None:
        import jax  # starts no thread and no device, so a process may be forked after it
        import jax.numpy  # noqa: F401

    @override
    def open(self, settings: Settings) -> Device:
        # The pool of the CPU's client takes its size from this when the first operation makes it.
        os.environ["NPROC"] = str(settings.threads)
        self.pin_memory()
        self.preload()
        import jax
        import jax.numpy as jnp

        self._listen()
        # A process that only has `cpu` never touches a GPU.
        jax.config.update("jax_platforms", self.device)
        # Without it float64 arrays silently become float32; with it, what a program makes itself becomes float64.
        jax.config.update("jax_enable_x64", settings.dtype is Dtype.FLOAT64)
        precision = "tensorfloat32" if settings.precision is Precision.TF32 else "highest"
        jax.config.update("jax_default_matmul_precision", precision)
        handle = jax.devices(self.device)[0]

        def put(array: Array) -> Any:
            return jax.device_put(jnp.array(array, copy=True), handle)

        def matmul(a: Array, b: Array) -> Callable[[], object]:
            left, right, product = put(a), put(b), jax.jit(jnp.matmul)
            return lambda: jax.block_until_ready(product(left, right))

        def copy(array: Array) -> Callable[[], object]:
            source = put(array)
            copied = jax.jit(jnp.copy)
            return lambda: jax.block_until_ready(copied(source))

        return Device(
            kind=self.device,
            name=self.hardware_name(handle),
            threads=settings.threads,
            handle=handle,
            put=put,
            synchronize=nothing,
            ready=jax.block_until_ready,
            matmul=matmul,
            copy=copy,
            **self.instruments(
                {
                    "jax_threads": str(settings.threads),
                    "jax_matmul_precision": precision,
                    "jax_x64": str(settings.dtype is Dtype.FLOAT64),
                }
            ),
        )

    def pin_memory(self) -> None:
        """Choose how JAX allocates the device's memory, before it starts."""

    def hardware_name(self, handle: Any) -> str:
        """Return the hardware's own name; empty for the CPU."""
        return ""

    def instruments(self, facts: dict[str, str]) -> dict[str, Any]:
        """Return what `Device` holds for the harness: any of `flush`, `condition` and `facts`."""
        return {"flush": flusher(), "facts": facts}

    @override
    def threads_in_use(self) -> int | None:
        return threads_named("tf_XLAEigen")

    @override
    def cache_in(self, folder: Path) -> None:
        import jax

        jax.config.update("jax_compilation_cache_dir", str(folder))
        # By default it keeps only what took a second to compile.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

    def _listen(self) -> None:
        """Count what JAX reports from now on."""
        from jax import monitoring

        self._events.clear()
        monitoring.register_event_listener(lambda event, **_: self._events.update([event]))
        monitoring.register_event_duration_secs_listener(lambda event, seconds, **_: self._events.update([event]))

    @override
    def compilations(self) -> Compilations:
        seen = self._events
        return Compilations(seen[_COMPILED], hits=seen[f"{_CACHE}_hits"], misses=seen[f"{_CACHE}_misses"])


class JaxCudaBackend(JaxBackend):
    """JAX on an NVIDIA GPU, timed by the host: it offers no clock of the device."""

    precisions = (Precision.FULL, Precision.TF32)

    def __init__(self) -> None:
        super().__init__("cuda")

    @property
    @override
    def lease(self) -> str:
        return lease()

    @override
    def availability(self) -> Availability:
        if (absent := super().availability()).reason:
            return absent
        if (reason := absent_reason()) is not None:
            return Availability(False, reason)
        if not any(map(importlib.util.find_spec, _PLUGINS)):
            return Availability(False, f"this JAX is for the CPU alone: pip install 'jax[cuda12]{JAX_PIN[3:]}'")
        return Availability(True)

    @override
    def pin_memory(self) -> None:
        # By default it takes three quarters of the memory at once, whatever a step needs.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

    @override
    def hardware_name(self, handle: Any) -> str:
        return str(handle.device_kind)

    @override
    def instruments(self, facts: dict[str, str]) -> dict[str, Any]:
        gpu = NvidiaGpu.open()
        return {
            "condition": None if gpu is None else gpu.read,
            "facts": facts if gpu is None else facts | gpu.facts(),
        }

    @override
    def memory_bytes(self) -> int | None:
        return total_memory()

    @override
    def peak_bytes(self) -> int | None:
        return self._memory("peak_bytes_in_use")

    @override
    def held_bytes(self) -> int | None:
        return self._memory("bytes_in_use")

    @override
    def reserved_bytes(self) -> int | None:
        return self._memory("peak_pool_bytes")

    def _memory(self, key: str) -> int | None:
        import jax

        return (jax.devices(self.device)[0].memory_stats() or {}).get(key)
