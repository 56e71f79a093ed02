from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps

from bench.data.schema import Status
from bench.data.store import read_summary
from bench.output.figures import Look, Style, Width
from bench.output.figures._look import contrast

NAMES = ["torch_tensor", "torch_nn", "torch_autograd"]


def rows_of(axis: Any) -> list[str]:
    return [text.get_text() for text in axis.get_yticklabels()]


def sizes_of(axis: Any) -> list[str]:
    return [text.get_text() for text in axis.get_xticklabels()]


def cells(axis: Any) -> dict[tuple[str, str], list[Any]]:
    """The texts in each cell from the top, by the row's and the column's label."""
    names, sizes = rows_of(axis), sizes_of(axis)
    found: dict[tuple[str, str], list[Any]] = {}
    for text in axis.texts:
        x, y = text.get_position()
        found.setdefault((names[round(y)], sizes[round(x)]), []).append(text)
    return found


def texts(axis: Any) -> dict[tuple[str, str], str]:
    """The first line of each cell."""
    return {place: found[0].get_text() for place, found in cells(axis).items()}


def test_each_contender_is_a_row_and_each_size_a_column_with_the_speedup_of_the_file(swept: Any, drawn: Any) -> None:
    swept.contenders(NAMES)
    axis = drawn("heatmap", swept).axis
    assert rows_of(axis) == NAMES
    assert sizes_of(axis) == ["16", "64", "256", "1024"]
    rows = read_summary(swept.folder).set_index(["implementation", "size.batch"])
    found = texts(axis)
    assert len(found) == 12
    for (name, size), text in found.items():
        assert float(text) == pytest.approx(rows.loc[(name, int(size)), "speedup"], rel=0.005)
    assert axis.get_xlabel() == "batch"
    low, high = axis.get_ylim()
    assert low > high  # the first row is at the top


def test_a_cell_says_how_sure_it_is_and_is_bold_where_its_interval_leaves_out_1x(swept: Any, drawn: Any) -> None:
    swept.contenders(["torch_nn"])
    swept.line("torch_tensor", interval=False)
    drawing = drawn("heatmap", swept)
    rows = read_summary(swept.folder).set_index(["implementation", "size.batch"])
    bold = set()
    for (name, size), (number, interval) in cells(drawing.axis).items():
        assert interval.get_text() == ("?" if name == "torch_tensor" else "± 14 %")  # from 0.88 to 1.1 times as much
        low, high = (rows.loc[(name, int(size)), f"speedup_{end}"] for end in ("low", "high"))
        assert (number.get_fontweight() == "bold") == (low > 1 or high < 1)
        bold.add(number.get_fontweight())
    assert bold == {"bold", "normal"}
    assert "bold: the 95 % interval leaves out 1x; below: half of that interval, ? if unknown" in drawing.words


def test_many_rows_have_room_for_their_numbers_only(swept: Any, drawn: Any) -> None:
    swept.contenders([f"torch_{number}" for number in range(20)])
    drawing = drawn("heatmap", swept)
    assert {len([text for text in found if text.get_text()]) for found in cells(drawing.axis).values()} == {1}
    assert "half of that interval" not in drawing.words


@pytest.mark.parametrize(("slowest", "key"), [(0.43, "0.43x"), (1 / 16, "1/16x")])
def test_the_keys_name_the_ends_of_the_colours_readably(swept: Any, drawn: Any, slowest: float, key: str) -> None:
    swept.line("numpy_manual", "numpy")
    swept.line("torch_nn", constant=1e-4 / slowest, rate=1e-6 / slowest)
    assert next(iter(drawn("heatmap", swept).keys)) == key


@pytest.mark.parametrize("constant", [1.01e-4, 2e-6])
def test_a_cells_colour_is_the_logarithm_of_its_speedup_around_1x_in_all_panels(
    swept: Any, drawn: Any, constant: float
) -> None:
    swept.line("numpy_manual", "numpy")
    swept.line("torch_tensor", constant=constant)
    swept.contenders(["torch_optim"], "mlp_bias_adam", hidden=100)
    drawing = drawn("heatmap", swept)
    assert drawing.titles == ["mlp_sgd", "mlp_bias_adam"]
    (one,), (other,) = (axis.collections for axis in drawing.axes)
    shown = [float(texts(drawing.axes[0])["torch_tensor", size]) for size in sizes_of(drawing.axes[0])]
    assert np.asarray(one.get_array())[0] == pytest.approx(np.log2(shown), abs=0.01)
    reach = max(1.0, *(np.abs(mesh.get_array()).max() for mesh in (one, other)))
    assert one.get_clim() == other.get_clim() == pytest.approx((-reach, reach))
    assert one.get_cmap().name == "RdBu"


