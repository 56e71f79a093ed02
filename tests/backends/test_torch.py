from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import Device, Settings
from bench.backends import torch as torch_backend
from bench.backends.torch import CudaBackend, TorchBackend
from bench.model.device import Availability
from bench.model.precision import Precision
from bench.model.step import Operation


def fresh(code: str) -> Any:
    """What a fresh process prints, as JSON: torch's thread pools are made once and keep their size."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def open_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Device]]:
    """Open torch in this process, where another test may have set the second kind of threads already."""
    import torch

    monkeypatch.setattr(torch, "set_num_interop_threads", lambda count: None)
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn.allow_tf32
    yield lambda precision=Precision.FULL: TorchBackend().open(Settings(1, precision))
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = cudnn


def test_a_missing_framework_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for backend in (TorchBackend(), CudaBackend()):
        assert backend.availability() == Availability(False, "torch is not installed: pip install torch==2.13.0")


def test_names_follow_from_the_device() -> None:
    assert [(b.name, b.device, b.host_memory) for b in (TorchBackend(), CudaBackend(), TorchBackend("xpu"))] == [
        ("torch-cpu", "cpu", True),
        ("torch-cuda", "cuda", False),
        ("torch-xpu", "xpu", False),
    ]


def test_the_cpu_is_always_there() -> None:
    assert TorchBackend().availability() == Availability(True)


def test_cuda_needs_a_device_and_then_a_build_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = CudaBackend()
    monkeypatch.setattr(torch_backend, "absent_reason", lambda: "no CUDA device: the test says so")
    assert backend.availability() == Availability(False, "no CUDA device: the test says so")
    monkeypatch.setattr(torch_backend, "absent_reason", lambda: None)
    monkeypatch.setattr(torch_backend, "_torch_build", lambda: {"__version__": "2.13.0+cpu", "cuda": None})
    assert "2.13.0+cpu is a CPU build" in backend.availability().reason
    monkeypatch.setattr(torch_backend, "_torch_build", lambda: {"__version__": "2.13.0", "cuda": "13.0", "hip": None})
    assert backend.availability().present


def test_a_build_for_another_maker_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    rocm = {"__version__": "2.9.0+rocm6.4", "cuda": None, "hip": "6.4"}
    monkeypatch.setattr(torch_backend, "_torch_build", lambda: rocm)
    for absent in ("no CUDA device: the test says so", None):
        monkeypatch.setattr(torch_backend, "absent_reason", lambda found=absent: found)
        state = CudaBackend().availability()
        assert (state.present, "ROCm" in state.reason) == (False, True)


def test_the_torch_build_is_read_without_executing_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "torch"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('executed')")
    (package / "version.py").write_text(
        "from typing import Optional\n__version__ = '9.9'\ncuda: Optional[str] = '13.0'\nraise SystemExit('executed')\n"
    )
    spec = importlib.util.spec_from_file_location("torch", package / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert torch_backend._torch_build() == {"__version__": "9.9", "cuda": "13.0"}


@pytest.mark.slow
def test_preloading_for_cuda_never_touches_cuda_but_opening_would() -> None:
    """A process forks after it, and a CUDA context does not survive that: any touch raises here."""
    code = (
        "import json, sys, torch.cuda\n"
        "def touched(*_): raise LookupError('touched')\n"
        "for name in ('_lazy_init', 'init', 'is_available', 'device_count', 'current_device', 'synchronize'):\n"
        "    setattr(torch.cuda, name, touched)\n"
        "from bench import Settings; from bench.model.backends import BACKENDS\n"
        "BACKENDS['torch-cuda'].preload()\n"
        "found = ['torch._dynamo' in sys.modules, torch.cuda._initialized]\n"
        "try: BACKENDS['torch-cuda'].open(Settings(1))\n"
        "except LookupError as error: found.append(str(error))\n"
        "print(json.dumps(found))"
    )
    assert fresh(code) == [True, False, "touched"]


def test_threads_and_precision_are_pinned_and_told() -> None:
    code = (
        "import json, torch; from bench import Settings\n"
        "from bench.backends.torch import TorchBackend\n"
        "backend = TorchBackend(); device = backend.open(Settings(2))\n"
        "real = [torch.get_num_threads(), torch.get_num_interop_threads(), torch.get_float32_matmul_precision(),"
        " torch.backends.cudnn.allow_tf32]\n"
        "print(json.dumps([dict(device.facts), real, backend.threads_in_use()]))"
    )
    facts, real, used = fresh(code)
    assert facts == {
        "torch_threads": "2",
        "torch_interop_threads": "2",
        "torch_matmul_precision": "highest",
        "cudnn_tf32": "False",
    }
    assert real == [2, 2, "highest", False]
    assert used == 2


def test_tf32_is_pinned_and_told(open_cpu: Callable[..., Device]) -> None:
    import torch

    facts = open_cpu(Precision.TF32).facts
    assert (facts["torch_matmul_precision"], facts["cudnn_tf32"]) == ("high", "True")
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == ("high", True)


def test_put_copies_to_the_device(open_cpu: Callable[..., Device]) -> None:
    device = open_cpu()
    source = np.ones(3, dtype=np.float32)
    there = device.put(source)
    there[0] = 5
    assert source[0] == 1
    assert (there.device.type, str(there.dtype)) == ("cpu", "torch.float32")


def test_the_cpu_works_in_step_with_the_host(open_cpu: Callable[..., Device]) -> None:
    device = open_cpu()
    assert (device.kind, device.name, device.stream, device.upload, device.condition) == ("cpu", "", None, None, None)
    assert device.flush is not None
    assert TorchBackend().peak_bytes() is TorchBackend().held_bytes() is None
    device.synchronize()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_its_matrix_product_really_computes_each_time(open_cpu: Callable[..., Device], dtype: str) -> None:
    device = open_cpu()
    assert device.matmul is not None
    a, b = (np.random.default_rng(seed).uniform(-1, 1, (16, 16)).astype(dtype) for seed in (1, 2))
    run = device.matmul(a, b)
    out: Any = run()
    assert np.allclose(out.numpy(), a @ b, rtol=1e-5)
    assert str(out.dtype) == f"torch.{dtype}"
    out.zero_()
    again: Any = run()
    assert again.data_ptr() == out.data_ptr(), "into a third matrix, which is made once"
    assert np.allclose(again.numpy(), a @ b, rtol=1e-5)


def test_its_copy_really_copies_each_time(open_cpu: Callable[..., Device]) -> None:
    device = open_cpu()
    assert device.copy is not None
    source = np.arange(5.0)
    run = device.copy(source)
    out: Any = run()
    assert np.array_equal(out.numpy(), source)
    out.zero_()
    run()
    assert np.array_equal(out.numpy(), source)


def test_its_profiler_calls_matrix_products_by_the_names_that_are_counted() -> None:
    """Two forward, three backward, since the input needs no gradient; with batches, one more each."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    model = torch.nn.Sequential(torch.nn.Linear(6, 5, bias=False), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    x, batches = torch.ones(8, 6), torch.ones(2, 4, 4)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        model(x).sum().backward()
        torch.matmul(batches, batches)
        torch.baddbmm(batches, batches, batches)
    operations = [Operation(f"step/{event.name}", event.name, 0.0) for event in seen.events()]
    assert sum(map(TorchBackend().is_matmul, operations)) == 5 + 2


