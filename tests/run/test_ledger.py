from __future__ import annotations

import math

import pytest

from bench.model.case import Case, Mode
from bench.model.discovery import discover
from bench.run.ledger import MIN_ROUNDS, Ledger
from bench.run.plan import Planned, Selection, choose, plan_cases


def ledger_of(*names: str) -> tuple[Ledger, dict[str, Case]]:
    planned = plan_cases(Selection(choose(discover(), names), devices=("cpu",)))
    return Ledger(planned), {item.case.implementation: item.case for item in planned}


def fill(ledger: Ledger, case: Case, times: list[float]) -> None:
    for number, seconds in enumerate(times):
        ledger.record(case, number, {0: seconds})


def test_a_contender_is_judged_by_its_speedup_which_a_common_drift_leaves_alone() -> None:
    ledger, cases = ledger_of("numpy_manual", "torch_tensor")
    drift = [1.0, 1.3, 0.8, 1.1, 2.0, 0.7]
    fill(ledger, cases["numpy_manual"], [2.0 * d for d in drift])
    fill(ledger, cases["torch_tensor"], [1.0 * d for d in drift])
    estimate = ledger.estimate(cases["torch_tensor"])
    assert estimate is not None
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((2.0, 2.0, 2.0))
    assert ledger.widest() == (cases["torch_tensor"], pytest.approx(0.0, abs=1e-12))
    assert ledger.needing(0.02) == []


def test_a_lone_case_is_judged_by_its_own_time() -> None:
    ledger, cases = ledger_of("torch_tensor")
    fill(ledger, cases["torch_tensor"], [1.0, 1.1, 0.9, 1.2, 0.8, 1.0])
    assert 0.1 < ledger.width(cases["torch_tensor"]) <= 0.2  # at most from the smallest to the largest


def test_without_an_interval_a_case_is_as_unsure_as_can_be() -> None:
    ledger, cases = ledger_of("numpy_manual", "torch_tensor")
    assert ledger.width(cases["torch_tensor"]) == math.inf
    fill(ledger, cases["numpy_manual"], [1.0] * (MIN_ROUNDS - 1))
    fill(ledger, cases["torch_tensor"], [1.0] * (MIN_ROUNDS - 1))
    assert ledger.width(cases["torch_tensor"]) == math.inf


def test_time_goes_to_the_wider_half_with_its_baselines() -> None:
    ledger, cases = ledger_of("numpy_manual", "torch_tensor", "torch_autograd", "torch_custom_function")
    fill(ledger, cases["numpy_manual"], [1.0] * 6)
    for name, spread in (("torch_tensor", 0.001), ("torch_autograd", 0.3), ("torch_custom_function", 0.1)):
        fill(ledger, cases[name], [1.0 + spread * sign for sign in (-1, 1, -0.5, 0.5, 0, 0.2)])
    assert ledger.needing(0.02) == [cases["torch_autograd"], cases["numpy_manual"]]
    widest = ledger.widest()
    assert widest is not None
    assert widest[0] == cases["torch_autograd"]
    assert ledger.needing(0.5) == []


def test_a_case_without_its_baseline_is_judged_alone() -> None:
    ledger, cases = ledger_of("numpy_manual", "torch_tensor")
    fill(ledger, cases["numpy_manual"], [1.0] * 6)
    fill(ledger, cases["torch_tensor"], [2.0] * 6)
    ledger.drop(cases["numpy_manual"])
    estimate = ledger.estimate(cases["torch_tensor"])
    assert estimate is not None
    assert estimate.value == 2.0
    ledger.drop(cases["torch_tensor"])
    assert ledger.widest() is None


def test_an_invalid_round_is_forgotten_for_every_case() -> None:
    ledger, cases = ledger_of("numpy_manual", "torch_tensor")
    fill(ledger, cases["numpy_manual"], [2.0] * 7)
    fill(ledger, cases["torch_tensor"], [1.0, 1.0, 500.0, 1.0, 1.0, 1.0, 1.0])
    ledger.forget(2)
    estimate = ledger.estimate(cases["torch_tensor"])
    assert estimate is not None
    assert (estimate.value, estimate.high) == pytest.approx((2.0, 2.0))
    for number in range(7):
        ledger.forget(number)
    assert ledger.estimate(cases["torch_tensor"]) is None
    assert ledger.width(cases["torch_tensor"]) == math.inf


def test_a_transferred_case_is_judged_over_the_resident_baseline() -> None:
    modes = (Mode.RESIDENT_WARM, Mode.TRANSFERRED_WARM)
    chosen = Selection(choose(discover(), ["numpy_bias_sgd", "torch_nn"]), modes=modes)
    planned = [Planned(item.case, item.implementation) for item in plan_cases(chosen)]
    ledger = Ledger(planned)
    (baseline,) = (item.case for item in planned if item.case.backend == "numpy")
    (moved,) = (item.case for item in planned if item.case.mode is Mode.TRANSFERRED_WARM)
    fill(ledger, baseline, [3.0] * 6)
    fill(ledger, moved, [1.0] * 6)
    estimate = ledger.estimate(moved)
    assert estimate is not None
    assert estimate.value == pytest.approx(3.0)


def test_what_disturbs_a_turn_falls_on_both_sides_of_it() -> None:
    ledger, cases = ledger_of("numpy_manual", "torch_tensor")
    for number in range(MIN_ROUNDS):
        for name, seconds in (("numpy_manual", 2.0), ("torch_tensor", 1.0)):
            ledger.record(cases[name], number, {turn: seconds * (1 + turn + number) for turn in range(4)})
    estimate = ledger.estimate(cases["torch_tensor"])
    assert estimate is not None
    assert (estimate.low, estimate.high) == pytest.approx((2.0, 2.0))


def test_a_round_may_hold_several_processes_of_a_baseline() -> None:
    """A group that memory does not hold at once is split, with its baseline in each part."""
    ledger, cases = ledger_of("numpy_manual", "torch_tensor", "torch_autograd")
    for number in range(MIN_ROUNDS):
        ledger.record(cases["numpy_manual"], number, {0: 2.0, 1: 2.0})
        ledger.record(cases["torch_tensor"], number, {0: 1.0, 1: 1.0})
        ledger.record(cases["numpy_manual"], number, {2: 6.0, 3: 6.0})
        ledger.record(cases["torch_autograd"], number, {2: 2.0, 3: 2.0})
    estimates = [ledger.estimate(cases[name]) for name in ("torch_tensor", "torch_autograd")]
    assert [each and each.value for each in estimates] == pytest.approx([2.0, 3.0])
