"""The largest value that fits: which are tried, what counts as too large, and what as a failure."""

from __future__ import annotations

from typing import Any

import pytest

from bench.data.schema import Status
from bench.model.discovery import discover
from bench.run import fit
from bench.run.fit import Fit, find_fits, largest, measurable, values
from bench.run.plan import Selection, choose, plan_cases
from bench.timing.protocol import Reply, Request, Task


def tried(most: int, start: int = 8) -> tuple[int | None, list[int]]:
    seen: list[int] = []

    def fits(value: int) -> bool:
        seen.append(value)
        return value <= most

    return largest(fits, start), seen


def test_it_doubles_and_then_halves_what_is_left_until_a_twentieth() -> None:
    assert tried(100) == (100, [8, 16, 32, 64, 128, 96, 112, 104, 100])
    assert tried(7) == (None, [8])
    assert tried(1, start=1) == (1, [1, 2])
    for most in (9, 77, 1000, 123_456):
        found, seen = tried(most)
        assert found is not None
        assert found <= most <= max(found + 1, 1.05 * found)
        assert len(seen) < 25


def test_values_go_by_the_factor_to_the_largest_and_no_further() -> None:
    assert values(8, 100, 2.0) == [8, 16, 32, 64, 100]
    assert values(8, 64, 4.0) == [8, 32, 64]
    assert values(8, 8, 2.0) == [8]
    assert (measurable(1200, 8, 4), measurable(20, 8, 4)) == (200, 8)


def found(make_double: Any, answer: Any) -> tuple[list[Fit], list[Request]]:
    double = make_double(answer)
    planned = plan_cases(Selection(choose(discover(), ("numpy_manual",)), {"batch": 8}, threads=(1, 2)))
    told: list[Fit] = []
    assert find_fits(planned, "batch", double, None, told.append) == told
    return told, double.asked


@pytest.mark.parametrize(
    "reason",
    [
        "_ArrayMemoryError: Unable to allocate 9 GiB",
        "RuntimeError: [enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes",
        "OutOfMemoryError: CUDA out of memory.",
        "JaxRuntimeError: RESOURCE_EXHAUSTED: Out of memory",
        "its process died by SIGABRT",
    ],
)
def test_each_way_to_run_out_of_memory_is_too_large(make_double: Any, monkeypatch: Any, reason: str) -> None:
    monkeypatch.setattr(fit, "available", lambda: 77)

    def answer(request: Request) -> Reply:
        return Reply(Status.OK) if request.problem.sizes["batch"] <= 300 else Reply(Status.FAILED, reason)

    told, asked = found(make_double, answer)
    assert told == [Fit("numpy_manual", "numpy", 296)]
    assert {(request.task, request.memory_bytes, request.threads) for request in asked} == {(Task.FIT, 77, 1)}


def test_any_other_failure_is_one_and_the_first_that_is_too_large_says_so(make_double: Any) -> None:
    told, asked = found(make_double, lambda request: Reply(Status.FAILED, "ValueError: a bug"))
    assert told == [Fit("numpy_manual", "numpy", None, "ValueError: a bug")]
    told, asked = found(make_double, lambda request: Reply(Status.FAILED, "MemoryError: no message"))
    assert told == [Fit("numpy_manual", "numpy", None, "batch 8 does not fit")]
    assert len(asked) == 1


def test_what_a_workload_says_is_too_large_is_not_tried(make_double: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(fit, "too_large", lambda workload, problem, backend: "" if problem.batch <= 20 else "large")
    told, asked = found(make_double, lambda request: Reply(Status.OK))
    assert told == [Fit("numpy_manual", "numpy", 20)]
    assert max(request.problem.sizes["batch"] for request in asked) == 20
