from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from bench.data.schema import Status
from bench.model.problem import Problem
from bench.output.sweep import crossover_lines, crossover_sentence, sweep_table

FOUND = {
    "workload": "mlp_sgd",
    "axis": "hidden",
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


def shown(
    build: ModuleType, tmp_path: Path, width: int = 140, sizes: tuple[int, ...] = (64, 128), **options: Any
) -> str:
    """The table of a sweep of NumPy and torch over `hidden`; `options` change torch's rows."""
    made = build.HandMade(tmp_path / "run")
    for hidden in sizes:
        for name, backend, seconds in (("numpy_manual", "numpy", 1e-4 * hidden), ("torch_nn", "torch-cpu", 1e-2)):
            case = made.plan(name, backend, problem=Problem(hidden=hidden))
            for number in range(6):
                made.process(case, number, step=[seconds], **(options if backend == "torch-cpu" else {}))
    rows = made.summary(axes={"hidden": [size for size in sizes if size != 100]})
    screen = Console(file=io.StringIO(), width=width)
    with screen.capture() as captured:
        screen.print(sweep_table(rows, build.make_manifest(axes={"hidden": list(sizes)}), pd.DataFrame(), width))
    return captured.get()


def test_the_baseline_has_times_and_the_others_speedups(build: ModuleType, tmp_path: Path) -> None:
    lines = [line.split() for line in shown(build, tmp_path).splitlines()]
    assert lines[1] == ["implementation", "backend", "64", "128"]
    assert lines[2] == ["numpy_manual", "numpy", "6.40", "ms", "12.8", "ms"]
    assert lines[3] == ["torch_nn", "torch-cpu", "0.640x", "1.28x"]


def test_many_sizes_leave_out_some_but_never_the_first_and_the_last(build: ModuleType, tmp_path: Path) -> None:
    sizes = tuple(2**power for power in range(3, 15))
    lines = shown(build, tmp_path, 94, sizes).splitlines()
    names = lines[1].split()[2:]
    assert (names[0], names[-1]) == ("8", "16,384")
    assert 2 < len(names) < len(sizes)
    assert all(len(line) <= 94 for line in lines)


def test_a_case_that_failed_is_a_dash_and_a_note(build: ModuleType, tmp_path: Path) -> None:
    text = shown(build, tmp_path, status=Status.FAILED, reason="it [red]broke[/red]")
    assert "it [red]broke[/red]" in text
    assert "torch_nn      torch-cpu" not in text


def test_a_crossover_in_words() -> None:
    assert crossover_sentence(FOUND) == "mlp_sgd: torch_nn overtakes numpy_manual at hidden 312 [250 … 401]"
    assert (
        crossover_sentence(FOUND | {"faster_below": "b", "faster_above": "a"})
        == "mlp_sgd: numpy_manual overtakes torch_nn at hidden 312 [250 … 401]"
    )
    threads = {"b_implementation": "numpy_manual", "b_backend": "numpy", "b_threads": 2, "axis": "d_in"}
    assert (
        crossover_sentence(FOUND | threads)
        == "mlp_sgd: numpy_manual with 2 threads overtakes numpy_manual with 1 thread at d-in 312 [250 … 401]"
    )


def test_what_never_crosses_and_what_is_undecided_in_words() -> None:
    never = FOUND | {"status": "never", "faster_below": "b", "faster_above": "b"}
    assert (
        crossover_sentence(never) == "mlp_sgd, hidden 64 to 4,096: torch_nn is faster than numpy_manual at every size"
    )
    undecided = FOUND | {"status": "undecided", "faster_below": "", "faster_above": "b"}
    assert (
        crossover_sentence(undecided)
        == "mlp_sgd, hidden 64 to 4,096: between numpy_manual and torch_nn the intervals do not decide"
    )


def test_one_program_on_two_devices_is_told_apart() -> None:
    same = FOUND | {"a_implementation": "torch_nn", "a_backend": "torch-cpu", "b_backend": "torch-cuda"}
    assert (
        crossover_sentence(same)
        == "mlp_sgd: torch_nn on torch-cuda overtakes torch_nn on torch-cpu at hidden 312 [250 … 401]"
    )


@pytest.mark.parametrize("count", [3, 40])
def test_found_ones_come_first_and_many_are_counted(count: int) -> None:
    rows = [FOUND | {"status": "never"}] * (count - 1) + [FOUND]
    lines = crossover_lines(pd.DataFrame(rows))
    assert "overtakes" in lines[0]
    assert len(lines) == min(count, 13)
    if count > 12:
        assert lines[-1] == "and 28 more: see crossovers.csv"
