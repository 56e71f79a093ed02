from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.analysis.decision import FirstStage, after_first_stage, after_second_stage, changed_phases
from bench.analysis.rule import Criteria, Evidence, FamilyVerdict, Statistic, Verdict, worst
from bench.analysis.verdict import Family, PairedColumn, judge
from bench.stats import Floats
from bench.stats.estimates import detectable_slowdown
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
    (found,) = judge([Family("numpy_manual cpu", pairs, columns)], rng(), criteria)
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
    test = sign_flip_test(np.column_stack([minimum, median]), rng())
    for h, (values, each) in enumerate(zip((minimum, median), found, strict=True)):
        assert each.statistic is tuple(Statistic)[h]
        assert each.pairs == 20
        assert each.slowdown == pytest.approx(math.expm1(hodges_lehmann(values)))
        assert (each.low, each.high) == pytest.approx(tuple(math.expm1(it) for it in signed_rank_bounds(values, 0.01)))
        assert (each.p, each.adjusted_p) == (test.p[h], test.adjusted[h])
        t = stats.t.ppf([0.99, 0.8], 19).sum()
        reach = math.exp(t * values.std(ddof=1) / math.sqrt(20))
        assert each.detectable == pytest.approx(reach - 1)


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
            assert f"{n} pairs give no bound, 7 or more do" in found.reason
            assert (one.low, one.high, one.detectable) == (None, None, None)


def test_a_pass_does_not_claim_to_have_been_able_to_see_what_it_could_not() -> None:
    families = [Family(f"f{i}", 8, (column(minimum=spread(0.0, n=8)),)) for i in range(3)]
    for found in judge(families, rng()):
        assert found.verdict is PASS
        assert found.columns[0].evidence[0].detectable is None
        assert "could not have shown any slowdown" in found.reason
    (few,) = judge(families[:1], rng(), flips=98)
    assert few.columns[0].evidence[0].detectable is None
    (enough,) = judge(families[:1], rng(), flips=99)
    assert enough.columns[0].evidence[0].detectable is not None
    slower = [Family(f"f{i}", 8, (column(minimum=spread(0.5, n=8)),)) for i in range(3)]
    assert {each.verdict for each in judge(slower, rng())} == {INCONCLUSIVE}
    assert "but p is 0.01" in judge(slower, rng())[0].reason


def test_what_is_detectable_grows_with_the_number_of_families() -> None:
    family = Family("a", 20, (column(minimum=spread(0.0)),))
    (alone,) = judge([family], rng())
    beside, _ = judge([family, replace(family, name="b")], rng())
    one, other = alone.columns[0].evidence[0], beside.columns[0].evidence[0]
    assert one.detectable < other.detectable
    assert other.detectable == pytest.approx(detectable_slowdown(spread(0.0), 0.005))


# INVALID


