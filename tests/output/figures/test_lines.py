from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from bench.data.store import read_summary
from bench.output.figures import Look, RunData, Width
from bench.output.figures._frame import columns_of
from bench.output.figures._lines import in_turn, line_keys, line_look, scene, swept_axis


def test_each_kind_gives_its_first_before_another_gives_its_second() -> None:
    items = ["a1", "a2", "a3", "b1", "c1", "c2"]
    kinds = [item[0] for item in items]
    assert in_turn(items, kinds, 3) == ["a1", "b1", "c1"]
    assert in_turn(items, kinds, 5) == ["a1", "a2", "b1", "c1", "c2"]
    assert in_turn(items, kinds, 9) == items


def test_the_axis_is_the_size_that_varies_most(swept: Any) -> None:
    swept.contenders(["torch_tensor"])
    for hidden in (10, 1000):
        swept.contenders(["torch_tensor"], hidden=hidden)
    assert swept_axis(RunData(swept.write())) == "size.batch"


def of(swept: Any) -> Any:
    return scene(read_summary(swept.write()), "size.batch")


def test_a_contender_looks_the_same_in_all_panels_and_sizes_scale_with_letters(swept: Any) -> None:
    swept.contenders(["torch_tensor", "torch_nn"])
    swept.contenders(["torch_optim"], "mlp_bias_adam")
    found, small, large = of(swept), Look(), Look(shrunk=2.0)
    whos = [line.contender for plane in found.planes for line in plane.lines]
    looks = [line_look(found, who, small) for who in whos]
    assert len({(made["color"], made["marker"]) for made in looks}) == 4  # both baselines look alike
    assert looks[0] == looks[3]
    assert line_look(found, whos[0], large)["ms"] == 2 * looks[0]["ms"]
    assert [key.get_label() for key in line_keys(found, small)] == [
        "baseline",
        "torch_tensor",
        "torch_nn",
        "torch_optim",
    ]


def test_rows_of_a_scene_are_those_of_its_panels(swept: Any) -> None:
    for hidden in range(10, 18):
        swept.contenders(["torch_tensor"], hidden=hidden)
    found = of(swept)
    assert (len(found.planes), found.found) == (6, 8)
    assert isinstance(found.rows, pd.DataFrame)
    assert set(found.rows["size.hidden"]) == set(range(10, 16))
    assert found.shared()[-1] == "6 of 8 panels shown"


@pytest.mark.parametrize(("panels", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3), (6, 3)])
def test_panels_stand_beside_each_other_on_a_slide(panels: int, columns: int) -> None:
    assert columns_of(Look(Width.SLIDE), panels) == columns
    assert columns_of(Look(Width.COLUMN), panels) == 1
    assert columns_of(Look(Width.PAGE), panels) == min(2, panels)


FIGURES = ("speedup_size", "time_size", "heatmap")


@pytest.mark.parametrize("name", FIGURES)
def test_another_axis_is_named(swept: Any, drawn: Any, name: str) -> None:
    swept.axis, swept.sizes = "d_in", [8, 32, 128]
    swept.contenders(["torch_tensor"])
    drawing = drawn(name, swept)
    assert drawing.axis.get_xlabel().startswith("d-in")
    assert list(drawing.ticks("x")) == ["8", "32", "128"]


def test_sizes_that_a_refinement_added_get_points_but_no_numbers(swept: Any, drawn: Any) -> None:
    swept.sizes = [16, 27, 30, 64, 256]
    swept.manifest["axes"] = {"size.batch": [16, 64, 256]}
    swept.contenders(["torch_nn"])
    folder = swept.write()
    for name in ("speedup_size", "time_size"):
        drawing = drawn(name, folder)
        assert list(drawing.ticks("x")) == ["16", "64", "256"]
        assert list(drawing.lines()["torch_nn"].lines[0].get_xdata()) == swept.sizes


DRAWN = pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("speedup_size", ("speedup", "speedup_low", "speedup_high")),
        ("time_size", ("median_seconds", "low_seconds", "high_seconds")),
    ],
)


def intervals(container: Any) -> list[tuple[float, float]]:
    (bars,) = container.lines[2]
    return [(segment[0][1], segment[1][1]) for segment in bars.get_segments() if len(segment)]


@DRAWN
def test_lines_and_intervals_are_those_of_the_file(swept: Any, drawn: Any, name: str, columns: tuple[str, ...]) -> None:
    swept.contenders(["torch_tensor", "torch_nn"])
    swept.line("torch_autograd", interval=False)
    drawing = drawn(name, swept)
    rows = read_summary(swept.folder).sort_values("size.batch").groupby("implementation")
    assert (drawing.axis.get_xscale(), drawing.axis.get_yscale()) == ("log", "log")
    assert drawing.axis.get_xlabel() == "batch (log scale)"
    assert drawing.ticks("x") == {"16": 16, "64": 64, "256": 256, "1024": 1024}
    for label, container in drawing.lines().items():
        x, y = container.lines[0].get_data()
        value, low, high = (rows.get_group(label)[column].to_list() for column in columns)
        assert list(x) == swept.sizes
        assert list(y) == pytest.approx(value, rel=1e-12)
        expected = [] if label == "torch_autograd" else list(zip(low, high, strict=True))
        assert intervals(container) == [pytest.approx(ends, rel=1e-12) for ends in expected]
        assert all(cap.get_markeredgewidth() > 0 for cap in container.lines[1])
