"""Two stages of pairs and what follows from them, with processes whose times are known and a clock that they move."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.analysis.rule import Criteria, Verdict
from bench.data.store import PAIRS, create_pairs
from bench.errors import ChildError
from bench.model.step import Phase
from bench.run.ab import Decided, TwoStages, rows_of_pair
from bench.run.asking import Truths
from bench.run.matching import Match
from bench.run.pairs import PAIR_POLICY, A, B, Pair, PairCase, SideTurn, measure_pair
from bench.run.rounds import Rounds, Seat
from bench.run.terms import Terms, Volume
from bench.workloads import tutorial

Decide = Callable[..., list[Decided]]
PLANNED = Volume()
PHASE_SECONDS = {"step": 0.06, "forward": 0.01, "backward": 0.02, "update": 0.03}


@pytest.fixture
def decide(
    arena: Any, pair_cases: tuple[PairCase, ...], seen: Any, tmp_path: Path, make_double: Any, ok_reply: Any
) -> Decide:
    """Hold a contest of the first case, or of as many as the test wants, in tmp_path."""
    truths = Truths(make_double(lambda _: ok_reply), 5.0)

    def do(
        volume: Volume = PLANNED, cases: int = 1, unmatched: dict[str, str] | None = None, **options: Any
    ) -> list[Decided]:
        folder = tmp_path / "found"
        create_pairs(folder, tutorial().sizes.columns)
        rounds = Rounds(truths, 5.0, random.Random(1), PAIR_POLICY)  # noqa: S311 - an order, not a secret
        seats = {side: partial(Seat, asks=arena.opens(side)) for side in (A, B)}
        measure = partial(measure_pair, rounds, seats=seats)
        match = Match(pair_cases[:cases], unmatched or {}, {})
        terms = Terms(seed=3, volume=volume, criteria=options.pop("criteria", Criteria()))
        more: dict[str, Any] = {"now": lambda: arena.time, **options}
        return TwoStages(match, measure, truths, seen, terms, folder, **more).decide()

    return do


@pytest.fixture
def measured(tmp_path: Path) -> Callable[[], dict[tuple[str, int], int]]:
    """How many pairs of each implementation and stage are on disk."""

    def count() -> dict[tuple[str, int], int]:
        frame = pd.read_csv(tmp_path / "found" / PAIRS)
        return frame.groupby(["implementation", "stage"])["pair"].nunique().to_dict()

    return count


def faster(side: str, phase: str, pair: int) -> float:
    return 0.97 if side == B else 1.0


def slower_backward(side: str, phase: str, pair: int) -> float:
    if side == A:
        return 1.0
    return {"backward": 1.5, "step": 1 + 0.5 / 3}.get(phase, 1.0)


# --- stages -------------------------------------------------------------------------------------------------------


def test_what_is_clearly_fine_stops_after_the_first_pairs(arena: Any, decide: Decide, measured: Any) -> None:
    arena.factor = faster
    (found,) = decide()
    assert (found.verdict.verdict, found.stage) == (Verdict.PASS, 1)
    assert measured() == {("numpy_manual", 1): 10}
    assert {each.pairs for column in found.verdict.columns for each in column.evidence} == {10}


def test_a_slowdown_is_confirmed_by_fresh_pairs_and_its_phase_is_named_first(
    arena: Any, decide: Decide, measured: Any
) -> None:
    arena.factor = slower_backward
    (found,) = decide()
    assert (found.verdict.verdict, found.stage) == (Verdict.REGRESSION, 2)
    assert measured() == {("numpy_manual", 1): 10, ("numpy_manual", 2): 20}
    assert [change.phase for change in found.changed] == [Phase.BACKWARD]
    assert found.changed[0].seconds == pytest.approx(0.5 * 0.02, rel=0.02)
    assert found.seconds_a == pytest.approx(0.06, rel=0.01)
    assert found.seconds_b == pytest.approx(0.07, rel=0.01)
    verdicts = {column.name: column.verdict for column in found.verdict.columns}
    assert verdicts == {
        "step": Verdict.REGRESSION,
        "forward": Verdict.PASS,
        "backward": Verdict.REGRESSION,
        "update": Verdict.PASS,
    }


def test_the_phase_that_adds_most_time_is_named_first_not_the_one_with_the_largest_percentage(
    arena: Any, decide: Decide
) -> None:
    arena.factor = lambda side, phase, pair: (
        1.0 if side == A else {"forward": 1.8, "update": 1.4, "step": 1.33}.get(phase, 1.0)
    )
    (found,) = decide()
    assert [change.phase for change in found.changed] == [Phase.UPDATE, Phase.FORWARD]


def test_fresh_pairs_decide_alone(arena: Any, decide: Decide) -> None:
    """B is three times as slow in all first pairs and the same in all fresh ones: nothing of the first may be left."""
    arena.factor = lambda side, phase, pair: 3.0 if side == B and pair < 10 else 1.0
    (found,) = decide()
    assert (found.verdict.verdict, found.stage) == (Verdict.PASS, 2)
    for column in found.verdict.columns:
        for each in column.evidence:
            assert each.pairs == 20
            assert each.slowdown == pytest.approx(0.0, abs=0.01)
    assert found.seconds_b == pytest.approx(0.06, rel=0.01)


def test_the_first_pairs_alone_never_make_a_regression(arena: Any, decide: Decide) -> None:
    arena.factor = lambda side, phase, pair: 3.0 if side == B else 1.0
    (found,) = decide(Volume(10, 20, 25.0))  # 10 pairs of 2 s, and no time for more
    assert found.verdict.verdict is Verdict.INCONCLUSIVE


def test_each_case_goes_its_own_way(arena: Any, decide: Decide, measured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = {"numpy_adam"}

    def factor(side: str, phase: str, pair: int) -> float:
        asked = arena.opened[-1][1].implementation  # the pair that is being measured
        return slower_backward(side, phase, pair) if asked in slow else faster(side, phase, pair)

    arena.factor = factor
    fine, bad = decide(cases=2)
    assert (fine.verdict.name, fine.verdict.verdict, fine.stage) == ("numpy_manual on numpy", Verdict.PASS, 1)
    assert (bad.verdict.name, bad.verdict.verdict, bad.stage) == ("numpy_adam on numpy", Verdict.REGRESSION, 2)
    assert measured() == {("numpy_manual", 1): 10, ("numpy_adam", 1): 10, ("numpy_adam", 2): 20}


def test_pairs_go_over_all_cases_in_turn(arena: Any, decide: Decide) -> None:
    arena.factor = faster
    decide(cases=2)
    names = [request.implementation for side, request in arena.opened if side == A]
    rounds = [tuple(names[start : start + 2]) for start in range(0, len(names), 2)]
    assert {frozenset(one) for one in rounds[:10]} == {frozenset(("numpy_manual", "numpy_adam"))}
    assert len(set(rounds[:10])) == 2  # in shuffled order


# --- budget -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "first", "second"),
    [
        (300.0, 10, 20),  # time enough for all that was planned
        (36.0, 9, 9),  # half of it holds nine pairs of 2 s; what is left holds nine more
        (29.0, 7, 7),
    ],
)
def test_the_budget_shrinks_both_stages(
    arena: Any, decide: Decide, measured: Any, budget: float, first: int, second: int
) -> None:
    arena.factor = lambda side, phase, pair: 2.0 if side == B else 1.0
    decide(Volume(10, 20, budget))
    assert measured() == {("numpy_manual", 1): first, ("numpy_manual", 2): second}


def test_the_first_stage_is_never_smaller_than_what_can_show_something(
    arena: Any, decide: Decide, measured: Any
) -> None:
    arena.factor = lambda side, phase, pair: 2.0 if side == B else 1.0
    (found,) = decide(Volume(10, 20, 1.0))
    assert measured() == {("numpy_manual", 1): 7}  # 2^-7 is under 1 %
    assert (found.verdict.verdict, found.stage) == (Verdict.INCONCLUSIVE, 1)
    assert found.verdict.reason.endswith("the budget has no room for 7 fresh ones: raise --budget")
    assert found.seconds_a is not None


def test_a_smaller_alpha_needs_more_first_pairs(arena: Any, decide: Decide, measured: Any) -> None:
    decide(Volume(20, 20, 1.0), criteria=Criteria(alpha=0.001))
    assert measured() == {("numpy_manual", 1): 10}


def test_a_fine_case_passes_however_small_the_budget(arena: Any, decide: Decide) -> None:
    arena.factor = faster
    (found,) = decide(Volume(10, 20, 1.0))
    assert found.verdict.verdict is Verdict.PASS


def test_too_few_fresh_pairs_for_so_many_cases_are_not_blamed_on_the_budget(
    arena: Any, decide: Decide, measured: Any
) -> None:
    arena.factor = lambda side, phase, pair: 2.0 if side == B else 1.0
    for found in decide(Volume(7, 7, 300.0), cases=2):
        assert found.verdict.verdict is Verdict.INCONCLUSIVE
        assert found.verdict.reason.endswith("it takes 8 fresh ones to decide: raise --more-pairs")
    assert set(measured()) == {("numpy_manual", 1), ("numpy_adam", 1)}


def test_renewing_interpreters_is_paid_from_the_budget(arena: Any, decide: Decide, measured: Any) -> None:
    renewed: list[int] = []

    def renew(number: int) -> None:
        renewed.append(number)
        arena.time += 2.0

    arena.factor = lambda side, phase, pair: 2.0 if side == B else 1.0
    decide(Volume(10, 20, 64.0), renew=renew)  # a pair is 2 s and 2 s of renewing
    assert measured() == {("numpy_manual", 1): 8, ("numpy_manual", 2): 8}
    assert renewed == [*range(8), *range(8)]


# --- what cannot be judged ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("guilty", [A, B])
@pytest.mark.parametrize("pair", [0, 3, 15])
def test_a_side_that_dies_makes_its_case_invalid_and_no_other(
    arena: Any, decide: Decide, measured: Any, guilty: str, pair: int
) -> None:
    def die(side: str, number: int) -> None:
        if side == guilty and number == pair and arena.opened[-1][1].implementation == "numpy_manual":
            raise ChildError("its process died by SIGSEGV")

    arena.trouble = die
    arena.factor = slower_backward
    dead, other = decide(cases=2)
    assert (dead.verdict.verdict, dead.stage, dead.seconds_a, dead.changed) == (Verdict.INVALID, 0, None, ())
    assert dead.verdict.reason == f"side {guilty} failed: its process died by SIGSEGV"
    assert [column.verdict for column in dead.verdict.columns] == [Verdict.INVALID]
    assert (other.verdict.verdict, other.stage) == (Verdict.REGRESSION, 2)
    pairs = Counter(request.implementation for side, request in arena.opened if side == A)
    assert pairs["numpy_manual"] <= pair + 1  # it is not tried again
    assert sum(number for (name, _), number in measured().items() if name == "numpy_manual") == pair


def test_when_all_are_broken_nothing_more_is_tried(arena: Any, decide: Decide) -> None:
    renewed: list[int] = []

    def die(side: str, number: int) -> None:
        raise ChildError("its process died by SIGSEGV")

    arena.trouble = die
    found = decide(cases=2, renew=renewed.append)
    assert [case.verdict.verdict for case in found] == [Verdict.INVALID] * 2
    assert renewed == [0]
    assert len(arena.opened) == 4


def test_what_is_on_one_side_only_is_invalid_with_the_reason(arena: Any, decide: Decide) -> None:
    arena.factor = faster
    fine, missing = decide(unmatched={"gone on numpy": "side B (main) does not have it"})
    assert fine.verdict.verdict is Verdict.PASS
    assert (missing.verdict.name, missing.verdict.verdict, missing.stage) == ("gone on numpy", Verdict.INVALID, 0)
    assert missing.verdict.reason == "side B (main) does not have it"


def test_a_fused_side_is_compared_in_what_both_have(arena: Any, decide: Decide) -> None:
    arena.phases = {A: ("step",)}
    arena.factor = faster
    (found,) = decide()
    assert found.verdict.verdict is Verdict.PASS
    assert [column.name for column in found.verdict.columns] == ["step"]


def test_a_phase_that_the_clock_cannot_see_is_invalid_and_not_a_crash(arena: Any, decide: Decide) -> None:
    arena.factor = lambda side, phase, pair: 0.0 if phase == "update" and side == A else 1.0
    (found,) = decide()
    assert found.verdict.verdict is Verdict.INVALID
    assert found.verdict.reason == "update: the clock saw no time pass on side A"


# --- what is on disk ----------------------------------------------------------------------------------------------


def test_pairs_csv_holds_every_turn_of_either_side(arena: Any, decide: Decide, tmp_path: Path) -> None:
    arena.factor, arena.noise = faster, 0.0
    decide(Volume(7, 7))
    frame = pd.read_csv(tmp_path / "found" / PAIRS)
    assert list(frame.columns[:3]) == ["schema_version", "run_id", "implementation"]
    assert set(frame["run_id"]) == {"found"}
    assert set(frame["stage"]) == {1}
    keys = ["pair", "turn", "side", "phase"]
    assert sorted(map(tuple, frame[keys].to_numpy().tolist())) == sorted(
        product(range(7), range(8), (A, B), ("step", "forward", "backward", "update"))
    )
    for (side, phase), found in frame.groupby(["side", "phase"]):
        shortest = PHASE_SECONDS[phase] * faster(side, phase, 0)
        assert found["minimum_seconds"].to_numpy() == pytest.approx(shortest)
        assert found["median_seconds"].to_numpy() == pytest.approx(1.1 * shortest)


def test_the_rows_tell_two_implementations_apart(pair_cases: tuple[PairCase, ...]) -> None:
    both = replace(pair_cases[0], b=pair_cases[1].b)
    turn = {B: SideTurn({"step": 3e9}, {"step": 4e9}), A: SideTurn({"step": 1e9}, {"step": 2e9})}
    rows = rows_of_pair("r", both, 2, 4, Pair((turn,)))
    found = [(row.side, row.case.implementation, row.minimum_seconds, row.median_seconds) for row in rows]
    assert found == [(B, "numpy_adam", 3.0, 4.0), (A, "numpy_manual", 1.0, 2.0)]
    assert {(row.run_id, row.stage, row.pair, row.turn, row.phase) for row in rows} == {("r", 2, 4, 0, "step")}


def test_times_are_medians_over_pairs_of_medians_over_turns(arena: Any, decide: Decide, tmp_path: Path) -> None:
    arena.factor = faster
    arena.noise = 0.3
    (found,) = decide(criteria=Criteria(tolerance=0.5))
    frame = pd.read_csv(tmp_path / "found" / PAIRS)
    steps = frame[(frame["side"] == B) & (frame["phase"] == "step") & (frame["stage"] == found.stage)]
    expected = np.median(steps.groupby("pair")["minimum_seconds"].median())
    assert found.seconds_b == pytest.approx(expected, rel=1e-12)
