"""Rates that the device cannot reach: such a time is wrong, whatever it computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.analysis.summarise import IMPOSSIBLE, PEAK_ALLOWANCE, exceeds_peak
from bench.data.manifest import CountedWork
from bench.data.schema import Status, SummaryRow
from bench.model.workload import WORKLOADS
from bench.workloads import tutorial


def step_of(rows: list[SummaryRow], implementation: str = "numpy_manual") -> SummaryRow:
    """The one row of a whole step."""
    (found,) = [row for row in rows if row.case.implementation == implementation and row.phase == "step"]
    return found


def timed_at(made: Any, rate: float, **peak: Any) -> list[SummaryRow]:
    """One case whose step runs at that rate, and one whose step is a thousand times slower, over a peak of 100."""
    flops = WORKLOADS["mlp_sgd"].flops(tutorial(), "step")
    assert flops is not None
    seconds = flops / (rate * 1e9)
    fast, slow = made.plan(), made.plan("torch_tensor", "torch-cpu")
    phases = {phase: [seconds / 3] for phase in ("forward", "backward", "update")}
    made.process(fast, step=[seconds], phases=phases, first=1.0)
    made.process(slow, step=[1000 * seconds])
    rows: list[SummaryRow] = made.summary(peaks=[made.peak(**peak)])
    return rows


def test_a_rate_that_the_device_cannot_reach_is_wrong_and_says_both_figures(made: Any) -> None:
    rows = timed_at(made, 301.0)
    row = step_of(rows)
    assert row.status is Status.WRONG
    assert row.reason.startswith("impossible: 301 GFLOP/s, where the device's measured peak is 100; ")
    numbers = "median_seconds low_seconds high_seconds minimum_seconds share baseline speedup speedup_low speedup_high "
    numbers += "sync_tax sync_tax_low sync_tax_high gflops peak_fraction"
    assert {getattr(row, name) for name in numbers.split()} == {None}
    assert step_of(rows, "torch_tensor").status is Status.OK


@pytest.mark.parametrize("gflops", [100 * PEAK_ALLOWANCE * (1 - 1e-9), 99.0, 1.0])
def test_a_rate_within_the_allowance_is_possible(made: Any, gflops: float) -> None:
    row = step_of(timed_at(made, gflops))
    assert (row.status, row.reason) == (Status.OK, "")
    assert row.gflops == pytest.approx(gflops)
    assert row.peak_fraction == pytest.approx(gflops / 100)


@pytest.mark.parametrize("gflops", [100 * PEAK_ALLOWANCE * (1 + 1e-9), 299.0])
def test_of_a_rate_beyond_it_the_peak_is_unknown(made: Any, build: ModuleType, gflops: float) -> None:
    """The step was verified and waited for, so it is the products of the peak that were disturbed."""
    rows = timed_at(made, gflops)
    row = step_of(rows)
    assert (row.status, row.reason, row.peak_fraction) == (Status.OK, "", None)
    assert row.gflops == pytest.approx(gflops)
    manifest = build.make_manifest(peaks=[build.make_peak()])
    assert [exceeds_peak(manifest, each) for each in rows if each.phase == "step"] == [True, False]


def test_exactly_at_the_multiple_is_possible(made: Any, build: ModuleType, tmp_path: Path) -> None:
    """A peak that makes the multiple the very rate that was found."""
    found = step_of(timed_at(made, 50.0)).gflops
    assert found is not None
    for peak, status in ((found / IMPOSSIBLE, Status.OK), (found / IMPOSSIBLE * (1 - 1e-12), Status.WRONG)):
        made = build.HandMade(tmp_path / status)
        made.peak = build.make_peak
        rows = timed_at(made, 50.0, gflops=peak)
        assert {row.status for row in rows if row.case.implementation == "numpy_manual"} == {status}


@pytest.mark.parametrize(
    "peak", [{"threads": 1}, {"dtype": "float64"}, {"precision": "tf32"}, {"backend": "torch-cuda"}]
)
def test_the_peak_of_anything_else_says_nothing(made: Any, peak: dict[str, Any]) -> None:
    row = step_of(timed_at(made, 1000.0, **peak))
    assert (row.status, row.peak_fraction) == (Status.OK, None)


def test_the_best_that_any_backend_reached_on_the_device_is_its_peak(made: Any) -> None:
    case = made.plan()
    made.process(case, step=[1.0])
    rows = made.summary(
        peaks=[made.peak(gflops=7.0), made.peak("torch-cpu", gflops=8.0), made.peak("tf-graph", gflops=2)]
    )
    row = step_of(rows)
    assert row.peak_fraction == pytest.approx(row.gflops / 8)


def test_an_impossible_time_by_the_devices_clock_is_refused_as_well(made: Any) -> None:
    """What was not waited for may show there only."""
    flops = WORKLOADS["mlp_sgd"].flops(tutorial(), "step")
    made.process(made.plan("torch_tensor", "torch-cuda"), step=[1.0], on_device={"step": [flops / 1e9 / 1000]})
    row = step_of(made.summary(peaks=[made.peak("torch-cuda")]), "torch_tensor")
    assert row.status is Status.WRONG
    assert "impossible: 1000 GFLOP/s" in row.reason


def test_a_rate_that_was_counted_is_shown_and_never_calls_a_step_impossible(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = WORKLOADS["mlp_sgd"]
    monkeypatch.setitem(WORKLOADS, "mlp_sgd", replace(own, program=object()))
    case = made.plan()
    made.process(case, step=[1.0], phases={"forward": [0.5], "backward": [0.25], "update": [0.25]}, first=9.0)
    flops = {"forward": 100e9, "backward": 300e9, "update": 0.0}
    counted = CountedWork(workload="mlp_sgd", sizes=dict(case.problem.sizes), flops=flops)
    rows = made.summary(peaks=[made.peak()], counted=[counted])
    found = {row.phase: (row.gflops, row.peak_fraction) for row in rows}
    assert found == {
        "step": (400, 4),
        "first_step": (None, None),
        "forward": (200, 2),
        "backward": (1200, 12),
        "update": (0, 0),
    }
    assert step_of(rows).status is Status.OK
