from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from bench.data.schema import Method
from bench.output.figures import Look, Width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[..., "Figure"]
Check = Callable[["Figure"], list[str]]
LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]


def joined(figure: Figure) -> str:
    """The texts around the panels, as if no line were folded."""
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


both = pytest.mark.parametrize("name", ["speedup", "phases"])


@both
def test_the_footer_says_where_the_numbers_are_from(measured: Any, drawn: Draw, look: Look, name: str) -> None:
    measured.contenders(["torch_tensor"])
    footer = joined(drawn(name, measured, look))
    for part in (measured.build.CPU, "2 CPUs", "Python 3.12.1", "torch 2.13.0+cpu", f"run {measured.build.RUN_ID}"):
        assert part in footer


@both
def test_the_subtitle_gives_sizes_format_and_threads(measured: Any, drawn: Draw, look: Look, name: str) -> None:
    measured.contenders(["torch_tensor"])
    assert "batch 64, d-in 1000, hidden 100, d-out 10, float32, 2 CPU threads; " in joined(drawn(name, measured, look))


@both
@pytest.mark.parametrize("names", [["torch_nn"], LONG[:1], LONG[:9], LONG], ids=["1", "1 long", "9 long", "20 long"])
def test_no_text_meets_another_or_the_edge(
    measured: Any,
    drawn: Draw,
    layout_problems: Check,
    look: Look,
    name: str,
    names: list[str],
) -> None:
    measured.contenders(names)
    assert layout_problems(drawn(name, measured, look)) == []


@both
@pytest.mark.parametrize("count", [9])
def test_no_text_meets_another_with_common_names(
    measured: Any,
    drawn: Draw,
    layout_problems: Check,
    look: Look,
    name: str,
    count: int,
) -> None:
    measured.contenders([f"torch_custom_{index}" for index in range(count)])
    measured.add("tf_static_graph", "tf-graph", speedup=0.5, seconds=8e-4, phases=Method.PROFILED)
    assert layout_problems(drawn(name, measured, look)) == []


@both
def test_no_text_meets_another_with_all_workloads(
    measured: Any, drawn: Draw, layout_problems: Check, look: Look, name: str
) -> None:
    for workload in ("mlp_sgd", "mlp_bias_sgd", "mlp_bias_adam", "mlp_dynamic"):
        measured.contenders([f"torch_{workload}", f"torch_{workload}_fast"], workload)
    measured.manifest = {"machine": {"cpu": "AMD EPYC 9654 96-Core Processor (virtualised)" * 2, "system": "Linux"}}
    assert layout_problems(drawn(name, measured, look)) == []


@both
@pytest.mark.parametrize("names", [["torch_tensor", "torch_custom_function"], LONG[:2]], ids=["common", "long"])
def test_no_text_meets_another_with_an_implementation_on_several_devices(
    measured: Any,
    drawn: Draw,
    layout_problems: Check,
    look: Look,
    name: str,
    names: list[str],
) -> None:
    measured.contenders(names, backends=["torch-cpu", "torch-cuda"])
    measured.add("tf_static_graph", "tf-graph", speedup=0.5, seconds=8e-4, phases=Method.PROFILED)
    assert layout_problems(drawn(name, measured, look)) == []


@both
@pytest.mark.parametrize("speedups", [(0.003, 0.9, 180.0), (0.99, 1.01)])
def test_no_text_meets_another_whatever_the_speedups(
    measured: Any,
    drawn: Draw,
    layout_problems: Check,
    look: Look,
    name: str,
    speedups: tuple[float, ...],
) -> None:
    measured.contenders([])
    for index, speedup in enumerate(speedups):
        measured.add(f"torch_{index}", seconds=4e-4 / speedup, speedup=speedup)
    assert layout_problems(drawn(name, measured, look)) == []


def test_the_check_of_the_layout_sees_overlaps_and_edges(measured: Any, drawn: Draw, layout_problems: Check) -> None:
    measured.contenders(["torch_nn"])
    figure = drawn("phases", measured)
    figure.text(0.01, 0.98, "on the title", va="top")
    figure.text(0.95, 0.5, "beyond the right edge")
    found = "\n".join(layout_problems(figure))
    assert re.search(r"Where the time.*on the title.*overlap", found)
    assert re.search(r"beyond the right edge' sticks out", found)