GOOD, HOLE = spread(0.0), np.where(np.arange(20) == 3, math.nan, spread(0.0))
NO_MEDIAN, NO_MINIMUM = "the batch median is missing", "the batch minimum is missing"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (column(), NO_MINIMUM),
        (column(invalid="B is unverified"), "B is unverified"),
        (column(minimum=GOOD, invalid="a round was throttled"), "a round was throttled"),
        (PairedColumn("step", {MINIMUM: GOOD}), NO_MEDIAN),
        (PairedColumn("step", {MEDIAN: GOOD}), NO_MINIMUM),
        (PairedColumn("step", {MINIMUM: GOOD, MEDIAN: None}), NO_MEDIAN),  # type: ignore[dict-item]
        (column(minimum=GOOD[:-1]), "the batch minimum has values of 19 pairs, not of 20"),
        (column(minimum=GOOD, median=GOOD[:-1]), "the batch median has values of 19 pairs, not of 20"),
        (column(minimum=np.append(GOOD, 0.0)), "the batch minimum has values of 21 pairs, not of 20"),
        (column(minimum=[]), "the batch minimum has values of 0 pairs, not of 20"),
        (column(minimum=HOLE), "the batch minimum of pair 3 is not a finite number"),
        (column(minimum=GOOD, median=HOLE), "the batch median of pair 3 is not a finite number"),
        (
            column(minimum=np.where(GOOD[5] == GOOD, -math.inf, GOOD)),
            "the batch minimum of pair 5 is not a finite number",
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
        assert after_first_stage([found]).fine == ()


@pytest.mark.parametrize("slowdown", [0.0, -0.5])
def test_an_invalid_column_takes_no_part_in_the_corrections(slowdown: float) -> None:
    fine = column(minimum=spread(slowdown, 0.02))
    alone, beside = judged(fine), judged(column("update", invalid="missing in B"), fine)
    assert beside.columns[1] == alone.columns[0]
    assert beside.reason == "update: missing in B"
    families = [Family("a", 20, (fine,)), Family("b", 20, (column(invalid="gone"),))]
    assert judge(families, rng())[0] == replace(alone, name="a")


def test_nothing_is_never_a_pass() -> None:
    assert judge([], rng()) == ()
    assert worst([]) is INVALID
    empty = judged()
    assert (empty.verdict, empty.reason) == (INVALID, "nothing was compared")
    assert judged(column(minimum=[]), pairs=0).columns[0].reason == "no pair was measured"
    assert after_first_stage([empty]).again == (empty.name,)


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
    p = float(sign_flip_test(np.column_stack([doubtful, doubtful]), rng()).adjusted[0])
    assert 0.002 < p < 0.02
    slower = Family("slower", 20, (column(minimum=doubtful),))
    quiet = [Family(f"f{i}", 20, (column(minimum=-spread(0.0, 0.02) - 0.01),)) for i in range(4)]
    alone = judge([slower], rng())[0].columns[0].evidence[0]
    beside = judge([slower, *quiet], rng())[0].columns[0].evidence[0]
    assert alone.adjusted_p == p
    assert beside.adjusted_p == pytest.approx(5 * p)
    assert beside.p == alone.p == p


def test_verdicts_keep_the_order_of_families_and_the_seed_decides_all() -> None:
    families = [Family(name, 20, (column(minimum=rng(i).normal(0, 0.02, 20)),)) for i, name in enumerate("cab")]
    assert [each.name for each in judge(families, rng())] == ["c", "a", "b"]
    assert judge(families, rng(4)) == judge(families, rng(4))


def test_names_must_differ() -> None:
    one = column(minimum=spread(0.0))
    with pytest.raises(ValueError, match="2 families are called 'a'"):
        judge([Family("a", 20, (one,))] * 2, rng())
    with pytest.raises(ValueError, match="2 columns of a are called 'step'"):
        judge([Family("a", 20, (one, one))], rng())


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"alpha": 0.0}, "alpha is 0.0"),
        ({"alpha": 0.5}, "alpha is 0.5"),
        ({"alpha": math.nan}, "alpha is nan"),
        ({"power": 1.0}, "power is 1.0"),
        ({"fine": 0.0}, "fine is 0.0"),
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
    count, draw, false = 1200 // families, rng(51), 0
    for _ in range(count):
        found = judge([simulated(draw, str(i), 15) for i in range(families)], draw, STRICT, 399)
        false += any(each.verdict is REGRESSION for each in found)
    assert 0.4 * 0.05 * count <= false <= most(count, 0.05)


def test_twenty_pairs_of_two_percent_spread_see_five_percent_and_name_it() -> None:
    count, draw, seen, named = 150, rng(52), 0, 0
    for _ in range(count):
        (found,) = judge([simulated(draw, shifts=(0.05, 0.0, 0.15, 0.0))], draw, flips=1999)
        seen += found.columns[0].verdict is REGRESSION
        named += [each.phase for each in changed_phases(found)] == ["backward"]
    assert seen >= 0.98 * count
    assert named >= 0.98 * count


def test_a_slowdown_of_the_size_called_detectable_is_found_with_about_the_power_stated() -> None:
    count, draw, seen, sizes = 400, rng(53), 0, []
    detectable = detectable_slowdown(spread(0.0, 0.02) * 0.02 / spread(0.0, 0.02).std(ddof=1))
    size = 1.01 * (1 + detectable) - 1  # it must be over the margin by so much
    for _ in range(count):
        values = math.log1p(size) + draw.normal(0, 0.02, 20)
        (found,) = judge([Family("a", 20, (column(minimum=values),))], draw, flips=999)
        seen += found.verdict is REGRESSION
        sizes.append(found.columns[0].evidence[0].detectable)
    assert 0.7 <= seen / count <= 0.87
    assert np.median(sizes) == pytest.approx(detectable, rel=0.05)


