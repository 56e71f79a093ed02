from __future__ import annotations

import subprocess
import sys

import pytest

from bench.backends.numpy import NumpyBackend
from bench.backends.torch import TorchBackend
from bench.errors import LoadError
from bench.model.backends import BACKENDS, add_backend, backends_of

KERAS = ("keras-torch", "keras-jax", "keras-tensorflow")


class Other(NumpyBackend):
    name, device = "numpy-other", "other"


def test_the_backends_and_their_frameworks() -> None:
    assert list(BACKENDS) == ["numpy", "torch-cpu", "torch-cuda", "tf-graph", "jax-cpu", "jax-cuda", "cupy", *KERAS]
    assert [backend.name for backend in backends_of("torch")] == ["torch-cpu", "torch-cuda"]
    assert backends_of("no such framework") == ()
    assert {backend.origin for backend in BACKENDS.values()} == {""}


def test_those_of_keras_share_no_interpreter_and_others_that_of_their_framework() -> None:
    assert [backend.interpreter for backend in backends_of("keras")] == list(KERAS)
    assert [backend.interpreter for backend in backends_of("torch")] == ["torch", "torch"]


def test_only_the_gpu_has_a_memory_of_its_own() -> None:
    assert [backend.name for backend in BACKENDS.values() if not backend.host_memory] == [
        *("torch-cuda", "jax-cuda", "cupy")
    ]


def test_each_names_the_packages_that_decide_its_times() -> None:
    assert {name: backend.packages for name, backend in BACKENDS.items()} == {
        "numpy": ("numpy", "threadpoolctl"),
        "torch-cpu": ("torch", "numpy"),
        "torch-cuda": ("torch", "numpy"),
        "tf-graph": ("tensorflow", "numpy"),
        "jax-cpu": ("jax", "jaxlib", "numpy"),
        "jax-cuda": ("jax", "jaxlib", "numpy"),
        "cupy": ("cupy", "cupy-cuda12x", "cupy-cuda13x", "numpy"),
        "keras-torch": ("keras", "torch", "numpy"),
        "keras-jax": ("keras", "jax", "jaxlib", "numpy"),
        "keras-tensorflow": ("keras", "tensorflow", "numpy"),
    }


def test_all_but_the_one_that_has_never_run_may_be_forked() -> None:
    assert [backend.name for backend in BACKENDS.values() if not backend.may_fork] == ["cupy"]


def test_asking_for_availability_imports_no_framework() -> None:
    code = (
        "import sys; from bench.model.backends import BACKENDS;"
        "[backend.availability() for backend in BACKENDS.values()];"
        "print(*({'torch', 'tensorflow', 'jax', 'keras', 'cupy', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.usefixtures("own_backends")
def test_a_backend_is_added_once_and_again_by_the_same_file() -> None:
    for _ in range(2):
        added = Other()
        add_backend(added, "file:/mine.py")
        assert BACKENDS["numpy-other"] is added
        assert added.origin == "file:/mine.py"
    assert [backend.name for backend in backends_of("numpy")] == ["numpy", "numpy-other"]


@pytest.mark.usefixtures("own_backends")
def test_a_name_that_is_taken_says_by_whom() -> None:
    with pytest.raises(LoadError, match=r"/mine\.py registers the backend 'torch-cpu', which stepbench itself has"):
        add_backend(TorchBackend(), "file:/mine.py")
    add_backend(Other(), "file:/mine.py")
    with pytest.raises(LoadError, match=r"/yours\.py registers the backend 'numpy-other', which /mine\.py has"):
        add_backend(Other(), "file:/yours.py")
    assert BACKENDS["numpy-other"].origin == "file:/mine.py"


@pytest.mark.parametrize(
    ("name", "threads"),
    [
        ("numpy_manual", 1),
        ("numpy_manual", 2),
        ("torch_autograd", 2),
        pytest.param("torch_autograd", 1, marks=pytest.mark.slow),
        *(
            pytest.param(name, threads, marks=pytest.mark.slow)
            for name in ("tf_static_graph", "tf_function", "tf_function_xla", "jax_staged", "torch_compiled")
            for threads in (1, 2)
        ),
    ],
)
def test_every_framework_really_computes_with_the_threads_asked_for(name: str, threads: int) -> None:
    """In a fresh process each, as in a run: pools are made once and keep their size. TensorFlow's has a quick test."""
    code = (
        "from bench import Settings\n"
        "from bench.workloads import tutorial\n"
        "from bench.model.discovery import discover\n"
        f"item = discover()[{name!r}]; backend = item.backends[0]; device = backend.open(Settings({threads}))\n"
        "step = item.build(tutorial(), item.workload.data(tutorial()), device)\n"
        "step(); step(); print('USES', backend.threads_in_use())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("USES")[-1].strip() == str(threads)
