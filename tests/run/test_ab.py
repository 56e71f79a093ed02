"""Pairs from look to look and what follows, with processes whose times are known and a clock that they move."""

from __future__ import annotations

import itertools
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

from bench.analysis.rule import Criteria, Statistic, Verdict
from bench.data.pairs import PAIRS, create_pairs
from bench.errors import ChildError
from bench.model.step import Phase
from bench.run.ab import Decided, Looks, rows_of_pair
from bench.run.asking import Truths
from bench.run.lanes import Lanes
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
        measure = partial(options.pop("pairs_by", measure_pair), rounds, seats=seats)
        match = Match(pair_cases[:cases], unmatched or {}, {})
        terms = Terms(seed=3, volume=volume, criteria=options.pop("criteria", Criteria()))
        more: dict[str, Any] = {"now": lambda: arena.time, **options}
        return Looks(match, Lanes([measure], now=more["now"]), truths, seen, terms, folder, **more).decide()

    return do


@pytest.fixture
def measured(tmp_path: Path) -> Callable[[], dict[tuple[str, int], int]]:
    """How many pairs of each implementation are on disk, by the look that they were measured for."""

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


# --- looks --------------------------------------------------------------------------------------------------------


def test_what_is_clearly_fine_stops_at_the_first_look(arena: Any, decide: Decide, measured: Any) -> None:
    arena.factor = faster
    (found,) = decide()
    assert (found.verdict.verdict, found.looks) == (Verdict.PASS, 1)
    assert measured() == {("numpy_manual", 1): 8}
    assert {each.pairs for column in found.verdict.columns for each in column.evidence} == {8}


def test_what_is_open_goes_on_with_all_its_pairs(arena: Any, decide: Decide, measured: Any) -> None:
    arena.factor = lambda side, phase, pair: (1.5 if pair % 2 else 0.7) if side == B else 1.0
    (found,) = decide()
    assert (found.verdict.verdict, found.looks) == (Verdict.INCONCLUSIVE, 5)
    assert measured() == {("numpy_manual", look): size for look, size in enumerate((8, 6, 8, 10, 12), 1)}
    assert found.verdict.columns[0].evidence[0].pairs == 44
    assert "--budget" not in found.verdict.reason


def test_a_slowdown_is_found_and_its_phase_named(arena: Any, decide: Decide, measured: Any) -> None:
    arena.factor = slower_backward
    (found,) = decide()
    assert (found.verdict.verdict, found.looks) == (Verdict.REGRESSION, 2)
    assert measured() == {("numpy_manual", 1): 8, ("numpy_manual", 2): 6}
    assert [change.phase for change in found.changed] == [Phase.BACKWARD]
    assert found.changed[0].seconds == pytest.approx(0.5 * 0.02, rel=0.02)
    assert found.changed[0].evidence.added == pytest.approx(0.5 / 3, rel=0.02)
    assert found.seconds_a == pytest.approx(0.06, rel=0.01)
    assert found.seconds_b == pytest.approx(0.07, rel=0.01)
    verdicts = {column.name: column.verdict for column in found.verdict.columns}
    assert (verdicts["step"], verdicts["backward"]) == (Verdict.REGRESSION, Verdict.REGRESSION)
    assert Verdict.REGRESSION not in (verdicts["forward"], verdicts["update"])


def test_the_phase_that_adds_most_time_is_named_first_not_the_one_with_the_largest_percentage(
    arena: Any, decide: Decide
) -> None:
    arena.factor = lambda side, phase, pair: (
        1.0 if side == A else {"forward": 1.8, "update": 1.4, "step": 1.33}.get(phase, 1.0)
    )
    (found,) = decide()
    assert [change.phase for change in found.changed] == [Phase.UPDATE, Phase.FORWARD]


