from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.analysis.decision import changed_phases, share_of
from bench.analysis.rule import Criteria, Evidence, FamilyVerdict, Statistic, Verdict, worst
from bench.analysis.verdict import Family, PairedColumn, judge
from bench.stats import Floats
from bench.stats.estimates import detectable_slowdown
from bench.stats.looks import mean_bound
from bench.stats.paired import hodges_lehmann, sign_flip_test, signed_rank_bounds

REGRESSION, INVALID, INCONCLUSIVE, PASS = Verdict.REGRESSION, Verdict.INVALID, Verdict.INCONCLUSIVE, Verdict.PASS
MINIMUM, MEDIAN = Statistic.MINIMUM, Statistic.MEDIAN


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def spread(slowdown: float, sd: float = 0.005, n: int = 20) -> Floats:
    """Log ratios of exactly this centre, evenly spread like normal ones, no two the same size."""
    quantiles = stats.norm.ppf((np.arange(n) + 0.5) / n)
    return math.log1p(slowdown) + sd * quantiles


def column(name: str = "step", minimum: Any = None, median: Any = None, invalid: str = "") -> PairedColumn:
    given = {MINIMUM: minimum, MEDIAN: minimum if median is None else median}
    return PairedColumn(name, {key: value for key, value in given.items() if value is not None}, invalid)


def judged(*columns: PairedColumn, pairs: int = 20, criteria: Criteria = Criteria()) -> FamilyVerdict:
    (found,) = judge([Family("numpy_manual cpu", pairs, columns)], 0, criteria)
    return found


# One column


@pytest.mark.parametrize(
    ("slowdown", "sd", "verdict"),
    [
        (0.05, 0.005, REGRESSION),
        (0.02, 0.005, REGRESSION),  # surely over the margin wins over surely under the tolerance
        (0.50, 0.005, REGRESSION),
        (0.0, 0.005, PASS),
        (-0.30, 0.005, PASS),
        (0.008, 0.002, PASS),  # surely slower, but not by the margin
        (0.011, 0.005, PASS),
        (0.0, 0.12, INCONCLUSIVE),
        (0.05, 0.12, INCONCLUSIVE),
        (-0.02, 0.3, INCONCLUSIVE),
    ],
)
def test_the_verdict_follows_from_the_bounds(slowdown: float, sd: float, verdict: Verdict) -> None:
    found = judged(column(minimum=spread(slowdown, sd)))
    assert found.verdict is verdict
    assert found.columns[0].verdict is verdict
    assert [each.verdict for each in found.columns[0].evidence] == [verdict, verdict]
    assert found.columns[0].evidence[0].slowdown == pytest.approx(slowdown, abs=1e-9)


@pytest.mark.parametrize("sd", [0.002, 0.02])
def test_margin_and_tolerance_are_compared_with_the_bounds_themselves(sd: float) -> None:
    values = spread(0.04, sd)
    low, high = (math.expm1(end) for end in signed_rank_bounds(values, 0.01))
    assert low > 0

    def verdict(margin: float, tolerance: float) -> Verdict:
        return judged(column(minimum=values), criteria=Criteria(margin=margin, tolerance=tolerance)).verdict

    slack = 1e-9
    assert verdict(low - slack, high - slack) is REGRESSION
    assert verdict(low + slack, high - slack) is INCONCLUSIVE
    assert verdict(low + slack, high + slack) is PASS
    assert verdict(low, high) is INCONCLUSIVE  # the bound itself is neither over nor under


def test_evidence_is_what_the_estimators_give() -> None:
    minimum, median = rng(1).normal(0.03, 0.02, (2, 20))
    found = judged(column(minimum=minimum, median=median)).columns[0].evidence
    test = sign_flip_test(np.column_stack([minimum, median]), np.random.default_rng([0, 20]))
    for h, (values, each) in enumerate(zip((minimum, median), found, strict=True)):
        assert each.statistic is tuple(Statistic)[h]
        assert each.pairs == 20
        assert each.slowdown == pytest.approx(math.expm1(hodges_lehmann(values)))
        low, high = signed_rank_bounds(values, 0.01)
        assert each.low == pytest.approx(math.expm1(low))
        assert each.high == pytest.approx(math.expm1(max(high, mean_bound(values, 0.01))))
        assert (each.p, each.adjusted_p) == pytest.approx((test.p[h], test.adjusted[h]))
        t = stats.t.ppf([0.99, 0.9], 19).sum()  # two conditions, each at a power of 0.9
        reach = math.exp(t * values.std(ddof=1) / math.sqrt(20))
        assert each.detectable == pytest.approx(1.01 * reach - 1)  # surely over the margin


