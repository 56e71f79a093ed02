"""The figure of memory: the step's peak from 0, what was held before behind it, and nothing where nobody could tell."""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import NothingToShowError
from bench.output.figures import Look, Width

MIB = 1 << 20


def fill(measured: Any) -> None:
    """Three cases of one workload and one of another; the GPU's had nothing before, and one case cannot tell."""
    known = {"numpy_manual": (32, 31), "torch_tensor": (42, 227)}
    for name, (step, before) in known.items():
        backend = "numpy" if name == "numpy_manual" else "torch-cpu"
        measured.add(name, backend, step_peak_bytes=step * MIB, framework_bytes=before * MIB)
    measured.add("torch_tensor", "torch-cuda", step_peak_bytes=30 * MIB, framework_bytes=0, reserved_bytes=60 * MIB)
    measured.add("torch_nn", framework_bytes=227 * MIB)
    measured.add("numpy_adam", "numpy", "mlp_bias_adam", step_peak_bytes=MIB, framework_bytes=31 * MIB)


def test_a_bar_is_the_steps_peak_and_what_was_held_before_follows(measured: Any, drawn: Any) -> None:
    fill(measured)
    drawing = drawn("memory", measured)
    assert [title.partition(":")[0] for title in drawing.titles] == ["mlp_sgd", "mlp_bias_adam"]
    bars = {name: [(bar.get_x(), bar.get_width()) for bar in found] for name, found in drawing.bars().items()}
    assert bars == {
        "numpy_manual (numpy)": [(0, 32), (32, 31)],
        "torch_tensor (torch-cpu)": [(0, 42), (42, 227)],
        "torch_tensor (torch-cuda)": [(0, 30)],
    }
    assert set(drawing.beside().values()) == {"32.0 MiB + 31.0 MiB", "42.0 MiB + 227 MiB", "30.0 MiB"}
    assert {axis.get_xlim() for axis in drawing.axes} == {(0, 269 * 1.04)}
    assert set(drawing.keys) == {"numpy", "torch-cpu", "torch-cuda", "held before the build"}
    assert drawing.axes[-1].get_xlabel() == "memory in MiB"


@pytest.mark.parametrize(("largest", "unit"), [(900, "KiB"), (5 * MIB, "MiB"), (3 << 30, "GiB"), (3 << 40, "GiB")])
def test_the_axis_has_the_unit_that_fits_the_longest_bar(measured: Any, drawn: Any, largest: int, unit: str) -> None:
    measured.add("torch_nn", step_peak_bytes=largest)
    assert drawn("memory", measured).axis.get_xlabel() == f"memory in {unit}"


@pytest.mark.parametrize("width", list(Width))
def test_no_words_meet_and_none_stick_out(measured: Any, drawn: Any, width: Width) -> None:
    fill(measured)
    assert drawn("memory", measured, Look(width)).problems() == []


def test_a_run_that_could_not_tell_says_why(measured: Any, drawn: Any) -> None:
    measured.contenders(["torch_nn"])
    with pytest.raises(NothingToShowError, match="no process could tell the peak memory of its steps"):
        drawn("memory", measured)
