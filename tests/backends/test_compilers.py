"""What each framework's compiler is asked for: where its cache is, what it has done, and that nothing of it waits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.backends.numpy import NumpyBackend
from bench.backends.torch import TorchBackend
from bench.model.device import Compilations


def fresh(code: str, *arguments: object) -> Any:
    """What a fresh process prints, as JSON: a compiler's caches and counters are a process's own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_framework_without_a_compiler_has_nothing_to_tell(tmp_path: Path) -> None:
    backend = NumpyBackend()
    backend.cache_in(tmp_path)
    backend.load_compiler()
    backend.rest_compilers()
    assert backend.compilations() is None
    assert list(tmp_path.iterdir()) == []


JAX = """
import dataclasses, json, pathlib, sys
from bench import Settings
from bench.backends.jax import JaxBackend
backend = JaxBackend()
backend.preload()
backend.cache_in(pathlib.Path(sys.argv[1]))
device = backend.open(Settings(1))
import jax
double = jax.jit(lambda x: x * 2)
seen = []
for shape in (3, 3, 4):
    double(jax.device_put(jax.numpy.asarray(__import__("numpy").ones(shape, "float32")))).block_until_ready()
    seen.append(dataclasses.astuple(backend.compilations()))
print(json.dumps(seen))
"""


def test_jax_counts_programs_and_what_its_cache_had(tmp_path: Path) -> None:
    (first, again, other), second = fresh(JAX, tmp_path), fresh(JAX, tmp_path)
    programs, breaks, hits, misses = first
    assert programs == misses > 0 == hits
    assert breaks is None
    assert again == first
    assert other[0] > programs
    assert len(list(tmp_path.iterdir())) >= other[3]
    assert [programs for programs, *_ in second] == [first[0], again[0], other[0]]
    assert second[-1][2:] == [other[3], 0]  # all hits, no misses


def test_torch_adds_up_its_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    from collections import Counter, defaultdict

    import torch._dynamo.utils

    counters: Any = defaultdict(Counter)
    monkeypatch.setattr(torch._dynamo.utils, "counters", counters)
    assert TorchBackend().compilations() == Compilations(0, 0, 0, 0)
    counters["stats"]["unique_graphs"] = 3
    counters["compiled_autograd"]["captures"] = 1
    counters["graph_break"].update({"print": 2, "item": 1})
    counters["inductor"].update({"fxgraph_cache_hit": 4, "fxgraph_cache_miss": 5})
    counters["aot_autograd"].update({"autograd_cache_hit": 10, "autograd_cache_miss": 20})
    assert TorchBackend().compilations() == Compilations(4, 3, 14, 25)


TORCH = """
import dataclasses, json, pathlib, sys, threading
import psutil
from bench import Settings
from bench.backends.torch import TorchBackend
backend = TorchBackend()
backend.preload()
backend.cache_in(pathlib.Path(sys.argv[1]))
backend.open(Settings(1))
backend.load_compiler()
import torch
seen = [dataclasses.astuple(backend.compilations())]
w = torch.ones(5, 5, requires_grad=True)
step = torch.compile(lambda x: (x @ w).relu().sum(), dynamic=False)
for rows in (3, 3, 4):
    step(torch.ones(rows, 5)).backward()
    seen.append(dataclasses.astuple(backend.compilations()))
backend.rest_compilers()
print(json.dumps([seen, len(psutil.Process().children()), [each.name for each in threading.enumerate()]]))
"""


@pytest.mark.slow
def test_torch_compiles_into_the_folder_finds_it_there_again_and_leaves_nothing_waiting(tmp_path: Path) -> None:
    cold, children, threads = fresh(TORCH, tmp_path)
    warm, *_ = fresh(TORCH, tmp_path)
    assert [programs for programs, *_ in cold] == [0, 1, 1, 2] == [programs for programs, *_ in warm]
    assert cold[-1][2] == 0 < cold[-1][3]
    assert warm[-1][3] == 0 < warm[-1][2]
    assert list(tmp_path.glob("inductor/fxgraph/*"))
    assert (children, threads) == (0, ["MainThread"])


TENSORFLOW = """
import json, threading
from bench import Settings
from bench.backends.tensorflow import TensorflowGraphBackend
backend = TensorflowGraphBackend()
backend.open(Settings(1))
import tensorflow as tf
with tf.Graph().as_default():
    tf.constant(1.0) + 1.0
from tensorflow.python.eager import context
seen = [backend.compilations().programs, context.context()._context_handle is None]
double = tf.function(lambda x: x * 2.0)
for shape in (3, 3, 4):
    double(tf.ones(shape))
    seen.append(backend.compilations().programs)
del double
seen.append(backend.compilations().programs)
print(json.dumps(seen))
"""


@pytest.mark.slow
def test_tensorflow_counts_what_a_function_was_traced_for() -> None:
    assert fresh(TENSORFLOW) == [0, True, 1, 1, 2, 2]  # without a tf.function, looking starts nothing
