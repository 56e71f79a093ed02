"""Judging at looks: who goes on, what a decided verdict keeps, and how often a whole gate is wrong."""

from __future__ import annotations

import math
import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.analysis.rule import Criteria, FamilyVerdict, Statistic, Verdict
from bench.analysis.verdict import Family, PairedColumn, judge
from bench.stats import Floats
from bench.stats.looks import planned_looks

REGRESSION, INVALID, INCONCLUSIVE, PASS = Verdict.REGRESSION, Verdict.INVALID, Verdict.INCONCLUSIVE, Verdict.PASS
LOOKS = planned_looks(44, 0.01)


def noise(sd: float = 0.02, seed: int = 0, n: int = 44) -> Floats:
    """Log ratios around 0 that lean to neither side in any stage."""
    half = np.abs(np.random.default_rng(seed).normal(0, sd, n // 2))
    return np.ravel(np.column_stack([half, -half]))


def family(values: Floats, pairs: int, name: str = "a", looks: tuple[int, ...] = LOOKS) -> Family:
    column = PairedColumn("step", dict.fromkeys(Statistic, values[:pairs]))
    return Family(name, pairs, (column,), looks)


def at(values: Floats, pairs: int, criteria: Criteria = Criteria()) -> FamilyVerdict:
    (found,) = judge([family(values, pairs)], 0, criteria)
    return found


def test_what_did_not_change_is_decided_at_the_first_look() -> None:
    found = at(noise(0.005), 8)
    assert (found.verdict, found.decided) == (PASS, True)


def test_a_small_slowdown_does_not_pass_at_a_look_that_others_follow() -> None:
    values = noise(0.025) + 0.022
    first, last = at(values, 8), at(values, 44)
    (one, _) = first.columns[0].evidence
    assert (one.high * one.share < 0.05, one.p < 0.1) == (True, True)
    assert (first.verdict, first.decided) == (INCONCLUSIVE, False)
    assert first.reason.endswith("and more pairs would tell whether it is over 1.0%")
    assert (last.verdict, last.decided) == (REGRESSION, True)
    (alone,) = judge([family(values, 8, looks=(8,))], 0, Criteria(margin=0.02))
    assert (alone.verdict, alone.decided) == (PASS, True)  # no pairs are to come, and it is under the tolerance


def test_what_is_surely_under_the_margin_is_not_doubted() -> None:
    values = noise(0.001) + 0.005
    found = at(values, 8)
    assert found.columns[0].evidence[0].p < 0.01
    assert (found.verdict, found.decided) == (PASS, True)


def test_what_is_open_goes_on_to_its_last_look_and_not_beyond() -> None:
    values = noise(0.4)
    found = [at(values, pairs) for pairs in LOOKS]
    assert [each.verdict for each in found] == [INCONCLUSIVE] * 5
    assert [each.decided for each in found] == [False] * 4 + [True]


def test_what_cannot_be_judged_is_decided() -> None:
    (found,) = judge([Family("a", 0, (PairedColumn("step", invalid="it died"),), LOOKS)], 0)
    assert (found.verdict, found.decided, found.reason) == (INVALID, True, "step: it died")


def test_between_two_looks_nothing_is_judged() -> None:
    with pytest.raises(ValueError, match="a has 9 pairs, and looks are planned after"):
        judge([family(noise(), 9)], 0)


@pytest.mark.parametrize(("families", "look"), [(1, 8), (2, 14), (12, 14), (40, 44)])
def test_the_more_cases_the_more_pairs_it_takes_to_show_the_largest_slowdown(families: int, look: int) -> None:
    quiet = [family(noise(), 8, str(i)) for i in range(1, families)]
    for pairs in LOOKS[: LOOKS.index(look) + 1]:
        found = judge([family(noise() + 1.0, pairs, "slow"), *quiet], 0)[0]
        assert found.decided is (pairs == look)
    assert found.verdict is REGRESSION


def test_a_bound_may_fail_at_each_look_for_its_part_of_alpha_only() -> None:
    values = noise(0.02) + 0.05
    (single,) = judge([family(values, 44, looks=(44,))], 0)
    one, other = single.columns[0].evidence[0], at(values, 44).columns[0].evidence[0]
    assert other.low < one.low < one.high < other.high


def test_a_decided_verdict_stays_while_others_go_on() -> None:
    """Families leave at different looks, and each is judged again with the pairs that it had."""
    draw = np.random.default_rng(5)
    values = [draw.standard_t(5, 44) * 0.03 + shift for shift in (0, 0, 0.03, 0.05, 0.2, 0.4, -0.1)]
    pairs, kept = [LOOKS[0]] * len(values), {}
    for look in (*LOOKS[1:], None):
        judged = judge([family(d, n, str(i)) for i, (d, n) in enumerate(zip(values, pairs, strict=True))], 0)
        for i, each in enumerate(judged):
            if i in kept:
                assert (each.decided, each.verdict) == (True, kept[i])
            elif each.decided:
                kept[i] = each.verdict
            elif look:
                pairs[i] = look
    assert len(kept) == len(values)
    assert set(pairs) > {8}
    assert set(kept.values()) == {PASS, REGRESSION}


def test_the_same_seed_gives_the_same_flips_at_every_look() -> None:
    looks = planned_looks(74, 0.01)  # its last stage is too large to go through all flips
    values = np.random.default_rng(9).normal(0.01, 0.02, 74)
    one, other = (judge([family(values, 74, looks=looks)], seed) for seed in (1, 2))
    assert judge([family(values, 74, looks=looks)], 1) == one != other


# How often it is wrong


LENIENT = Criteria(alpha=0.05, margin=0.0499, tolerance=0.05)
"""Almost nothing keeps a family from passing but the upper bound."""


def most(count: int, probability: float) -> int:
    return int(stats.binom.ppf(0.999, count, probability))


def test_a_slowdown_at_the_tolerance_passes_no_more_often_than_alpha_over_all_looks() -> None:
    count, draw, looks = 250, np.random.default_rng(54), planned_looks(14, 0.05)
    passed = 0
    for _ in range(count):
        values = math.log1p(0.05) + draw.normal(0, 0.02, 14)
        found = (judge([family(values, n, looks=looks)], 0, LENIENT)[0].verdict for n in looks)
        passed += PASS in found
    assert 0.01 * count <= passed <= most(count, 0.05)


@pytest.fixture(scope="module")
def experiment(root: Path) -> dict[str, Any]:
    return runpy.run_path(str(root / "docs" / "experiments" / "gate_rates.py"))


@pytest.fixture
def outcomes(experiment: dict[str, Any]) -> Callable[..., list[Any]]:
    def hold(count: int, sd: float = 0.02, **planted: Any) -> list[Any]:
        return [experiment["gate"](sd, experiment["Planted"](**planted), seed) for seed in range(count)]

    return hold


def test_the_tests_of_a_case_claim_nothing_more_often_than_alpha_over_all_looks(experiment: dict[str, Any]) -> None:
    count, alpha = 500, 0.2
    found = sum(experiment["least_p"](seed) <= alpha for seed in range(count))
    assert 0.4 * alpha * count <= found <= most(count, alpha)


@pytest.mark.slow
def test_an_unchanged_gate_passes_and_takes_few_pairs(outcomes: Callable[..., list[Any]]) -> None:
    found = outcomes(30)
    assert all(set(each.verdicts) == {PASS} for each in found)
    assert np.mean([each.pairs for each in found]) < 125


@pytest.mark.slow
@pytest.mark.parametrize(("added", "phase", "least"), [(0.05, "", 10), (0.05, "backward", 10), (0.02, "", 6)])
def test_a_slower_case_is_found(outcomes: Callable[..., list[Any]], added: float, phase: str, least: int) -> None:
    found = outcomes(10, added=added, phase=phase)
    assert sum(each.verdicts[0] is REGRESSION for each in found) >= least
    assert all(set(each.verdicts[1:]) == {PASS} for each in found)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_unchanged_gates_show_no_regression_more_often_than_alpha(
    outcomes: Callable[..., list[Any]],
) -> None:
    count = 700
    found = outcomes(count)
    assert sum(REGRESSION in each.verdicts for each in found) <= most(count, 0.01)
    assert sum(set(each.verdicts) == {PASS} for each in found) >= 0.985 * count


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("sd", [0.012, 0.02])
def test_a_slowdown_of_the_size_called_detectable_is_found_with_the_power_stated(sd: float) -> None:
    """The one case of a gate, whose step alone is slower by what its first pairs call detectable."""
    count, draw, found = 400, np.random.default_rng(53), 0
    (probe,) = judge([family(noise(sd) * sd / noise(sd)[:8].std(ddof=1), 8)], 0)
    size = probe.columns[0].evidence[0].detectable
    for _ in range(count):
        values = math.log1p(size) + draw.normal(0, sd, 44)
        verdicts = (judge([family(values, n)], 0)[0] for n in LOOKS)
        found += next(each.verdict for each in verdicts if each.decided) is REGRESSION
    assert found >= 0.77 * count


def test_a_share_counts_at_looks_too() -> None:
    wide = noise(0.12)
    whole = family(noise(0.005), 8)
    phase = PairedColumn("update", dict.fromkeys(Statistic, wide[:8]))
    for share, verdict in ((1.0, INCONCLUSIVE), (0.1, PASS)):
        (found,) = judge([replace(whole, columns=(*whole.columns, replace(phase, share=share)))], 0)
        assert (found.verdict, found.decided) == (verdict, verdict is PASS)
