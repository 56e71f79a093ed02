from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from bench.analysis.baseline import is_fair
from bench.data.schema import case_columns
from bench.model.case import Mode


def columns(build: ModuleType, backend: str = "numpy", **options: Any) -> dict[str, Any]:
    name = "numpy_manual" if backend == "numpy" else "torch_tensor"
    return case_columns("r", build.make_case(name, backend, **options))


def test_a_transferred_case_is_held_against_the_resident_one_of_the_cpu(build: ModuleType) -> None:
    contender = columns(build, "torch-cuda", mode=Mode.TRANSFERRED_COLD)
    assert is_fair(contender, columns(build, mode=Mode.RESIDENT_COLD))
    assert not is_fair(contender, columns(build, mode=Mode.RESIDENT_WARM))
    assert not is_fair(contender, columns(build, "torch-cuda", mode=Mode.RESIDENT_COLD))


@pytest.mark.parametrize(
    ("column", "value"),
    [("workload", "mlp_dynamic"), ("dtype", "float64"), ("batch", 7), ("threads", 9), ("precision", "tf32")],
)
def test_other_mathematics_sizes_or_settings_are_not_fair(build: ModuleType, column: str, value: object) -> None:
    mine = columns(build, "torch-cpu")
    assert is_fair(mine, columns(build))
    assert not is_fair(mine, columns(build) | {column: value})
