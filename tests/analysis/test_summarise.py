from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.data.manifest import WorkloadFacts
from bench.data.schema import Method, Status, SummaryRow
from bench.model.case import Mode
from bench.model.precision import Precision
from bench.model.problem import Problem
from bench.model.sizes import Sizes
from bench.model.workload import WORKLOADS
from bench.stats.estimates import exponential, mean_estimate, median_estimate, ratio_estimate
from bench.workloads import tutorial

UNKNOWN = [
    "median_seconds",
    "low_seconds",
    "high_seconds",
    "minimum_seconds",
    "share",
    "baseline",
    "speedup",
    "speedup_low",
    "speedup_high",
    "sync_tax",
    "sync_tax_low",
    "sync_tax_high",
    "gflops",
]


def only(rows: list[SummaryRow], implementation: str = "", **wanted: Any) -> SummaryRow:
    """The one row that fits."""
    wanted |= {"implementation": implementation} if implementation else {}
    found = [
        row
        for row in rows
        if all(getattr(row.case if hasattr(row.case, name) else row, name) == value for name, value in wanted.items())
    ]
    assert len(found) == 1, found
    return found[0]


def test_medians_and_minima_are_of_processes_and_an_iteration(made: Any) -> None:
    case = made.plan()
    # Medians 2, 4, 9; minima 1, 3, 8. All samples pooled would have the median 3 and the minimum 1.
    for number, step in enumerate([(1.0, 2.0, 3.0, 1.5, 2.5), (3.0, 4.0, 5.0), (8.0, 9.0, 10.0)]):
        made.process(case, number, step=step, iterations=4)
    row = only(made.summary())
    assert (row.median_seconds, row.minimum_seconds) == (4.0, 3.0)
    assert (row.processes, row.samples) == (3, 11)
    assert (row.low_seconds, row.high_seconds) == (None, None)
    assert (row.method, row.clock, row.variant, row.status, row.verified) == (
        Method.WHOLE,
        "host",
        None,
        Status.OK,
        True,
    )


def test_six_processes_give_the_interval_of_their_medians(made: Any) -> None:
    case = made.plan()
    medians = [5.0, 3.0, 4.0, 8.0, 6.0, 7.0]
    for number, median in enumerate(medians):
        made.process(case, number, step=[median - 0.5, median, median + 2])
    row, expected = only(made.summary()), median_estimate(medians)
    assert (row.median_seconds, row.low_seconds, row.high_seconds) == (expected.value, expected.low, expected.high)
    assert row.low_seconds is not None


def test_shares_are_parts_of_the_phases_sum_within_each_process(made: Any) -> None:
    case = made.plan()
    made.process(case, 0, step=[4.0], phases={"forward": [1.0], "backward": [2.0], "update": [1.0]})
    made.process(case, 1, step=[40.0], phases={"forward": [10.0], "backward": [20.0], "update": [10.0]})
    rows = made.summary()
    shares = {row.phase: row.share for row in rows if row.method is Method.STAGED}
    assert shares == pytest.approx({"forward": 0.25, "backward": 0.5, "update": 0.25})
    assert only(rows, phase="step").share is None
    assert only(rows, phase="backward").median_seconds == 11.0


def test_shares_are_unknown_if_a_phase_is_missing(made: Any) -> None:
    case = made.plan()
    made.process(case, 0, step=[4.0], phases={"forward": [1.0], "backward": [2.0]})
    rows = made.summary()
    assert {row.share for row in rows} == {None}
    assert only(rows, phase="step").sync_tax is None


def test_the_speedup_is_paired_by_round(made: Any) -> None:
    base, mine = made.plan(), made.plan("torch_tensor", "torch-cpu")
    # The machine becomes slower; the ratio in each round both ran in is 2, 4, 3. The ratio of medians would be another,
    # and so would the median of the ratios.
    for number, (of_base, of_mine) in enumerate([(2.0, 1.0), (40.0, 10.0), (300.0, 100.0), (5000.0, None)]):
        made.process(base, number, step=[of_base])
        if of_mine is not None:
            made.process(mine, number, step=[of_mine])
    rows = made.summary()
    row = only(rows, "torch_tensor")
    assert row.speedup == pytest.approx(24 ** (1 / 3))
    assert row.baseline == "numpy_manual"
    assert (row.speedup_low, row.speedup_high) == (None, None)
    assert only(rows, "numpy_manual").speedup == 1.0


