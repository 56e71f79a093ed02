"""The search by itself, for every place of the first slow commit and with commits that cannot be tested."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.analysis.rule import ColumnVerdict, Criteria, Evidence, FamilyVerdict, Statistic, Verdict
from bench.analysis.verdict import Family, PairedColumn, judge
from bench.run.search import criteria_of_commit, first_slow, most_measured, most_tests


class History:
    """Commits of which those from one on are slow, and some cannot be tested."""

    def __init__(self, length: int, slow: int, broken: frozenset[int] = frozenset()) -> None:
        self.commits = [str(number) for number in range(length)]
        self.slow, self.broken = slow, broken
        self.tested: list[int] = []

    def decide(self, name: str) -> Verdict:
        number = int(name)
        assert number not in self.tested
        self.tested.append(number)
        if number in self.broken:
            return (Verdict.INVALID, Verdict.INCONCLUSIVE)[number % 2]
        return Verdict.REGRESSION if number >= self.slow else Verdict.PASS

    @property
    def decided(self) -> int:
        return len(set(self.tested) - self.broken)


EVERY = [(length, slow) for length in range(1, 21) for slow in range(length)]


@pytest.mark.parametrize(("length", "slow"), EVERY)
def test_the_first_slow_commit_is_found_wherever_it_is(length: int, slow: int) -> None:
    history = History(length, slow)
    assert first_slow(history.commits, history.decide) == (str(slow),)
    assert history.tested[0] == length - 1
    assert len(history.tested) <= most_tests(length) == math.ceil(math.log2(length)) + 1


@pytest.mark.parametrize(("length", "slow"), EVERY)
def test_what_cannot_be_tested_is_passed_over_and_the_answer_is_as_narrow_as_the_others_allow(
    length: int, slow: int
) -> None:
    chance = random.Random(f"{length}/{slow}")  # noqa: S311 - a choice of cases, not a secret
    for share in (0.1, 0.3, 0.6, 1.0):
        broken = frozenset(number for number in range(length - 1) if chance.random() < share)
        history = History(length, slow, broken)
        found = [int(name) for name in first_slow(history.commits, history.decide)]
        fine = [number for number in range(length) if number not in broken]
        last_good = max((number for number in fine if number < slow), default=-1)
        assert found == list(range(last_good + 1, min(number for number in fine if number >= slow) + 1))
        assert history.decided <= most_tests(length)


def test_it_goes_on_beside_a_commit_that_cannot_be_tested() -> None:
    history = History(16, 9, frozenset({7}))
    first_slow(history.commits, history.decide)
    assert history.tested[:3] == [15, 7, 8]


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.INVALID])
def test_nothing_is_searched_for_if_the_last_one_is_not_slow(verdict: Verdict) -> None:
    asked: list[str] = []
    assert first_slow(["a", "b", "c"], lambda name: asked.append(name) or verdict) == ()
    assert asked == ["c"]


def test_a_search_that_may_not_go_on_leaves_what_it_has_not_told_apart() -> None:
    verdicts = {"h": Verdict.REGRESSION, "d": Verdict.PASS}
    assert first_slow("abcdefgh", verdicts.get) == ("e", "f", "g", "h")


def test_as_many_again_may_be_measured() -> None:
    assert [most_tests(count) for count in (1, 2, 3, 4, 5, 8, 9, 1000)] == [1, 2, 3, 3, 4, 4, 5, 11]
    assert most_measured(9) == 10


# --- the criteria of one commit -----------------------------------------------------------------------------------


def regression(low: float, share: float = 1.0) -> FamilyVerdict:
    """A case whose second column is slower by at least `low`; the first is fine."""
    fine = Evidence(Statistic.MINIMUM, 8, 0.0, -0.01, 0.01, 1.0, 1.0, 0.03, Verdict.PASS)
    shown = replace(fine, low=low, verdict=Verdict.REGRESSION, share=share)
    columns = (
        ColumnVerdict("step", Verdict.PASS, "", (fine,)),
        ColumnVerdict("update", Verdict.REGRESSION, "", (shown,)),
    )
    return FamilyVerdict("x", Verdict.REGRESSION, "", columns)


def test_each_commit_has_its_part_of_alpha() -> None:
    whole = Criteria(alpha=0.02, margin=0.01, tolerance=0.04)
    assert criteria_of_commit(whole, 8) == replace(whole, alpha=0.02 / 8)


@pytest.mark.parametrize(
    ("slow", "tolerance"),
    [
        ([regression(0.3)], 0.05),
        ([regression(0.03)], 0.03),
        ([regression(0.3, share=0.1)], 0.03),
        ([regression(0.04), regression(0.03)], 0.03),
        ([regression(0.02, share=0.1)], math.nextafter(0.01, 1)),
    ],
    ids=["large", "small", "in a phase", "two cases", "under the margin"],
)
def test_what_passes_is_not_as_slow_as_the_last_commit(slow: list[FamilyVerdict], tolerance: float) -> None:
    assert criteria_of_commit(Criteria(), 8, slow).tolerance == pytest.approx(tolerance, abs=1e-12)


def test_a_search_is_rarely_wrong_where_the_noise_is_as_large_as_the_slowdown() -> None:
    """Pairs are drawn: of 40 searches for 3 % in pairs that spread by 2 % none may name a wrong commit."""
    wrong = 0
    for seed in range(40):
        rng, slow, tested = np.random.default_rng(seed), seed % 10, []

        def decide(name: str, rng: Any = rng, slow: int = slow, tested: list[FamilyVerdict] = tested) -> Verdict:
            logs = rng.normal(math.log1p(0.03 if int(name) >= slow else 0.0), 0.02, 14)
            column = PairedColumn("step", dict.fromkeys(Statistic, logs))
            criteria = criteria_of_commit(Criteria(), 10, tested[:1])
            tested.append(judge([Family("x", 14, (column,))], 0, criteria)[0])
            return tested[-1].verdict

        found = first_slow([str(number) for number in range(10)], decide)
        wrong += bool(found) and str(slow) not in found
    assert wrong == 0
