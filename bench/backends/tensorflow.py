"""TensorFlow graphs as a backend."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from typing_extensions import override

from bench.backends.host import host_device, threads_named
from bench.model.device import Availability, Backend, Compilations, Device, Settings, missing
from bench.model.precision import Precision

if TYPE_CHECKING:
    from bench.model.data import Array

TENSORFLOW_PIN = "tensorflow==2.21.0"


class TensorflowGraphBackend(Backend):
    """TensorFlow on the CPU, executing a graph that was built once: in a session, or traced from a tf.function."""

    name, framework, device = "tf-graph", "tensorflow", "cpu"
    packages = ("tensorflow", "numpy")
    matmul_kinds = ("MatMul",)

    def __init__(self) -> None:
        self._traced: set[str] = set()
        """Names of all functions that have been seen."""

    @override
    def availability(self) -> Availability:
        return missing("tensorflow", TENSORFLOW_PIN) or Availability(True)

    @override
    def preload(self) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow  # noqa: F401

    @override
    def open(self, settings: Settings) -> Device:
        # A session created without a configuration, and what runs a tf.function, read these when they make their pools.
        os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = str(settings.threads)
        # A session takes a GPU as soon as the driver shows one, and this backend is for the CPU. The driver reads this
        # when it is first asked, which nothing has done yet in a process that has only run `preload`.
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        self.preload()
        import tensorflow as tf

        tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
        tf.config.experimental.enable_tensor_float_32_execution(settings.precision is Precision.TF32)
        facts = {
            "tf_intra_op_threads": os.environ["TF_NUM_INTRAOP_THREADS"],
            "tf_inter_op_threads": os.environ["TF_NUM_INTEROP_THREADS"],
            "tf_tf32": str(tf.config.experimental.tensor_float_32_execution_enabled()),
        }
        return host_device(settings, facts, matmul=_matmul, copy=_copy)

    @override
    def threads_in_use(self) -> int | None:
        # No call tells, since the pools take their size from the environment; but their threads have names. XLA has a
        # pool of its own.
        return max(threads_named("tf_Compute") or 0, threads_named("tf_XLAEigen") or 0) or None

    @override
    def compilations(self) -> Compilations:
        # Each time a `tf.function` is traced, the context gets a function by a name of its own, and loses it with the
        # `tf.function`. A session's graph is none of these.
        from tensorflow.python.eager import context

        if context.context()._context_handle is not None:  # asking would make one, with threads of its own
            names = context.context().list_function_names()
            self._traced |= {name for name in names if name.startswith("__inference_")}
        return Compilations(len(self._traced))


def _matmul(a: Array, b: Array) -> Callable[[], object]:
    import tensorflow as tf

    return _in_session((a, b), lambda inputs, out: out.assign(tf.matmul(*inputs), read_value=False))


def _copy(array: Array) -> Callable[[], object]:
    # Adding a variable zero: an identity would be optimised into sharing the buffer.
    import numpy as np
    import tensorflow as tf

    zero = np.zeros((), array.dtype)
    return _in_session((array, zero), lambda inputs, out: out.assign(tf.add(*inputs), read_value=False))


def _in_session(arrays: tuple[Array, ...], make: Callable[..., object]) -> Callable[[], object]:
    """Return a function that runs one operation on variables of a separate graph."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        fed = [tf1.placeholder(array.dtype, array.shape) for array in arrays]
        inputs = [tf1.Variable(placeholder, use_resource=True) for placeholder in fed]
        out = tf1.Variable(tf.zeros(arrays[0].shape, arrays[0].dtype), use_resource=True)
        operation = make([variable.read_value() for variable in inputs], out)
        start = tf1.global_variables_initializer()
    session = tf1.Session(graph=graph)
    session.run(start, dict(zip(fed, arrays, strict=True)))
    return lambda: session.run(operation)