def test_the_speedups_interval_is_that_of_the_rounds_ratios(made: Any) -> None:
    base, mine = made.plan(), made.plan("torch_tensor", "torch-cpu")
    times = [(2.0, 1.0), (3.0, 1.0), (2.5, 1.0), (2.2, 1.0), (2.8, 1.0), (6.0, 2.0), (1.5, 1.0)]
    for number, (of_base, of_mine) in enumerate(times):
        made.process(mine, number, step=[of_mine])
        made.process(base, number, step=[of_base])
    row = only(made.summary(), "torch_tensor")
    expected = exponential(mean_estimate([math.log(of_base / of_mine) for of_base, of_mine in times]))
    assert (row.speedup, row.speedup_low, row.speedup_high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )


def test_a_chosen_baseline_is_what_speedups_are_over_and_what_the_column_names(made: Any) -> None:
    cases = [made.plan(), made.plan("torch_tensor", "torch-cpu"), made.plan("torch_tensor", "torch-cpu", threads=1)]
    cases.append(made.plan("numpy_bias_sgd", workload="mlp_bias_sgd"))
    for case, seconds in zip(cases, (6.0, 3.0, 4.0, 1.0), strict=True):
        made.process(case, step=[seconds])
    told = {
        (row.case.implementation, row.case.threads): (row.baseline, row.speedup)
        for row in made.summary(baseline="torch_tensor,threads=1")
    }
    assert told == {
        ("numpy_manual", 2): ("torch_tensor,threads=1", pytest.approx(4 / 6)),
        ("torch_tensor", 2): ("torch_tensor,threads=1", pytest.approx(4 / 3)),
        ("torch_tensor", 1): ("torch_tensor", 1.0),
        ("numpy_bias_sgd", 2): ("numpy_bias_sgd", 1.0),
    }


def test_only_the_workloads_own_baseline_of_the_same_problem_counts(made: Any) -> None:
    others = [
        made.plan("numpy_bias_sgd", workload="mlp_bias_sgd"),
        made.plan(threads=1),
        made.plan(problem=tutorial(batch=128)),
    ]
    mine = made.plan("torch_tensor", "torch-cpu")
    for case in (*others, mine):
        made.process(case, step=[1.0])
    row = only(made.summary(), "torch_tensor")
    assert (row.baseline, row.speedup, row.speedup_low, row.speedup_high) == (None, None, None, None)


def test_no_round_in_common_means_no_speedup(made: Any) -> None:
    base, mine = made.plan(), made.plan("torch_tensor", "torch-cpu")
    made.process(base, 0, step=[1.0])
    made.process(mine, 1, step=[1.0])
    assert only(made.summary(), "torch_tensor").speedup is None


def test_the_sync_tax_compares_phases_and_whole_step_of_the_same_process(made: Any) -> None:
    case = made.plan()
    for number, (whole, part) in enumerate([(10.0, 4.0), (20.0, 10.0), (30.0, 11.0)]):  # ratios 1.2, 1.5, 1.1
        made.process(case, number, step=[whole], phases={"forward": [part], "backward": [part], "update": [part]})
    rows = made.summary()
    row = only(rows, phase="step")
    assert row.sync_tax == pytest.approx(0.2)
    assert (row.sync_tax_low, row.sync_tax_high) == (None, None)
    assert {other.sync_tax for other in rows if other.phase != "step"} == {None}


def test_the_sync_tax_has_an_interval_from_six_processes(made: Any) -> None:
    case = made.plan()
    parts = [1.0, 1.1, 1.2, 0.9, 1.3, 1.05]
    for number, part in enumerate(parts):
        made.process(case, number, step=[3.0], phases={"forward": [part], "backward": [part], "update": [part]})
    row, expected = only(made.summary(), phase="step"), ratio_estimate(parts, [1.0] * 6)
    assert (row.sync_tax, row.sync_tax_low, row.sync_tax_high) == pytest.approx(
        (expected.value - 1, expected.low - 1, expected.high - 1)
    )


