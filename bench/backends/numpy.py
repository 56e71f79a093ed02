"""NumPy as a backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

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
        from threadpoolctl import threadpool_info, threadpool_limits

        threadpool_limits(limits=settings.threads)
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        facts = {"blas": ", ".join(f"{pool['internal_api']} {pool['version']}" for pool in pools)}
        return host_device(settings, facts, matmul=_matmul, copy=_copy)

    @override
    def threads_in_use(self) -> int | None:
        from threadpoolctl import threadpool_info

        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        return max((int(pool["num_threads"]) for pool in pools), default=None)


def _matmul(a: Array, b: Array) -> Callable[[], object]:
    import numpy as np

    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)


def _copy(array: Array) -> Callable[[], object]:
    import numpy as np

    out = np.empty_like(array)
    return lambda: np.copyto(out, array)
