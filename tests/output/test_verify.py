"""What the gate found."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from bench.data.schema import Status
from bench.model.registry import Implementation
from bench.model.workload import WORKLOADS
from bench.oracle.verify import Verification
from bench.output.content.verify import verify_blocks, verify_json
from bench.run.plan import Planned
from bench.timing.protocol import Reply


def planned(build: ModuleType, name: str) -> Planned:
    def no_build(*_: object) -> Any:
        raise AssertionError

    implementation = Implementation(name, "torch", WORKLOADS["mlp_sgd"], False, no_build, "file:x", "")
    return Planned(build.make_case(name, "torch-cpu"), implementation)


@pytest.fixture
def replies(build: ModuleType) -> list[tuple[Planned, Reply]]:
    right = Verification(True, "", 3, 1e-4, 1.2e-7, None, 3.4e-6)
    wrong = Verification(False, "gradient of w1 in step 1", 3, 1e-4, 1.2e-7, 0.5, 0.5)
    died = "died: RuntimeError: a[:x:] [/usr/lib] has no [bold] or [red]thing[/red]"
    return [
        (planned(build, "torch_custom_function"), Reply(Status.OK, verification=right)),
        (planned(build, "torch_tensor"), Reply(Status.WRONG, "gradient of w1 in step 1", verification=wrong)),
        (planned(build, "torch_nn"), Reply(Status.FAILED, died)),
    ]


def test_errors_verdicts_and_reasons_are_shown_literally(
    replies: list[tuple[Planned, Reply]], words: Callable[..., str]
) -> None:
    text = words(verify_blocks(replies))
    assert " 1.2e-07 - 3.4e-06 1e-04 right" in text
    assert " 1.2e-07 5.0e-01 5.0e-01 1e-04 wrong" in text
    assert "failed died: RuntimeError: a[:x:] [/usr/lib] has no [bold] or [red]thing[/red]" in text


def test_the_gate_as_json(replies: list[tuple[Planned, Reply]]) -> None:
    rows = json.loads(json.dumps(verify_json(replies), allow_nan=False))
    assert [row["status"] for row in rows] == ["ok", "wrong", "failed"]
    assert rows[0]["verification"]["gradient_error"] is None
    assert rows[1]["verification"]["gradient_error"] == 0.5
    assert rows[2]["verification"] is None
