"""What a device can do at most: a large matrix product and a large copy, measured on the device itself.

A rate that a step seems to reach and that is above this has not been reached: part of the work was not done, or not
waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.machine.disturbance import Observe, unobserved
from bench.model.device import Device
from bench.model.problem import Dtype
from bench.timing.clock import Now
from bench.timing.passes import time_work

if TYPE_CHECKING:
    from bench.model.data import Array

_LONG_NANOSECONDS = 10_000_000
"""Sizes are doubled until one takes this long, so that launching and waiting do not count."""
_SIZES = (256, 512, 1024, 2048, 4096, 8192)
_COPY_BYTES = (1 << 26, 1 << 27, 1 << 28, 1 << 29)
_REPETITIONS = 10
_MOST_REPETITIONS = 40
"""Repetitions where the kernel took CPUs away in all of the first."""


@dataclass(frozen=True)
class Peaks:
    """Rates of one device, the best of several."""

    flops_per_second: float
    matmul_size: int
    bytes_per_second: float
    """Bytes read plus bytes written."""
    copy_bytes: int


def measure_peaks(device: Device, dtype: Dtype, now: Now, observe: Observe = unobserved) -> Peaks | None:
    """Measure a device; None if its backend offers nothing to measure it with, or others keep it too busy.

    Args:
        device: an open device.
        dtype: the number format of the product.
        now: the host's clock.
        observe: looks for disturbances; a product that was disturbed shows no peak.
    """
    if device.matmul is None or device.copy is None:
        return None
    generator = np.random.default_rng(0)
    matmul, copy = device.matmul, device.copy

    def square(size: int) -> Callable[[], object]:
        a, b = (generator.uniform(-1, 1, (size, size)).astype(dtype.value) for _ in range(2))
        return matmul(a, b)

    def block(size: int) -> Callable[[], object]:
        content: Array = np.ones(size // 8, dtype=np.float64)
        return copy(content)

    product = _best(square, _SIZES, device, now, observe)
    copied = _best(block, _COPY_BYTES, device, now, unobserved)  # no refusal rests on it
    if product is None or copied is None:
        return None
    (size, product_seconds), (moved, copy_seconds) = product, copied
    return Peaks(2.0 * size**3 / product_seconds, size, 2.0 * moved / copy_seconds, moved)


def _best(
    make: Callable[[int], Callable[[], object]], sizes: tuple[int, ...], device: Device, now: Now, observe: Observe
) -> tuple[int, float] | None:
    """Find the first size that takes long enough, with its shortest time in seconds; None if all were disturbed."""
    for size in sizes:
        run = make(size)
        times: list[int] = []
        # The first loads what is loaded lazily; the shortest is what the device can do.
        for number in range(_MOST_REPETITIONS):
            ended = observe()
            nanoseconds = time_work(run, 1, now, device.synchronize)
            if not ended(nanoseconds):
                times.append(nanoseconds)
            if times and number + 1 >= _REPETITIONS:
                break
        if not times:
            return None
        if min(times) >= _LONG_NANOSECONDS:
            break
    return size, max(1, min(times)) / 1e9
