"""What `bench sweep` shows at its end: sizes side by side, and crossovers in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from bench.data.schema import Status
from bench.output.content.crossovers import MOST_SENTENCES, Crossovers
from bench.output.content.summary import Summary
from bench.output.content.sweep import sweep_blocks
from bench.output.document import Bullets, plain
from bench.workloads import tutorial

FOUND = {
    "dtype": "float32",
    "size.batch": 64,
    "size.d_in": 1000,
    "size.hidden": None,
    "size.d_out": 10,
    "mode": "resident-warm",
    "precision": "full",
    "devices": 1,
    "workload": "mlp_sgd",
    "axis": "size.hidden",
    "a_implementation": "numpy_manual",
    "a_backend": "numpy",
    "a_threads": 1,
    "b_implementation": "torch_nn",
    "b_backend": "torch-cpu",
    "b_threads": 1,
    "status": "found",
    "crossing": 0,
    "faster_below": "a",
    "faster_above": "b",
    "size": 312.4,
    "size_low": 250.2,
    "size_high": 401.0,
    "smallest": 64,
    "largest": 4096,
    "sizes": 7,
}


@pytest.fixture
def swept(build: ModuleType, tmp_path: Path, shown: Callable[..., str]) -> Callable[..., str]:
    """The screen after a sweep of NumPy and torch over `hidden`; `options` change torch's rows."""

    def show(width: int = 140, sizes: tuple[int, ...] = (64, 128), **options: Any) -> str:
        made = build.HandMade(tmp_path / "run")
        for hidden in sizes:
            for name, backend, seconds in (("numpy_manual", "numpy", 1e-4 * hidden), ("torch_nn", "torch-cpu", 1e-2)):
                case = made.plan(name, backend, problem=tutorial(hidden=hidden))
                for number in range(6):
                    made.process(case, number, step=[seconds], **(options if backend == "torch-cpu" else {}))
        axes = {"size.hidden": [size for size in sizes if size != 100]}
        summary = Summary(made.summary(axes=axes), build.make_manifest(axes=axes))
        return shown(sweep_blocks(summary, Crossovers(pd.DataFrame()), "RUN"), width)

    return show


def sentences(*rows: dict[str, Any]) -> list[str]:
    """What is said of rows of crossovers.csv."""
    _, bullets = Crossovers(pd.DataFrame(rows)).blocks()
    assert isinstance(bullets, Bullets)
    return list(map(plain, bullets.items))


def test_the_baseline_has_times_and_the_others_speedups(swept: Callable[..., str]) -> None:
    lines = [line.split() for line in swept(sizes=(64, 100, 128)).splitlines()]  # 100 was not asked for
    assert " ".join(lines[0]) == "mlp_sgd: no bias, SGD; speedup over numpy_manual by hidden"
    assert lines[1] == ["implementation", "backend", "64", "128"]
    assert lines[2] == ["numpy_manual", "numpy", "6.40", "ms", "12.8", "ms"]
    assert lines[3] == ["torch_nn", "torch-cpu", "0.640x", "1.28x"]


def test_many_sizes_leave_out_some_but_never_the_first_and_the_last(swept: Callable[..., str]) -> None:
    sizes = tuple(2**power for power in range(3, 15))
    lines = swept(94, sizes).splitlines()
    names = lines[1].split()[2:]
    assert (names[0], names[-1]) == ("8", "16,384")
    assert 2 < len(names) < len(sizes)
    assert all(len(line) <= 94 for line in lines)


def test_a_case_that_failed_is_a_dash_and_a_note(swept: Callable[..., str]) -> None:
    text = swept(status=Status.FAILED, reason="it [red]broke[/red]")
    assert "it [red]broke[/red]" in text
    assert "torch_nn      torch-cpu" not in text


THREADS = {"b_implementation": "numpy_manual", "b_backend": "numpy", "b_threads": 2, "axis": "size.d_in"}
UNDECIDED = {"status": "undecided", "faster_below": "", "size": None}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "mlp_sgd: torch_nn overtakes numpy_manual at hidden 312 [250 … 401]"),
        (
            {"faster_below": "b", "faster_above": "a"},
            "mlp_sgd: numpy_manual overtakes torch_nn at hidden 312 [250 … 401]",
        ),
        (
            THREADS,
            "mlp_sgd: numpy_manual with 2 threads overtakes numpy_manual with 1 thread at d-in 312 [250 … 401]",
        ),
        (
            {"a_implementation": "torch_nn", "a_backend": "torch-cpu", "b_backend": "torch-cuda"},
            "mlp_sgd: torch_nn on torch-cuda overtakes torch_nn on torch-cpu at hidden 312 [250 … 401]",
        ),
        (
            {"status": "never", "faster_below": "b", "faster_above": "b"},
            "mlp_sgd, hidden 64 to 4,096: torch_nn is faster than numpy_manual at every size",
        ),
        (
            UNDECIDED | {"faster_above": ""},
            "mlp_sgd, hidden 64 to 4,096: undecided between numpy_manual and torch_nn",
        ),
        (
            UNDECIDED,
            "mlp_sgd, hidden 64 to 4,096: undecided between numpy_manual and torch_nn; torch_nn is faster at the "
            "largest size",
        ),
    ],
)
def test_a_row_in_words(changes: dict[str, Any], said: str) -> None:
    assert sentences(FOUND | changes) == [said]


def test_conditions_are_told_where_they_differ() -> None:
    assert sentences(FOUND, FOUND | {"size.batch": 128}) == [
        f"mlp_sgd, batch {batch}: torch_nn overtakes numpy_manual at hidden 312 [250 … 401]" for batch in (64, 128)
    ]


@pytest.mark.parametrize("count", [3, 40])
def test_found_ones_come_first_and_many_are_counted(count: int) -> None:
    never = FOUND | {"status": "never", "faster_below": "b"}
    first, *_, last = lines = sentences(*[never] * (count - 1), FOUND)
    assert "overtakes" in first
    assert len(lines) == min(count, MOST_SENTENCES + 1)
    assert ("more: see crossovers.csv" in last) == (count > MOST_SENTENCES)


def test_columns_that_are_asked_for_have_a_table_of_all_cases(build: ModuleType, shown: Callable[..., str]) -> None:
    rows = [build.summary_row(median_seconds=0.5, step_peak_bytes=3 << 20)]
    blocks = [Summary(rows, build.make_manifest()), Crossovers(pd.DataFrame()), "RUN"]
    assert "3.00 MiB" in shown(sweep_blocks(*blocks, columns=("memory",)), 140)
    assert "3.00 MiB" not in shown(sweep_blocks(*blocks), 140)
