"""A file for `--load`: a device of its own that is the CPU, driven by NumPy."""

from __future__ import annotations

import numpy as np

from bench import Availability, Backend, Device, backend


@backend
class FakeCpu(Backend):
    name, framework, device, host_memory = "numpy-fakecpu", "numpy", "fakecpu", False

    def availability(self):
        return Availability(True)

    def preload(self):
        pass

    def open(self, settings):
        return Device(
            kind="fakecpu",
            name="Imaginary Device 1",
            threads=settings.threads,
            handle=None,
            put=np.array,
            synchronize=lambda: None,
            facts={"precision": str(settings.precision)},
            upload=lambda target, array: lambda: np.copyto(target, array),
        )

    def threads_in_use(self):
        return None
