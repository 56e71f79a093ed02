"""The numbers beside a ladder and a performance profile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.data.manifest import ImplementationFacts
from bench.output.content.ladder import ladder_table, profile_table
from bench.output.document import Table
from bench.output.figures import RunData
from bench.workloads import tutorial


@pytest.fixture
def data(new: Callable[[str, Path], Any], tmp_path: Path) -> RunData:
    made = new("sampled", tmp_path / "run")
    made.manifest = {"implementations": {"torch_nn.compiled": ImplementationFacts(compiles=True)}}
    for hidden in (100, 200):
        made.add("numpy_manual", "numpy", seconds=8e-6 * hidden, problem=tutorial(hidden=hidden))
        made.add("torch_nn", seconds=9e-6 * hidden, problem=tutorial(hidden=hidden))
    made.add("torch_nn.compiled", seconds=2e-4)
    return RunData(made.write())


def cells(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in table.rows]


def test_a_ladder_has_a_row_a_rung_with_both_factors(data: RunData) -> None:
    table = ladder_table("figure-ladder", ("Rungs",), data.ladders)
    assert [group.title for group in table.groups] == ["mlp_sgd, hidden 100", "mlp_sgd, hidden 200"]
    assert [row[:3] for row in cells(table)] == [
        ["baseline", "numpy_manual", "numpy"],
        ["torch: slower", "torch_nn", "torch-cpu"],
        ["torch, compiled", "torch_nn.compiled", "torch-cpu"],
        ["baseline", "numpy_manual", "numpy"],
        ["torch: slower", "torch_nn", "torch-cpu"],
    ]
    rung = data.ladders[0].rungs[2]
    assert [cell.raw for cell in table.rows[2].cells[3:]] == [
        (rung.seconds.value,),
        (rung.over_before.value,),
        (rung.over_before.low, rung.over_before.high),
        (rung.over_first.value,),
        (rung.over_first.low, rung.over_first.high),
    ]
    assert cells(table)[0][4:] == ["", "", "", ""]


def test_a_profile_has_a_row_a_contender_with_its_shares_and_its_mean(data: RunData) -> None:
    table = profile_table("figure-profile", ("Contenders",), data.profiles)
    assert [head.name for head in table.heads] == [
        *("contender", "problems", "fastest", "within 1.1x", "within 1.5x", "within 2x"),
        "geometric mean of speedups",
    ]
    rows = {row[0]: row[1:] for row in cells(table)}
    assert rows["numpy_manual"] == ["2 of 2", "50 %", "50 %", "50 %", "50 %", "the baseline"]
    assert rows["torch_nn.compiled"][:5] == ["1 of 2", "50 %", "50 %", "50 %", "50 %"]
    (mean,) = [row.cells[-1] for row in table.rows if row.cells[0].text == "torch_nn"]
    (found,) = [each.speedup for each in data.profiles.profiles if each.entrant.implementation == "torch_nn"]
    assert found is not None
    assert mean.raw == (found.value, found.low, found.high)
