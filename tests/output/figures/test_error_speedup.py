from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.data.store import read_summary
from bench.errors import NothingToShowError
from bench.model.precision import Precision
from bench.output.figures import Look, Width

FULL, TF32, BF16 = Precision.FULL, Precision.TF32, Precision.AMP_BF16


def add(sampled: Any, name: str, precision: Precision, seconds: float, error: float | None, **options: Any) -> None:
    """A case whose processes' errors are one to two times that; the largest is that of the last process."""

    def row(number: int) -> dict[str, Any]:
        return {} if error is None else {"loss_error": error / 10, "gradient_error": error * (1 + number / 7)}

    sampled.add(name, "torch-cuda", seconds=seconds, precision=precision, row=row, **options)


@pytest.fixture
def several(sampled: Any) -> Any:
    add(sampled, "torch_nn", FULL, 4e-4, 1e-7)
    add(sampled, "torch_nn", BF16, 1e-4, 1e-3)
    add(sampled, "torch_tensor", TF32, 2e-4, 1e-4)
    add(sampled, "torch_tensor", FULL, 3e-4, 0.0)
    add(sampled, "torch_autograd", FULL, 3e-4, 1e-7)
    return sampled


def marks(axis: Any) -> dict[tuple[str, str], tuple[float, float]]:
    """The place of each mark by colour and marker."""
    single = [line for line in axis.lines if len(line.get_xdata()) == 1 and line.get_marker() in "os^Dv"]
    return {
        (line.get_color(), line.get_marker()): (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in single
    }


def test_a_mark_lies_at_the_speedup_and_the_error_of_the_file(several: Any, drawn: Callable[..., Any]) -> None:
    drawing = drawn("error_speedup", several)
    rows = read_summary(several.folder)
    rows = rows[rows["phase"] == "step"].set_index(["implementation", "precision"])
    signs = drawing.keys
    assert list(signs) == ["a: torch_nn", "b: torch_tensor", "full", "tf32", "amp-bf16"]
    expected = {
        (signs[f"{letter}: {name}"].get_color(), signs[precision].get_marker()): (
            1.0 if precision == "full" else rows.loc[(name, precision), "precision_speedup"],
            max(1e-16, rows.loc[(name, precision), "error"]),
        )
        for letter, name, precision in (
            ("a", "torch_nn", "full"),
            ("a", "torch_nn", "amp-bf16"),
            ("b", "torch_tensor", "full"),
            ("b", "torch_tensor", "tf32"),
        )
    }
    assert {key: pytest.approx(place) for key, place in expected.items()} == marks(drawing.axis)
    assert sorted(text.get_text() for text in drawing.axis.texts) == ["a", "b"]


def test_whiskers_are_the_speedups_interval_and_reach_down_to_the_smallest_error(
    several: Any, drawn: Callable[..., Any]
) -> None:
    axis = drawn("error_speedup", several).axis
    rows = read_summary(several.folder)
    (low,) = rows[rows["precision"] == "amp-bf16"].query("phase == 'step'").to_dict("records")
    found = {tuple(map(tuple, part)) for lines in axis.collections for part in lines.get_segments()}
    x, y = low["precision_speedup"], low["error"]
    across = ((low["precision_speedup_low"], y), (low["precision_speedup_high"], y))
    assert any(each == (pytest.approx(across[0]), pytest.approx(across[1])) for each in found)
    assert any(each == (pytest.approx((x, 1e-3)), pytest.approx((x, 2e-3))) for each in found)


def test_other_conditions_are_panels_and_a_precision_is_none(several: Any, drawn: Callable[..., Any]) -> None:
    for precision, seconds in ((FULL, 4e-4), (TF32, 2e-4)):
        add(several, "torch_nn", precision, seconds, 1e-5, threads=1)
    drawing = drawn("error_speedup", several, Look(Width.SLIDE))
    assert drawing.titles == ["mlp_sgd, 1 CPU thread", "mlp_sgd, 2 CPU threads"]


def test_without_full_it_is_over_the_baseline(sampled: Any, drawn: Callable[..., Any]) -> None:
    sampled.add("numpy_manual", "numpy", seconds=8e-4)
    add(sampled, "torch_nn", TF32, 4e-4, 1e-4)
    add(sampled, "torch_nn", BF16, 1e-4, 1e-3)
    drawing = drawn("error_speedup", sampled)
    assert drawing.axis.get_xlabel() == "speedup over numpy_manual (log scale)"
    rows = read_summary(sampled.folder).query("phase == 'step' and implementation == 'torch_nn'")
    assert sorted(x for x, _ in marks(drawing.axis).values()) == pytest.approx(sorted(rows["speedup"]))


def test_one_precision_or_none_with_an_error_shows_nothing(sampled: Any, drawn: Callable[..., Any]) -> None:
    add(sampled, "torch_nn", FULL, 4e-4, 1e-7)
    with pytest.raises(NothingToShowError, match="every case has the same precision"):
        drawn("error_speedup", sampled)


def test_precisions_without_an_error_show_nothing(sampled: Any, drawn: Callable[..., Any]) -> None:
    add(sampled, "torch_nn", FULL, 4e-4, None)
    add(sampled, "torch_nn", TF32, 4e-4, None)
    with pytest.raises(NothingToShowError, match="add full to --precision"):
        drawn("error_speedup", sampled)
