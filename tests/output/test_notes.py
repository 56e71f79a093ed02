"""Sentences about cases: what holds of some sizes only is said with them, so that no two contradict each other."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from bench.data.manifest import OddFacts
from bench.data.schema import Status, SummaryRow
from bench.output.content.notes import below_the_tables, named, unmeasured
from bench.output.content.summary import Summary
from bench.output.document import plain
from bench.workloads import tutorial

SIZES = (4, 8, 16, 32, 64)


@pytest.fixture
def row(build: ModuleType) -> Any:
    """A row of a whole step at a hidden size."""

    def make(name: str = "numpy_manual", hidden: int = 4, backend: str = "numpy", **values: Any) -> SummaryRow:
        case = build.make_case(name, backend, problem=tutorial(hidden=hidden))
        found: SummaryRow = build.summary_row(case, **({"median_seconds": 1e-3} | values))
        return found

    return make


@pytest.fixture
def summary(build: ModuleType) -> Any:
    return lambda rows: Summary(rows, build.make_manifest())


def broken(row: Any, status: Status, **values: Any) -> SummaryRow:
    made = {"status": status, "reason": "for a reason", "method": None, "clock": None, "median_seconds": None}
    found: SummaryRow = row(**(made | values))
    return found


def told(found: Summary) -> list[str]:
    return [plain(words) for words in below_the_tables(found, "results/run").items]


def test_more_and_less_at_once_are_said_of_different_sizes(row: Any, summary: Any) -> None:
    taxes = {4: (0.02, 0.05), 8: (-0.01, 0.01), 16: (-0.05, -0.02)}
    rows = [row(hidden=size, sync_tax=low, sync_tax_low=low, sync_tax_high=high) for size, (low, high) in taxes.items()]
    found = [text for text in told(summary(rows)) if "add up to" in text]
    assert [text.partition(":")[0] for text in found] == [
        "Phases timed apart add up to more than the step for numpy_manual at hidden 4",
        "Phases timed apart add up to less than the step for numpy_manual at hidden 16",
    ]


def test_one_case_needs_no_size_and_all_cases_are_counted(row: Any, summary: Any) -> None:
    only = [row()]
    assert named(summary(only), only) == "numpy_manual"
    rows = [row(hidden=size) for size in SIZES]
    every = summary([*rows, row("torch_nn", 4, "torch-cpu")])
    assert named(every, rows) == "numpy_manual (all 5 cases)"
    assert named(every, rows[1:3]) == "numpy_manual at hidden 8 and at hidden 16"
    assert (
        named(summary([*rows, row(hidden=128)]), rows) == "numpy_manual (in 5 of 6 cases, from hidden 4 to hidden 64)"
    )


def test_backends_are_named_where_an_implementation_ran_on_several(row: Any, summary: Any) -> None:
    rows = [row("torch_nn", 4, backend) for backend in ("torch-cpu", "torch-cuda")]
    assert named(summary(rows), rows[:1]) == "torch_nn on torch-cpu"
    assert named(summary(rows[:1]), rows[:1]) == "torch_nn"
    assert named(summary(rows[:1]), rows[:1], True) == "torch_nn on torch-cpu"


def test_what_was_wrong_or_skipped_at_one_size_is_said_with_it(row: Any, summary: Any) -> None:
    rows = [row(hidden=4), row("off", 4), broken(row, Status.WRONG, name="off", hidden=8)]
    rows += [broken(row, Status.SKIPPED, name="later", hidden=size, backend="torch-cuda") for size in (4, 8)]
    assert [plain(words) for words in unmeasured(summary(rows))] == [
        "wrong: off on numpy at hidden 8: for a reason",
        "skipped on torch-cuda: later (all 2 cases): for a reason",
    ]


def test_what_disturbed_most_and_what_is_remarked_are_said_with_sizes(row: Any, summary: Any) -> None:
    rows = [row(hidden=size, samples=9) for size in (4, 8)]
    rows += [
        row(hidden=16, samples=9, flagged=2, clean_median_seconds=0.9e-3, reason="unsteady: it grew", recompiles=1)
    ]
    texts = " ".join(told(summary(rows)))
    assert "(numpy_manual at hidden 16)" in texts
    assert "numpy_manual on numpy at hidden 16 is unsteady: it grew." in texts
    assert "Compiled anew while it was sampled: numpy_manual on numpy at hidden 16, 1 time" in texts


def test_a_device_that_waited_for_the_host_is_named_with_how_often(row: Any, summary: Any) -> None:
    rows = [row("reads", backend="torch-cuda"), row("free", backend="torch-cuda")]
    for name, bound in (("reads", 9), ("free", 2)):
        rows.append(row(name, backend="torch-cuda", clock="device", samples=10, launch_bound=bound))
    (found,) = [text for text in told(summary(rows)) if "waited for the host" in text]
    assert "9 of 10 steps of reads on torch-cuda" in found
    assert "bench doctor --device cuda" in found


def of_machines(row: Any, build: ModuleType, count: int, **odd: float) -> str:
    facts = {name: OddFacts(factor=factor, p=0.001) for name, factor in odd.items()}
    machines = {f"n{number}": {} for number in range(1, count + 1)}
    return "\n".join(
        told(Summary([row()], build.make_manifest(machines=machines, odd_machines=facts, ended_by="precision")))
    )


def test_several_machines_are_told_with_what_they_leave_open_and_the_odd_one(row: Any, build: ModuleType) -> None:
    two = of_machines(row, build, 2, n2=1.5)
    assert "ran on 2 machines (n1, n2)" in two
    assert "leave it 1 degree of freedom" in two
    assert "The odd machine is n2: steps take 50 % longer there than on n1 (p = 0.001)" in two
    assert "which of them is as it should be no test can say" in two
    assert "every speedup on these very machines is known to ± 2.0 %, as asked for" in two
    three = of_machines(row, build, 3, n3=0.5, n1=1.2)
    assert "n3: steps take 50 % less there than on n1, n2" in three
    assert "n1: steps take 20 % longer there than on n2 (" in three
    eight = of_machines(row, build, 8)
    assert "degree" not in eight
    assert "No machine surely differs from the others by more than 5" in eight
    assert "machine" not in of_machines(row, build, 1)
