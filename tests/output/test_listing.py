from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.backends.numpy import NumpyBackend
from bench.backends.torch import CudaBackend, TorchBackend
from bench.model.backends import BACKENDS
from bench.model.device import Availability
from bench.model.discovery import discover
from bench.model.registry import Registry
from bench.output.content.listing import list_blocks, list_json

SOURCE = '''
from bench.model.registry import implementation

@implementation("zz_adam", framework="numpy", workload="mlp_bias_adam")
def a(problem, data, device):
    """Adam by hand."""

@implementation("aa_first", framework="torch", workload="mlp_sgd", fused=True)
def b(problem, data, device):
    """One kernel.

    More about it.
    """

@implementation("numpy_manual", framework="numpy", workload="mlp_sgd")
def c(problem, data, device):
    pass
'''
WORKLOAD = '''
from bench import implementation, workload

@workload("mine", sizes={"batch": 8, "layers": 2}, baseline="mine.only", unverified="dropout")
class Mine:
    """My step."""

    def data(self, size, rng): ...

@implementation("mine.only", framework="numpy", workload="mine")
def build(problem, data, device): ...
'''
TUTORIAL = {
    "numpy_manual",
    "torch_tensor",
    "torch_autograd",
    "torch_custom_function",
    "tf_static_graph",
    "torch_cuda_graph",
    "numpy_bias_sgd",
    "torch_nn",
    "torch_module",
    "numpy_adam",
    "torch_optim",
    "torch_cuda_graph_adam",
    "numpy_dynamic",
    "torch_dynamic",
}
"""The nine programs, their baselines, and the two that a GPU is measured with."""
REASON = "no CUDA device [/dev/nvidia0]: install the driver"


@pytest.fixture
def registry(write: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setattr(TorchBackend, "availability", lambda _: Availability(True))
    monkeypatch.setattr(CudaBackend, "availability", lambda _: Availability(False, REASON))
    monkeypatch.setattr(NumpyBackend, "availability", lambda _: Availability(True))
    registry = Registry()
    registry.load(f"file:{write('mine.py', SOURCE)}")
    return registry


def test_every_implementation_is_listed_on_every_backend(registry: Registry, shown: Callable[..., str]) -> None:
    text = shown(list_blocks(registry)[1:])
    header, *lines = (line.strip().split(maxsplit=5) for line in text.splitlines())
    assert header == ["implementation", "backend", "workload", "phases", "from", "available"]
    source = "mine.py"
    assert lines == [
        ["numpy_manual", "numpy", "mlp_sgd", "separable", source, "yes"],
        ["aa_first", "torch-cpu", "mlp_sgd", "fused", source, "yes"],
        ["aa_first", "torch-cuda", "mlp_sgd", "fused", source, f"no: {REASON}"],
        ["zz_adam", "numpy", "mlp_bias_adam", "separable", source, "yes"],
    ]


def test_what_comes_with_the_harness_goes_without_saying(shown: Callable[..., str]) -> None:
    header, *lines = (re.split("  +", line.strip()) for line in shown(list_blocks(discover())[1:]).splitlines())
    assert header == ["implementation", "backend", "workload", "phases", "measured", "available"]
    assert {len(line) for line in lines if line[-1] == "yes"} == {6}


def test_those_that_are_only_measured_if_they_are_named_say_so(shown: Callable[..., str]) -> None:
    lines = [re.split("  +", line.strip()) for line in shown(list_blocks(discover())[1:]).splitlines()[1:]]
    measured = {line[0]: line[4] for line in lines}
    assert {measured[name] for name in TUTORIAL} == {"by default"}
    assert {name: said for name, said in measured.items() if name not in TUTORIAL} == dict.fromkeys(
        set(measured) - TUTORIAL, "if named"
    )
    assert {row["implementation"] for row in list_json(discover()) if row["by_default"]} == TUTORIAL


@pytest.mark.usefixtures("own_backends")
def test_the_sizes_of_each_workload_are_listed_with_their_usual_values(
    write: Callable[[str, str], Path], shown: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    registry = discover([write("mine.py", WORKLOAD)])
    lines = [line.strip().split(maxsplit=5) for line in shown(list_blocks(registry)[:1]).splitlines()]
    assert lines[1][:5] == ["mlp_sgd", "batch=64", "d_in=1000", "hidden=100", "d_out=10"]
    assert lines[5] == ["mine", "batch=8", "layers=2", "mine.only", "My", "step; unverified: dropout"]
    (row,) = (row for row in list_json(registry) if row["workload"] == "mine")
    assert (row["implementation"], row["source"]) == ("mine.only", "mine.py")
    assert row["sizes"] == {"batch": 8, "layers": 2}


def test_the_same_for_programs(registry: Registry, tmp_path: Path) -> None:
    rows = json.loads(json.dumps(list_json(registry)))
    assert [row["summary"] for row in rows] == ["", "One kernel.", "One kernel.", "Adam by hand."]
    assert rows[2] == {
        "implementation": "aa_first",
        "backend": "torch-cuda",
        "workload": "mlp_sgd",
        "fused": True,
        "by_default": True,
        "available": False,
        "reason": REASON,
        "summary": "One kernel.",
        "source": str(tmp_path / "mine.py"),
        "sizes": {"batch": 64, "d_in": 1000, "hidden": 100, "d_out": 10},
    }


def test_an_empty_registry_lists_no_implementation(shown: Callable[..., str]) -> None:
    assert list_json(Registry()) == []
    assert len(shown(list_blocks(Registry())[1:]).splitlines()) == 1


def test_listing_imports_nothing_heavy(root: Path) -> None:
    program = (
        "import sys, bench.output.content.listing as l, bench.run.reading as r\n"
        "import bench.output.render.terminal as t\n"
        "t.show(l.list_blocks(r.read_all())); l.list_json(r.read_all())\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "rich" in loaded
    assert loaded & {"numpy", "pandas", "torch", "tensorflow", "matplotlib", "pydantic", "scipy"} == set()


def test_the_backends_of_this_machine_all_say_whether_they_are_present() -> None:
    for backend in BACKENDS.values():
        availability = backend.availability()
        assert availability.present is not bool(availability.reason), backend.name
