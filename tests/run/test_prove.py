from __future__ import annotations

from typing import Any

from bench.data.schema import Status
from bench.model.discovery import discover
from bench.oracle.array_error import ArrayError
from bench.oracle.verify import Verification
from bench.run.plan import Selection, choose, plan_cases
from bench.run.prove import Proof, prove
from bench.timing.proof import Check
from bench.timing.protocol import Reply, Request, Task
from bench.workloads import tutorial

SMALL = tutorial(batch=8, d_in=6, hidden=5, d_out=3)
PLANNED = plan_cases(Selection(choose(discover(), ["numpy_manual", "numpy_adam"]), SMALL.sizes))
GOOD = Verification(True, "", 4, (ArrayError("loss", "", 1, 1e-7, 1e-4), ArrayError("change", "w1", 2, 3e-6, 1e-4)))


def proved(make_double: Any, seen: Any, answer: Any) -> tuple[list[Proof], list[Request]]:
    double = make_double(answer)
    return prove(PLANNED, double, seen, 1.0), double.asked


def test_a_device_is_checked_once_and_then_each_case(make_double: Any, seen: Any) -> None:
    def answer(request: Request) -> Reply:
        if request.task is Task.CLOCKS:
            return Reply(Status.OK, checks=(Check("second clock", True, "agrees"),))
        if not request.implementation:
            return Reply(Status.OK, checks=(Check("hold", True, "waits"), Check("doubling", False, "1.5 times")))
        return Reply(Status.OK, verification=GOOD, checks=(Check("no synchronisation", True, "only enqueues"),))

    proofs, asked = proved(make_double, seen, answer)
    assert [(proof.subject, proof.check.name, proof.check.passed) for proof in proofs] == [
        ("numpy", "hold", True),
        ("numpy", "doubling", False),
        ("numpy", "second clock", True),
        ("numpy_manual on numpy", "equal to the oracle", True),
        ("numpy_manual on numpy", "no synchronisation", True),
        ("numpy_adam on numpy", "equal to the oracle", True),
        ("numpy_adam on numpy", "no synchronisation", True),
    ]
    assert proofs[3].check.detail == "loss off by 1.0e-07, change off by 3.0e-06"
    assert [request.task for request in asked] == [Task.PROVE, Task.CLOCKS, Task.PROVE, Task.PROVE]
    assert (asked[1].implementation, asked[1].truth) == ("numpy_manual", "")


def test_what_fails_is_a_failed_check_with_its_reason(make_double: Any, seen: Any) -> None:
    def answer(request: Request) -> Reply:
        if not request.implementation:
            return Reply(Status.FAILED, "RuntimeError: no such device")
        wrong = Verification(False, "the loss is off", 1, (ArrayError("loss", "", 1, 1.0, 1e-4),))
        return Reply(Status.WRONG, "the loss is off", verification=wrong)

    proofs, _ = proved(make_double, seen, answer)
    assert [(proof.check.passed, proof.check.detail) for proof in proofs] == [
        (False, "RuntimeError: no such device"),
        (False, "the loss is off"),
        (False, "the loss is off"),
        (False, "the loss is off"),
    ]
