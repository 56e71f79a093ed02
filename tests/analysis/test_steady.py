"""What speaks against taking a case's time for one number, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bench.analysis.crossover import crossovers
from bench.analysis.steady import UNSTEADY, drift, growth, remark
from bench.analysis.summarise import rounds_of_cases
from bench.data.run import StoredRun
from bench.data.schema import Status, SummaryRow, is_headline
from bench.output.content import notes
from bench.output.content.summary import Summary
from bench.output.document import plain
from bench.workloads import tutorial

TURNS = 12
Times = Callable[[np.random.Generator], Any]


def even(rng: np.random.Generator) -> Any:
    return 1e-3 * rng.lognormal(0.0, 0.05, TURNS)


def slowing(rng: np.random.Generator) -> Any:
    return even(rng) * np.linspace(1.0, 2.0, TURNS)


@pytest.fixture
def run(build: ModuleType, tmp_path: Path) -> Callable[..., Any]:
    """Eight rounds of the baseline and a contender whose turns take what a test says."""

    def make(
        mine: Times, base: Times = even, hidden: tuple[int, ...] = (100,), grows: tuple[float | None, ...] = (None,)
    ) -> tuple[Any, list[SummaryRow]]:
        rng = np.random.default_rng(3)
        made = build.HandMade(tmp_path / "run")
        for size in hidden:
            for name, backend, times in (("numpy_manual", "numpy", base), ("torch_nn", "torch-cpu", mine)):
                case = made.plan(name, backend, problem=tutorial(hidden=size))
                for number in range(8):
                    gained = grows[number % len(grows)] if name == "torch_nn" else 0.0
                    made.process(case, number, step=times(rng), growth_bytes=gained)
        return made, made.summary(turns=True)

    return make


def headlines(rows: list[SummaryRow]) -> dict[str, SummaryRow]:
    return {row.case.implementation: row for row in rows if is_headline(row)}


def test_a_step_that_slows_down_is_named_and_has_no_speedup(run: Any) -> None:
    made, rows = run(slowing)
    found = headlines(rows)
    row = found["torch_nn"]
    assert (row.status, row.speedup) == (Status.OK, None)
    assert row.reason.startswith(f"{UNSTEADY}its steps take 1.7")
    assert "times as long at the end of a process as at its beginning (median of 8)" in row.reason
    assert found["numpy_manual"].reason == ""
    stored = StoredRun(made.folder)
    told = " ".join(map(plain, notes.quality(Summary(rows, stored.manifest))))
    assert "torch_nn on torch-cpu is not steady" in told
    assert "numpy_manual" not in told


def test_one_that_speeds_up_is_named_too_and_nothing_is_stated_over_a_baseline_that_drifts(run: Any) -> None:
    made, rows = run(even, base=lambda rng: slowing(rng)[::-1])
    found = headlines(rows)
    assert "its steps take 0.5" in found["numpy_manual"].reason
    assert {row.speedup for row in found.values()} == {None}
    told = " ".join(map(plain, notes.explanations(Summary(rows, StoredRun(made.folder).manifest))))
    assert "was not measured" not in told


def test_a_steady_step_is_not_accused(run: Any) -> None:
    found = headlines(run(even)[1])
    assert {row.reason for row in found.values()} == {""}
    assert found["torch_nn"].speedup == pytest.approx(1.0, abs=0.05)


def test_a_case_that_drifts_leads_no_crossover(run: Any) -> None:
    made, rows = run(slowing, hidden=(100, 200))
    stored = StoredRun(made.folder)
    cases = rounds_of_cases(stored.manifest, rows, stored.samples, stored.processes)
    assert {case.implementation for case in cases} == {"numpy_manual"}
    assert crossovers(stored.manifest, rows, stored.samples, stored.processes) == []


def test_two_kinds_of_processes_are_named_with_their_times_and_keep_their_speedup(run: Any) -> None:
    kinds = iter([1.0, 1.35] * 4)
    row = headlines(run(lambda rng: 4e-4 * next(kinds) * rng.lognormal(0.0, 0.002, TURNS))[1])["torch_nn"]
    assert row.reason == "of two kinds: 400 µs in 4 processes, 540 µs in 4"
    assert row.speedup is not None


def series(end: float, turns: int = TURNS) -> dict[int, float]:
    return dict(enumerate(np.linspace(1.0, end, turns)))


def test_a_drift_is_the_change_from_the_first_quarter_of_the_turns_to_the_last() -> None:
    assert drift(series(1.5)) == pytest.approx((1.5 - 1 / 22) / (1 + 1 / 22) - 1)
    assert drift(series(1.03)) == 0.0, "too small to mind"
    assert drift(series(1.5, 7)) == 0.0, "too few to say"
    assert remark({}) == ""


def test_several_processes_show_what_one_cannot() -> None:
    """The pace changes once, near the end, as when a buffer overflows."""
    rng = np.random.default_rng(1)

    def late() -> dict[int, float]:
        return dict(enumerate(rng.lognormal(0.0, 0.02, 20) * np.where(np.arange(20) < 15, 1.0, 6.0)))

    assert drift(late()) == 0.0
    assert UNSTEADY in remark({0: late(), 1: late(), 2: late()})
    assert UNSTEADY not in remark({0: series(1.0), 1: series(1.0), 2: series(1.5), 3: series(1.0)}), "one of four"


@pytest.mark.parametrize(
    ("times", "turns", "processes", "named"),
    [(6.0, 11, 2, True), (1 / 6, 11, 2, True), (1.4, 11, 2, False), (6.0, 11, 1, False)],
)
def test_two_processes_are_enough_for_a_jump_that_noise_hardly_ever_makes(
    times: float, turns: int, processes: int, named: bool
) -> None:
    rng = np.random.default_rng(2)

    def jumping() -> dict[int, float]:
        return dict(enumerate(rng.lognormal(0.0, 0.02, turns) * np.where(np.arange(turns) < 3, 1.0, times)))

    assert (UNSTEADY in remark({number: jumping() for number in range(processes)})) is named


def test_processes_that_jump_up_and_down_are_no_jump() -> None:
    step = np.where(np.arange(11) < 3, 1.0, 6.0)
    assert remark({0: dict(enumerate(step)), 1: dict(enumerate(step[::-1]))}) == ""


# --- memory -------------------------------------------------------------------------------------------------------

MB = 1_000_000


def readings(held: Any, every: int = 10) -> list[tuple[int, int]]:
    return [(100 + every * number, round(nbytes)) for number, nbytes in enumerate(held)]


@pytest.mark.parametrize("turns", [6, 7, 12, 21])
def test_memory_that_grows_all_the_time_is_told_by_the_iteration(turns: int) -> None:
    held = 200 * MB + 4 * MB * np.arange(turns)
    assert growth(readings(held)) == pytest.approx(400_000)
    assert growth(readings(held[::-1])) == 0.0


@pytest.mark.parametrize(
    "held",
    [
        np.full(12, 200 * MB),
        np.where(np.arange(12) < 1, 200, 250) * MB,  # it jumps once, wherever that is
        np.where(np.arange(12) < 6, 200, 250) * MB,
        200 * MB + 50 * MB * (1 - 0.3 ** np.arange(12)),  # it comes to an end
        200 * MB + 8_000 * np.arange(12),  # too little to mind
        200 * MB + 20 * MB * (np.arange(12) % 2),
    ],
)
def test_what_an_allocator_does_is_no_growth(held: Any) -> None:
    assert growth(readings(held)) == 0.0


def test_five_readings_are_too_few_to_say() -> None:
    assert growth(readings(200 * MB + 4 * MB * np.arange(5))) is None
    assert growth([]) is None


@pytest.mark.parametrize("count", [6, 7, 8, 12, 21, 31])
def test_noise_is_taken_for_growth_seldom(count: int) -> None:
    """Once in 720 times of six readings; of more, less than once in a thousand."""
    rng = np.random.default_rng(11)
    series = 1e9 + 1e8 * rng.standard_normal((4_000, count))
    taken = sum(growth(readings(each)) != 0.0 for each in series if each[0] < each[-1])  # any other is none for sure
    assert taken <= 8


def test_a_step_whose_memory_grows_is_named_with_its_slope_and_has_no_speedup(run: Any) -> None:
    made, rows = run(even, grows=(400e3, 404e3, 396e3, 0.0))
    found = headlines(rows)
    assert (found["torch_nn"].status, found["torch_nn"].speedup) == (Status.OK, None)
    assert found["torch_nn"].reason.startswith(f"{UNSTEADY}its process holds 396 kB more after each step (median of 8)")
    assert found["numpy_manual"].reason == ""
    told = " ".join(map(plain, notes.quality(Summary(rows, StoredRun(made.folder).manifest))))
    assert "torch_nn on torch-cpu is not steady" in told


@pytest.mark.parametrize("grows", [(0.0,), (None,), (400e3, 0.0)])
def test_processes_that_do_not_grow_or_a_few_that_do_accuse_nobody(run: Any, grows: tuple[float | None, ...]) -> None:
    found = headlines(run(even, grows=grows)[1])["torch_nn"]
    assert found.reason == ""
    assert found.speedup is not None


def test_two_machines_are_no_two_kinds_of_process() -> None:
    seconds = {number: 1e-3 * (1.35 if number % 2 else 1.0) * (1 + number / 1000) for number in range(12)}
    together = {number: {0: value} for number, value in seconds.items()}
    apart = {(f"n{number % 2}", number): {0: value} for number, value in seconds.items()}
    assert remark(together).startswith("of two kinds")
    assert remark(apart) == ""
    both = {("n0", number): turns for number, turns in together.items()}
    assert remark(both | {("n1", 20 + number): turns for number, turns in together.items()}).startswith("of two kinds")