@pytest.mark.parametrize(
    ("minimum", "median", "verdict"),
    [
        (REGRESSION, REGRESSION, REGRESSION),
        (REGRESSION, PASS, REGRESSION),
        (PASS, REGRESSION, REGRESSION),
        (INCONCLUSIVE, REGRESSION, REGRESSION),
        (PASS, INCONCLUSIVE, INCONCLUSIVE),
        (INCONCLUSIVE, PASS, INCONCLUSIVE),
        (INCONCLUSIVE, INCONCLUSIVE, INCONCLUSIVE),
        (PASS, PASS, PASS),
    ],
)
def test_either_statistic_can_show_a_regression_and_both_must_pass(
    minimum: Verdict, median: Verdict, verdict: Verdict
) -> None:
    values = {REGRESSION: spread(0.08), PASS: spread(0.0), INCONCLUSIVE: spread(0.0, 0.2)}
    found = judged(column(minimum=values[minimum], median=values[median]))
    assert [each.verdict for each in found.columns[0].evidence] == [minimum, median]
    assert found.verdict is verdict


def test_the_reason_names_the_statistic_that_decides() -> None:
    slower, same, noisy = spread(0.08), spread(0.0), spread(0.0, 0.2)
    assert judged(column(minimum=same, median=slower)).reason.startswith("step: the median is slower by 8.0%, by at ")
    assert judged(column(minimum=slower, median=same)).reason.startswith("step: the minimum is slower by 8.0%, by at ")
    assert "the slowdown of the median is between -" in judged(column(minimum=same, median=noisy)).reason
    wider = judged(column(minimum=same, median=spread(0.01, 0.008)))
    first, second = wider.columns[0].evidence
    assert first.detectable < second.detectable
    assert f"at most {second.high:.1%}, under the tolerance of 5.0%" in wider.reason
    assert wider.reason.endswith(f"{second.detectable:.1%} was detectable")


@pytest.mark.parametrize("n", [1, 2, 6, 7])
def test_under_seven_pairs_decide_nothing(n: int) -> None:
    for slowdown, verdict in ((0.0, PASS), (0.3, REGRESSION)):
        found = judged(column(minimum=spread(slowdown, n=n)), pairs=n)
        assert found.verdict is (verdict if n >= 7 else INCONCLUSIVE)
        (one, _) = found.columns[0].evidence
        if n < 7:
            given = "1 pair gives" if n == 1 else f"{n} pairs give"
            assert f"{given} no bound, 7 or more do" in found.reason
            assert (one.low, one.high, one.detectable) == (None, None, None)


def test_a_pass_does_not_claim_to_have_been_able_to_see_what_it_could_not() -> None:
    families = [Family(f"f{i}", 8, (column(minimum=spread(0.0, n=8)),)) for i in range(3)]
    for found in judge(families, 0):
        assert found.verdict is PASS
        assert found.columns[0].evidence[0].detectable is None
        assert "could not have shown any slowdown" in found.reason
    (enough,) = judge(families[:1], 0)
    assert enough.columns[0].evidence[0].detectable is not None
    slower = [Family(f"f{i}", 8, (column(minimum=spread(0.5, n=8)),)) for i in range(3)]
    assert {each.verdict for each in judge(slower, 0)} == {INCONCLUSIVE}
    assert "but p is 0.01" in judge(slower, 0)[0].reason


def test_what_is_detectable_grows_with_the_number_of_families() -> None:
    family = Family("a", 20, (column(minimum=spread(0.0, 0.2)),))
    (alone,) = judge([family], 0)
    beside, _ = judge([family, replace(family, name="b")], 0)
    one, other = alone.columns[0].evidence[0], beside.columns[0].evidence[0]
    assert one.detectable < other.detectable
    assert other.detectable == pytest.approx(detectable_slowdown(spread(0.0, 0.2), 0.005, 0.9))


# INVALID


