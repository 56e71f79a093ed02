from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest

from bench.model.problem import Dtype
from bench.timing import peaks
from bench.timing.peaks import Peaks, measure_peaks

MEBIBYTE = 2**20


class Unit:
    """Multiplies and copies at known rates, on the clock of the simulated device."""

    def __init__(self, gpu: Any, flops_per_nanosecond: float, bytes_per_nanosecond: float) -> None:
        self.gpu, self.flops, self.bytes = gpu, flops_per_nanosecond, bytes_per_nanosecond
        self.kinds: list[tuple[tuple[int, ...], str]] = []
        self.runs: dict[int, int] = {}
        self.disturbed: set[int] = set()
        """Which runs of a size take ten times as long."""

    def _work(self, size: int, nanoseconds: float) -> Callable[[], None]:
        def run() -> None:
            number = self.runs[size] = self.runs.get(size, 0) + 1
            self.gpu.enqueue(nanoseconds * (10 if number - 1 in self.disturbed else 1), 0)

        return run

    def matmul(self, a: np.ndarray, b: np.ndarray) -> Callable[[], None]:
        assert a.shape == b.shape
        assert not np.array_equal(a, b)
        self.kinds.append((a.shape, str(a.dtype)))
        return self._work(a.shape[0], 2 * a.shape[0] ** 3 / self.flops)

    def copy(self, array: np.ndarray) -> Callable[[], None]:
        return self._work(array.nbytes, 2 * array.nbytes / self.bytes)

    def peaks(self, dtype: Dtype = Dtype.FLOAT32) -> Peaks:
        found = measure_peaks(self.gpu.device(matmul=self.matmul, copy=self.copy), dtype, self.gpu.now)
        assert found is not None
        return found


def rates(flops: float, size: int, moved: float, copied: int) -> Any:
    return pytest.approx((flops, size, moved, copied), rel=1e-12)


def test_rates_are_found_exactly(gpu: Any) -> None:
    """2 flops/ns: a product of 256 takes 16.8 ms, long enough; 8 bytes/ns: a copy of 64 MiB takes 16.8 ms."""
    assert astuple(Unit(gpu, 2, 8).peaks()) == rates(2e9, 256, 8e9, 64 * MEBIBYTE)


def test_sizes_grow_until_one_takes_ten_milliseconds(gpu: Any) -> None:
    found = Unit(gpu, 8, 16).peaks()
    assert (found.matmul_size, found.copy_bytes) == (512, 128 * MEBIBYTE)
    assert (found.flops_per_second, found.bytes_per_second) == pytest.approx((8e9, 16e9), rel=1e-6)


def test_the_shortest_of_ten_counts_so_that_neither_loading_nor_a_disturbance_does(gpu: Any) -> None:
    unit = Unit(gpu, 2, 8)
    unit.disturbed = {0, 1, 4, 8, 9}
    assert astuple(unit.peaks()) == rates(2e9, 256, 8e9, 64 * MEBIBYTE)
    assert unit.runs == {256: 10, 64 * MEBIBYTE: 10}


def test_a_product_from_which_the_kernel_took_cpus_shows_no_peak(gpu: Any) -> None:
    """However short it was: it is tried until one was not disturbed."""
    unit = Unit(gpu, 2, 8)
    taken: list[int] = []

    def observe() -> Callable[[int], str]:
        taken.append(1)
        return lambda nanoseconds: "preempted" if len(taken) <= 25 else ""

    unit.disturbed = set(range(25, 40))  # what counts took ten times as long here
    found = measure_peaks(gpu.device(matmul=unit.matmul, copy=unit.copy), Dtype.FLOAT32, gpu.now, observe)
    assert found is not None
    assert found.flops_per_second == pytest.approx(2e8)
    assert unit.runs[256] == 26


def test_a_device_that_others_keep_busy_has_no_peak(gpu: Any) -> None:
    unit = Unit(gpu, 2, 8)
    device = gpu.device(matmul=unit.matmul, copy=unit.copy)
    assert measure_peaks(device, Dtype.FLOAT32, gpu.now, lambda: lambda nanoseconds: "preempted") is None


def test_the_largest_is_taken_where_none_takes_long_enough(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "_SIZES", (8, 16))
    monkeypatch.setattr(peaks, "_COPY_BYTES", (64, 128))
    found = Unit(gpu, 2, 8).peaks()
    assert astuple(found) == rates(2e9, 16, 8e9, 128)


@pytest.mark.parametrize("dtype", Dtype)
def test_the_product_is_of_the_number_format_asked_for(gpu: Any, dtype: Dtype) -> None:
    unit = Unit(gpu, 2, 8)
    unit.peaks(dtype)
    assert unit.kinds == [((256, 256), dtype.value)]


def test_a_clock_that_stands_still_gives_no_division_by_zero(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "_SIZES", (8,))
    monkeypatch.setattr(peaks, "_COPY_BYTES", (64,))
    unit = Unit(gpu, 2, 8)
    found = measure_peaks(gpu.device(matmul=unit.matmul, copy=unit.copy), Dtype.FLOAT32, lambda: 0)
    assert found is not None
    assert astuple(found) == rates(2 * 8**3 * 1e9, 8, 128e9, 64)


def test_a_device_that_offers_no_product_or_no_copy_has_no_peaks(gpu: Any) -> None:
    unit = Unit(gpu, 2, 8)
    assert measure_peaks(gpu.device(matmul=unit.matmul), Dtype.FLOAT32, gpu.now) is None
    assert measure_peaks(gpu.device(copy=unit.copy), Dtype.FLOAT32, gpu.now) is None
