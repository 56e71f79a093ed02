"""Several machines: what an interval over them covers, and how often the odd one is named, by simulation."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from bench.stats.estimates import (
    MIN_PROCESSES,
    Estimate,
    across_machines,
    mean_estimate,
    median_estimate,
    rounds_estimate,
    speedup_estimate,
    times_estimate,
)
from bench.stats.machines import LEAST, MachineTime, odd_machines

ROUNDS_SD = 0.02
"""What rounds on one machine scatter by."""
TWO_KINDS = 0.06


def coverage(counts: tuple[int, ...], apart: float, runs: int, kinds: float = 0.0) -> tuple[float, float]:
    """How often the two intervals hold the mean of all machines, and of these machines; they are `apart` (sd)."""
    rng = np.random.default_rng(2027)
    wide = here = 0
    for _ in range(runs):
        machines = rng.normal(0.0, apart, len(counts)) if apart else np.zeros(len(counts))
        groups = [
            machine + rng.normal(0.0, ROUNDS_SD, n) + kinds * ((rng.random(n) < 0.5) - 0.5)
            for machine, n in zip(machines, counts, strict=True)
        ]
        found = across_machines(groups)
        wide += _holds(found.wide, 0.0)
        here += _holds(found.here, float(machines.mean()))
    return wide / runs, here / runs


def _holds(found: Estimate, value: float) -> bool:
    assert found.low is not None
    assert found.high is not None
    return found.low <= value <= found.high


FEW = [((3, 3), 0.05), ((4, 4, 4, 4), 0.0), ((2, 2, 2, 2, 2, 2, 2, 2), 0.05)]
MANY = [
    (counts, apart)
    for counts in ((3, 3), (6, 6), (2, 10), (3, 3, 3, 3), (2, 2, 6, 9), (1,) * 8, (3,) * 8, (1, 1, 1, 1, 4, 4, 8, 8))
    for apart in (0.0, 0.01, 0.05)
]


@pytest.mark.parametrize(("counts", "apart"), FEW)
def test_intervals_over_machines_cover(counts: tuple[int, ...], apart: float) -> None:
    wide, here = coverage(counts, apart, 400)
    assert wide >= 0.92
    assert here >= 0.92


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [0.0, TWO_KINDS])
@pytest.mark.parametrize(("counts", "apart"), MANY)
def test_intervals_over_machines_cover_with_and_without_an_effect(
    counts: tuple[int, ...], apart: float, kinds: float
) -> None:
    wide, _ = coverage(counts, apart, 4000, kinds) if max(counts) > 1 else (_of_singles(counts, apart), 0.0)
    sys.stdout.write(
        f"machines with {counts} rounds, apart by {apart:.0%}, two kinds {kinds:.0%}: covered {wide:.1%}\n"
    )
    assert wide >= 0.94


def _of_singles(counts: tuple[int, ...], apart: float) -> float:
    rng = np.random.default_rng(1)
    values = rng.normal(0.0, math.hypot(apart, ROUNDS_SD), (4000, len(counts)))
    return float(np.mean([_holds(across_machines(row[:, None]).wide, 0.0) for row in values]))


def test_without_a_common_interval_an_effect_of_machines_is_not_covered() -> None:
    rng, held = np.random.default_rng(5), 0
    for _ in range(300):
        groups = rng.normal(0.0, 0.05, 4)[:, None] + rng.normal(0.0, ROUNDS_SD, (4, 6))
        held += _holds(mean_estimate(groups.ravel()), 0.0)
    assert held / 300 < 0.75  # what pooling would do: the reason for the outer level


def test_on_one_machine_it_is_what_it_was() -> None:
    logs = [0.1, 0.3, 0.2, 0.25, 0.15, 0.4, 0.2]
    one = mean_estimate(logs)
    assert rounds_estimate(dict(enumerate(logs))) == one
    assert rounds_estimate({("n1", number): value for number, value in enumerate(logs)}, here=True) == one
    seconds = [(("n1", number), math.exp(value)) for number, value in enumerate(logs)]
    assert times_estimate(seconds) == median_estimate(np.exp(logs))


def test_two_machines_have_one_degree_of_freedom_and_more_rounds_narrow_only_what_is_known_of_them() -> None:
    few = across_machines([[0.0, 0.02, 0.04], [0.2, 0.22, 0.24]])
    many = across_machines([[0.0, 0.02, 0.04] * 20, [0.2, 0.22, 0.24] * 20])
    assert few.wide.value == pytest.approx(0.12)
    # the means are 0.2 apart: their error is 0.1, and Student's t of one degree of freedom at 0.975 is 12.7062
    assert few.wide.low == pytest.approx(0.12 - 12.7062047 * 0.1, rel=1e-6)
    assert many.wide.low == pytest.approx(few.wide.low, rel=1e-6)
    assert few.here.halfwidth is not None
    assert many.here.halfwidth is not None
    assert many.here.halfwidth < few.here.halfwidth / 4


def test_means_that_agree_by_chance_do_not_make_the_interval_narrower_than_its_rounds() -> None:
    found = across_machines([[0.0, 0.1, -0.1], [0.1, 0.0, -0.1]])
    assert found.wide.high == pytest.approx(12.7062047 * 0.1 / math.sqrt(6), rel=1e-6)


def test_too_few_rounds_have_no_interval_and_single_rounds_say_nothing_of_these_machines() -> None:
    assert across_machines([[1.0, 2.0], [3.0, 4.0, 5.0]]).wide == Estimate(pytest.approx(2.75, rel=0.02))
    singles = across_machines([[float(value)] for value in range(MIN_PROCESSES)])
    assert singles.here == Estimate(2.5)
    assert singles.wide == mean_estimate(range(MIN_PROCESSES))
    same = across_machines([[1.0] * 3, [1.0] * 3])
    assert (same.wide, same.here) == (Estimate(1.0, 1.0, 1.0),) * 2


def test_speedups_pair_only_within_a_machine_and_round() -> None:
    baseline = {("n1", 0): {0: 4.0}, ("n2", 1): {0: 4.0}, ("n1", 2): {0: 1e9}}
    contender = {("n1", 0): {0: 2.0}, ("n2", 1): {0: 2.0}, ("n2", 2): {0: 1e-9}}
    assert speedup_estimate(baseline, contender) == Estimate(pytest.approx(2.0))
    assert speedup_estimate({("n1", 0): {0: 1.0}}, {("n2", 0): {0: 1.0}}) is None


def draw(rng: np.random.Generator, means: dict[str, float], rounds: int, kinds: float = 0.0) -> list[MachineTime]:
    """Times of two groups, which take turns on the machines."""
    return [
        MachineTime(name, group, shift + level + rng.normal(0.0, ROUNDS_SD) + kinds * ((rng.random() < 0.5) - 0.5))
        for group, level in (("a", -9.0), ("b", -5.0))
        for name, shift in means.items()
        for _ in range(rounds)
    ]


def named(means: dict[str, float], rounds: int, runs: int, kinds: float = 0.0) -> list[list[str]]:
    rng = np.random.default_rng(11)
    return [[odd.machine for odd in odd_machines(draw(rng, means, rounds, kinds))] for _ in range(runs)]


def test_the_slow_one_of_two_and_of_four_is_named_and_no_other() -> None:
    assert all(found == ["n2"] for found in named({"n1": 0.0, "n2": 0.25}, 3, 60))
    assert all(found == ["n3"] for found in named({"n1": 0.0, "n2": 0.01, "n3": 0.3, "n4": 0.0}, 3, 60))
    assert all(found == ["n1"] for found in named({"n1": -0.3, "n2": 0.0, "n3": 0.0}, 3, 60))


def test_machines_that_differ_by_no_more_than_parts_of_one_kind_do_are_not_named() -> None:
    edge = math.log1p(LEAST)
    for means in ({"n1": 0.0, "n2": edge}, dict.fromkeys(("n1", "n2", "n3"), 0.0)):
        assert np.mean([bool(found) for found in named(means, 3, 300)]) <= 0.05 + 0.02


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [0.0, TWO_KINDS])
@pytest.mark.parametrize("rounds", [2, 3, 8])
@pytest.mark.parametrize("machines", [2, 4, 8])
def test_size_of_the_test_for_odd_machines(machines: int, rounds: int, kinds: float) -> None:
    names = [f"n{number}" for number in range(machines)]
    edge = {name: math.log1p(LEAST) if name == "n0" else 0.0 for name in names}
    for means in (dict.fromkeys(names, 0.0), edge):
        size = float(np.mean([bool(found) for found in named(means, rounds, 2000, kinds)]))
        sys.stdout.write(f"{machines} machines, {rounds} rounds, two kinds {kinds:.0%}: named in {size:.2%}\n")
        assert size <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_groups_that_were_measured_on_one_machine_only_say_nothing() -> None:
    apart = [MachineTime("n1", "a", 1.0), MachineTime("n1", "a", 1.01), MachineTime("n2", "b", 2.0)]
    assert odd_machines([*apart, MachineTime("n2", "b", 2.01)]) == []
    assert odd_machines(apart[:2]) == odd_machines([]) == []
    joined = [MachineTime("n2", "a", 1.5), MachineTime("n2", "a", 1.51), MachineTime("n1", "b", 1.5)]
    assert [odd.machine for odd in odd_machines([*apart, *joined])] == ["n2"]
