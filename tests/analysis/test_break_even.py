"""When compiling pays, from the files of a run: what is held against what, and with which start."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.analysis.break_even import Payoff, payoffs
from bench.data.store import read_manifest, read_processes, read_samples

Run = Callable[..., list[Payoff]]


@pytest.fixture
def run(build: ModuleType, tmp_path: Path) -> Run:
    """A run of so many rounds; each case gives its backend, the time of a step, and the row of a process by round."""

    def do(rounds: int = 6, **cases: tuple[str, float, Callable[[int], dict[str, Any]]]) -> list[Payoff]:
        made = build.HandMade(tmp_path / "run")
        planned = {name: made.plan(name, backend) for name, (backend, _, _) in cases.items()}
        for number in range(rounds):
            for name, (_, seconds, row) in cases.items():
                noise = 1 + 0.01 * (number % 3)
                made.process(planned[name], number, step=[seconds * noise] * 6, **row(number))
        rows = made.summary(turns=True)
        samples, processes = read_samples(made.folder), read_processes(made.folder)
        return payoffs(read_manifest(made.folder), rows, samples, processes)

    return do


def eager(number: int) -> dict[str, Any]:
    return {"first": 0.52 + 0.001 * number, "build_seconds": 0.1}


def compiled(number: int) -> dict[str, Any]:
    cold = number < 2
    return {
        "first": 30.0,
        "build_seconds": 0.1,
        "compile_seconds": (40.0 + number) if cold else 5.0 + 0.01 * number,
        "cache": "cold" if cold else "warm",
    }


def test_it_pays_when_what_is_saved_makes_up_for_the_dearer_start(run: Run) -> None:
    cold, warm = run(numpy_manual=("numpy", 0.02, eager), compiled=("numpy", 0.01, compiled))
    assert (cold.cache, warm.cache) == ("cold", "warm")
    assert cold.case.implementation == warm.case.implementation == "compiled"
    assert cold.over.implementation == "numpy_manual"
    assert cold.compiled.start.value == pytest.approx(0.1 + 40.5)
    assert cold.other.start.value == pytest.approx(0.1 + 0.5025, abs=1e-3)  # the first step without a steady one
    assert cold.after.steps == pytest.approx(40.0 / 0.0101, rel=0.01)
    assert warm.after.steps == pytest.approx(4.53 / 0.0101, rel=0.01)
    assert cold.after.low is not None
    assert cold.after.high is not None
    assert cold.after.low < cold.after.steps < cold.after.high
    assert warm.after.high / warm.after.low < cold.after.high / cold.after.low  # four processes against two


def test_one_cold_process_gives_a_number_without_an_interval(run: Run) -> None:
    def once(number: int) -> dict[str, Any]:
        return compiled(number) | {"cache": "cold" if number == 0 else "warm"}

    cold, warm = run(numpy_manual=("numpy", 0.02, eager), compiled=("numpy", 0.01, once))
    assert cold.after.steps > 0
    assert (cold.after.low, cold.after.high) == (None, None)
    assert warm.after.low is not None
    assert cold.compiled.total(100)[1] is None
    assert warm.compiled.total(100)[1] is not None


def test_too_few_rounds_give_none_either(run: Run) -> None:
    for each in run(5, numpy_manual=("numpy", 0.02, eager), compiled=("numpy", 0.01, compiled)):
        assert (each.after.low, each.after.high) == (None, None)


def test_what_is_slower_compiled_never_pays(run: Run) -> None:
    for each in run(numpy_manual=("numpy", 0.01, eager), compiled=("numpy", 0.02, compiled)):
        assert (each.after.steps, each.after.low, each.after.high) == (math.inf, math.inf, math.inf)


def test_it_is_held_against_the_fastest_of_its_own_backend_that_does_not_compile(run: Run) -> None:
    found = run(
        numpy_manual=("numpy", 0.001, eager),
        slow=("torch-cpu", 0.03, eager),
        quick=("torch-cpu", 0.02, eager),
        compiled=("torch-cpu", 0.01, compiled),
        other=("torch-cpu", 0.015, compiled),
    )
    assert {(each.case.implementation, each.over.implementation) for each in found} == {
        ("compiled", "quick"),
        ("other", "quick"),
    }


def test_where_its_backend_has_none_it_is_held_against_the_baseline(run: Run) -> None:
    found = run(numpy_manual=("numpy", 0.02, eager), jitted=("jax-cpu", 0.01, compiled))
    assert {each.over.implementation for each in found} == {"numpy_manual"}


def test_without_a_cache_every_start_is_like_one_with_an_empty_one(run: Run) -> None:
    def bare(number: int) -> dict[str, Any]:
        return compiled(0) | {"cache": ""}

    (only,) = run(numpy_manual=("numpy", 0.02, eager), compiled=("numpy", 0.01, bare))
    assert (only.cache, only.compiled.start.count) == ("cold", 6)


def test_where_nothing_compiles_there_is_nothing_to_say(run: Run) -> None:
    assert run(numpy_manual=("numpy", 0.02, eager), other=("torch-cpu", 0.01, eager)) == []
