from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from bench.analysis.card import CardCell
from bench.model.case import Mode
from bench.output.content.result import card_table
from bench.stats.estimates import Estimate
from bench.workloads import tutorial

BASE, ITSELF = ("numpy_manual", "numpy"), ("torch_tensor", "torch-cpu")
Cell = Callable[..., CardCell]


@pytest.fixture(scope="module")
def cell(build: ModuleType) -> Cell:
    """A speedup of torch_tensor on a GPU over another case."""

    def make(over: tuple[str, str], mode: Mode, threads: int, *speedup: float) -> CardCell:
        case = build.make_case("torch_tensor", "torch-cuda", mode=mode, threads=threads)
        return CardCell(case, build.make_case(*over, mode=mode.on_host, threads=threads), Estimate(*speedup))

    return make


@pytest.fixture(scope="module")
def cells(cell: Cell) -> list[CardCell]:
    return [
        cell(BASE, Mode.RESIDENT_WARM, 2, 12.3, 11.8, 12.9),
        cell(BASE, Mode.RESIDENT_WARM, 16, 4.0, 3.5, 4.25),
        cell(ITSELF, Mode.RESIDENT_WARM, 2, 7.5),
        cell(BASE, Mode.TRANSFERRED_WARM, 16, 0.75, 0.7, 0.8),
    ]


def test_each_contender_opponent_and_mode_has_a_row_and_each_number_of_threads_a_column(
    cells: list[CardCell], shown: Callable[..., str]
) -> None:
    contender, base, itself = "torch_tensor on torch-cuda", "numpy_manual on numpy", "torch_tensor on torch-cpu"
    caption, *rows = (" ".join(line.split()) for line in shown([card_table(cells)], 160).splitlines())
    assert caption.startswith("Speedup card")
    assert rows == [
        "contender over mode 2 CPU threads 16 CPU threads",
        f"{contender} {base} resident-warm 12.3x [11.8 … 12.9] 4.00x [3.50 … 4.25]",
        f"{contender} {base} transferred-warm - 0.750x [0.700 … 0.800]",
        f"{contender} {itself} resident-warm 7.50x -",
    ]


def test_what_else_differs_is_told_beside_the_contender(build: ModuleType) -> None:
    cells = [
        CardCell(
            build.make_case("torch_tensor", "torch-cuda", problem=tutorial(batch=batch)),
            build.make_case(problem=tutorial(batch=batch)),
            Estimate(2.0),
        )
        for batch in (64, 128)
    ]
    names = [row.cells[0].text for row in card_table(cells).rows]
    assert names == [f"torch_tensor on torch-cuda, batch {batch}" for batch in (64, 128)]
