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
from bench.oracle.array_error import ArrayError
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
    near = (ArrayError("loss", "", 1, 1.2e-7, 1e-4), ArrayError("change", "w1", 3, 3.4e-6, 2e-4))
    far = (*near, ArrayError("gradient", "w2", 1, 0.5, 1e-4, element=True))
    right = Verification(True, "", 3, near)
    wrong = Verification(False, "gradient of w1 in step 1", 3, far)
    unsure = Verification(True, "", 4, near, tuple(f"the gradient of b{index}" for index in range(5)))
    died = "died: RuntimeError: a[:x:] [/usr/lib] has no [bold] or [red]thing[/red]"
    return [
        (planned(build, "torch_custom_function"), Reply(Status.OK, verification=right)),
        (planned(build, "torch_tensor"), Reply(Status.WRONG, "gradient of w1 in step 1", verification=wrong)),
        (planned(build, "torch_nn"), Reply(Status.FAILED, died)),
        (planned(build, "dropout"), Reply(Status.OK, verification=Verification(True, unverified="it draws lots"))),
        (planned(build, "short"), Reply(Status.OK, verification=unsure)),
    ]


def test_errors_verdicts_and_reasons_are_shown_literally(
    replies: list[tuple[Planned, Reply]], words: Callable[..., str]
) -> None:
    text = words(verify_blocks(replies))
    assert " change w1 3.4e-06 2.0e-04 0.017 right" in text
    assert " gradient w2, one element 5.0e-01 1.0e-04 5000 wrong" in text
    assert " unverified it draws lots" in text
    assert " right 5 of 2 arrays cannot be told from zeros in this precision: --verbose" in text
    assert "failed died: RuntimeError: a[:x:] [/usr/lib] has no [bold] or [red]thing[/red]" in text


def test_the_gate_as_json(replies: list[tuple[Planned, Reply]]) -> None:
    rows = json.loads(json.dumps(verify_json(replies), allow_nan=False))
    assert [row["status"] for row in rows] == ["ok", "wrong", "failed", "ok", "ok"]
    assert [error["error"] for error in rows[1]["verification"]["errors"]] == [1.2e-7, 3.4e-6, 0.5]
    assert rows[2]["verification"] is None
    assert rows[3]["verification"]["unverified"] == "it draws lots"


def test_every_array_is_listed_on_request_the_worst_first(
    replies: list[tuple[Planned, Reply]], words: Callable[..., str]
) -> None:
    text = words(verify_blocks(replies[1:2], every=True)).partition("Every array")[2]
    places = [text.index(name) for name in ("gradient w2, one element", "change w1", "loss")]
    assert places == sorted(places)
