"""What travels between a command and the process that loads files, as that process reads and writes it."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest

from bench.model.problem import Dtype, Problem
from bench.model.sizes import Sizes
from bench.model.workload import Cost
from bench.timing.reader import Answer, FilesToRead, Question, _files, _question, answer, said


@pytest.mark.parametrize("what", [FilesToRead(("a.py", "b.py"), ("src",), True), FilesToRead(())])
def test_what_is_to_be_read_arrives_as_it_was_sent(what: FilesToRead) -> None:
    assert _files(said(what)) == what


@pytest.mark.parametrize("variant", [None, 2.0])
def test_a_question_arrives_with_its_whole_problem(variant: float | None) -> None:
    problem = Problem(Sizes(batch=4, width=3), Dtype.FLOAT64, seed=7, steps=11)
    question = Question("cost", "mine", problem, "forward", variant)
    assert _question(said(question)) == question
    assert list(_question(said(question)).problem.sizes) == ["batch", "width"]


@pytest.mark.parametrize(("flops", "told"), [(6, 6.0), (float("inf"), None), (float("nan"), None), (None, None)])
def test_a_cost_that_is_no_number_is_unknown(flops: Any, told: float | None) -> None:
    workload = mock.Mock(cost=lambda *_: Cost(flops, 1.0))
    with mock.patch.dict("bench.timing.reader.WORKLOADS", {"mine": workload}):
        found = answer(Question("cost", "mine", Problem(), "step"))
    assert found == Answer([told, 1.0])
    assert json.loads(said(found)) == {"value": [told, 1.0], "error": ""}
