"""No text of a figure meets another or the edge, however much there is to write."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from bench.data.manifest import ImplementationFacts
from bench.data.schema import Method, Status
from bench.model.case import Mode
from bench.model.precision import Precision
from bench.model.problem import Dtype
from bench.model.workload import WORKLOADS as WORKLOADS_BY_NAME
from bench.output.figures import Look, Width
from bench.output.figures._look import PAGE_INCHES
from bench.output.figures.samples import FLAGS
from bench.workloads import tutorial

LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]
COMMON = ["torch_tensor", "torch_autograd", "torch_custom_function", "torch_cuda_graph", "torch_nn", "torch_module"]
WORKLOADS = ("mlp_sgd", "mlp_bias_sgd", "mlp_bias_adam", "mlp_dynamic")
BARS = ("speedup", "phases", "sync_tax")
LOOKS = (Look(Width.COLUMN), Look(Width.PAGE), Look(Width.SLIDE))  # the dark style has the same texts
LINES = ("speedup_size", "time_size", "heatmap", "roofline")
FULL = (
    "twenty_long_names",
    "all_workloads",
    "six_panels",
    "four_workloads_and_many_cases",
    "twenty_long_cases",
    "all_rungs",
)
"""The crowds with the most to write."""
CROWDS: list[Any] = []


def crowd(kind: str, *figures: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Draw these figures of a run made by the fixture `kind` and filled by the function.

    The fullest are drawn in a column, the tightest look; the others, and every other look, are the slow suite's.
    """

    def add(fill: Callable[[Any], None]) -> Callable[[Any], None]:
        for look, name in itertools.product(LOOKS, figures):
            marks = [] if look == LOOKS[0] and fill.__name__ in FULL else [pytest.mark.slow]
            label = f"{look.width}-{name}-{fill.__name__}"
            CROWDS.append(pytest.param(look, kind, name, fill, id=label, marks=marks))
        return fill

    return add


# One size


@crowd("measured", *BARS)
def one(made: Any) -> None:
    made.contenders(["torch_nn"])


@crowd("measured", *BARS)
def common_names(made: Any) -> None:
    made.contenders([f"torch_custom_{index}" for index in range(9)])
    made.add("tf_static_graph", "tf-graph", speedup=0.5, seconds=8e-4, phases=Method.PROFILED)


@crowd("measured", *BARS)
def twenty_long_names(made: Any) -> None:
    made.contenders(LONG)
    for name in LONG:
        made.add(f"{name}_fused", "tf-graph")


@crowd("measured", *BARS)
def all_workloads(made: Any) -> None:
    for workload in WORKLOADS:
        made.contenders([f"torch_{workload}", LONG[0]], workload)
        made.add("torch_nn", "torch-cuda", workload, speedup=1.0, tax=0.00123)
    made.manifest = {"machine": {"cpu": "AMD EPYC 9654 96-Core Processor (virtualised)" * 2, "system": "Linux"}}


@crowd("measured", *BARS)
def several_devices(made: Any) -> None:
    made.contenders(["torch_tensor", "torch_custom_function", *LONG[:2]], backends=["torch-cpu", "torch-cuda"])
    made.add("tf_static_graph", "tf-graph", speedup=0.5, seconds=8e-4, phases=Method.PROFILED, tax=0.36)


@crowd("measured", *BARS)
def very_different(made: Any) -> None:
    made.contenders([])
    for speedup, tax in ((0.003, 25.0), (0.9, 0.0004), (0.99, 0.0001), (180.0, 0.0123)):
        made.add(f"torch_{speedup}", seconds=4e-4 / speedup, speedup=speedup, tax=tax)


# Several sizes


@crowd("swept", "speedup", "phases")
def a_panel_for_each_size(made: Any) -> None:
    made.sizes = [16, 1024]
    for workload in ("mlp_sgd", "mlp_bias_adam"):
        made.contenders(["torch_custom_function", LONG[0]], workload)


@crowd("swept", "speedup", "phases")
def titles_that_say_more_than_fits(made: Any) -> None:
    made.sizes = [16, 1_048_576]
    for hidden, threads in ((100, 1), (20_000, 16)):
        made.contenders([LONG[0]], "mlp_bias_adam", hidden=hidden, threads=threads)


def lines(made: Any, names: list[str], step: int) -> None:
    made.sizes = [2**power for power in range(0, 16, step)]
    made.contenders(names)
    broken = {1: (Status.TIMEOUT, "slow"), 8: (Status.SKIPPED, "no time")}
    made.line("tf_static_graph", "tf-graph", constant=3e-4, rate=2e-7, broken=broken)
    made.crossing("tf_static_graph", names[0], size=340.0, backends=("tf-graph", "torch-cpu"))


@crowd("swept", *LINES)
def one_line(made: Any) -> None:
    lines(made, ["torch_nn"], 3)


@crowd("swept", *LINES)
def nine_common_and_long_lines(made: Any) -> None:
    lines(made, [*COMMON, *LONG[:3]], 3)


@crowd("swept", *LINES)
def twenty_long_lines(made: Any) -> None:
    lines(made, LONG, 1)


@crowd("swept", *LINES)
def six_panels(made: Any) -> None:
    for hidden, workload in itertools.product((10, 3000), ("mlp_sgd", "mlp_bias_sgd", "mlp_dynamic")):
        made.contenders([f"{name}_{workload}" for name in LONG[:3]], workload, hidden=hidden)
        for speedup in (0.0003, 2000.0):
            made.line(f"torch_{speedup}", "torch-cuda", workload, constant=1e-4 / speedup, hidden=hidden)