@both
@pytest.mark.parametrize("workloads", [["mlp_sgd"], ["mlp_sgd", "mlp_bias_sgd", "mlp_bias_adam", "mlp_dynamic"]])
def test_twenty_cases_fit_a_slide(
    measured: Any, drawn: Draw, layout_problems: Check, name: str, workloads: list[str]
) -> None:
    for workload in workloads:
        measured.contenders(LONG[: 20 // len(workloads)], workload)
    figure = drawn(name, measured, Look(Width.SLIDE))
    assert figure.get_figheight() <= 7.51
    assert layout_problems(figure) == []


@both
def test_the_names_of_our_own_are_whole_beside_each_other_on_a_slide(measured: Any, drawn: Draw, name: str) -> None:
    for workload in ("mlp_sgd", "mlp_bias_sgd", "mlp_bias_adam"):
        measured.contenders(["torch_custom_function"], workload)
    figure = drawn(name, measured, Look(Width.SLIDE))
    labels = [tick.get_text() for axis in figure.axes for tick in axis.get_yticklabels()]
    assert labels.count("torch_custom_function") == 3


@pytest.mark.parametrize("name", ["speedup", "phases"])
def test_no_text_meets_another_with_a_panel_for_each_size(
    swept: Any, drawn: Draw, layout_problems: Check, look: Look, name: str
) -> None:
    swept.sizes = [16, 1024]
    for workload in ("mlp_sgd", "mlp_bias_adam"):
        swept.contenders(["torch_custom_function", LONG[0]], workload)
    figure = drawn(name, swept, look)
    assert layout_problems(figure) == []
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert any(title.startswith("mlp_bias_adam, batch 1024") for title in titles)
    assert not any("…" in title for title in titles)


@pytest.mark.parametrize("name", ["speedup", "phases"])
def test_no_text_meets_another_where_a_panels_title_says_more_than_fits(
    swept: Any, drawn: Draw, layout_problems: Check, look: Look, name: str
) -> None:
    swept.sizes = [16, 1_048_576]
    for hidden, threads in ((100, 1), (20_000, 16)):
        swept.contenders([LONG[0]], "mlp_bias_adam", hidden=hidden, threads=threads)
    assert layout_problems(drawn(name, swept, look)) == []


SIZES = (8, 16, 32, 64, 128, 256, 512, 1024)


@pytest.fixture
def many_sizes(swept: Any) -> Any:
    """Nine contenders at eight sizes, the smallest of which joined the sweep to find a crossover."""
    from bench.model.problem import Problem

    swept.axis, swept.sizes = "hidden", [*SIZES[1:], SIZES[0]]
    swept.contenders([f"torch_{number}" for number in range(9)])
    planned = []
    for size in swept.sizes:
        for name in ("numpy_manual", *(f"torch_{number}" for number in range(9))):
            backend = "numpy" if name == "numpy_manual" else "torch-cpu"
            case = swept.build.make_case(name, backend, problem=Problem(hidden=size))
            planned.append(swept.build.planned_case(case).model_copy(update={"added": size == SIZES[0]}))
    swept.manifest["cases"] = planned
    return swept


@pytest.mark.parametrize("name", ["speedup", "phases"])
@pytest.mark.parametrize("width", Width)
def test_a_sweep_shows_as_many_of_its_sizes_as_fit(many_sizes: Any, drawn: Draw, width: Width, name: str) -> None:
    """The first, the last and some between, small to large; never one that was added around a crossover."""
    figure = drawn(name, many_sizes, Look(width))
    titles = [axis.get_title(loc="left") for axis in figure.axes if axis.get_title(loc="left")]
    shown = [int(match[1]) for title in titles if (match := re.search(r"hidden (\d+)", title))]
    assert shown == sorted(shown)
    assert (shown[0], shown[-1]) == (16, 1024)
    assert len(shown) == len(titles) < len(SIZES) - 1
    assert f"{len(shown)} of {len(SIZES)} panels" in joined(figure)
    assert figure.get_figheight() <= 9.4