GOOD, HOLE = spread(0.0), np.where(np.arange(20) == 3, math.nan, spread(0.0))
NO_MEDIAN, NO_MINIMUM = "a turn's median is missing", "a turn's minimum is missing"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (column(), NO_MINIMUM),
        (column(invalid="B is unverified"), "B is unverified"),
        (column(minimum=GOOD, invalid="a round was throttled"), "a round was throttled"),
        (PairedColumn("step", {MINIMUM: GOOD}), NO_MEDIAN),
        (PairedColumn("step", {MEDIAN: GOOD}), NO_MINIMUM),
        (PairedColumn("step", {MINIMUM: GOOD, MEDIAN: None}), NO_MEDIAN),  # type: ignore[dict-item]
        (column(minimum=GOOD[:-1]), "a turn's minimum has values of 19 pairs, not of 20"),
        (column(minimum=GOOD, median=GOOD[:-1]), "a turn's median has values of 19 pairs, not of 20"),
        (column(minimum=np.append(GOOD, 0.0)), "a turn's minimum has values of 21 pairs, not of 20"),
        (column(minimum=[]), "a turn's minimum has values of 0 pairs, not of 20"),
        (column(minimum=HOLE), "a turn's minimum of pair 3 is not a finite number"),
        (column(minimum=GOOD, median=HOLE), "a turn's median of pair 3 is not a finite number"),
        (
            column(minimum=np.where(GOOD[5] == GOOD, -math.inf, GOOD)),
            "a turn's minimum of pair 5 is not a finite number",
        ),
    ],
)
def test_what_cannot_be_judged_is_invalid_and_says_why_alone_and_beside_others(bad: PairedColumn, reason: str) -> None:
    bad, fine, slower = replace(bad, name="update"), column(minimum=GOOD), column("forward", spread(0.2))
    for columns, verdict in (((bad,), INVALID), ((bad, fine), INVALID), ((fine, bad, slower), REGRESSION)):
        found = judged(*columns)
        assert found.verdict is verdict
        at = found.columns[columns.index(bad)]
        assert (at.verdict, at.reason, at.evidence) == (INVALID, reason, ())
        assert [each.name for each in found.columns] == [each.name for each in columns]
        assert found.decided


@pytest.mark.parametrize("slowdown", [0.0, -0.5])
def test_an_invalid_column_takes_no_part_in_the_corrections(slowdown: float) -> None:
    fine = column(minimum=spread(slowdown, 0.02))
    alone, beside = judged(fine), judged(column("update", invalid="missing in B"), fine)
    assert beside.columns[1] == alone.columns[0]
    assert beside.reason == "update: missing in B"
    families = [Family("a", 20, (fine,)), Family("b", 20, (column(invalid="gone"),))]
    assert judge(families, 0)[0] == replace(alone, name="a")


def test_nothing_is_never_a_pass() -> None:
    assert judge([], 0) == ()
    assert worst([]) is INVALID
    empty = judged()
    assert (empty.verdict, empty.reason) == (INVALID, "nothing was compared")
    assert judged(column(minimum=[]), pairs=0).columns[0].reason == "no pair was measured"


@pytest.mark.parametrize("verdicts", list(product(Verdict, repeat=3)))
def test_the_worst_verdict_of_all_is_that_of_the_whole(verdicts: tuple[Verdict, ...]) -> None:
    severity = [PASS, INCONCLUSIVE, INVALID, REGRESSION]
    assert worst(verdicts) is severity[max(severity.index(each) for each in verdicts)]


# Families


def test_a_family_has_the_verdict_and_the_reasons_of_its_worst_columns() -> None:
    found = judged(column(minimum=spread(0.1)), column("forward", spread(0.0)), column("backward", spread(0.2)))
    assert found.verdict is REGRESSION
    step, backward = found.reason.split("; ")
    assert step.startswith("step: the minimum is slower by 10.0%")
    assert backward.startswith("backward: the minimum is slower by 20.0%")


def test_many_families_are_corrected_together() -> None:
    doubtful = rng(3).normal(0.03, 0.04, 20)
    p = float(sign_flip_test(np.column_stack([doubtful, doubtful]), np.random.default_rng([0, 20])).adjusted[0])
    assert 0.002 < p < 0.02
    slower = Family("slower", 20, (column(minimum=doubtful),))
    quiet = [Family(f"f{i}", 20, (column(minimum=-spread(0.0, 0.02) - 0.01),)) for i in range(4)]
    alone = judge([slower], 0)[0].columns[0].evidence[0]
    beside = judge([slower, *quiet], 0)[0].columns[0].evidence[0]
    assert alone.adjusted_p == pytest.approx(p)
    assert beside.adjusted_p == pytest.approx(5 * p)
    assert beside.p == alone.p == pytest.approx(p)


