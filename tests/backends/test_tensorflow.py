"""TensorFlow's backend, in fresh processes: what steers it is read from the environment once."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import Any

import pytest

from bench.backends.tensorflow import TensorflowGraphBackend
from bench.model.device import Availability

pytestmark = pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="tensorflow is not installed")


PROGRAM = """
import json, os
os.environ.pop("CUDA_VISIBLE_DEVICES", None)
import numpy as np
from bench import Settings
from bench.model.precision import Precision
from bench.backends import host
from bench.backends.tensorflow import TensorflowGraphBackend

found = {}
flusher = host.flusher
host.flusher = lambda: flusher(lambda: 4096)
backend = TensorflowGraphBackend()
backend.preload()
found["hidden by preload"] = os.environ.get("CUDA_VISIBLE_DEVICES")
device = backend.open(Settings(1))
found["hidden"] = os.environ["CUDA_VISIBLE_DEVICES"]
import tensorflow as tf
found["gpus"] = len(tf.config.list_physical_devices("GPU"))
found["facts"] = dict(device.facts)
tf32 = tf.config.experimental.tensor_float_32_execution_enabled
found["tf32"] = [tf32(), (backend.open(Settings(1, Precision.TF32)), tf32())[1]]
found["parts"] = [device.kind, device.name, device.stream, device.upload, device.condition, backend.peak_bytes()]

a, b = (np.random.default_rng(seed).uniform(-1, 1, (16, 16)).astype("float32") for seed in (1, 2))
def variables(run):
    session = next(c.cell_contents for c in run.__closure__ if isinstance(c.cell_contents, tf.compat.v1.Session))
    with session.graph.as_default():
        return session, tf.compat.v1.global_variables()
def last(run, spoil):
    session, all_of_them = variables(run)
    before = session.run(all_of_them[-1])
    with session.graph.as_default():
        if spoil:
            session.run(all_of_them[-1].assign(tf.zeros_like(all_of_them[-1])))
    run()
    return before, session.run(all_of_them[-1])
for name, run, right in (("matmul", device.matmul(a, b), a @ b), ("copy", device.copy(a), a)):
    before, first = last(run, False)
    _, again = last(run, True)
    found[name] = [bool((before == 0).all()), bool(np.allclose(first, right, atol=1e-5)),
                   bool(np.allclose(again, right, atol=1e-5))]
found["threads"] = backend.threads_in_use()

from bench.backends.tf_trace import traced_operations
tf1 = tf.compat.v1
with tf.Graph().as_default() as graph:
    x, w = (tf1.Variable(array, use_resource=True) for array in (a, b))
    loss = tf.reduce_sum(tf.square(tf.einsum("ni,io->no", tf.nn.relu(tf.matmul(x, w) + w[0]), w)))
    fetched = [loss, *tf1.gradients(loss, [w])]
    start = tf1.global_variables_initializer()
session = tf1.Session(graph=graph)
session.run(start)
found["products"] = sum(map(backend.is_matmul, traced_operations(session, fetched)))

@tf.function(jit_compile=True)
def product(x):
    return tf.matmul(x, x)

product(tf.constant(a))
found["of XLA"] = host.threads_named("tf_XLAEigen")
device.flush()
print("FOUND", json.dumps(found))
"""


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """All that one process has to tell: importing TensorFlow takes seconds."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.rpartition("FOUND")[2])  # type: ignore[no-any-return]


def test_a_missing_framework_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    reason = "tensorflow is not installed: pip install tensorflow==2.21.0"
    assert TensorflowGraphBackend().availability() == Availability(False, reason)


def test_it_hides_gpus_from_itself_when_it_is_opened(report: dict[str, Any]) -> None:
    assert report["hidden by preload"] is None, "a zygote's other children may want them"
    assert report["hidden"] == "-1"
    assert report["gpus"] == 0


def test_threads_and_precision_are_pinned_and_told(report: dict[str, Any]) -> None:
    own = {"tf_intra_op_threads": "1", "tf_inter_op_threads": "1", "tf_tf32": "False"}
    assert report["facts"] == {**own, "alignment": "64 bytes"}
    assert report["tf32"] == [False, True]
    assert report["threads"] == 1


def test_it_works_in_step_with_the_host(report: dict[str, Any]) -> None:
    assert report["parts"] == ["cpu", "", None, None, None, None]


def test_xlas_own_pool_keeps_to_the_same_number(report: dict[str, Any]) -> None:
    assert report["of XLA"] == 1


def test_its_profiler_calls_matrix_products_by_the_names_that_are_counted(report: dict[str, Any]) -> None:
    """Two forward, three backward: however they are fused with what follows, and those of tf.einsum too."""
    assert report["products"] == 5


@pytest.mark.parametrize("name", ["matmul", "copy"])
def test_its_probes_really_compute_each_time(report: dict[str, Any], name: str) -> None:
    """The target is 0 before; right after the first run; and right again once it has been spoiled."""
    assert report[name] == [True, True, True]
