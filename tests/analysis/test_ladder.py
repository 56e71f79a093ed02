"""The rule that chooses the rungs of a ladder, on runs with known times."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bench.analysis.ladder import Kind, Ladder, ladders
from bench.data.manifest import ImplementationFacts
from bench.data.run import StoredRun
from bench.data.schema import Status
from bench.model.case import Mode
from bench.model.precision import Precision
from bench.stats.estimates import exponential, mean_estimate

BF16 = Precision.AMP_BF16
FACTS = {
    "numpy_manual": ImplementationFacts(),
    "torch_nn": ImplementationFacts(),
    "torch_tensor": ImplementationFacts(),
    "jax_staged": ImplementationFacts(compiles=True),
    "torch_compiled": ImplementationFacts(compiles=True),
    "torch_graph": ImplementationFacts(devices=["cuda"]),
}


class Climbed:
    """A run of cases with constant times, and its ladders."""

    def __init__(self, build: ModuleType, folder: Path) -> None:
        self.made = build.HandMade(folder)

    def add(self, name: str, backend: str, seconds: float, **options: Any) -> Any:
        row = {key: options.pop(key) for key in ("status", "reason", "verified") if key in options}
        case = self.made.plan(name, backend, **{"threads": 1, **options})
        self.made.process(case, step=[] if row.get("status") else [seconds], **row)
        return case

    def ladders(self, **manifest: Any) -> list[Ladder]:
        rows = self.made.summary(**{"implementations": FACTS, **manifest})
        run = StoredRun(self.made.folder)
        return ladders(run.manifest, rows, run.samples, run.processes)

    def rungs(self, **manifest: Any) -> list[tuple[str, str, float, float]]:
        """Kind, implementation, and both factors of the only ladder."""
        (ladder,) = self.ladders(**manifest)
        found = [(each, each.over_before.value, each.over_first.value) for each in ladder.rungs]
        return [(each.kind.value, each.case.implementation, round(a, 6), round(b, 6)) for each, a, b in found]


@pytest.fixture
def run(build: ModuleType, tmp_path: Path) -> Climbed:
    return Climbed(build, tmp_path / "run")


def test_each_kind_of_change_is_a_rung_in_the_order_of_kinds_and_its_fastest_case_stands_for_it(run: Climbed) -> None:
    run.add("torch_graph", "torch-cuda", 0.5, threads=2, precision=BF16)
    run.add("torch_compiled", "torch-cuda", 1.0, threads=2, precision=BF16)
    run.add("torch_compiled", "torch-cpu", 8.0, threads=2, precision=BF16)
    run.add("torch_compiled", "torch-cpu", 10.0, threads=2)
    run.add("jax_staged", "jax-cpu", 16.0, threads=2)
    run.add("torch_nn", "torch-cpu", 20.0, threads=2)
    run.add("torch_nn", "torch-cpu", 40.0)
    run.add("torch_tensor", "torch-cpu", 50.0)
    run.add("numpy_manual", "numpy", 60.0, threads=2)
    run.add("numpy_manual", "numpy", 80.0)
    assert run.rungs() == [
        ("first", "numpy_manual", 1.0, 1.0),
        ("program", "torch_nn", 2.0, 2.0),
        ("threads", "torch_nn", 2.0, 4.0),
        ("compiled", "torch_compiled", 2.0, 8.0),
        ("precision", "torch_compiled", 1.25, 10.0),
        ("device", "torch_compiled", 8.0, 80.0),
        ("own", "torch_graph", 2.0, 160.0),
    ]


def test_a_slower_rung_stays_to_be_seen_and_the_next_one_builds_on_the_one_before_it(run: Climbed) -> None:
    run.add("numpy_manual", "numpy", 8.0)
    run.add("torch_nn", "torch-cpu", 16.0)
    run.add("numpy_manual", "numpy", 4.0, threads=2)
    (ladder,) = run.ladders()
    assert [(each.before, each.slower) for each in ladder.rungs] == [(None, False), (0, True), (0, False)]
    assert run.made.folder.name == "run"
    assert [each.over_before.value for each in ladder.rungs] == pytest.approx([1.0, 0.5, 2.0])


def test_compiling_and_a_lower_precision_are_tried_again_on_another_device(run: Climbed) -> None:
    for name, precision, cpu, gpu in (
        ("torch_nn", Precision.FULL, 8.0, 4.0),
        ("torch_nn", BF16, 16.0, 3.5),
        ("torch_compiled", Precision.FULL, 9.0, 2.0),
        ("torch_compiled", BF16, 20.0, 1.0),
    ):
        run.add(name, "torch-cpu", cpu, precision=precision)
        run.add(name, "torch-cuda", gpu, precision=precision)
    workloads = run.ladders  # the baseline is chosen: the run has no numpy_manual
    (ladder,) = workloads(baseline="torch_nn")
    assert [(each.kind, each.case.label, each.slower) for each in ladder.rungs] == [
        (Kind.FIRST, "torch_nn on torch-cpu", False),
        (Kind.COMPILED, "torch_compiled on torch-cpu", True),
        (Kind.PRECISION, "torch_nn on torch-cpu", True),
        (Kind.DEVICE, "torch_nn on torch-cuda", False),
        (Kind.COMPILED, "torch_compiled on torch-cuda", False),
        (Kind.PRECISION, "torch_compiled on torch-cuda", False),
    ]


def test_a_case_that_is_faster_than_the_last_rung_comes_on_top(run: Climbed) -> None:
    run.add("numpy_manual", "numpy", 8.0)
    run.add("torch_nn", "torch-cpu", 4.0)
    run.add("torch_nn", "torch-cpu", 3.0, threads=2)
    run.add("torch_tensor", "torch-cpu", 5.0)
    run.add("torch_tensor", "torch-cpu", 2.0, threads=2)
    assert run.rungs()[-1] == ("fastest", "torch_tensor", 1.5, 4.0)


def test_wrong_unsteady_and_unverified_cases_are_no_rungs_and_are_counted_and_skipped_ones_are_not(
    run: Climbed,
) -> None:
    run.add("numpy_manual", "numpy", 8.0)
    run.add("torch_nn", "torch-cpu", 2.0, status=Status.WRONG, reason="because", verified=False)
    run.add("torch_tensor", "torch-cpu", 1.0, verified=False)
    run.add("torch_autograd", "torch-cpu", 4.0)
    run.made.plan("torch_nn", "torch-cuda", threads=1, skipped="absent")
    (ladder,) = run.ladders()
    assert [each.case.implementation for each in ladder.rungs] == ["numpy_manual", "torch_autograd"]
    assert ladder.left_out == 2


def test_without_the_baseline_or_another_case_there_is_no_ladder(run: Climbed) -> None:
    run.add("torch_nn", "torch-cpu", 2.0)
    run.add("torch_tensor", "torch-cpu", 1.0)
    run.add("numpy_adam", "numpy", 2.0, workload="mlp_bias_adam")
    assert run.ladders() == []


def test_of_an_old_run_nobody_knows_what_compiles(run: Climbed) -> None:
    run.add("numpy_manual", "numpy", 8.0)
    run.add("jax_staged", "jax-cpu", 2.0)
    assert run.rungs(implementations={}) == [("first", "numpy_manual", 1.0, 1.0), ("program", "jax_staged", 4.0, 4.0)]


def test_a_mode_has_a_ladder_of_its_own_in_which_the_cpu_stands_as_it_is(run: Climbed) -> None:
    run.add("torch_nn", "torch-cpu", 8.0)
    for mode, seconds in ((Mode.RESIDENT_WARM, 2.0), (Mode.TRANSFERRED_WARM, 4.0)):
        run.add("torch_nn", "torch-cuda", seconds, mode=mode)
    found = {each.mode: each for each in run.ladders(baseline="torch_nn")}
    assert {mode: ladder.rungs[-1].over_first.value for mode, ladder in found.items()} == pytest.approx(
        {Mode.RESIDENT_WARM: 4.0, Mode.TRANSFERRED_WARM: 2.0}
    )


def test_factors_come_from_the_turns_that_both_took(run: Climbed) -> None:
    random = np.random.default_rng(0)
    cases = [run.made.plan(*names, threads=1) for names in (("numpy_manual", "numpy"), ("torch_nn", "torch-cpu"))]
    logs = []
    for number in range(8):
        disturbed = random.lognormal(0, 1.0, 5)  # falls on both, turn by turn
        gain = 2.0 * random.lognormal(0, 0.02)
        logs.append(np.log(gain))
        run.made.process(cases[0], number, step=(8.0 * disturbed).tolist())
        run.made.process(cases[1], number, step=(8.0 / gain * disturbed).tolist())
    (ladder,) = run.ladders(turns=True)
    expected, over = exponential(mean_estimate(logs)), ladder.rungs[1].over_before
    assert (over.value, over.low, over.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert over.halfwidth is not None
    assert over.halfwidth < 0.05
