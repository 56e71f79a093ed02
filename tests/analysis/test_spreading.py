"""Scaling over devices, on runs with known times."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.analysis.spreading import Spreading, spreadings
from bench.data.manifest import ImplementationFacts
from bench.data.run import StoredRun
from bench.workloads import tutorial

FACTS = {"torch_ddp": ImplementationFacts(spreads="torch_nn"), "torch_nn": ImplementationFacts()}


class Spread:
    """A run of cases with constant times in eight rounds, and how they scale."""

    def __init__(self, build: ModuleType, folder: Path) -> None:
        self.made = build.HandMade(folder)

    def add(self, name: str, seconds: float, devices: int = 1, batch: int = 64, **row: Any) -> None:
        problem = tutorial(batch=batch)
        case = self.made.plan(name, "torch-cpu", "mlp_bias_sgd", threads=1, problem=problem, devices=devices)
        for number in range(8):
            drift = 1.0 + number  # what a round has in common falls on all of it
            self.made.process(case, number, step=[seconds * drift] * 3, **row)

    def found(self) -> list[Spreading]:
        rows = self.made.summary(implementations=FACTS)
        run = StoredRun(self.made.folder)
        return spreadings(run.manifest, rows, run.samples, run.processes)


@pytest.fixture
def run(build: ModuleType, tmp_path: Path) -> Spread:
    return Spread(build, tmp_path / "run")


def told(found: Spreading) -> list[tuple[int, float, float]]:
    """Devices, speedup and efficiency of each point."""
    return [(each.devices, round(each.speedup.value, 6), round(each.efficiency.value, 6)) for each in found.points]


def test_strong_scaling_is_over_the_plain_step_and_shows_one_rank_beside_it(run: Spread) -> None:
    run.add("torch_ddp", 3.0, 4)
    run.add("torch_ddp", 4.0, 2)
    run.add("torch_ddp", 8.0, 1)
    run.add("torch_nn", 6.0)
    (found,) = run.found()
    assert found.kind == "strong"
    assert (found.base.implementation, found.base.devices) == ("torch_nn", 1)
    assert told(found) == [(1, 0.75, 0.75), (2, 1.5, 0.75), (4, 2.0, 0.5)]
    last = found.points[-1].efficiency
    assert last.low == pytest.approx(0.5)
    assert last.high == pytest.approx(0.5)


def test_weak_scaling_is_over_the_plain_step_with_the_batch_of_one_device(run: Spread) -> None:
    run.add("torch_nn", 6.0)
    run.add("torch_nn", 11.0, batch=128)  # no part of it
    run.add("torch_ddp", 7.5, 1)
    run.add("torch_ddp", 8.0, 2, batch=128)
    run.add("torch_ddp", 12.0, 4, batch=256)
    (found,) = run.found()
    assert found.kind == "weak"
    assert found.problem.sizes["batch"] == 64
    assert told(found) == [(1, 0.8, 0.8), (2, 1.5, 0.75), (4, 2.0, 0.5)]


@pytest.mark.parametrize(("devices", "base"), [((1, 2), 48), ((2,), 64)])
def test_without_its_plain_step_or_with_one_number_of_devices_there_is_nothing(
    run: Spread, devices: tuple[int, ...], base: int
) -> None:
    for count in devices:
        run.add("torch_ddp", 3.0, count)
    run.add("torch_nn", 6.0, batch=base)
    assert run.found() == []


def test_a_wrong_case_is_no_point(run: Spread) -> None:
    run.add("torch_nn", 6.0)
    run.add("torch_ddp", 8.0, 1)
    run.add("torch_ddp", 4.0, 2)
    run.add("torch_ddp", 1.0, 4, verified=False)
    (found,) = run.found()
    assert [each.devices for each in found.points] == [1, 2]
