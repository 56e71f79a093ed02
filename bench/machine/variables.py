"""Environment variables that change what is computed or how fast: which ones count is said here and nowhere else."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

UNSET = "unset"


@dataclass(frozen=True)
class Variable:
    """One variable, or all whose names have one form."""

    pattern: str
    """A name; `*` stands for any letters."""
    changes: str
    """What it changes, in words."""
    counts: bool = True
    """Whether times with and without it are of two kinds; False for what every case sets or names itself."""


_KERNELS = "which kernels its products run"
_THREADING = "how threads are placed, and how they wait"
_MEMORY = "how memory is allocated"
_COMPILING = "what is compiled, and how"
_OWN = "how many threads there are, which each case says itself"
TABLE = (
    Variable("*_NUM_THREADS", _OWN, counts=False),
    Variable("TF_NUM_*", _OWN, counts=False),
    Variable("CUDA_VISIBLE_DEVICES", "which GPUs there are", counts=False),
    Variable("CUDA_DEVICE_ORDER", "how GPUs are numbered", counts=False),
    Variable("NVIDIA_TF32_OVERRIDE", "whether products use TF32, whatever the precision asked for"),
    Variable("CUDA_LAUNCH_BLOCKING", "when a launch returns: once the GPU is done"),
    Variable("CUDA_MODULE_LOADING", "when kernels are loaded"),
    Variable("CUDA_DEVICE_MAX_CONNECTIONS", "how many queues a GPU has"),
    Variable("CUBLAS*", _KERNELS),
    Variable("HIP_LAUNCH_BLOCKING", "when a launch returns: once the GPU is done"),
    Variable("AMD_SERIALIZE_*", "when a launch returns: once the GPU is done"),
    Variable("OPENBLAS_*", _KERNELS),
    Variable("MKL_*", _KERNELS),
    Variable("BLIS_*", _KERNELS),
    Variable("VECLIB_*", "how many threads Accelerate has, which nothing else can set"),
    Variable("ONEDNN_*", _KERNELS),
    Variable("DNNL_*", _KERNELS),
    Variable("NPY_*", "which instructions NumPy uses"),
    Variable("ATEN_CPU_CAPABILITY", "which instructions torch uses"),
    Variable("TORCH_*", "how torch computes"),
    Variable("PYTORCH_*", "how torch computes or allocates"),
    Variable("TORCHINDUCTOR_*", _COMPILING),
    Variable("TORCHDYNAMO_*", _COMPILING),
    Variable("TRITON_*", _COMPILING),
    Variable("XLA_*", _COMPILING),
    Variable("JAX_*", "how JAX computes"),
    Variable("TF_ENABLE_*", "how TensorFlow computes"),
    Variable("TF_XLA_FLAGS", _COMPILING),
    Variable("TF_DETERMINISTIC_OPS", _KERNELS),
    Variable("OMP_*", _THREADING),
    Variable("GOMP_*", _THREADING),
    Variable("KMP_*", _THREADING),
    Variable("MALLOC_*", _MEMORY),
    Variable("GLIBC_TUNABLES", _MEMORY),
    Variable("TCMALLOC_*", _MEMORY),
    Variable("MIMALLOC_*", _MEMORY),
    Variable("PYTHONMALLOC", _MEMORY),
    Variable("LD_PRELOAD", "which libraries come first, such as another allocator"),
    Variable("DYLD_INSERT_LIBRARIES", "which libraries come first, such as another allocator"),
)
"""The first that fits a name counts."""
_NO_SETTING = re.compile(r"_(DIR|HOME|PATH|ROOT|FILE|OUT|VERSION)$|^KMP_(DUPLICATE_LIB_OK|INIT_AT_FORK)$")
"""Names of where something is and of an image's version, and two that packages set for others as they are imported."""
_FOLDERS = re.compile(r"[^\s:;,=]*/")


def find(name: str) -> Variable | None:
    """Return what is known of a variable; None if it changes nothing."""
    fitting = (item for item in TABLE if fnmatchcase(name, item.pattern))
    return None if _NO_SETTING.search(name) else next(fitting, None)


def variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return those that are set, by name; of a path only its last part, since the rest is the user's alone.

    An empty one is as good as none, but for those that name GPUs: it hides them all.

    Args:
        environment: the variables of a process; None for those of this one.
    """
    every = os.environ if environment is None else environment
    known = {name: value for name, value in sorted(every.items()) if find(name) and (value or not counts(name))}
    return {name: _FOLDERS.sub("", value) for name, value in known.items()}


def counts(name: str) -> bool:
    """Say whether times with a variable and without it are of two kinds."""
    found = find(name)
    return found is not None and found.counts


def patterns() -> str:
    """List what is looked for, separated by spaces."""
    return " ".join(item.pattern for item in TABLE)
