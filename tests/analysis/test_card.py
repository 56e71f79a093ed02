from __future__ import annotations

import math
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.analysis.card import CardCell, speedup_card
from bench.analysis.summarise import summarise
from bench.data.run import StoredRun
from bench.data.schema import Status
from bench.model.case import Mode
from bench.model.precision import Precision
from bench.stats.estimates import exponential, mean_estimate


@pytest.fixture
def made(build: ModuleType, tmp_path: Path) -> Any:
    return build.HandMade(tmp_path / "run")


def cells(made: Any) -> list[CardCell]:
    rows = made.summary()
    run = StoredRun(made.folder)
    return speedup_card(run.manifest, rows, run.samples, run.processes)


def found(made: Any) -> dict[tuple[str, str, str, int], float]:
    """Contender, opponent, mode and threads to speedup."""
    return {
        (cell.case.label, cell.over.label, cell.case.mode.value, cell.case.threads): cell.speedup.value
        for cell in cells(made)
    }


def test_on_a_gpu_the_opponents_are_numpy_and_the_same_implementation_on_the_cpu(made: Any) -> None:
    for name, backend, seconds in (
        ("numpy_manual", "numpy", 12.0),
        ("torch_tensor", "torch-cpu", 6.0),
        ("torch_tensor", "torch-cuda", 2.0),
        ("torch_autograd", "torch-cuda", 3.0),
    ):
        made.process(made.plan(name, backend), step=[seconds])
    assert found(made) == {
        ("torch_tensor on torch-cuda", "numpy_manual on numpy", "resident-warm", 2): pytest.approx(6.0),
        ("torch_tensor on torch-cuda", "torch_tensor on torch-cpu", "resident-warm", 2): pytest.approx(3.0),
        ("torch_autograd on torch-cuda", "numpy_manual on numpy", "resident-warm", 2): pytest.approx(4.0),
    }


def test_a_run_of_one_mode_on_the_cpu_needs_no_card(made: Any) -> None:
    made.process(made.plan(), step=[2.0])
    made.process(made.plan("torch_tensor", "torch-cpu"), step=[1.0])
    assert cells(made) == []


def test_several_threads_on_the_cpu_have_one_each(made: Any) -> None:
    for threads, of_base, of_mine in ((1, 8.0, 4.0), (2, 6.0, 2.0)):
        made.process(made.plan(threads=threads), step=[of_base])
        made.process(made.plan("torch_tensor", "torch-cpu", threads=threads), step=[of_mine])
    assert found(made) == {
        ("torch_tensor on torch-cpu", "numpy_manual on numpy", "resident-warm", 1): pytest.approx(2.0),
        ("torch_tensor on torch-cpu", "numpy_manual on numpy", "resident-warm", 2): pytest.approx(3.0),
    }


def test_a_transferred_batch_is_compared_with_a_resident_one_on_the_cpu_as_warm_or_cold(made: Any) -> None:
    for mode, seconds in ((Mode.RESIDENT_WARM, 10.0), (Mode.RESIDENT_COLD, 30.0)):
        made.process(made.plan(mode=mode), step=[seconds])
    for mode, seconds in ((Mode.RESIDENT_WARM, 1.0), (Mode.TRANSFERRED_WARM, 2.0), (Mode.TRANSFERRED_COLD, 3.0)):
        made.process(made.plan("torch_tensor", "torch-cuda", mode=mode), step=[seconds])
    over = "torch_tensor on torch-cuda", "numpy_manual on numpy"
    assert found(made) == {
        (*over, "resident-warm", 2): pytest.approx(10.0),
        (*over, "transferred-warm", 2): pytest.approx(5.0),
        (*over, "transferred-cold", 2): pytest.approx(10.0),
    }


def test_nothing_is_compared_across_workloads(made: Any) -> None:
    made.process(made.plan(), step=[1.0])
    made.process(made.plan("torch_nn", "torch-cuda", "mlp_bias_sgd"), step=[1.0])
    assert cells(made) == []


