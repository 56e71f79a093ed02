from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.data.schema import Status
from bench.errors import ChildError, ChildTimeout
from bench.model.case import Mode
from bench.model.discovery import discover
from bench.model.precision import Precision
from bench.oracle.array_error import ArrayError
from bench.oracle.perturbed import MORE_RUNS, RUNS
from bench.oracle.verify import Verification
from bench.run.asking import Truths, ask_case, ask_device
from bench.run.plan import Planned, Selection, choose, plan_cases
from bench.timing.protocol import Reply, Task
from bench.workloads import tutorial

SMALL = tutorial(batch=8, d_in=6, hidden=5, d_out=3)


def planned(**options: Any) -> Planned:
    given = {"threads": (3,), "modes": (Mode.RESIDENT_COLD,), "precisions": (Precision.TF32,)} | options
    (item,) = plan_cases(Selection(choose(discover(), ["numpy_manual"]), SMALL.sizes, **given))
    return item


def test_a_case_is_asked_for_with_all_that_it_is(make_double: Any, ok_reply: Reply, monkeypatch: Any) -> None:
    item = planned()
    monkeypatch.setattr(item.backend, "origin", "file:/mine.py")
    double = make_double(lambda _: ok_reply)
    assert ask_case(double, item, Truths(double, 1.0), 1.0, Task.PROVE) == ok_reply
    (request,) = double.asked
    assert (request.implementation, request.backend) == ("numpy_manual", "numpy")
    assert (request.threads, request.mode, request.precision) == (3, Mode.RESIDENT_COLD, Precision.TF32)
    truth = str(double.scratch / "truth-0.npz")
    assert (request.problem, request.truth) == (SMALL, truth)
    assert (request.task, request.origins) == (Task.PROVE, ("file:/mine.py", item.implementation.origin))


def test_a_device_is_asked_with_its_settings_and_without_an_implementation(make_double: Any, monkeypatch: Any) -> None:
    item = planned()
    monkeypatch.setattr(item.backend, "origin", "file:/mine.py")
    double = make_double(lambda _: Reply(Status.OK))
    ask_device(double, item, Task.PEAKS, 1.0)
    (request,) = double.asked_for_peaks
    assert (request.implementation, request.truth) == ("", "")
    assert (request.backend, request.origins) == ("numpy", ("file:/mine.py",))
    assert (request.threads, request.precision, request.problem) == (3, Precision.TF32, SMALL)


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (ChildError("its process died by SIGSEGV"), Reply(Status.FAILED, "its process died by SIGSEGV")),
        (ChildTimeout("no answer for 2 s"), Reply(Status.TIMEOUT, "no answer for 2 s")),
    ],
)
def test_whatever_becomes_of_a_process_is_a_reply(make_double: Any, error: ChildError, reply: Reply) -> None:
    def raises(_: object) -> Reply:
        raise error

    double = make_double(raises)
    double.peak = raises
    assert ask_case(double, planned(), Truths(double, 2.0), 2.0) == reply
    assert ask_device(double, planned(), Task.PEAKS, 2.0) == reply


def test_a_truth_is_found_out_once_for_a_workload_problem_and_precision(make_double: Any, ok_reply: Reply) -> None:
    double = make_double(lambda _: ok_reply)
    truths = Truths(double, 2.0, ["/side"])
    full, cold = (
        planned(precisions=(Precision.FULL,)),
        planned(modes=(Mode.RESIDENT_WARM,), precisions=(Precision.FULL,)),
    )
    assert truths.path(full) == truths.path(cold)
    assert truths.path(planned()) != truths.path(full), "what TF32 cannot decide is more"
    assert [(one.task, one.backend, one.path) for one in double.asked_for_truths] == [
        (Task.TRUTH, "numpy", ("/side",)),
    ] * 2


def test_without_a_truth_a_case_has_failed_with_the_reason_and_is_not_tried_again(make_double: Any) -> None:
    double = make_double(lambda _: Reply(Status.OK))
    double.truth = lambda _: Reply(Status.FAILED, "NaN in step 2")
    truths = Truths(double, 2.0)
    for _ in range(2):
        reply = ask_case(double, planned(), truths, 2.0)
        assert reply.status is Status.FAILED
        assert "the truth of mlp_sgd is not to be had: NaN in step 2" in reply.reason
    assert (len(double.asked_for_truths), double.asked) == (1, [])


def wrong(ratio: float) -> Reply:
    found = Verification(False, "off", 1, (ArrayError("loss", "", 1, ratio, 1.0),))
    return Reply(Status.WRONG, "off", verification=found)


@pytest.mark.parametrize(("ratio", "runs"), [(2.0, [RUNS, MORE_RUNS]), (1e6, [RUNS])])
def test_a_refusal_in_doubt_is_judged_once_more_by_more_runs(make_double: Any, ratio: float, runs: list[int]) -> None:
    item = planned()
    workload = replace(item.implementation.workload, knows_edges=False)  # as of one without a reference of that kind
    item = replace(item, implementation=replace(item.implementation, workload=workload))
    double = make_double(lambda _: wrong(ratio))
    assert ask_case(double, item, Truths(double, 2.0), 2.0).status is Status.WRONG
    assert [request.runs for request in double.asked_for_truths] == runs
    assert len(double.asked) == len(runs)


@pytest.mark.parametrize("timeout", [None, 2.0])
def test_a_limit_that_was_asked_for_holds_of_all_processes_alike(
    make_double: Any, ok_reply: Reply, timeout: float | None
) -> None:
    double = make_double(lambda _: ok_reply)
    item = planned()
    compiled = replace(item, implementation=replace(item.implementation, compiles=True))
    for each in (item, compiled):
        ask_case(double, each, Truths(double, timeout), timeout)
    assert double.timeouts == [timeout] * 2
