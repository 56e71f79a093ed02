from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from bench.data.schema import Status
from bench.data.store import read_summary
from bench.errors import NothingToShowError
from bench.output import figures
from bench.output.figures import Look, RunData, Style, Width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[..., "Figure"]
NAMES = ["torch_tensor", "torch_nn", "torch_autograd"]
LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]


def rows_of(axis: Axes) -> list[str]:
    return [text.get_text() for text in axis.get_yticklabels()]


def sizes_of(axis: Axes) -> list[str]:
    return [text.get_text() for text in axis.get_xticklabels()]


def texts(axis: Axes) -> dict[tuple[str, str], str]:
    """What stands in each cell, by the row's and the column's label."""
    names, sizes = rows_of(axis), sizes_of(axis)
    found = {}
    for text in axis.texts:
        x, y = text.get_position()
        found[names[round(y)], sizes[round(x)]] = text.get_text()
    return found


def subtitle(figure: Figure) -> str:
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


def keys(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_each_contender_is_a_row_and_each_size_a_column_with_the_speedup_of_the_file(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    (axis,) = drawn("heatmap", swept).axes
    assert rows_of(axis) == NAMES
    assert sizes_of(axis) == ["16", "64", "256", "1024"]
    rows = read_summary(swept.folder).set_index(["implementation", "batch"])
    found = texts(axis)
    assert len(found) == 12
    for (name, size), text in found.items():
        assert float(text) == pytest.approx(rows.loc[(name, int(size)), "speedup"], rel=0.005)
    assert axis.get_xlabel() == "batch (rows)"
    low, high = axis.get_ylim()
    assert low > high  # the first row is at the top


def test_a_cells_colour_is_the_logarithm_of_its_speedup_around_1x(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    (axis,) = drawn("heatmap", swept).axes
    (mesh,) = axis.collections
    speedups = np.array([[float(texts(axis)[name, size]) for size in sizes_of(axis)] for name in NAMES])
    assert np.asarray(mesh.get_array()) == pytest.approx(np.log2(speedups), abs=0.01)
    low, high = mesh.get_clim()
    assert low == -high
    assert high == pytest.approx(np.abs(np.log2(speedups)).max(), abs=0.01)
    assert mesh.get_cmap().name == "RdBu"


def test_small_differences_do_not_get_strong_colours(swept: Any, drawn: Draw) -> None:
    swept.line("numpy_manual", "numpy")
    swept.line("torch_tensor", constant=1.01e-4)
    (mesh,) = drawn("heatmap", swept).axes[0].collections
    assert mesh.get_clim() == (-1.0, 1.0)


def luminance(colour: Any) -> float:
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return float(np.dot(parts, (0.2126, 0.7152, 0.0722)))


def contrast(one: Any, other: Any) -> float:
    """By WCAG 2.2: between 1 and 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("style", Style)
def test_numbers_can_be_read_on_every_colour(swept: Any, drawn: Draw, style: Style) -> None:
    swept.sizes = [2**power for power in range(12)]
    swept.contenders([])
    for power in range(-4, 5):
        swept.line(f"torch_{power + 4}", constant=5e-5 * 2.0**power, rate=2e-6 * 1.6**power)
    look = Look(style=style)
    (axis,) = drawn("heatmap", swept, look).axes
    (mesh,) = axis.collections
    shades = colormaps[mesh.get_cmap().name](mesh.norm(mesh.get_array()))
    inks = set()
    for text in axis.texts:
        x, y = (round(place) for place in text.get_position())
        assert contrast(shades[y][x][:3], text.get_color()) >= 4  # the best of two inks on the worst colour
        inks.add(text.get_color())
    assert inks == {look.theme.ink, look.theme.paper}


def test_cells_that_could_not_be_measured_are_hatched_and_say_why(swept: Any, drawn: Draw) -> None:
    swept.contenders(["torch_nn"])
    broken = {256: (Status.FAILED, "it ran out of memory"), 1024: (Status.FAILED, "it ran out of memory")}
    swept.line("torch_tensor", broken=broken)
    figure = drawn("heatmap", swept)
    (axis,) = figure.axes
    found = texts(axis)
    assert (found["torch_tensor", "256"], found["torch_tensor", "1024"]) == ("failed", "failed")
    assert sorted((patch.get_x() + 0.5, patch.get_y() + 0.5) for patch in axis.patches) == [(2, 1), (3, 1)]
    assert all(patch.get_hatch() for patch in axis.patches)
    assert np.ma.getmaskarray(axis.collections[0].get_array()).tolist() == [[False] * 4, [False, False, True, True]]
    assert "failed: it ran out of memory" in subtitle(figure)
    assert keys(figure)[-1] == "not measured"


def test_many_or_long_reasons_are_not_listed(swept: Any, drawn: Draw) -> None:
    swept.contenders(["torch_nn"])
    swept.line("torch_tensor", broken={16: (Status.TIMEOUT, "a reason that goes on and on " * 10)})
    assert "why cells could not be measured: summary.csv" in subtitle(drawn("heatmap", swept))


def test_words_are_shortened_where_cells_are_narrow_and_the_key_explains_them(swept: Any, drawn: Draw) -> None:
    swept.sizes = [2**power for power in range(9)]
    swept.contenders(["torch_nn"])
    swept.line("torch_tensor", broken={256: (Status.FAILED, "died"), 1: (Status.TIMEOUT, "slow")})
    figure = drawn("heatmap", swept, Look(Width.COLUMN))
    assert {texts(figure.axes[0])["torch_tensor", size] for size in ("1", "256")} == {"f", "t"}
    assert keys(figure)[-1] == "not measured (f: failed, t: timeout)"


def test_contenders_that_were_measured_nowhere_have_no_row(swept: Any, drawn: Draw) -> None:
    swept.contenders(["torch_nn"])
    absent = dict.fromkeys(swept.sizes, (Status.SKIPPED, "there is no CUDA device"))
    swept.line("torch_nn", "torch-cuda", broken=absent)
    figure = drawn("heatmap", swept)
    assert rows_of(figure.axes[0]) == ["torch_nn"]
    assert "CUDA" not in subtitle(figure)


def test_where_numpy_has_no_time_a_cell_says_that(swept: Any, drawn: Draw) -> None:
    swept.line("numpy_manual", "numpy", broken={64: (Status.FAILED, "died")})
    swept.line("torch_nn")
    figure = drawn("heatmap", swept)
    assert texts(figure.axes[0])["torch_nn", "64"] == "-"
    assert "-: no time of NumPy at that size" in subtitle(figure)


def test_sizes_that_were_never_planned_leave_a_cell_empty(swept: Any, drawn: Draw) -> None:
    swept.sizes = [16, 32, 64]
    swept.contenders(["torch_nn"])
    swept.sizes = [16, 64]
    swept.line("torch_tensor")
    (axis,) = drawn("heatmap", swept).axes
    assert set(texts(axis)) == {("torch_nn", "16"), ("torch_nn", "32"), ("torch_nn", "64")} | {
        ("torch_tensor", "16"),
        ("torch_tensor", "64"),
    }
    assert not axis.patches


def test_threads_and_backends_stand_beside_names_where_there_are_several(swept: Any, drawn: Draw) -> None:
    for threads in (1, 2):
        swept.contenders(["torch_nn"], threads=threads)
    swept.line("torch_nn", "torch-cuda")
    (axis,) = drawn("heatmap", swept).axes
    assert rows_of(axis) == [
        "torch_nn (torch-cpu, 1 thread)",
        "torch_nn (torch-cpu, 2 threads)",
        "torch_nn (torch-cuda, 2 threads)",
    ]


def test_where_not_all_sizes_have_room_those_asked_for_are_shown(swept: Any, drawn: Draw) -> None:
    swept.sizes = [1024, *range(1500, 1512), 2048, 4096]
    swept.manifest["axes"] = {"batch": [1024, 2048, 4096]}
    swept.contenders(["torch_nn"])
    figure = drawn("heatmap", swept, Look(Width.COLUMN))
    assert sizes_of(figure.axes[0]) == ["1024", "2048", "4096"]
    assert "3 of 15 sizes shown" in subtitle(figure)


def test_without_a_list_of_sizes_both_ends_are_shown(swept: Any, drawn: Draw) -> None:
    swept.sizes = [2**power for power in range(16)]
    swept.contenders(["torch_nn"])
    shown = sizes_of(drawn("heatmap", swept, Look(Width.COLUMN)).axes[0])
    assert (shown[0], shown[-1]) == ("1", "32768")
    assert 4 <= len(shown) < 16


def test_panels_share_their_colours(swept: Any, drawn: Draw) -> None:
    swept.contenders(NAMES)
    swept.contenders(["torch_optim"], "mlp_bias_adam")
    figure = drawn("heatmap", swept)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["mlp_sgd", "mlp_bias_adam"]
    assert len({axis.collections[0].get_clim() for axis in figure.axes}) == 1


def test_a_run_with_one_size_has_nothing_to_show(measured: Any, drawn: Draw) -> None:
    measured.contenders(NAMES)
    with pytest.raises(NothingToShowError, match=r"one size only: .*`bench sweep`"):
        drawn("heatmap", measured)


def test_a_run_without_baselines_has_nothing_to_show(swept: Any, drawn: Draw) -> None:
    swept.line("torch_tensor")
    with pytest.raises(NothingToShowError, match=r"NumPy baseline at several sizes: .*`bench sweep`"):
        drawn("heatmap", swept)


def test_drawing_again_gives_the_same_bytes(swept: Any) -> None:
    swept.contenders(NAMES)
    data = RunData(swept.write())
    assert figures.picture(data, "heatmap", "svg", Look()) == figures.picture(data, "heatmap", "svg", Look())


@pytest.mark.parametrize("names", [["torch_nn"], LONG[:1], LONG[:9], LONG], ids=["1", "1 long", "9 long", "20 long"])
def test_no_text_meets_another_or_the_edge(
    swept: Any, drawn: Draw, layout_problems: Callable[[Figure], list[str]], look: Look, names: list[str]
) -> None:
    swept.sizes = [2**power for power in range(0, 16, 3 if len(names) < 9 else 1)]
    swept.contenders(names)
    swept.line("tf_static_graph", "tf-graph", broken={1: (Status.TIMEOUT, "slow"), 8: (Status.SKIPPED, "no time")})
    figure = drawn("heatmap", swept, look)
    assert layout_problems(figure) == []
    assert figure.get_size_inches()[1] <= 7.5 or look.width is not Width.SLIDE


@pytest.mark.parametrize("speedups", [(0.0003, 2000.0), (0.99, 1.01)])
def test_no_text_meets_another_in_six_panels_whatever_the_speedups(
    swept: Any,
    drawn: Draw,
    layout_problems: Callable[[Figure], list[str]],
    look: Look,
    speedups: tuple[float, ...],
) -> None:
    for hidden in (10, 3000):
        for workload in ("mlp_sgd", "mlp_bias_sgd", "mlp_dynamic"):
            swept.contenders([f"{LONG[0]}_{workload}"], workload, hidden=hidden)
            for speedup in speedups:
                swept.line(f"torch_{speedup}", "torch-cuda", workload, constant=1e-4 / speedup, hidden=hidden)
                swept.line(f"torch_{speedup}", "torch-cpu", workload, constant=1e-4 / speedup, hidden=hidden)
    assert layout_problems(drawn("heatmap", swept, look)) == []
