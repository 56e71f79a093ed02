from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from bench.data.store import read_summary
from bench.errors import NothingToShowError
from bench.output.figures import Look, RunData
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
    assert swept_axis(RunData(swept.write())) == "batch"


def test_without_a_size_that_varies_there_is_no_axis(measured: Any) -> None:
    measured.contenders(["torch_tensor"])
    with pytest.raises(NothingToShowError, match="one size only"):
        swept_axis(RunData(measured.write()))


def test_rows_that_vary_no_size_make_no_scene(swept: Any) -> None:
    swept.contenders(["torch_tensor"])
    rows = read_summary(swept.write())
    assert scene(rows[rows["batch"] == 64], "batch") is None
    assert scene(rows, "hidden") is None


def of(swept: Any) -> Any:
    found = scene(read_summary(swept.write()), "batch")
    assert found is not None
    return found


def test_a_panel_is_called_by_what_tells_it_from_others(swept: Any) -> None:
    for hidden in (10, 100):
        swept.contenders(["torch_tensor"], hidden=hidden)
    found = of(swept)
    assert [found.title(plane) for plane in found.planes] == ["mlp_sgd, hidden 10", "mlp_sgd, hidden 100"]
    assert found.shared() == ["d-in 1000, d-out 10, float32, 2 CPU threads"]


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
        "NumPy baseline",
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
    assert set(found.rows["hidden"]) == set(range(10, 16))
    assert found.shared()[-1] == "6 of 8 panels shown"