def test_gflops_are_those_of_the_rows_own_phase(made: Any) -> None:
    case = made.plan()
    made.process(case, step=[0.004], phases={"forward": [0.001], "backward": [0.002], "update": [0.001]}, first=1.0)
    rows = made.summary()
    found = {row.phase: row.gflops for row in rows}
    workload = WORKLOADS["mlp_sgd"]
    assert found["step"] == pytest.approx(workload.flops(tutorial(), "step") / 0.004 / 1e9)
    assert found["forward"] == pytest.approx(12.928)
    assert found["backward"] == pytest.approx(6.528)
    assert (found["update"], found["first_step"]) == (None, None)


def test_the_first_step_has_a_row_of_its_own_and_stays_out_of_the_step(made: Any) -> None:
    case = made.plan()
    for number in range(3):
        made.process(case, number, step=[1.0], first=50.0 + number)
    rows = made.summary()
    assert only(rows, phase="first_step").median_seconds == 51.0
    assert only(rows, phase="first_step").speedup is None
    assert only(rows, phase="step").median_seconds == 1.0


def test_depths_have_rows_of_their_own_and_stay_out_of_the_headline(made: Any) -> None:
    case = made.plan("numpy_dynamic", workload="mlp_dynamic")
    for number in range(2):
        made.process(case, number, step=[2.5], by_variant={0: [1.0, 1.2, 1.1], 3: [4.0]})
    rows = made.summary()
    headline = only(rows, variant=None)
    assert (headline.median_seconds, headline.samples, headline.speedup) == (2.5, 2, 1.0)
    shallow, deep = only(rows, variant=0), only(rows, variant=3)
    assert (shallow.median_seconds, shallow.minimum_seconds, shallow.samples) == (1.1, 1.0, 6)
    assert deep.median_seconds == 4.0
    assert (deep.speedup, deep.baseline, deep.sync_tax) == (None, None, None)
    workload = WORKLOADS["mlp_dynamic"]
    assert deep.gflops == pytest.approx(workload.flops(tutorial(), "step", 3) / 4.0 / 1e9)
    assert headline.gflops == pytest.approx(workload.flops(tutorial(), "step") / 2.5 / 1e9)
    assert [row.variant for row in rows] == [None, 0, 3]


def test_profiled_phases_have_shares_but_no_gflops_and_no_sync_tax(made: Any) -> None:
    case = made.plan("tf_static_graph", "tf-graph")
    phases = {"forward": [1.0, 3.0, 2.0], "backward": [6.0], "update": [2.0]}
    made.process(case, step=[30.0], phases=phases, method=Method.PROFILED)
    rows = made.summary()
    profiled = {row.phase: row for row in rows if row.method is Method.PROFILED}
    assert {phase: row.share for phase, row in profiled.items()} == pytest.approx(
        {"forward": 0.2, "backward": 0.6, "update": 0.2}
    )
    assert {row.gflops for row in profiled.values()} == {None}
    step = only(rows, phase="step")
    assert (step.sync_tax, step.median_seconds) == (None, 30.0)


def test_a_profile_that_saw_no_phase_has_unknown_shares(made: Any) -> None:
    case = made.plan("tf_static_graph", "tf-graph")
    phases = {"forward": [0.0], "backward": [0.0], "update": [0.0]}
    made.process(case, step=[1.0], phases=phases, method=Method.PROFILED)
    assert {row.share for row in made.summary()} == {None}


def test_a_skipped_case_keeps_its_reason_and_no_numbers(made: Any) -> None:
    made.plan("torch_tensor", "torch-cuda", skipped="no CUDA device: no NVIDIA driver is installed")
    row = only(made.summary())
    assert (row.status, row.reason) == (Status.SKIPPED, "no CUDA device: no NVIDIA driver is installed")
    assert (row.phase, row.verified, row.processes, row.samples) == ("step", False, 0, 0)
    assert [getattr(row, name) for name in (*UNKNOWN, "method", "clock", "variant", "peak_bytes")] == [None] * 17


