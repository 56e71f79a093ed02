from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.run.forecast import foresee
from bench.run.terms import RunTerms

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("seconds", "left", "held", "short", "advised"),
    [
        (8.0, 52.0, 7, False, 70.0),  # the eight seconds of the first are gone; the slack is a tenth
        (40.0, 20.0, 1, True, 300.0),
        (40.0, -60.0, 1, True, 420.0),
        (0.0, 10.0, 7, False, 70.0),
    ],
)
def test_what_the_first_round_lets_expect(seconds: float, left: float, held: int, short: bool, advised: float) -> None:
    found = foresee("round", seconds, 6, "an interval", left=left, budget=60.0)
    assert (found.held, found.short, found.budget_seconds) == (held, short, advised)


def test_the_budget_that_is_advised_is_enough() -> None:
    for seconds in (0.3, 7.0, 100.0):
        before = foresee("round", seconds, 6, "an interval", left=5.0, budget=60.0)
        more = before.budget_seconds - 60.0
        after = foresee("round", seconds, 6, "an interval", left=5.0 + more, budget=before.budget_seconds)
        assert not after.short


# --- a run --------------------------------------------------------------------------------------------------------


def test_a_run_says_what_it_has_to_measure_before_it_starts(make: Make) -> None:
    bench = make(RunTerms(40))
    bench.runner.execute()
    assert bench.seen.plan == (2, 2, 40.0)  # both workloads are groups of their own


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (RunTerms(10.5), (2.0, 3, 6, True)),  # 3 s to start, and 1 s a case
        (RunTerms(100), (2.0, 48, 6, False)),
        (RunTerms(100, rounds=70), (2.0, 48, 70, True)),
        (RunTerms(0.001), (2.0, 1, 6, True)),
    ],
)
def test_after_the_first_round_a_run_says_how_many_the_budget_holds(
    make: Make, terms: RunTerms, expected: tuple[float, int, int, bool]
) -> None:
    bench = make(terms)
    bench.runner.execute()
    (found,) = bench.seen.forecasts
    assert (found.seconds, found.held, found.wanted, found.short) == expected


def test_a_first_round_that_ends_after_the_budget_is_told_of_once_before_its_turns(make: Make) -> None:
    """Five turns of a second each are the least; the double takes one second to start a process."""
    bench = make(RunTerms(8))
    bench.runner.execute()
    assert bench.seen.overruns == [(3 + 1 + 5, 8)]
    enough = make(RunTerms(40))
    enough.runner.execute()
    assert enough.seen.overruns == []


def test_a_run_without_a_case_that_is_well_foresees_nothing(make: Make, ok_reply: Any) -> None:
    from bench.data.schema import Status

    bench = make(RunTerms(40), lambda request: replace(ok_reply, status=Status.FAILED, samples=()))
    bench.runner.execute()
    assert bench.seen.forecasts == []
