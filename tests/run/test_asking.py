from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.data.schema import Status
from bench.errors import ChildError, ChildTimeout
from bench.model.case import Mode
from bench.model.precision import Precision
from bench.model.registry import discover
from bench.run.asking import Truths, ask_case, ask_device
from bench.run.plan import Planned, Selection, choose, plan_cases
from bench.timing.policy import SamplingPolicy
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
    assert ask_case(double, item, Path("/t.npz"), SamplingPolicy(), 1.0, Task.PROVE) == ok_reply
    (request,) = double.asked
    assert (request.implementation, request.backend) == ("numpy_manual", "numpy")
    assert (request.threads, request.mode, request.precision) == (3, Mode.RESIDENT_COLD, Precision.TF32)
    assert (request.problem, request.truth, request.policy) == (SMALL, "/t.npz", SamplingPolicy())
    assert (request.task, request.origins) == (Task.PROVE, ("file:/mine.py", item.implementation.origin))


def test_a_device_is_asked_with_its_settings_and_without_an_implementation(make_double: Any, monkeypatch: Any) -> None:
    item = planned()
    monkeypatch.setattr(item.backend, "origin", "file:/mine.py")
    double = make_double(lambda _: Reply(Status.OK))
    ask_device(double, item, Task.PEAKS, 1.0)
    (request,) = double.asked_for_peaks
    assert (request.implementation, request.truth, request.policy) == ("", "", None)
    assert (request.backend, request.origins) == ("numpy", ("file:/mine.py",))
    assert (request.threads, request.precision, request.problem) == (3, Precision.TF32, SMALL)


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (ChildError("its process died by SIGSEGV"), Reply(Status.FAILED, "its process died by SIGSEGV")),
        (
            ChildTimeout("x"),
            Reply(Status.TIMEOUT, "no answer for 2 s, so it was killed: raise --timeout if it is only slow"),
        ),
    ],
)
def test_whatever_becomes_of_a_process_is_a_reply(make_double: Any, error: ChildError, reply: Reply) -> None:
    def raises(_: object) -> Reply:
        raise error

    double = make_double(raises)
    double.peak = raises
    assert ask_case(double, planned(), Path("t"), None, 2.0) == reply
    assert ask_device(double, planned(), Task.PEAKS, 2.0) == reply


def test_a_truth_is_worked_out_once_for_a_workload_problem_and_precision(tmp_path: Path) -> None:
    truths = Truths(tmp_path)
    full, cold = (
        planned(precisions=(Precision.FULL,)),
        planned(modes=(Mode.RESIDENT_WARM,), precisions=(Precision.FULL,)),
    )
    assert truths.path(full.case) == truths.path(cold.case)
    assert truths.path(planned().case) != truths.path(full.case), "what TF32 cannot decide is more"
    assert len(list(tmp_path.iterdir())) == 2