def test_verdicts_keep_the_order_of_families_and_the_seed_decides_all() -> None:
    families = [Family(name, 20, (column(minimum=rng(i).normal(0, 0.02, 20)),)) for i, name in enumerate("cab")]
    assert [each.name for each in judge(families, 0)] == ["c", "a", "b"]
    assert judge(families, 4) == judge(families, 4)


def test_names_must_differ() -> None:
    one = column(minimum=spread(0.0))
    with pytest.raises(ValueError, match="2 families are called 'a'"):
        judge([Family("a", 20, (one,))] * 2, 0)
    with pytest.raises(ValueError, match="2 columns of a are called 'step'"):
        judge([Family("a", 20, (one, one))], 0)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"alpha": 0.0}, "alpha is 0.0"),
        ({"alpha": 0.5}, "alpha is 0.5"),
        ({"alpha": math.nan}, "alpha is nan"),
        ({"power": 1.0}, "power is 1.0"),
        ({"margin": -0.01}, "margin is -0.01"),
        ({"margin": 0.05}, "margin is 0.05 and tolerance 0.05"),
        ({"tolerance": math.inf}, "tolerance inf"),
        ({"tolerance": math.nan}, "tolerance nan"),
    ],
)
def test_criteria_that_cannot_be_are_refused(given: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Criteria(**given)


# Simulated runs: the step and three phases, seen by two statistics; noise is shared by what shares a process.


def simulated(
    draw: np.random.Generator, name: str = "a", n: int = 20, sd: float = 0.02, shifts: tuple[float, ...] = (0, 0, 0, 0)
) -> Family:
    common = draw.normal(size=(n, 1, 1))
    noise = sd * (math.sqrt(0.5) * common + math.sqrt(0.5) * draw.standard_t(5, (n, 4, 2)) / math.sqrt(5 / 3))
    names = ("step", "forward", "backward", "update")
    columns = tuple(
        column(each, noise[:, h, 0] + math.log1p(shift), noise[:, h, 1] + math.log1p(shift))
        for h, (each, shift) in enumerate(zip(names, shifts, strict=True))
    )
    return Family(name, n, columns)


def most(count: int, probability: float) -> int:
    return int(stats.binom.ppf(0.999, count, probability))


STRICT = Criteria(alpha=0.05, margin=0.0, tolerance=0.05)
"""No margin: then a REGRESSION is as likely as the tests alone make it."""


@pytest.mark.parametrize("families", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_an_a_a_shows_a_regression_no_more_often_than_alpha(families: int) -> None:
    count, draw, false = 720 // families, rng(51), 0
    for _ in range(count):
        found = judge([simulated(draw, str(i), 12) for i in range(families)], 0, STRICT)
        false += any(each.verdict is REGRESSION for each in found)
    assert 0.4 * 0.05 * count <= false <= most(count, 0.05)


def test_twenty_pairs_of_two_percent_spread_see_five_percent_and_name_it() -> None:
    count, draw, seen, named = 150, rng(52), 0, 0
    for _ in range(count):
        (found,) = judge([simulated(draw, shifts=(0.05, 0.0, 0.15, 0.0))], 0)
        seen += found.columns[0].verdict is REGRESSION
        named += [each.phase for each in changed_phases(found)] == ["backward"]
    assert seen >= 0.98 * count
    assert named >= 0.98 * count


# Phases by what they add


def test_a_phase_passes_by_what_it_adds_to_the_step_and_is_still_found_by_itself() -> None:
    whole, wide = column(minimum=spread(0.0)), replace(column("update", spread(0.0, 0.12)), share=0.1)
    assert judged(whole, replace(wide, share=1.0)).verdict is INCONCLUSIVE
    found = judged(whole, wide)
    (one, _), high = found.columns[1].evidence, found.columns[1].deciding.high
    assert (found.verdict, one.share) == (PASS, 0.1)
    assert high > 0.05
    assert f"slower by at most {high:.1%}, which adds at most {high / 10:.1%} to the step" in found.columns[1].reason
    slow = judged(whole, replace(column("update", spread(0.2)), share=0.1))
    assert slow.verdict is REGRESSION
    assert slow.columns[1].deciding.added == pytest.approx(0.02)
    assert "update: the minimum is slower by 20.0%" in slow.reason
    assert slow.reason.endswith("which adds 2.0% to the step")


def test_the_margin_of_a_phase_is_its_own() -> None:
    tiny = replace(column("update", spread(0.009, 0.001)), share=0.1)
    assert judged(column(minimum=spread(0.0)), tiny).verdict is PASS
    found = judged(column(minimum=spread(0.0)), replace(tiny, values=column(minimum=spread(0.02, 0.001)).values))
    assert found.verdict is REGRESSION


def test_a_share_is_a_part_of_the_whole_step_and_all_of_it_where_it_is_not_known() -> None:
    seconds = {"step": 2.0, "forward": 0.5, "backward": 3.0}
    assert [share_of(phase, seconds) for phase in ("step", "forward", "backward", "update")] == [1.0, 0.25, 1.0, 1.0]
    assert share_of("forward", {"forward": 0.5}) == share_of("forward", {"step": 0.0, "forward": 0.5}) == 1.0


# What the centre does not show


def test_a_few_processes_that_are_far_slower_are_no_pass_and_are_named() -> None:
    values = spread(0.001)
    values[[3, 12]] += math.log(2)
    found = judged(column(minimum=values))
    (one, _) = found.columns[0].evidence
    assert signed_rank_bounds(values, 0.01)[1] < math.log(1.05)  # the centre alone would pass
    assert one.high == pytest.approx(math.expm1(mean_bound(values, 0.01)))
    assert (found.verdict, found.remark) == (INCONCLUSIVE, "2 of the 20 pairs are slower by 99% or more")
    assert judged(column(minimum=-values)).remark == ""


@pytest.mark.parametrize("sd", [0.001, 0.01, 0.03, 0.1, 0.4])
def test_a_pass_never_says_less_than_a_tolerance_beside_a_detectable_slowdown_over_it(sd: float) -> None:
    for heavy in (0.0, 0.1, 0.5):
        values = spread(0.0, sd)
        values[[0, 7]] += heavy
        (one, _) = judged(column(minimum=values)).columns[0].evidence
        assert one.verdict is not PASS or one.detectable < 0.05


def test_a_spread_that_grew_is_said() -> None:
    a, wide = spread(0.0, 0.01), spread(0.0, 0.1)[rng(5).permutation(20)]
    family = Family("a", 20, (column(minimum=wide - a),), sides=(a, wide))
    (grown,), (shrunk,) = judge([family], 0), judge([replace(family, sides=(wide, a))], 0)
    assert grown.remark == f"processes of B spread by {wide.std(ddof=1):.1%}, those of A by {a.std(ddof=1):.1%}"
    assert shrunk.remark == ""


# Naming the phase


def phases(**slowdowns: float) -> FamilyVerdict:
    return judged(column(minimum=spread(0.1)), *(column(name, spread(size)) for name, size in slowdowns.items()))


def test_the_phase_that_adds_most_seconds_is_named_first() -> None:
    found = phases(forward=0.5, backward=0.1, update=0.0)
    assert [each.phase for each in changed_phases(found)] == ["forward", "backward"]  # by slowdown
    by_seconds = changed_phases(found, {"forward": 1e-4, "backward": 1e-3, "update": 5e-3})
    assert [each.phase for each in by_seconds] == ["backward", "forward"]
    assert [each.seconds for each in by_seconds] == pytest.approx([1e-4, 5e-5])
    assert changed_phases(found, {"backward": 1e-9})[0].phase == "backward"  # what is not known comes last
    assert changed_phases(found)[0].seconds is None


def test_a_slower_step_without_a_slower_phase_names_none() -> None:
    found = phases(forward=0.0, backward=0.0)
    assert found.verdict is REGRESSION
    assert changed_phases(found) == ()


def test_the_evidence_of_a_phase_is_the_statistic_that_shows_it() -> None:
    found = judged(column("backward", spread(0.0), spread(0.3)), column("forward", spread(0.0, 0.2)))
    (change,) = changed_phases(found, {"backward": 2.0})
    assert isinstance(change.evidence, Evidence)
    assert change.evidence.statistic is MEDIAN
    assert change.seconds == pytest.approx(0.6)
