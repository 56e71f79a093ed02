from __future__ import annotations

import pytest

from bench.model.case import Case, Mode
from bench.model.precision import Precision
from bench.workloads import tutorial

CUDA = Case("torch_nn", "mlp_bias_sgd", "torch-cuda", "torch", "cuda", tutorial(), 2)
NUMPY = Case("numpy_bias_sgd", "mlp_bias_sgd", "numpy", "numpy", "cpu", tutorial(), 2)


@pytest.mark.parametrize(
    ("mode", "transferred", "cold", "on_host"),
    [
        (Mode.RESIDENT_WARM, False, False, Mode.RESIDENT_WARM),
        (Mode.TRANSFERRED_WARM, True, False, Mode.RESIDENT_WARM),
        (Mode.RESIDENT_COLD, False, True, Mode.RESIDENT_COLD),
        (Mode.TRANSFERRED_COLD, True, True, Mode.RESIDENT_COLD),
    ],
)
def test_a_mode_says_what_is_transferred_and_what_is_cold(
    mode: Mode, transferred: bool, cold: bool, on_host: Mode
) -> None:
    assert (mode.transferred, mode.cold, mode.on_host) == (transferred, cold, on_host)


def test_a_case_is_resident_warm_and_full_unless_told_otherwise() -> None:
    assert (CUDA.mode, CUDA.precision, CUDA.label) == (Mode.RESIDENT_WARM, Precision.FULL, "torch_nn on torch-cuda")