@pytest.mark.parametrize("status", [Status.FAILED, Status.WRONG, Status.TIMEOUT])
def test_one_bad_process_takes_the_case_out_with_its_reason(made: Any, status: Status) -> None:
    case, other = made.plan("torch_tensor", "torch-cpu"), made.plan("torch_autograd", "torch-cpu")
    made.process(case, 0, step=[1.0])
    made.process(other, 0, step=[1.0])
    made.process(case, 1, status=status, reason="w1: relative error 0.5, more than 1e-04.", verified=False)
    rows = made.summary()
    row = only(rows, "torch_tensor")
    assert (row.status, row.reason) == (status, "w1: relative error 0.5, more than 1e-04.")
    assert row.verified is False
    assert [getattr(row, name) for name in UNKNOWN] == [None] * len(UNKNOWN)
    assert only(rows, "torch_autograd").status is Status.OK


def test_a_case_that_was_never_reached_says_so(made: Any) -> None:
    made.plan()
    row = only(made.summary())
    assert row.status is Status.SKIPPED
    assert "--budget" in row.reason
    assert row.median_seconds is None


def test_samples_of_a_process_that_did_not_finish_are_left_out(made: Any) -> None:
    case = made.plan()
    made.process(case, 0, step=[1.0])
    made.process(case, 1, step=[100.0, 100.0], finished=False)
    row = only(made.summary())
    assert (row.median_seconds, row.processes, row.samples) == (1.0, 1, 1)


def test_a_case_is_verified_only_if_all_its_processes_are(made: Any) -> None:
    case = made.plan()
    made.process(case, 0, step=[1.0], verified=True)
    made.process(case, 1, step=[1.0], verified=False)
    assert only(made.summary()).verified is False


def test_rows_follow_the_plan_and_begin_with_the_whole_step(made: Any) -> None:
    slow, fast = made.plan("torch_tensor", "torch-cpu"), made.plan()
    for case in (fast, slow):
        made.process(case, step=[1.0], phases={"update": [0.1], "backward": [0.1], "forward": [0.1]}, first=2.0)
    order = [(row.case.implementation, row.phase) for row in made.summary()]
    phases = ["step", "first_step", "forward", "backward", "update"]
    assert order == [(name, phase) for name in ("torch_tensor", "numpy_manual") for phase in phases]


def test_rows_carry_the_plans_columns_with_plain_types(made: Any) -> None:
    case = made.plan("numpy_dynamic", workload="mlp_dynamic", threads=3, problem=tutorial(batch=5))
    made.process(case, step=[1.0], by_variant={1: [1.0]}, peak_bytes=7)
    rows = made.summary()
    for row in rows:
        assert row.case.columns == made.planned[0].columns
        assert json.dumps({**vars(row), "case": row.case.columns}, allow_nan=False)


def test_a_run_without_samples_gives_one_row_a_case(made: Any) -> None:
    made.plan()
    made.plan("torch_tensor", "torch-cpu")
    assert [(row.case.implementation, row.status) for row in made.summary()] == [
        ("numpy_manual", Status.SKIPPED),
        ("torch_tensor", Status.SKIPPED),
    ]


# A device with its own clock


def test_rows_of_the_devices_clock_keep_apart_from_those_of_the_hosts(made: Any) -> None:
    base, case = (
        made.plan("numpy_bias_sgd", workload="mlp_bias_sgd"),
        made.plan("torch_nn", "torch-cuda", workload="mlp_bias_sgd"),
    )
    host = {"forward": [3.0], "backward": [4.0], "update": [3.0]}
    device = {"forward": [1.0], "backward": [2.0], "update": [1.0], "step": [4.0]}
    for number in range(6):
        made.process(base, number, step=[20.0])
        made.process(case, number, step=[8.0], phases=host, on_device=device)
    rows = [row for row in made.summary() if row.case.implementation == "torch_nn"]
    step, on_device = (only(rows, phase="step", clock=clock) for clock in ("host", "device"))
    assert (step.median_seconds, on_device.median_seconds) == (8.0, 4.0)
    assert (step.speedup, on_device.speedup, on_device.baseline) == (pytest.approx(2.5), None, None)
    assert step.sync_tax == pytest.approx(10 / 8 - 1), "the host's phases over the host's step"
    assert on_device.sync_tax is None
    assert on_device.gflops == pytest.approx(2 * step.gflops)
    assert [(row.clock, row.phase) for row in rows] == [
        (clock, phase) for clock in ("host", "device") for phase in ("step", "forward", "backward", "update")
    ]


