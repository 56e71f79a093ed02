"""JAX's backend, in a fresh process: what steers it is read when its first device is made."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import Any

import pytest

from bench.backends import jax as jax_backend
from bench.backends.jax import JaxBackend, JaxCudaBackend
from bench.model.device import Availability

NEEDS_JAX = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """All that one process has to tell."""
    code = """
import json
import numpy as np
from pathlib import Path
from bench import Settings
from bench.backends.jax import JaxBackend
from bench.model.precision import Precision
from bench.model.problem import Dtype

found = {}
backend = JaxBackend()
tasks = lambda: len(list(Path("/proc/self/task").iterdir()))
before = tasks()
backend.preload()
found["started by preload"] = tasks() - before
device = backend.open(Settings(2))
import jax
import jax.numpy as jnp
found["facts"] = dict(device.facts)
found["parts"] = [device.kind, device.name, device.stream, device.upload, device.condition, backend.peak_bytes()]
third = np.full((4,), 1 / 3)
found["float32"] = [str(device.put(third.astype("float32")).dtype), str(jnp.zeros(2).dtype)]
a, b = (np.random.default_rng(seed).uniform(-1, 1, (64, 64)).astype("float32") for seed in (1, 2))
product, right = device.matmul(a, b)(), a.astype("float64") @ b
found["matmul"] = bool(np.linalg.norm(product - right) < 1e-6 * np.linalg.norm(right))
given = np.arange(4.0, dtype="float32")
kept = device.put(given)
given[:] = 0
found["put copies"] = np.asarray(kept).tolist()
found["copy"] = np.asarray(device.copy(third.astype("float32"))()).tolist()
found["threads"] = backend.threads_in_use()
wide = backend.open(Settings(2, Precision.FULL, Dtype.FLOAT64))
found["float64"] = [str(wide.put(third).dtype), str(jnp.zeros(2).dtype), np.asarray(wide.put(third))[0] == 1 / 3]
found["wide facts"] = wide.facts["jax_x64"]
backend.open(Settings(2, Precision.TF32))
found["tf32"] = jax.config.jax_default_matmul_precision
slow = jax.jit(lambda a: jax.lax.fori_loop(0, 40, lambda _, b: b @ a / 64, a))
big = device.put(np.ones((512, 512), "float32"))
device.ready(slow(big))
asked = slow(big)
early = asked.is_ready()
device.ready({"nested": [asked, None]})
found["ready"] = [early, asked.is_ready()]
print("FOUND", json.dumps(found, default=bool))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.rpartition("FOUND")[2])  # type: ignore[no-any-return]


def test_a_missing_framework_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for backend in (JaxBackend(), JaxCudaBackend()):
        assert backend.availability() == Availability(False, "jax is not installed: pip install jax==0.10.2")


def test_cuda_needs_a_device_and_then_the_plugin_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, known = JaxCudaBackend(), {"jax"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in known else None)
    monkeypatch.setattr(jax_backend, "absent_reason", lambda: "no CUDA device: the test says so")
    assert backend.availability() == Availability(False, "no CUDA device: the test says so")
    monkeypatch.setattr(jax_backend, "absent_reason", lambda: None)
    reason = "this JAX is for the CPU alone: pip install 'jax[cuda12]==0.10.2'"
    assert backend.availability() == Availability(False, reason)
    known.add("jax_cuda13_plugin")
    assert backend.availability() == Availability(True)


@NEEDS_JAX
def test_importing_it_starts_no_thread_so_that_it_may_be_forked(report: dict[str, Any]) -> None:
    assert report["started by preload"] == 0


@NEEDS_JAX
def test_threads_and_precision_are_pinned_and_told(report: dict[str, Any]) -> None:
    assert report["facts"] == {"jax_threads": "2", "jax_matmul_precision": "highest", "jax_x64": "False"}
    assert report["threads"] == 2
    assert report["tf32"] == "tensorfloat32"


@NEEDS_JAX
def test_the_number_format_is_the_one_asked_for_and_nothing_is_truncated(report: dict[str, Any]) -> None:
    assert report["float32"] == ["float32", "float32"]
    assert report["float64"] == ["float64", "float64", True]
    assert report["wide facts"] == "True"


@NEEDS_JAX
def test_what_a_stage_returns_is_waited_for_however_it_is_nested(report: dict[str, Any]) -> None:
    assert report["ready"][1] is True
    assert report["parts"] == ["cpu", "", None, None, None, None]


@NEEDS_JAX
def test_its_probes_compute_and_what_is_put_is_a_copy(report: dict[str, Any]) -> None:
    assert report["matmul"] is True
    assert report["copy"] == pytest.approx([1 / 3] * 4)
    assert report["put copies"] == [0.0, 1.0, 2.0, 3.0]
