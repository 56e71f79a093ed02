from __future__ import annotations

from unittest import mock

import numpy as np
import pytest

from bench import Device, Settings
from bench.backends.host import flusher
from bench.backends.numpy import NumpyBackend, blas
from bench.model.device import Availability


@pytest.fixture(scope="module")
def device() -> Device:
    """Its last cache is taken for a small one: half a gigabyte is much for a test."""
    with mock.patch("bench.backends.host.flusher", return_value=flusher(lambda: 4096)):
        return NumpyBackend().open(Settings(1))


def test_it_is_present_and_opened_with_the_threads_asked_for(device: Device) -> None:
    backend = NumpyBackend()
    assert backend.availability() == Availability(True)
    assert (device.threads, device.kind, device.name) == (1, "cpu", "")
    assert backend.threads_in_use() == 1
    assert device.facts["blas"]


def test_put_copies(device: Device) -> None:
    source = np.ones(3)
    copy = device.put(source)
    copy[0] = 5
    assert source[0] == 1


def test_it_works_in_step_with_the_host(device: Device) -> None:
    assert (device.stream, device.upload, device.condition) == (None, None, None)
    assert NumpyBackend().peak_bytes() is None
    device.synchronize()


def test_its_matrix_product_really_computes_each_time(device: Device) -> None:
    assert device.matmul is not None
    a, b = np.arange(9.0).reshape(3, 3), np.arange(9.0).reshape(3, 3) - 4
    run = device.matmul(a, b)
    out = run()
    assert np.array_equal(out, a @ b)
    a[0, 0] = 100
    assert np.array_equal(run(), a @ b)
    assert run() is out, "into a third matrix, which is made once"


def test_its_copy_really_copies_each_time(device: Device) -> None:
    assert device.copy is not None
    source = np.arange(5.0)
    run = device.copy(source)
    cells = [cell.cell_contents for cell in run.__closure__ or ()]  # type: ignore[attr-defined]
    (out,) = (cell for cell in cells if isinstance(cell, np.ndarray) and cell is not source)
    for value in (1.0, 2.0):
        source[2] = value
        run()
        assert np.array_equal(out, source)
        assert out is not source


def test_caches_can_be_flushed(device: Device) -> None:
    assert device.flush is not None
    device.flush()


def test_without_a_pool_that_is_known_the_number_of_threads_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy with a BLAS that threadpoolctl does not know may well compute with several."""
    monkeypatch.setattr("threadpoolctl.threadpool_info", list)
    assert NumpyBackend().threads_in_use() is None
    assert blas()["blas"].endswith(", as built")


def test_the_blas_is_named_with_the_processor_that_its_kernels_are_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = {"user_api": "blas", "internal_api": "openblas", "version": "0.3.31", "num_threads": 2}
    own = {**pool, "filepath": "/x/numpy.libs/libopenblas.so", "architecture": "Zen"}
    scipys = {**pool, "filepath": "/x/scipy.libs/libopenblas.so", "architecture": "Haswell", "version": "0.3.28"}
    mkl = {**pool, "internal_api": "mkl", "filepath": "/x/lib/libmkl_rt.so", "version": "2024.0"}
    for pools, found in (
        ([scipys, {"user_api": "openmp"}, own], {"blas": "openblas 0.3.31", "blas_kernels": "Zen"}),
        ([mkl], {"blas": "mkl 2024.0"}),
    ):
        monkeypatch.setattr("threadpoolctl.threadpool_info", lambda pools=pools: pools)
        assert blas() == found
