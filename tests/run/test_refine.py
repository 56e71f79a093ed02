"""What a sweep measures around crossovers; the times are invented, so all of it is exact."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.data.crossing import Crossing
from bench.data.schema import Status
from bench.data.store import RunStore, read_crossovers, read_manifest, read_processes, read_summary
from bench.model.axis import Axis
from bench.model.case import Case
from bench.model.discovery import discover
from bench.run.launcher import Local
from bench.run.ledger import MIN_ROUNDS, Ledger
from bench.run.plan import Planned, Selection, choose, plan_sweep, workload_facts
from bench.run.refine import Refinement
from bench.run.resume import done_so_far, planned_of
from bench.run.runner import Runner
from bench.run.terms import RunTerms
from bench.timing.protocol import Reply
from bench.workloads import tutorial

GRID = (64, 256, 1024)
NAMES = ("numpy_manual", "torch_tensor", "tf_static_graph")


def planned(
    names: Sequence[str] = NAMES[:2], grid: Sequence[int] = GRID, threads: Sequence[int] = (1,)
) -> list[Planned]:
    problem = tutorial(batch=8, d_in=6, d_out=3)
    chosen = Selection(
        choose(discover(), names), problem.sizes, problem.dtype, threads=tuple(threads), devices=("cpu",)
    )
    return list(plan_sweep(chosen, [Axis("hidden", tuple(grid))]))


def seconds(case: Case, number: int, crossover: float = 300.0, scatter: float = 1.0) -> float:
    """NumPy takes as long as the others at the crossover, and grows with the size; the others do not."""
    ratio = case.problem.hidden / crossover if case.implementation == "numpy_manual" else 1.0
    return 1e-3 * ratio**0.5 * noise(case, number, scatter)


def noise(case: Case, number: int, scatter: float) -> float:
    """A factor that differs by so many per cent from round to round, always the same."""
    chance = random.Random(f"{case.implementation}/{case.problem.hidden}/{case.threads}/{number}")  # noqa: S311
    return math.exp(scatter / 100 * chance.gauss(0, 1))


def filled(items: Sequence[Planned], rounds: int = MIN_ROUNDS, **options: float) -> Ledger:
    ledger = Ledger(items)
    for item in items:
        for number in range(rounds):
            ledger.record(item.case, number, {0: seconds(item.case, number, **options)})
    return ledger


def sizes(items: Sequence[Planned]) -> set[int]:
    return {item.case.problem.hidden for item in items}


def test_a_wide_bracket_gets_a_new_size_at_the_estimate() -> None:
    items = planned()
    wanted = Refinement(0.1).wanted(items, filled(items, scatter=20.0, crossover=400))
    assert wanted
    assert {item.case.implementation for item in wanted} == {"numpy_manual", "torch_tensor"}
    (new,) = sizes(wanted)
    assert 256 < new < 1024
    assert new not in GRID
    assert all(item.added and not item.skipped for item in wanted)
    assert {item.case.problem.batch for item in wanted} == {8}


@pytest.mark.parametrize(("crossover", "grid", "step"), [(400, (64, 256, 1024), 64), (98, (64, 128), 1)])
def test_a_new_size_is_a_multiple_of_what_divides_all_if_one_lies_in_between(
    crossover: float, grid: tuple[int, ...], step: int
) -> None:
    """Many models take no others: heads divide a width."""
    items = planned(grid=grid)
    (new,) = sizes(Refinement(0.001).wanted(items, filled(items, scatter=3.0, crossover=crossover)))
    assert new not in grid
    assert math.gcd(new, 64) >= step


def test_the_baseline_comes_along_so_that_the_new_size_has_speedups() -> None:
    """One thread against two of torch: the two NumPy cases are measured there too."""
    items = planned(threads=(1, 2))
    ledger = Ledger(items)
    for item in items:
        for number in range(MIN_ROUNDS):
            numpy = item.case.implementation == "numpy_manual"
            slope = (300 / item.case.problem.hidden) ** (0.5 if item.case.threads == 2 else 0.0)
            ledger.record(item.case, number, {0: 9.0 if numpy else slope * noise(item.case, number, 20)})
    wanted = Refinement(0.1).wanted(items, ledger)
    assert {(item.case.implementation, item.case.threads) for item in wanted} == {
        (name, threads) for name in ("numpy_manual", "torch_tensor") for threads in (1, 2)
    }


def test_a_size_that_is_begun_is_brought_to_the_rounds_that_an_interval_needs() -> None:
    items = planned()
    ledger = filled(items, scatter=20.0, crossover=400)
    new = Refinement(0.1).wanted(items, ledger)
    ledger.add(new)
    for number in range(MIN_ROUNDS):
        assert Refinement(0.1).wanted([*items, *new], ledger) == new
        for item in new:
            ledger.record(item.case, 10 + number, {0: seconds(item.case, number, 400, 20.0)})
    assert Refinement(0.1).wanted([*items, *new], ledger) != new


def test_close_sizes_get_further_rounds_instead_of_further_sizes() -> None:
    items = planned(grid=(280, 300, 320))
    wanted = Refinement(0.02).wanted(items, filled(items, scatter=1.0, crossover=300))
    assert wanted
    assert not any(item.added for item in wanted)
    assert sizes(wanted) <= {280, 300, 320}


def test_a_crossover_that_is_known_needs_nothing() -> None:
    items = planned()
    assert Refinement(0.5).wanted(items, filled(items, scatter=0.01)) == []


def test_contenders_that_never_cross_need_nothing() -> None:
    items = planned()
    assert Refinement(0.1).wanted(items, filled(items, crossover=1e9)) == []


def test_a_run_of_one_size_needs_nothing() -> None:
    items = planned(grid=(64,))
    assert Refinement(0.1).wanted(items, filled(items)) == []
    assert Refinement(0.1).wanted([], Ledger([])) == []


def test_what_is_undecided_comes_after_what_is_found() -> None:
    """torch crosses for certain but not precisely; the graph lies on torch, so between these two nothing is sure."""
    items = planned(NAMES)
    wanted = Refinement(0.001).wanted(items, filled(items, scatter=3.0))
    assert wanted
    assert "numpy_manual" in {item.case.implementation for item in wanted}


@pytest.fixture
def sweep(tmp_path: Path, make: Callable[..., Any]) -> Callable[..., Any]:
    """A sweep whose processes answer with invented times; also one that takes up what an earlier one left."""

    def start(
        folder: Path, terms: RunTerms, *, again: bool = False, within: float = 0.1, takes: Any = lambda size: True
    ) -> Any:
        double = make(terms).double

        def answer(request: Any) -> Any:
            from dataclasses import replace

            reply = type(double).answer(request)
            if not takes(request.problem.hidden):
                return Reply(Status.FAILED, "no such size")
            case = next(item.case for item in runner._planned if _asks_for(request, item.case))
            took = seconds(case, len(double.asked), scatter=10.0)
            return replace(reply, samples=(replace(reply.samples[0], nanoseconds=round(took * 1e9)),))

        double.answer = answer
        if again:
            manifest = read_manifest(folder)
            items, done, store = planned_of(manifest, discover()), done_so_far(folder, manifest), RunStore(folder)
        else:
            items, done = tuple(planned()), None
            manifest = make(terms).runner.manifest
            manifest.cases, manifest.workloads = [item.for_manifest() for item in items], workload_facts(items)
            manifest.axes, manifest.crossover_within = {"size.hidden": list(GRID)}, within
            store = RunStore.create(folder, manifest)
        manifest.budget_seconds, manifest.within = terms.budget_seconds, terms.within
        runner = Runner(
            *(store, manifest, items, Local(double, manifest, make(terms).seen, lambda: double.time), make(terms).seen),
            done=done,
            now=lambda: double.time,
        )
        runner.execute()
        runner.finish()
        return double

    return start


def _asks_for(request: Any, case: Case) -> bool:
    return bool(request.implementation == case.implementation and request.problem == case.problem)


@pytest.mark.slow
def test_a_sweep_narrows_its_crossover_and_writes_it_down(sweep: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    sweep(folder, RunTerms(2000, within=0.9))
    (row,) = read_crossovers(folder).to_dict("records")
    assert row["status"] == Crossing.FOUND.value
    assert (row["faster_below"], row["faster_above"]) == ("a", "b")
    assert row["size_low"] <= 300 <= row["size_high"]
    assert (row["size_high"] - row["size_low"]) / 2 / row["size"] <= 0.1
    manifest = read_manifest(folder)
    added = [item for item in manifest.cases if item.added]
    assert added
    assert manifest.ended_by == "precision"
    summary = read_summary(folder)
    assert set(summary["size.hidden"]) == {*GRID, *(int(item.columns["size.hidden"]) for item in added)}
    assert summary[summary["implementation"] == "torch_tensor"]["speedup"].notna().all()


def test_a_new_size_that_a_model_cannot_have_is_asked_for_once(sweep: Callable[..., Any], tmp_path: Path) -> None:
    double = sweep(tmp_path / "sweep", RunTerms(2000, within=0.9), takes=GRID.__contains__)
    tried = [request.problem.hidden for request in double.asked if request.problem.hidden not in GRID]
    assert len(tried) == len(NAMES[:2])
    assert read_manifest(tmp_path / "sweep").ended_by == "precision"


CUT_OFF = RunTerms(55)
"""Enough for the grid and for a few rounds of a new size, interpreters being renewed in between."""


def test_the_budget_ends_a_refinement(sweep: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    double = sweep(folder, CUT_OFF)
    assert read_manifest(folder).ended_by == "budget"
    assert double.time <= CUT_OFF.budget_seconds
    begun = [item.columns["size.hidden"] for item in read_manifest(folder).cases if item.added]
    processes = read_processes(folder)
    assert 0 < processes["size.hidden"].isin(begun).sum() < 2 * MIN_ROUNDS


def test_a_sweep_that_was_cut_off_goes_on_with_the_size_it_had_begun(sweep: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    sweep(folder, CUT_OFF)
    begun = {item.columns["size.hidden"] for item in read_manifest(folder).cases if item.added}
    missing = 2 * MIN_ROUNDS - read_processes(folder)["size.hidden"].isin(begun).sum()
    double = sweep(folder, RunTerms(4000, within=0.9), again=True)
    # The grid is done: not one of its cases is measured again before the new size has its rounds.
    assert {request.problem.hidden for request in double.asked[:missing]} == begun
    (row,) = read_crossovers(folder).to_dict("records")
    assert (row["size_high"] - row["size_low"]) / 2 / row["size"] <= 0.1
    counts = read_processes(folder).groupby(["implementation", "size.hidden", "round"]).size()
    assert (counts == 1).all()
