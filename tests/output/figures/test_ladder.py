"""What the figure of rungs draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.analysis.ladder import ladders
from bench.data.manifest import ImplementationFacts
from bench.data.run import StoredRun, summary_rows
from bench.output.figures import Look, Width
from bench.workloads import tutorial


@pytest.fixture
def climbing(sampled: Any) -> Any:
    sampled.manifest = {"implementations": {"torch_nn.compiled": ImplementationFacts(compiles=True)}}
    sampled.add("numpy_manual", "numpy", seconds=8e-4, threads=1)
    sampled.add("torch_nn", seconds=4e-4, threads=1)
    sampled.add("torch_nn", seconds=6e-4, threads=2)
    sampled.add("torch_nn.compiled", seconds=2e-4, threads=1)
    sampled.add("torch_tensor", seconds=1e-4, threads=1, row=lambda number: {"verified": False})
    return sampled


def expected(made: Any) -> Any:
    run = StoredRun(made.folder)
    (ladder,) = ladders(run.manifest, summary_rows(run.summary), run.samples, run.processes)
    return ladder


def words(axis: Any) -> list[str]:
    return [text.get_text() for text in axis.texts]


def test_a_bar_goes_from_the_rung_that_it_builds_on_to_its_own_speedup_over_the_first(
    climbing: Any, drawn: Callable[..., Any]
) -> None:
    drawing = drawn("ladder", climbing)
    rungs = expected(climbing).rungs
    assert [rung.slower for rung in rungs] == [False, False, True, False]
    found: dict[float, list[Any]] = {}
    for bar in drawing.axis.patches:
        found.setdefault(round(bar.get_y() + bar.get_height() / 2), []).append(bar)
    assert sorted(found) == [0, 1, 2]  # the first rung, at the top, is 1x itself
    for place, rung in zip((2, 1, 0), rungs[1:], strict=True):
        begin, end = rungs[rung.before].over_first.value, rung.over_first.value
        earlier, own = found[place]
        assert earlier.get_x() + earlier.get_width() == pytest.approx(min(begin, end))
        assert sorted((own.get_x(), own.get_x() + own.get_width())) == pytest.approx(sorted((begin, end)))


def test_each_rung_has_its_change_its_time_and_both_factors_with_their_intervals(
    climbing: Any, drawn: Callable[..., Any]
) -> None:
    drawing = drawn("ladder", climbing)
    told = words(drawing.axis)
    last = expected(climbing).rungs[-1]
    for name in ("baseline, 1 thread", "torch", "2 CPU threads", "compiled"):
        assert name in told
    assert any(each.startswith("torch_nn.compiled, 20") and each.endswith("µs]") for each in told)
    for over in (last.over_before, last.over_first):
        assert f"{over.value:.2f}x [{over.low:.2f} … {over.high:.2f}]" in told
    assert drawing.titles[0].startswith("mlp_sgd: 1x is numpy_manual at 8")
    assert "1 case wrong, unsteady or not verified, so no rung" in drawing.words


def test_what_bars_mean_is_told_by_keys(climbing: Any, drawn: Callable[..., Any]) -> None:
    assert list(drawn("ladder", climbing).keys) == ["torch-cpu", "gained before", "slower than the rung before"]


def test_a_column_has_both_factors_too(climbing: Any, drawn: Callable[..., Any]) -> None:
    drawing = drawn("ladder", climbing, Look(Width.COLUMN))
    assert sum("x [" in each for each in words(drawing.axis)) == 5
    assert drawing.problems() == []


def test_a_workload_without_a_ladder_is_named(climbing: Any, drawn: Callable[..., Any]) -> None:
    climbing.add("torch_optim", "torch-cpu", "mlp_bias_adam", threads=1)
    drawing = drawn("ladder", climbing)
    assert "no ladder of mlp_bias_adam: no second case beside a sound baseline" in drawing.words
    assert len(drawing.titles) == 1


def test_a_sweep_has_ladders_of_the_first_and_the_last_size_and_some_between(
    sampled: Any, drawn: Callable[..., Any]
) -> None:
    for hidden in (10, 20, 40, 80, 160, 320):
        for name, backend in (("numpy_manual", "numpy"), ("torch_nn", "torch-cpu")):
            sampled.add(name, backend, problem=tutorial(hidden=hidden), processes=2, samples=2)
    drawing = drawn("ladder", sampled)
    assert [title.partition(":")[0] for title in drawing.titles] == [
        f"mlp_sgd, hidden {hidden}" for hidden in (10, 40, 80, 320)
    ]
    assert "4 of 6 ladders shown" in drawing.words
