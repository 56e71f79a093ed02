"""CuPy's backend and its program, with NumPy in CuPy's place: there is no GPU here, and the program is NumPy's."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from bench import Settings
from bench.backends import cupy as cupy_backend
from bench.backends.cupy import CupyBackend
from bench.model.condition import Condition
from bench.model.device import Availability
from bench.model.discovery import discover
from bench.model.precision import Precision
from bench.model.problem import Dtype
from bench.oracle.edges import truth_by_reference
from bench.oracle.verify import verify
from bench.workloads import tutorial


class FakeCupy(ModuleType):
    """NumPy's functions, and as much of `cupy.cuda` as the backend asks for."""

    def __init__(self) -> None:
        super().__init__("cupy")
        self.waited = 0
        self.zeroed: list[int] = []
        runtime = SimpleNamespace(getDeviceProperties=lambda number: {"name": b"NVIDIA Sim", "l2CacheSize": 1000})
        self.cuda = SimpleNamespace(Device=lambda: SimpleNamespace(id=0, synchronize=self.wait), runtime=runtime)

    def __getattr__(self, name: str) -> object:
        return getattr(np, name)

    def wait(self) -> None:
        self.waited += 1

    def zeros(self, count: int, dtype: object) -> object:
        self.zeroed.append(count)
        return np.zeros(count, dtype)

    @staticmethod
    def asnumpy(array: np.ndarray) -> np.ndarray:
        return array.copy()

    @staticmethod
    def get_default_memory_pool() -> SimpleNamespace:
        return SimpleNamespace(total_bytes=lambda: 4096, used_bytes=lambda: 512)


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCupy]:
    fake = FakeCupy()
    monkeypatch.setitem(sys.modules, "cupy", fake)
    monkeypatch.setenv("CUPY_TF32", "left over")
    gpu = SimpleNamespace(read=lambda: Condition(power_watts=9.0), facts=lambda: {"gpu_driver": "1"})
    monkeypatch.setattr(cupy_backend.NvidiaGpu, "open", lambda: gpu)
    return fake


def test_without_a_gpu_it_is_not_worth_installing_and_with_one_it_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(cupy_backend, "absent_reason", lambda: "no CUDA device: the test says so")
    assert CupyBackend().availability() == Availability(False, "no CUDA device: the test says so")
    monkeypatch.setattr(cupy_backend, "absent_reason", lambda: None)
    words = "cupy is not installed: pip install cupy-cuda12x, or cupy-cuda13x for a driver of CUDA 13"
    assert CupyBackend().availability() == Availability(False, words)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert CupyBackend().availability() == Availability(True)


def test_it_opens_with_the_precision_asked_for_and_tells_of_the_gpu(cupy: FakeCupy) -> None:
    device = CupyBackend().open(Settings(1))
    assert (device.kind, device.name, device.stream) == ("cuda", "NVIDIA Sim", None)
    assert os.environ["CUPY_TF32"] == "0"
    assert device.facts == {"cupy_tf32": "0", "gpu_driver": "1"}
    assert device.condition is not None
    assert device.condition().power_watts == 9.0
    assert CupyBackend().open(Settings(1, Precision.TF32)).facts["cupy_tf32"] == "1"
    device.synchronize()
    assert cupy.waited == 1
    assert device.flush is not None
    device.flush()
    assert cupy.zeroed == [2000]


def test_its_memory_is_that_of_its_pool_and_it_computes_on_no_cpu(cupy: FakeCupy) -> None:
    backend = CupyBackend()
    assert (backend.peak_bytes(), backend.held_bytes(), backend.threads_in_use()) == (4096, 512, None)


def test_its_probes_really_compute(cupy: FakeCupy) -> None:
    device = CupyBackend().open(Settings(1))
    a, b = np.arange(4.0).reshape(2, 2), np.eye(2) * 2
    assert device.matmul is not None
    assert np.array_equal(device.matmul(a, b)(), a * 2)
    assert device.copy is not None
    device.copy(a)()


@pytest.mark.parametrize("dtype", Dtype)
def test_the_program_computes_what_the_oracle_computes(cupy: FakeCupy, dtype: Dtype) -> None:
    item, problem = discover()["cupy_manual"], tutorial(batch=64, d_in=100, hidden=20, d_out=10, dtype=dtype)
    step = item.build(problem, item.workload.data(problem), CupyBackend().open(Settings(1, dtype=dtype)))
    found = verify(step, truth_by_reference(item.workload, problem), dtype)
    assert found.passed, found.reason
    assert found.error("gradient") is not None