@pytest.mark.parametrize("method", [Method.STAGED, Method.BATCHED])
def test_shares_and_the_sync_tax_are_told_for_each_clock_by_itself(made: Any, method: Method) -> None:
    case = made.plan("torch_nn", "torch-cuda", workload="mlp_bias_sgd")
    made.process(
        case,
        step=[8.0],
        phases={"forward": [3.0], "backward": [4.0], "update": [3.0]},
        on_device={"forward": [1.0], "backward": [2.0], "update": [1.0], "step": [4.0]},
        device_method=method,
    )
    rows = made.summary()
    assert only(rows, phase="step", clock="host").sync_tax == pytest.approx(10 / 8 - 1)
    shares = {(row.clock, row.phase): row.share for row in rows}
    assert shares == {
        ("host", "step"): None,
        ("host", "forward"): pytest.approx(0.3),
        ("host", "backward"): pytest.approx(0.4),
        ("host", "update"): pytest.approx(0.3),
        ("device", "step"): None,
        ("device", "forward"): pytest.approx(0.25),
        ("device", "backward"): pytest.approx(0.5),
        ("device", "update"): pytest.approx(0.25),
    }


def test_times_by_the_device_alone_are_no_headline(made: Any) -> None:
    base, case = made.plan(), made.plan("torch_tensor", "torch-cuda")
    made.process(base, on_device={"step": [1.0]})
    made.process(case, step=[1.0])
    assert only(made.summary(), "torch_tensor").speedup is None


# Modes


@pytest.mark.parametrize("mode", Mode)
def test_the_baseline_of_a_transferred_case_is_the_resident_one_as_warm_or_cold(made: Any, mode: Mode) -> None:
    mine = made.plan("torch_tensor", "torch-cuda", mode=mode)
    made.process(mine, step=[1.0])
    for seconds, other in ((2.0, Mode.RESIDENT_WARM), (3.0, Mode.RESIDENT_COLD)):
        made.process(made.plan(mode=other), step=[seconds])
    row = only(made.summary(), "torch_tensor")
    assert row.speedup == pytest.approx(3.0 if mode.cold else 2.0)


@pytest.mark.parametrize("change", [{"threads": 1}, {"precision": Precision.TF32}, {"mode": Mode.RESIDENT_COLD}])
def test_a_baseline_with_other_threads_precision_or_caches_is_none(made: Any, change: dict[str, Any]) -> None:
    made.process(made.plan(**change), step=[2.0])
    made.process(made.plan("torch_tensor", "torch-cuda", mode=Mode.TRANSFERRED_WARM), step=[1.0])
    assert only(made.summary(), "torch_tensor").speedup is None


def test_another_precision_is_related_to_the_same_implementation_and_backend_at_full(made: Any) -> None:
    cases = {
        "own": made.plan("torch_nn", "torch-cpu", "mlp_bias_sgd"),
        "full": made.plan("torch_nn", "torch-cuda", "mlp_bias_sgd"),
        "tf32": made.plan("torch_nn", "torch-cuda", "mlp_bias_sgd", precision=Precision.TF32),
    }
    times = {"own": 80.0, "full": 6.0, "tf32": 2.0}
    for number in range(7):
        for name, case in cases.items():
            made.process(case, number, step=[times[name] * 1.5**number], phases={"forward": [1.0]})
    rows = made.summary()
    low = only(rows, phase="step", precision=Precision.TF32)
    ends = (low.precision_speedup, low.precision_speedup_low, low.precision_speedup_high)
    assert ends == pytest.approx((3.0, 3.0, 3.0))
    assert low.baseline is None  # numpy was not measured
    assert {row.precision_speedup for row in rows if row is not low} == {None}


