"""NumPy as a backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from bench.backends.host import host_device
from bench.model.device import Availability, Backend, Device, Settings, missing

if TYPE_CHECKING:
    from bench.model.data import Array


class NumpyBackend(Backend):
    """NumPy with whatever BLAS it was built with."""

    name, framework, device = "numpy", "numpy", "cpu"
    packages = ("numpy", "threadpoolctl")
    matmul_kinds = ("matmul",)

    @override
    def availability(self) -> Availability:
        return missing("numpy", "numpy") or Availability(True)

    @override
    def preload(self) -> None:
        import numpy  # noqa: F401
        import threadpoolctl  # noqa: F401

    @override
    def open(self, settings: Settings) -> Device:
        self.preload()  # only the pools of a library that is loaded can be limited
        from threadpoolctl import threadpool_limits

        threadpool_limits(limits=settings.threads)
        return host_device(settings, blas(), matmul=_matmul, copy=_copy)

    @override
    def threads_in_use(self) -> int | None:
        return max((int(pool["num_threads"]) for pool in _pools()), default=None)


def _pools() -> list[dict[str, Any]]:
    """Return what is known of each BLAS in the process, NumPy's first."""
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return sorted(pools, key=lambda pool: "numpy" not in pool["filepath"])


def blas() -> dict[str, str]:
    """Name the BLAS of NumPy, and the processor that its kernels are for; of one unseen, how it was built."""
    import numpy as np

    if not (pools := _pools()):
        built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return {"blas": f"{built['name']} {built['version']}, as built"}
    found = {"blas": f"{pools[0]['internal_api']} {pools[0]['version']}"}
    kernels = pools[0].get("architecture")
    return {**found, "blas_kernels": str(kernels)} if kernels else found


def _matmul(a: Array, b: Array) -> Callable[[], object]:
    import numpy as np

    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)


def _copy(array: Array) -> Callable[[], object]:
    import numpy as np

    out = np.empty_like(array)
    return lambda: np.copyto(out, array)