def test_the_profiler_of_cuda_tells_the_work_of_the_device_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The form of a trace is that of `torch.profiler`; a range that a program has named is no work."""
    import torch

    events = [
        {"ph": "X", "cat": "kernel", "name": "gemm", "ts": 30.0, "dur": 12.5},
        {"ph": "X", "cat": "gpu_user_annotation", "name": "Optimizer.step", "ts": 10.0, "dur": 500.0},
        {"ph": "X", "cat": "gpu_memset", "name": "Memset", "ts": 20.0, "dur": 1.0},
        {"ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "ts": 1.0, "dur": 5.0},
        {"ph": "X", "cat": "gpu_memcpy", "name": "Memcpy", "ts": 50.0, "dur": 2.0},
        {"ph": "i", "name": "Iteration Start", "ts": 0.0},
    ]
    seen: list[Any] = []

    class Profile:
        def __init__(self, activities: Any) -> None:
            seen.append(activities)

        def __enter__(self) -> Profile:
            return self

        def __exit__(self, *_: object) -> None:
            seen.append("end")

        def export_chrome_trace(self, path: str) -> None:
            Path(path).write_text(json.dumps({"traceEvents": events}), encoding="utf-8")

    monkeypatch.setattr(torch.profiler, "profile", Profile)
    assert torch_backend.CudaStream().kernels(lambda: seen.append("run")) == (1000.0, 12500.0, 2000.0)
    assert seen == [[torch.profiler.ProfilerActivity.CUDA], "run", "end"]