def test_each_case_goes_its_own_way(arena: Any, decide: Decide, measured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = {"numpy_adam"}

    def factor(side: str, phase: str, pair: int) -> float:
        asked = arena.opened[-1][1].implementation  # the pair that is being measured
        return slower_backward(side, phase, pair) if asked in slow else faster(side, phase, pair)

    arena.factor = factor
    fine, bad = decide(cases=2)
    assert (fine.verdict.name, fine.verdict.verdict, fine.looks) == ("numpy_manual on numpy", Verdict.PASS, 1)
    assert (bad.verdict.name, bad.verdict.verdict, bad.looks) == ("numpy_adam on numpy", Verdict.REGRESSION, 2)
    assert measured() == {("numpy_manual", 1): 8, ("numpy_adam", 1): 8, ("numpy_adam", 2): 6}
    assert {each.pairs for column in bad.verdict.columns for each in column.evidence} == {14}  # of both stages


def test_pairs_go_over_all_cases_in_turn(arena: Any, decide: Decide) -> None:
    arena.factor = faster
    decide(cases=2)
    names = [request.implementation for side, request in arena.opened if side == A]
    rounds = [tuple(names[start : start + 2]) for start in range(0, len(names), 2)]
    assert {frozenset(one) for one in rounds[:8]} == {frozenset(("numpy_manual", "numpy_adam"))}
    assert len(set(rounds[:8])) == 2  # in shuffled order


# --- budget -------------------------------------------------------------------------------------------------------


def noisy(side: str, phase: str, pair: int) -> float:
    return (2.0 if pair % 2 else 0.5) if side == B else 1.0


@pytest.mark.parametrize(
    ("budget", "looks"),
    [
        (300.0, (8, 6, 8, 10, 12)),
        (64.0, (8, 6, 8, 10)),  # a pair is 2 s
        (63.0, (8, 6, 8)),  # a look that does not fit is not begun
        (1.0, (8,)),  # the first always is
    ],
)
def test_the_budget_cuts_off_after_a_look(
    arena: Any, decide: Decide, measured: Any, budget: float, looks: tuple[int, ...]
) -> None:
    arena.factor = noisy
    (found,) = decide(Volume(44, budget))
    assert measured() == {("numpy_manual", look): size for look, size in enumerate(looks, 1)}
    assert (found.verdict.verdict, found.looks) == (Verdict.INCONCLUSIVE, len(looks))
    cut = found.verdict.reason.endswith("; the budget has no room for its next pairs: raise --budget")
    assert cut is (len(looks) < 5)
    assert found.verdict.decided is not cut
    assert found.seconds_a is not None


def test_a_smaller_alpha_needs_more_first_pairs(arena: Any, decide: Decide, measured: Any) -> None:
    decide(Volume(44, 1.0), criteria=Criteria(alpha=0.001))
    assert measured() == {("numpy_manual", 1): 12}


def test_the_first_look_is_taken_even_if_the_budget_is_spent_before(decide: Decide, measured: Any, arena: Any) -> None:
    arena.factor = noisy
    clock = itertools.count(step=0.1)
    decide(Volume(44, 0.5), now=lambda: float(next(clock)))
    assert measured() == {("numpy_manual", 1): 8}


def test_a_first_look_that_would_take_minutes_is_not_begun(
    arena: Any, decide: Decide, measured: Any, seen: Any, tmp_path: Path
) -> None:
    """Steps of seconds, a budget of ten: one pair shows what eight would cost."""
    arena.seconds_a_process = 7.0
    (found,) = decide(Volume(44, 10.0))
    assert measured() == {("numpy_manual", 1): 1}
    assert (found.verdict.verdict, found.looks) == (Verdict.INCONCLUSIVE, 0)
    assert "raise --budget" in found.verdict.reason
    (told,) = seen.forecasts
    assert (told.seconds, told.held, told.wanted) == (14.0, 2, 8)
    arena.opened.clear()
    (tmp_path / "found").rename(tmp_path / "before")
    (found,) = decide(Volume(44, told.budget_seconds))
    assert found.looks > 0, "the budget that it advises holds a first look"


def test_a_fine_case_passes_however_small_the_budget(arena: Any, decide: Decide) -> None:
    arena.factor = faster
    (found,) = decide(Volume(44, 1.0))
    assert found.verdict.verdict is Verdict.PASS


def test_renewing_interpreters_is_paid_from_the_budget(arena: Any, decide: Decide, measured: Any) -> None:
    renewed: list[int] = []

    def renew(number: int) -> None:
        renewed.append(number)
        arena.time += 2.0

    arena.factor = noisy
    decide(Volume(44, 60.0), renew=renew)  # a pair is 2 s and 2 s of renewing
    assert measured() == {("numpy_manual", 1): 8, ("numpy_manual", 2): 6}
    assert renewed == [*range(14)]


# --- what cannot be judged ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("guilty", [A, B])
@pytest.mark.parametrize("pair", [0, 3, 11])
def test_a_side_that_dies_makes_its_case_invalid_and_no_other(
    arena: Any, decide: Decide, measured: Any, guilty: str, pair: int
) -> None:
    def die(side: str, number: int) -> None:
        if side == guilty and number == pair and arena.opened[-1][1].implementation == "numpy_manual":
            raise ChildError("its process died by SIGSEGV")

    arena.trouble = die
    arena.factor = noisy
    dead, other = decide(cases=2)
    assert (dead.verdict.verdict, dead.looks, dead.seconds_a, dead.changed) == (Verdict.INVALID, 0, None, ())
    assert dead.verdict.reason == f"side {guilty} failed: its process died by SIGSEGV"
    assert [column.verdict for column in dead.verdict.columns] == [Verdict.INVALID]
    assert (other.verdict.verdict, other.looks) == (Verdict.INCONCLUSIVE, 5)
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
    assert (missing.verdict.name, missing.verdict.verdict, missing.looks) == ("gone on numpy", Verdict.INVALID, 0)
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
    decide(Volume(7))
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


def test_times_are_of_the_statistic_that_decides(arena: Any, decide: Decide) -> None:
    """The median is slower while the minimum is faster: both times and the slowdown are the median's."""

    def lower_minima(*arguments: Any, **options: Any) -> Pair:
        pair = measure_pair(*arguments, **options)
        lower = [{phase: 0.9 * value for phase, value in turn[A].minimum.items()} for turn in pair.turns]
        return Pair(
            tuple({**turn, B: replace(turn[B], minimum=each)} for turn, each in zip(pair.turns, lower, strict=True))
        )

    arena.factor = lambda side, phase, pair: 1.2 if side == B else 1.0
    (found,) = decide(pairs_by=lower_minima)
    shown = found.verdict.columns[0].deciding
    assert shown is not None
    assert (shown.statistic, found.verdict.verdict) == (Statistic.MEDIAN, Verdict.REGRESSION)
    assert found.seconds_a == pytest.approx(1.1 * 0.06, rel=0.01)
    assert found.seconds_b == pytest.approx(1.2 * 1.1 * 0.06, rel=0.01)
    assert shown.slowdown == pytest.approx(0.2, rel=0.01)


def test_times_are_medians_over_pairs_of_medians_over_turns(arena: Any, decide: Decide, tmp_path: Path) -> None:
    arena.factor = faster
    arena.noise = 0.3
    (found,) = decide(criteria=Criteria(tolerance=0.5))
    frame = pd.read_csv(tmp_path / "found" / PAIRS)
    steps = frame[(frame["side"] == B) & (frame["phase"] == "step")]
    expected = np.median(steps.groupby("pair")["minimum_seconds"].median())
    assert found.seconds_b == pytest.approx(expected, rel=1e-12)
