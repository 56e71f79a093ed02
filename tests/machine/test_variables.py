"""Environment variables that change results or speed."""

from __future__ import annotations

import pytest

from bench.machine.variables import TABLE, counts, find, patterns, variables

COUNTING = """
    NVIDIA_TF32_OVERRIDE CUDA_LAUNCH_BLOCKING OPENBLAS_CORETYPE MKL_ENABLE_INSTRUCTIONS MKL_CBWR ONEDNN_MAX_CPU_ISA
    DNNL_MAX_CPU_ISA TF_ENABLE_ONEDNN_OPTS TORCH_ALLOW_TF32_CUBLAS_OVERRIDE PYTORCH_NO_CUDA_MEMORY_CACHING XLA_FLAGS
    MALLOC_ARENA_MAX MALLOC_MMAP_THRESHOLD_ GLIBC_TUNABLES LD_PRELOAD KMP_AFFINITY GOMP_CPU_AFFINITY OMP_PROC_BIND
    OMP_WAIT_POLICY ATEN_CPU_CAPABILITY NPY_DISABLE_CPU_FEATURES PYTHONMALLOC
"""
OWN = "OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS TF_NUM_INTRAOP_THREADS CUDA_VISIBLE_DEVICES"
NOTHING = "PATH HOME TORCH_HOME TORCHINDUCTOR_CACHE_DIR PYTORCH_VERSION MKLROOT KMP_DUPLICATE_LIB_OK TF_CPP"


def test_what_counts_and_what_each_case_says_itself() -> None:
    assert [name for name in COUNTING.split() if not counts(name)] == []
    assert [name for name in OWN.split() if find(name) is None or counts(name)] == []
    assert [name for name in NOTHING.split() if find(name) is not None or counts(name)] == []


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("LD_PRELOAD", "/home/me/lib/libjemalloc.so.2:libm.so.6", "libjemalloc.so.2:libm.so.6"),
        ("LD_PRELOAD", "../x/libtcmalloc.so", "libtcmalloc.so"),
        ("XLA_FLAGS", "--xla_dump_to=/home/me/dump --xla_cpu_enable_fast_math=false", None),
        ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=7", "glibc.malloc.tcache_count=7"),
        ("OMP_PLACES", "{0:4},{4:4}", "{0:4},{4:4}"),
    ],
)
def test_of_a_path_only_the_last_part_is_kept(name: str, value: str, kept: str | None) -> None:
    kept = kept or "--xla_dump_to=dump --xla_cpu_enable_fast_math=false"
    assert variables({name: value, "HOME": "/home/me"}) == {name: kept}


def test_an_empty_variable_is_none_unless_it_hides_gpus() -> None:
    assert variables({"XLA_FLAGS": "", "CUDA_VISIBLE_DEVICES": ""}) == {"CUDA_VISIBLE_DEVICES": ""}


def test_each_says_what_it_changes_and_what_is_looked_for_is_recorded() -> None:
    assert all(item.changes for item in TABLE)
    assert patterns().split() == [item.pattern for item in TABLE]