def test_another_precision_is_held_against_what_is_at_full(made: Any) -> None:
    made.process(made.plan(), step=[6.0])
    made.process(made.plan("torch_tensor", "torch-cpu"), step=[4.0])
    made.process(made.plan("torch_tensor", "torch-cpu", precision=Precision.TF32), step=[3.0])
    made.process(made.plan("torch_tensor", "torch-cuda", precision=Precision.TF32), step=[1.0])
    assert {(cell.over.label, cell.over.precision): cell.speedup.value for cell in cells(made)} == {
        ("numpy_manual on numpy", Precision.FULL): pytest.approx(6.0),
        ("torch_tensor on torch-cpu", Precision.FULL): pytest.approx(4.0),
    }


def test_a_chosen_baseline_takes_the_place_of_the_workloads_own(made: Any) -> None:
    for name, backend, seconds in (
        ("numpy_manual", "numpy", 12.0),
        ("torch_tensor", "torch-cuda", 2.0),
        ("torch_autograd", "torch-cuda", 3.0),
    ):
        made.process(made.plan(name, backend), step=[seconds])
    rows = made.summary(baseline="torch_autograd@torch-cuda")
    run = StoredRun(made.folder)
    (cell,) = speedup_card(run.manifest, rows, run.samples, run.processes)
    assert (cell.case.implementation, cell.over.label) == ("torch_tensor", "torch_autograd on torch-cuda")
    assert cell.speedup.value == pytest.approx(1.5)


def test_speedups_are_paired_by_round_with_their_interval(made: Any) -> None:
    base, mine = made.plan(), made.plan("torch_tensor", "torch-cuda")
    times = [(2.0, 1.0), (30.0, 10.0), (2.5, 1.0), (220.0, 100.0), (2.8, 1.0), (6.0, 2.0), (1.5, 1.0)]
    for number, (of_base, of_mine) in enumerate(times):
        made.process(mine, number, step=[of_mine])
        made.process(base, number, step=[of_base])
    made.process(base, 99, step=[1e9])  # a round that the other did not run in
    (cell,) = cells(made)
    logs = [math.log(of_base / of_mine) for of_base, of_mine in times]
    assert cell.speedup == exponential(mean_estimate(logs))
    assert cell.speedup.low is not None


def test_a_case_that_failed_in_any_process_or_was_impossible_has_no_cell(made: Any, build: ModuleType) -> None:
    """As the summary has it; a cell beside a row that says `failed` would contradict it."""
    base, mine = made.plan(), made.plan("torch_tensor", "torch-cuda")
    made.process(base, 0, step=[4.0])
    made.process(mine, 0, step=[1.0])
    assert len(cells(made)) == 1
    run = StoredRun(made.folder)
    manifest = build.make_manifest(cases=made.planned, peaks=[build.make_peak("torch-cuda", gflops=1e-6)])
    rows = summarise(manifest, run.samples, run.processes)
    assert speedup_card(manifest, rows, run.samples, run.processes) == []
    made.process(mine, 1, status=Status.FAILED, reason="x", verified=False)
    shutil.rmtree(made.folder)
    assert cells(made) == []


def test_throttled_rounds_are_left_out(made: Any) -> None:
    base, mine = made.plan(), made.plan("torch_tensor", "torch-cuda")
    for number, seconds in enumerate((1.0, 50.0, 4.0)):
        made.process(base, number, step=[4.0])
        made.process(mine, number, step=[seconds], throttled="thermal" if number == 1 else "")
    (cell,) = cells(made)
    assert cell.speedup.value == pytest.approx(2.0), "of the ratios 4 and 1; with the throttled round it would be 1"


def test_times_by_the_device_or_of_single_depths_are_no_headline(made: Any) -> None:
    base, mine = (
        made.plan("numpy_dynamic", "numpy", "mlp_dynamic"),
        made.plan("torch_dynamic", "torch-cuda", "mlp_dynamic"),
    )
    made.process(base, step=[4.0], by_variant={0: [1.0]})
    made.process(mine, step=[2.0], on_device={"step": [0.5]}, by_variant={0: [1.0]})
    (cell,) = cells(made)
    assert cell.speedup.value == pytest.approx(2.0)


def test_a_run_in_which_nothing_went_well_has_no_card(made: Any) -> None:
    made.process(made.plan("torch_tensor", "torch-cuda"), status=Status.WRONG, reason="x", verified=False)
    assert cells(made) == []