LENIENT = Criteria(alpha=0.05, margin=0.0499, tolerance=0.05, fine=0.001)
"""Almost nothing keeps a family from passing but the upper bound."""


def at_tolerance(draw: np.random.Generator, n: int) -> FamilyVerdict:
    """A judged family whose one column, seen twice the same, is slower by just the tolerance: the easiest to pass."""
    values = math.log1p(0.05) + draw.normal(0, 0.02, n)
    return judge([Family("a", n, (column(minimum=values),))], draw, LENIENT, 99)[0]


def test_a_slowdown_at_the_tolerance_passes_no_more_often_than_alpha() -> None:
    count, draw = 1500, rng(54)
    passed = sum(at_tolerance(draw, 15).verdict is PASS for _ in range(count))
    assert 0.02 * count <= passed <= most(count, 0.05)


# Two stages


def test_only_what_is_clearly_fine_stops_at_the_first_stage() -> None:
    doubtful = spread(0.002, 0.01)  # passes, but its p is under 0.2
    families = [
        Family("fine", 20, (column(minimum=spread(-0.001)),)),
        Family("doubtful", 20, (column(minimum=spread(-0.001)), column("forward", spread(0.0), doubtful))),
        Family("slower", 20, (column(minimum=spread(0.2)),)),
        Family("noisy", 20, (column(minimum=spread(-0.01, 0.2)),)),
        Family("gone", 20, (column(invalid="gone"),)),
    ]
    first = judge(families, rng())
    assert [each.verdict for each in first] == [PASS, PASS, REGRESSION, INCONCLUSIVE, INVALID]
    stage = after_first_stage(first)
    assert stage == FirstStage((first[0],), ("doubtful", "slower", "noisy", "gone"))
    low = min(each.p for it in first[1].columns for each in it.evidence)
    assert low < 0.2
    assert after_first_stage(first, Criteria(fine=low * 0.99)).again == ("slower", "noisy", "gone")
    assert after_first_stage(first, Criteria(fine=low)).again == stage.again  # "over", not "at least"


def test_fresh_pairs_decide_alone_and_missing_ones_are_invalid() -> None:
    fine, slower = (judged(column(minimum=spread(size))) for size in (-0.001, 0.2))
    first = FirstStage((replace(fine, name="a"),), ("b", "c", "d"))
    second = [replace(slower, name="d"), replace(fine, name="b"), replace(slower, name="a")]
    final = after_second_stage(first, second)
    assert [(each.name, each.verdict) for each in final] == [
        ("a", PASS),
        ("b", PASS),
        ("c", INVALID),
        ("d", REGRESSION),
    ]
    assert final[2].reason == "its fresh pairs are missing"
    assert after_second_stage(FirstStage((), ()), second) == ()


def test_two_stages_show_a_regression_in_an_a_a_no_more_often_than_alpha() -> None:
    count, draw, false, stopped = 1000, rng(61), 0, 0
    criteria = replace(STRICT, tolerance=0.1)
    for _ in range(count):
        first = after_first_stage(judge([simulated(draw, n=8)], draw, criteria, 199), criteria)
        second = judge([simulated(draw, n=15)], draw, criteria, 199) if first.again else ()
        (final,) = after_second_stage(first, second)
        stopped += not first.again
        false += final.verdict is REGRESSION
    assert false <= most(count, 0.05)
    assert stopped >= 0.2 * count


def test_two_stages_pass_what_is_at_the_tolerance_no_more_often_than_twice_alpha() -> None:
    count, draw, passed = 800, rng(62), 0
    for _ in range(count):
        first = after_first_stage([at_tolerance(draw, 8)], LENIENT)
        (final,) = after_second_stage(first, [at_tolerance(draw, 15)] if first.again else ())
        passed += final.verdict is PASS
    assert 0.05 * count <= passed <= most(count, 2 * 0.05)


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