def test_without_the_case_at_full_there_is_nothing_to_relate_a_precision_to(made: Any) -> None:
    made.process(made.plan("torch_nn", "torch-cuda", precision=Precision.TF32), step=[1.0])
    made.process(made.plan("torch_nn", "torch-cuda", threads=1), step=[1.0])
    assert {row.precision_speedup for row in made.summary()} == {None}


def test_throughput_is_the_batch_over_the_time_of_a_whole_step(made: Any) -> None:
    case = made.plan(problem=tutorial(batch=32))
    made.process(case, step=[0.25], phases={"forward": [0.125]}, by_variant={1: [0.5]}, first=1.0)
    assert {(row.phase, row.variant): row.per_second for row in made.summary()} == {
        ("step", None): 128.0,
        ("step", 1): None,
        ("forward", None): None,
        ("first_step", None): None,
    }


def test_a_workload_without_a_size_called_batch_has_no_throughput(made: Any) -> None:
    made.process(made.plan(workload="mine", problem=Problem(Sizes(rows=32))), step=[0.25])
    facts = WorkloadFacts(title="", baseline="numpy_manual", sizes=["rows"])
    assert only(made.summary(workloads={"mine": facts})).per_second is None


# Throttling


def test_a_throttled_round_is_left_out_for_all_cases(made: Any) -> None:
    """In round 1 the GPU was throttled, and the CPU's process of that round goes as well: it shared the heat."""
    base, mine = made.plan(), made.plan("torch_tensor", "torch-cuda")
    for number, (slow, fast) in enumerate([(2.0, 1.0), (50.0, 30.0), (4.0, 1.0), (3.0, 1.0)]):
        made.process(base, number, step=[slow])
        made.process(mine, number, step=[fast], throttled="thermal" if number == 1 else "")
    rows = made.summary()
    one, other = only(rows, "numpy_manual"), only(rows, "torch_tensor")
    assert (one.median_seconds, other.median_seconds, other.speedup) == (3.0, 1.0, pytest.approx(24 ** (1 / 3)))
    assert [(row.processes, row.samples, row.invalid_rounds) for row in (one, other)] == [(3, 3, 1)] * 2


def test_if_all_rounds_were_throttled_all_of_them_count(made: Any) -> None:
    case = made.plan("torch_tensor", "torch-cuda")
    for number in range(3):
        made.process(case, number, step=[1.0 + number], throttled="power cap")
    row = only(made.summary())
    assert (row.status, row.median_seconds, row.processes, row.invalid_rounds) == (Status.OK, 2.0, 3, 0)


def test_sizes_that_joined_a_sweep_later_stand_among_the_others(build: ModuleType, tmp_path: Path) -> None:
    """In the order of sizes, and inside a size in that of the plan."""
    made = build.HandMade(tmp_path / "run")
    plan = [("numpy_manual", "numpy"), ("torch_nn", "torch-cpu")]
    for hidden, names in ((10, plan), (40, plan), (20, plan[::-1])):
        for name, backend in names:
            made.process(made.plan(name, backend, problem=tutorial(hidden=hidden)), step=[1.0])
    for item in made.planned[-2:]:
        item.added = True
    found = [(row.case.problem.hidden, row.case.implementation) for row in made.summary()]
    assert found == [(hidden, name) for hidden in (10, 20, 40) for name, _ in plan]


def test_device_samples_that_hold_the_hosts_time_are_counted_by_phase(made: Any) -> None:
    case = made.plan("torch_nn", "torch-cuda", workload="mlp_bias_sgd")
    made.process(case, step=[8.0], on_device={"forward": [1.0] * 3, "step": [4.0] * 3})
    made.samples = [
        replace(row, flags="preempted launch_bound" if row.clock == "device" and row.turn != 1 else "preempted")
        for row in made.samples
    ]
    found = {(row.clock, row.phase): row.launch_bound for row in made.summary()}
    assert found == {("host", "step"): None, ("device", "forward"): 2, ("device", "step"): 2}
