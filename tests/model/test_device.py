from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from bench.model import device
from bench.model.device import BACKENDS, NumpyBackend, TensorflowGraphBackend, TorchBackend, backends_of


def test_the_backends_and_their_frameworks() -> None:
    assert list(BACKENDS) == ["numpy", "torch-cpu", "torch-cuda", "tf-graph"]
    assert [backend.name for backend in backends_of("torch")] == ["torch-cpu", "torch-cuda"]


def test_asking_for_availability_imports_no_framework() -> None:
    code = (
        "import sys; from bench.model.device import BACKENDS;"
        "[backend.availability() for backend in BACKENDS.values()];"
        "print(*({'torch', 'tensorflow', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("backend", "package", "command"),
    [
        (TorchBackend("cpu"), "torch", "pip install torch==2.13.0"),
        (TensorflowGraphBackend(), "tensorflow", "pip install tensorflow==2.21.0"),
    ],
)
def test_a_missing_framework_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, backend: device.Backend, package: str, command: str
) -> None:
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: None)
    found = backend.availability()
    assert not found.present
    assert found.reason == f"{package} is not installed: {command}"


def test_cuda_needs_a_device_and_then_a_build_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = TorchBackend("cuda")
    monkeypatch.setattr(device, "_no_nvidia_device", lambda: "no CUDA device: the test says so")
    assert backend.availability() == device.Availability(False, "no CUDA device: the test says so")
    monkeypatch.setattr(device, "_no_nvidia_device", lambda: None)
    monkeypatch.setattr(device, "_torch_build", lambda: ("2.13.0+cpu", None))
    assert "2.13.0+cpu is a CPU build" in backend.availability().reason
    monkeypatch.setattr(device, "_torch_build", lambda: ("2.13.0", "13.0"))
    assert backend.availability().present


def test_the_torch_build_is_read_without_executing_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "torch"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('executed')")
    (package / "version.py").write_text(
        "from typing import Optional\n__version__ = '9.9'\ncuda: Optional[str] = '13.0'\nraise SystemExit('executed')\n"
    )
    spec = importlib.util.spec_from_file_location("torch", package / "__init__.py")
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: spec)
    assert device._torch_build() == ("9.9", "13.0")


def test_numpy_is_opened_with_the_threads_asked_for() -> None:
    backend = NumpyBackend()
    opened = backend.open(1)
    assert (opened.threads, opened.kind) == (1, "cpu")
    assert backend.threads_in_use() == 1


@pytest.mark.parametrize("name", ["numpy", "torch-cpu", "tf-graph"])
@pytest.mark.parametrize("threads", [1, 2])
def test_every_framework_really_computes_with_the_threads_asked_for(name: str, threads: int) -> None:
    """In a fresh process each, as in a run: pools are made once and keep their size."""
    code = (
        "from bench import Problem; from bench.model.data import make_data\n"
        "from bench.model.device import BACKENDS; from bench.model.registry import discover\n"
        f"backend = BACKENDS[{name!r}]; device = backend.open({threads})\n"
        "item = next(i for i in discover() if i.framework == backend.framework and i.workload.name == 'mlp_sgd')\n"
        "step = item.build(Problem(), make_data(Problem(), item.workload), device)\n"
        "step(); step(); print('USES', backend.threads_in_use())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("USES")[-1].strip() == str(threads)


def test_put_copies() -> None:
    import numpy as np

    source = np.ones(3)
    copy = NumpyBackend().open(1).put(source)
    copy[0] = 5
    assert source[0] == 1
