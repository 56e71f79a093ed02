"""Performance profiles of runs with known times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bench.analysis.profile import Entrant, Profile, Profiles, profiles
from bench.data.manifest import ImplementationFacts
from bench.data.run import StoredRun
from bench.data.schema import Status
from bench.model.workload import WORKLOADS
from bench.stats.estimates import exponential, mean_of_means
from bench.workloads import tutorial


@pytest.fixture
def made(build: ModuleType, tmp_path: Path) -> Any:
    return build.HandMade(tmp_path / "run")


@pytest.fixture
def found(made: Any) -> Callable[..., Profiles]:
    def find(**manifest: Any) -> Profiles:
        rows = made.summary(**manifest)
        run = StoredRun(made.folder)
        return profiles(run.manifest, rows, run.samples, run.processes)

    return find


def add(made: Any, name: str, backend: str, seconds: dict[int, float], **row: Any) -> None:
    """One implementation at several sizes, six processes each."""
    for hidden, each in seconds.items():
        case = made.plan(name, backend, problem=tutorial(hidden=hidden))
        for number in range(6):
            made.process(case, number, step=[each], **row)


def by_name(found: Profiles) -> dict[str, Profile]:
    return {each.entrant.implementation or each.entrant.backend: each for each in found.profiles}


def test_ratios_are_over_the_fastest_of_each_problem(made: Any, found: Callable[..., Profiles]) -> None:
    add(made, "numpy_manual", "numpy", {10: 1.0, 20: 4.0, 40: 6.0})
    add(made, "torch_nn", "torch-cpu", {10: 2.0, 20: 2.0, 40: 2.0})
    profile = by_name(found())
    assert profile["numpy_manual"].ratios == pytest.approx((1.0, 2.0, 3.0))
    assert profile["torch_nn"].ratios == pytest.approx((2.0, 1.0, 1.0))
    assert [profile["numpy_manual"].share(factor) for factor in (1.0, 1.9, 2.0, 3.0)] == pytest.approx(
        [1 / 3, 1 / 3, 2 / 3, 1.0]
    )
    assert profile["torch_nn"].steps == [pytest.approx((1.0, 2 / 3)), pytest.approx((2.0, 1.0))]
    assert profile["torch_nn"].speedup is not None
    assert profile["torch_nn"].speedup.value == pytest.approx((0.5 * 2 * 3) ** (1 / 3))
    assert [profile[name].is_baseline for name in ("numpy_manual", "torch_nn")] == [True, False]


def test_a_problem_without_a_time_counts_as_not_solved(made: Any, found: Callable[..., Profiles]) -> None:
    add(made, "numpy_manual", "numpy", {10: 1.0, 20: 4.0})
    add(made, "torch_nn", "torch-cpu", {10: 2.0})
    add(made, "torch_tensor", "torch-cpu", {10: 2.0}, verified=False)
    add(made, "torch_nn", "torch-cpu", {20: 0.1}, status=Status.WRONG, reason="because", verified=False)
    all_ = found()
    profile = by_name(all_)
    assert profile.keys() == {"numpy_manual", "torch_nn"}
    assert profile["torch_nn"].ratios == (2.0, None)
    assert profile["torch_nn"].lacking == 1
    assert profile["torch_nn"].share(1e9) == 0.5
    assert profile["torch_nn"].compared == 1
    assert all_.left_out == 2
    assert [each.entrant.implementation for each in all_.profiles] == ["numpy_manual", "torch_nn"]


def test_over_several_workloads_a_contender_is_a_backend_compiled_or_not(
    made: Any, found: Callable[..., Profiles]
) -> None:
    for workload, names in (("mlp_sgd", ("torch_nn", "torch_tensor")), ("mlp_bias_adam", ("torch_optim",))):
        made.process(made.plan(WORKLOADS[workload].baseline, "numpy", workload), step=[4.0])
        for index, name in enumerate(names):
            made.process(made.plan(name, "torch-cpu", workload), step=[2.0 + index])
        made.process(made.plan(f"{workload}_fast", "torch-cpu", workload), step=[1.0])
    facts = {f"{workload}_fast": ImplementationFacts(compiles=True) for workload in ("mlp_sgd", "mlp_bias_adam")}
    usual = (("threads", 2), ("mode", "resident-warm"), ("precision", "full"), ("devices", 1))
    all_ = found(implementations=facts)
    assert {each.entrant: each.ratios for each in all_.profiles} == {
        Entrant("", "torch-cpu", True, usual): (1.0, 1.0),
        Entrant("", "torch-cpu", False, usual): (2.0, 2.0),
        Entrant("", "numpy", False, usual): (4.0, 4.0),
    }
    assert [each.entrant.compiles for each in all_.profiles] == [True, False, False]


def test_sizes_that_refinement_added_do_not_count(made: Any, found: Callable[..., Profiles]) -> None:
    add(made, "numpy_manual", "numpy", {10: 1.0, 20: 4.0, 15: 9.0})
    for item in made.planned:
        item.added = item.columns["size.hidden"] == 15
    assert len(found().problems) == 2


def test_the_interval_of_the_mean_combines_those_of_the_problems(made: Any, found: Callable[..., Profiles]) -> None:
    random, logs = np.random.default_rng(0), []
    for hidden, spread in ((10, 0.02), (20, 0.2)):
        pair = [
            made.plan(*who, problem=tutorial(hidden=hidden))
            for who in (("numpy_manual", "numpy"), ("torch_nn", "torch-cpu"))
        ]
        logs.append(random.normal(0.7, spread, 8))
        for number, log in enumerate(logs[-1]):
            made.process(pair[0], number, step=[4.0])
            made.process(pair[1], number, step=[4.0 / np.exp(log)])
    expected, over = exponential(mean_of_means(logs)), by_name(found(turns=True))["torch_nn"].speedup
    assert over is not None
    assert (over.value, over.low, over.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_nothing_that_is_sound_gives_no_profile(made: Any, found: Callable[..., Profiles]) -> None:
    made.process(made.plan(), step=[1.0], verified=False)
    assert found() == Profiles((), (), 1)
