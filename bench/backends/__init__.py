"""The backends that come with the harness, one file a framework; importing this package registers them."""

from bench.backends.cupy import CupyBackend
from bench.backends.jax import JaxBackend, JaxCudaBackend
from bench.backends.keras import KerasBackend
from bench.backends.numpy import NumpyBackend
from bench.backends.tensorflow import TensorflowGraphBackend
from bench.backends.torch import CudaBackend, TorchBackend
from bench.model.backends import add_backend

for _backend in (
    NumpyBackend(),
    TorchBackend(),
    CudaBackend(),
    TensorflowGraphBackend(),
    JaxBackend(),
    JaxCudaBackend(),
    CupyBackend(),
    KerasBackend(TorchBackend()),
    KerasBackend(JaxBackend()),
    KerasBackend(TensorflowGraphBackend()),
):
    add_backend(_backend, "")