@crowd("swept", *LINES)
def threads_and_devices(made: Any) -> None:
    counts = (1, 2, 16)
    made.manifest["peaks"] = [
        made.build.make_peak(backend, threads=threads, dtype=dtype, gflops=12345.0)
        for backend, threads, dtype in itertools.product(("numpy", "torch-cuda"), counts, ("float32", "float64"))
    ]
    for dtype, threads in itertools.product((Dtype.FLOAT32, Dtype.FLOAT64), counts):
        made.contenders(LONG[:3], dtype=dtype, threads=threads)
        made.line(LONG[0], "torch-cuda", dtype=dtype, threads=threads)


# Samples


@crowd("sampled", "ecdf", "samples")
def nine_long_cases(made: Any) -> None:
    for index, name in enumerate(LONG[:9]):
        flags, threads = {(0, at): kind for at, kind in enumerate(FLAGS)}, 1 + index % 2
        workload = "mlp_sgd" if index % 2 else "mlp_bias_adam"
        made.add(name, workload=workload, processes=2, seconds=9e-4 * 1.3**index, flags=flags, threads=threads)


@crowd("sampled", "ecdf", "samples")
def twenty_long_cases(made: Any) -> None:
    for index, name in enumerate(LONG):
        made.add(name, processes=6, samples=2, seconds=9e-4 * 1.3**index)


@crowd("sampled", "ecdf", "samples")
def all_workloads_and_several_backends(made: Any) -> None:
    for workload, backend in itertools.product(WORKLOADS, ("torch-cpu", "torch-cuda")):
        made.add(LONG[0], backend, workload, processes=6, samples=2)


@crowd("sampled", "ecdf", "samples")
def much_that_tells_cases_apart(made: Any) -> None:
    for number, mode in zip(range(4), itertools.cycle(Mode)):
        problem = tutorial(batch=64 << number, d_in=1000 + number, hidden=100 + number, d_out=10 + number)
        made.add(LONG[number], "torch-cpu", processes=2, problem=problem, threads=1 + number, mode=mode)


# Rungs and profiles


def facts(**options: Any) -> dict[str, Any]:
    return {"implementations": {name: ImplementationFacts(**each) for name, each in options.items()}}


@crowd("sampled", "ladder", "profile")
def all_rungs(made: Any) -> None:
    made.manifest = facts(compiled_with_a_really_long_name={"compiles": True}, torch_cuda_graph={"devices": ["cuda"]})
    half, short = Precision.AMP_BF16, {"processes": 6, "samples": 2}
    for hidden, threads in itertools.product((100, 20_000), (1, 16)):
        where: dict[str, Any] = {"problem": tutorial(hidden=hidden), "threads": threads, **short}
        made.add("numpy_manual", "numpy", seconds=1.2345e-2, **where)
        made.add(LONG[0], "torch-cpu", seconds=6e-3 / threads, **where)
        for precision, backend in itertools.product((Precision.FULL, half), ("torch-cpu", "torch-cuda")):
            seconds = 2e-3 / threads * (1.3 if precision is half else 1.0) / (50 if backend == "torch-cuda" else 1)
            made.add("compiled_with_a_really_long_name", backend, seconds=seconds, precision=precision, **where)
        made.add("torch_cuda_graph", "torch-cuda", seconds=1e-6, **where)


@crowd("sampled", "ladder", "profile")
def four_workloads_and_many_cases(made: Any) -> None:
    for workload in WORKLOADS:
        made.add(WORKLOADS_BY_NAME[workload].baseline, "numpy", workload, processes=6, samples=2)
        for index, name in enumerate(LONG[:6]):
            precision = Precision.TF32 if index % 2 else Precision.FULL
            options = {"processes": 6, "samples": 2, "precision": precision, "seconds": 3e-4 * (index + 1)}
            made.add(f"{name}_{workload}", "torch-cuda" if index > 3 else "torch-cpu", workload, **options)


@pytest.mark.parametrize(("look", "kind", "name", "fill"), CROWDS)
def test_no_text_meets_another_or_the_edge_and_nothing_is_taller_than_its_page(
    request: pytest.FixtureRequest, drawn: Any, look: Look, kind: str, name: str, fill: Callable[[Any], None]
) -> None:
    made = request.getfixturevalue(kind)
    fill(made)
    drawing = drawn(name, made, look)
    assert drawing.problems() == []
    assert drawing.figure.get_figheight() <= (look.tallest or PAGE_INCHES) + 0.01


@pytest.mark.parametrize("name", [*BARS, *LINES])
@pytest.mark.parametrize(
    "workloads", [WORKLOADS[:1], pytest.param(WORKLOADS, marks=pytest.mark.slow)], ids=["one", "four"]
)
def test_twenty_cases_fit_a_slide(measured: Any, swept: Any, drawn: Any, name: str, workloads: tuple[str, ...]) -> None:
    made = measured if name in BARS else swept
    for workload in workloads:
        made.contenders(LONG[: 20 // len(workloads)], workload)
    drawing = drawn(name, made, Look(Width.SLIDE))
    assert drawing.figure.get_figheight() <= 7.51
    assert drawing.problems() == []


def test_overlaps_and_edges_are_seen(measured: Any, drawn: Any) -> None:
    measured.contenders(["torch_nn"])
    drawing = drawn("phases", measured)
    drawing.figure.text(0.01, 0.98, "on the title", va="top")
    drawing.figure.text(0.95, 0.5, "beyond the right edge")
    found = drawing.problems()
    assert any("Where the time" in each and "on the title" in each and "overlap" in each for each in found)
    assert any("beyond the right edge' sticks out" in each for each in found)