@pytest.mark.parametrize("style", Style)
def test_numbers_can_be_read_on_every_colour(swept: Any, drawn: Any, style: Style) -> None:
    swept.sizes = [2**power for power in range(12)]
    swept.contenders([])
    for power in range(-4, 5):
        swept.line(f"torch_{power + 4}", constant=5e-5 * 2.0**power, rate=2e-6 * 1.6**power)
    look = Look(style=style)
    axis = drawn("heatmap", swept, look).axis
    (mesh,) = axis.collections
    shades = colormaps[mesh.get_cmap().name](mesh.norm(mesh.get_array()))
    inks = set()
    for text in axis.texts:
        x, y = (round(place) for place in text.get_position())
        assert contrast(shades[y][x], text.get_color()) >= 4  # the best of two inks on the worst colour
        inks.add(text.get_color())
    assert inks == {look.theme.ink, look.theme.paper}


def test_cells_that_could_not_be_measured_are_hatched_and_say_why(swept: Any, drawn: Any) -> None:
    swept.contenders(["torch_nn"])
    broken = {256: (Status.FAILED, "it ran out of memory"), 1024: (Status.FAILED, "it ran out of memory")}
    swept.line("torch_tensor", broken=broken)
    drawing = drawn("heatmap", swept)
    axis = drawing.axis
    found = texts(axis)
    assert (found["torch_tensor", "256"], found["torch_tensor", "1024"]) == ("failed", "failed")
    assert sorted((patch.get_x() + 0.5, patch.get_y() + 0.5) for patch in axis.patches) == [(2, 1), (3, 1)]
    assert all(patch.get_hatch() for patch in axis.patches)
    assert np.ma.getmaskarray(axis.collections[0].get_array()).tolist() == [[False] * 4, [False, False, True, True]]
    assert "failed: it ran out of memory" in drawing.words
    assert list(drawing.keys)[-1] == "not measured"


def test_words_are_shortened_where_cells_are_narrow_and_the_key_explains_them(swept: Any, drawn: Any) -> None:
    swept.sizes = [2**power for power in range(9)]
    swept.contenders(["torch_nn"])
    swept.line("torch_tensor", broken={256: (Status.FAILED, "died"), 1: (Status.TIMEOUT, "slow")})
    drawing = drawn("heatmap", swept, Look(Width.COLUMN))
    assert {texts(drawing.axes[0])["torch_tensor", size] for size in ("1", "256")} == {"f", "t"}
    assert list(drawing.keys)[-1] == "not measured (f: failed, t: timeout)"


def test_contenders_that_were_measured_nowhere_have_no_row_and_long_reasons_no_words(swept: Any, drawn: Any) -> None:
    swept.contenders(["torch_nn"])
    swept.line("torch_nn", "torch-cuda", broken=dict.fromkeys(swept.sizes, (Status.SKIPPED, "there is no CUDA device")))
    swept.line("torch_tensor", broken={16: (Status.TIMEOUT, "a reason that goes on and on " * 10)})
    drawing = drawn("heatmap", swept)
    assert rows_of(drawing.axes[0]) == ["torch_nn", "torch_tensor"]
    assert "CUDA" not in drawing.words
    assert "why cells could not be measured: summary.csv" in drawing.words


def test_a_cell_is_empty_if_never_planned_and_says_where_the_baseline_has_no_time(swept: Any, drawn: Any) -> None:
    swept.sizes = [16, 32, 64]
    swept.line("numpy_manual", "numpy", broken={64: (Status.FAILED, "died")})
    swept.line("torch_nn")
    swept.sizes = [16, 64]
    swept.line("torch_tensor")
    drawing = drawn("heatmap", swept)
    found = texts(drawing.axis)
    assert found.keys() == {
        *(("torch_nn", size) for size in ("16", "32", "64")),
        *(("torch_tensor", size) for size in ("16", "64")),
    }
    assert found["torch_nn", "64"] == found["torch_tensor", "64"] == "-"
    assert "-: no time of the baseline at that size" in drawing.words


def test_threads_and_backends_stand_beside_names_where_there_are_several(swept: Any, drawn: Any) -> None:
    for threads in (1, 2):
        swept.contenders(["torch_nn"], threads=threads)
    swept.line("torch_nn", "torch-cuda")
    axis = drawn("heatmap", swept).axis
    assert rows_of(axis) == [
        "torch_nn (torch-cpu, 1 thread)",
        "torch_nn (torch-cpu, 2 threads)",
        "torch_nn (torch-cuda, 2 threads)",
    ]


@pytest.mark.parametrize("asked", [[1024, 2048, 4096], []])
def test_where_not_all_sizes_have_room_those_asked_for_or_both_ends_are_shown(
    swept: Any, drawn: Any, asked: list[int]
) -> None:
    swept.sizes = [1024, *range(1500, 1512), 2048, 4096]
    swept.manifest["axes"] = {"size.batch": asked}
    swept.contenders(["torch_nn"])
    drawing = drawn("heatmap", swept, Look(Width.COLUMN))
    shown = [int(size) for size in sizes_of(drawing.axes[0])]
    assert (shown[0], shown[-1]) == (1024, 4096)
    assert shown == asked or (not asked and 3 <= len(shown) < 15)
    assert f"{len(shown)} of 15 sizes shown" in drawing.words
