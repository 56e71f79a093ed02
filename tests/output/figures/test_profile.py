"""What the figure of performance profiles draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.analysis.profile import profiles
from bench.data.run import StoredRun, summary_rows
from bench.output.text import factor, factor_interval
from bench.workloads import tutorial


@pytest.fixture
def compared(sampled: Any) -> Any:
    for hidden, seconds in ((10, 1e-4), (20, 2e-4), (40, 4e-4)):
        sampled.add("numpy_manual", "numpy", problem=tutorial(hidden=hidden), seconds=seconds)
        sampled.add("torch_nn", problem=tutorial(hidden=hidden), seconds=2e-4)
    sampled.add("torch_tensor", problem=tutorial(hidden=10), seconds=3e-4)
    return sampled


def test_a_line_of_steps_rises_where_a_problem_comes_within_the_factor(
    compared: Any, drawn: Callable[..., Any]
) -> None:
    drawing = drawn("profile", compared)
    run = StoredRun(compared.folder)
    found = profiles(run.manifest, summary_rows(run.summary), run.samples, run.processes)
    lines = {(line.get_color(), line.get_marker()): line for line in drawing.axis.lines}
    assert len(lines) == len(drawing.keys) == 3
    for (label, key), profile in zip(drawing.keys.items(), found.profiles, strict=True):
        assert label.startswith(profile.entrant.implementation)
        line = lines[key.get_color(), key.get_marker()]
        assert line.get_drawstyle() == "steps-post"
        steps = [(1.0, profile.share(1.0) * 100), *((x, share * 100) for x, share in profile.steps)]
        assert list(zip(line.get_xdata(), line.get_ydata(), strict=True))[:-1] == [
            pytest.approx(each) for each in steps
        ]
        assert line.get_xdata()[-1] == drawing.axis.get_xlim()[1]


def test_the_keys_tell_the_geometric_mean_with_its_interval_and_how_many_problems_it_has(
    compared: Any, drawn: Callable[..., Any]
) -> None:
    drawing = drawn("profile", compared)
    run = StoredRun(compared.folder)
    found = profiles(run.manifest, summary_rows(run.summary), run.samples, run.processes)
    over = {profile.entrant.implementation: profile.speedup for profile in found.profiles}
    told = {name: f"{factor(each.value)} [{factor_interval(each.low, each.high)}]" for name, each in over.items()}
    assert sorted(drawing.keys) == [
        "numpy_manual: the baseline",
        f"torch_nn: {told['torch_nn']}",
        f"torch_tensor, 1 of 3 problems: {told['torch_tensor']}",
    ]
    assert "3 problems of 1 workload" in drawing.words
    assert "a line that lacks problems stays below 100 %" in drawing.words
    assert drawing.axis.get_ylabel() == "share of the 3 problems"


def test_over_several_workloads_lines_are_backends(sampled: Any, drawn: Callable[..., Any]) -> None:
    for workload, base, other in (
        ("mlp_sgd", "numpy_manual", "torch_nn"),
        ("mlp_bias_adam", "numpy_adam", "torch_optim"),
    ):
        sampled.add(base, "numpy", workload, seconds=1e-4, processes=2)
        sampled.add(other, "torch-cpu", workload, seconds=2e-4, processes=2)
    drawing = drawn("profile", sampled)
    assert [label.partition(":")[0] for label in drawing.keys] == ["numpy", "torch-cpu"]
    assert "a line is a backend, with its fastest implementation in each problem" in drawing.words
    assert "[" not in "".join(drawing.keys)  # two processes have no interval


def test_the_lines_that_lead_are_shown_where_there_are_too_many(sampled: Any, drawn: Callable[..., Any]) -> None:
    for index in range(12):
        for hidden in (10, 20):
            sampled.add(f"torch_{index}", problem=tutorial(hidden=hidden), seconds=2e-4 * 1.2**index, processes=1)
    drawing = drawn("profile", sampled)
    assert len(drawing.axis.lines) == 9
    assert "9 of 12 lines shown" in drawing.words
    assert all(label.endswith(": speedup unknown") for label in drawing.keys)
