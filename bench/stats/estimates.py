"""Estimates and their intervals. The unit of observation is a process, never a sample inside one.

Samples of one process share its memory layout, its place in time and its neighbours; treating them as independent
gives intervals several times too narrow. So each process is reduced to one number first, and an interval says how
much that number varies from process to process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.ranks import differences, mann_whitney_cdf, rank_bounds
from bench.stats.special import halves_cdf, t_quantile

CONFIDENCE = 0.95
MIN_PROCESSES = 6
"""Fewer values than this cannot give a distribution-free 95 % interval of a median (1 - 2 / 2^5 < 0.95)."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; the ends are None where there are too few processes to give one."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def halfwidth(self) -> float | None:
        """Half the interval over the value, its relative width to either side; None without an interval."""
        if self.low is None or self.high is None or self.value == 0:
            return None
        return (self.high - self.low) / 2 / abs(self.value)


def median_estimate(values: ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """Return the median of values from independent processes, with a distribution-free interval.

    The ends interpolate between two neighbouring order statistics so that the coverage is close to `confidence`
    for any n (Hettmansperger and Sheather, "Confidence intervals based on interpolated order statistics",
    Statistics & Probability Letters 4, 1986). It is what resampling processes converges to, without its uneven coverage
    at small n and without random numbers.

    Args:
        values: one number a process, shape (n,), n >= 1.
        confidence: the coverage aimed at.

    Returns:
        The median; with ends if n >= 6 at 95 %, that is if min and max cover `confidence`.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    median = float(np.median(ordered))
    # Coverage of [x(d), x(n+1-d)] for d = 1, 2, ...: it falls as d grows.
    coverage = 1.0 - 2.0 * halves_cdf(n)[: n // 2]
    d = int((coverage >= confidence).sum())
    if d == 0:
        return Estimate(median)
    if d == len(coverage):
        return Estimate(median, float(ordered[d - 1]), float(ordered[n - d]))
    share = (coverage[d - 1] - confidence) / (coverage[d - 1] - coverage[d])
    inward = (n - d) * share / (d + (n - 2 * d) * share)
    low = ordered[d - 1] + inward * (ordered[d] - ordered[d - 1])  # so that equal values give themselves
    high = ordered[n - d] - inward * (ordered[n - d] - ordered[n - d - 1])
    return Estimate(median, float(low), float(high))


def ratio_estimate(numerators: ArrayLike, denominators: ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """Return numerator / denominator of values paired by process: the median of the ratios, with its interval.

    What a process has in common falls on both sides and cancels in its ratio.

    Args:
        numerators: one positive number a process, shape (n,).
        denominators: the same processes' numbers, shape (n,).
        confidence: the coverage aimed at.
    """
    logs = np.log(np.asarray(numerators, dtype=float)) - np.log(np.asarray(denominators, dtype=float))
    return exponential(median_estimate(logs, confidence))


Turns = Mapping[int, float]
"""Times of one process, or of several of one case, by the number of the turn that they were found in."""
RoundKey = int | tuple[str, int]
"""A round: its number, or where there are several machines, the machine and the number. No two machines share one."""


def round_log_ratio(numerators: Turns, denominators: Turns) -> float | None:
    """Return ln(numerator / denominator) of one round: the median over the turns that both took.

    What disturbs the machine for longer than a turn falls on both and cancels. Where they took no turn together it is
    the ratio of their medians. None where a clock saw no time pass.
    """
    shared = [turn for turn in numerators.keys() & denominators.keys() if numerators[turn] > 0 < denominators[turn]]
    if shared:
        return float(np.median([math.log(numerators[turn] / denominators[turn]) for turn in shared]))
    one, other = (float(np.median([*each.values()])) if each else 0.0 for each in (numerators, denominators))
    return math.log(one / other) if one > 0 < other else None


def mean_estimate(logs: ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean of log ratios, one a round, with Student's interval.

    A process may come in one of two kinds, by where its memory lies. The median of rounds then belongs to one kind or
    the other and jumps from run to run; the mean moves with their shares, and its interval covers it as well
    (`tests/stats/test_two_kinds.py`). What disturbs single steps or turns is out of a round's number already.

    Args:
        logs: one number a round, shape (n,), n >= 1.
        confidence: the coverage aimed at.

    Returns:
        The mean; with ends if n >= 6.
    """
    values = np.asarray(logs, dtype=float)
    mean = float(values.mean())
    if len(values) < MIN_PROCESSES:
        return Estimate(mean)
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    half = t_quantile(len(values) - 1, (1 + confidence) / 2) * error
    return Estimate(mean, mean - half, mean + half)


def mean_of_means(groups: Sequence[ArrayLike], confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean of the means of independent groups, each of them counting as much as any other.

    The standard errors of the groups' means add up as independent ones do, with the degrees of freedom of Welch
    ("The generalization of 'Student's' problem", Biometrika 34, 1947) and Satterthwaite. So the interval says how well
    the mean of these groups is known, not what other groups would have.

    Args:
        groups: log ratios, one a round, of each group.
        confidence: the coverage aimed at.

    Returns:
        The mean; with ends if each group has 6 values or more.
    """
    known = [np.asarray(group, dtype=float) for group in groups]
    mean = float(np.mean([group.mean() for group in known]))
    if any(len(group) < MIN_PROCESSES for group in known):
        return Estimate(mean)
    squares = np.array([group.var(ddof=1) / len(group) for group in known])
    total = float(squares.sum())
    if total == 0:
        return Estimate(mean, mean, mean)
    freedom = total**2 / float((squares**2 / [len(group) - 1 for group in known]).sum())
    half = t_quantile(freedom, (1 + confidence) / 2) * math.sqrt(total) / len(known)
    return Estimate(mean, mean - half, mean + half)


@dataclass(frozen=True)
class AcrossMachines:
    """The mean of one number a round, where the rounds ran on several machines of one kind."""

    wide: Estimate
    """Its interval says what any machine of this kind would show: machine is the outer level."""
    here: Estimate
    """Its interval says how well the mean of these machines is known, which more rounds on them can narrow."""


def across_machines(groups: Sequence[ArrayLike], confidence: float = CONFIDENCE) -> AcrossMachines:
    """Estimate a mean over machines from the rounds of each.

    A random-effects estimate: a machine's mean varies with what its rounds explain and with what machines differ by
    (the moment estimate of Hedges, "A random effects model for effect sizes", Psychological Bulletin 93, 1983), and
    counts by the inverse of that. The interval is Student's with one degree of freedom less than there are machines
    (Knapp and Hartung, "Improved tests for a random effects meta-regression with a single covariate", Statistics in
    Medicine 22, 2003), and never narrower than the spread of the rounds alone makes it. Machines of one kind scatter
    alike, so the spread within them is pooled. Coverage: `tests/stats/test_machines.py`.

    Args:
        groups: one number a round, of each of two machines or more.
        confidence: the coverage aimed at.

    Returns:
        Estimates with the same value; with ends if there are six rounds, `here` only if a machine has two.
    """
    known = [np.asarray(group, dtype=float) for group in groups]
    means, counts = np.array([group.mean() for group in known]), np.array([len(group) for group in known])
    rounds, machines = int(counts.sum()), len(known)
    freedom = rounds - machines
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in known) / freedom if freedom else 0.0
    noise = within / counts
    total = noise + max(0.0, float(means.var(ddof=1) - noise.mean()))
    weights = 1 / total if total.all() else np.ones(machines)
    mean = float(np.average(means, weights=weights))
    if rounds < MIN_PROCESSES:
        return AcrossMachines(Estimate(mean), Estimate(mean))
    spread = float((weights * (means - mean) ** 2).sum()) / (machines - 1)
    error = math.sqrt((max(1.0, spread) if total.all() else spread) / weights.sum())
    half = t_quantile(machines - 1, (1 + confidence) / 2) * error
    wide = Estimate(mean, mean - half, mean + half)
    if not freedom:
        return AcrossMachines(wide, Estimate(mean))
    error = math.sqrt(float((weights**2 * noise).sum())) / float(weights.sum())
    half = t_quantile(freedom, (1 + confidence) / 2) * error
    return AcrossMachines(wide, Estimate(mean, mean - half, mean + half))


def machine_in(key: RoundKey) -> str:
    """Return the machine of a round; empty where there is only one."""
    return key[0] if isinstance(key, tuple) else ""


def number_in(key: RoundKey) -> int:
    """Return the number of a round."""
    return key[1] if isinstance(key, tuple) else key


def by_machine(values: Iterable[tuple[RoundKey, float]]) -> dict[str, list[float]]:
    """Sort one number a round by machine."""
    found: dict[str, list[float]] = {}
    for key, value in values:
        found.setdefault(machine_in(key), []).append(value)
    return found


def rounds_estimate(logs: Mapping[RoundKey, float], here: bool = False) -> Estimate:
    """Return the mean of log ratios, one a round: `mean_estimate` on one machine, `across_machines` on several.

    Args:
        logs: by round; at least one.
        here: whether the interval is to say how well the mean of these very machines is known.
    """
    groups = list(by_machine(logs.items()).values())
    if len(groups) == 1:
        return mean_estimate(groups[0])
    found = across_machines(groups)
    return found.here if here else found.wide


def times_estimate(seconds: Iterable[tuple[RoundKey, float]], here: bool = False) -> Estimate:
    """Return the time of a case from those of its processes: their median, or the geometric mean of several machines.

    Args:
        seconds: the round and the time of each process; at least one.
        here: as in `rounds_estimate`.
    """
    groups = by_machine(seconds)
    if len(groups) == 1 or min(map(min, groups.values())) <= 0:
        return median_estimate([value for group in groups.values() for value in group])
    found = across_machines([np.log(group) for group in groups.values()])
    return exponential(found.here if here else found.wide)


def speedup_estimate(
    baseline: Mapping[RoundKey, Turns], contender: Mapping[RoundKey, Turns], here: bool = False
) -> Estimate | None:
    """Return baseline / contender over the rounds that both ran in; None if there is none.

    Args:
        baseline: times by round.
        contender: the same.
        here: as in `rounds_estimate`.
    """
    logs = round_log_ratios(baseline, contender)
    return exponential(rounds_estimate(logs, here)) if logs else None


def round_log_ratios(
    numerators: Mapping[RoundKey, Turns], denominators: Mapping[RoundKey, Turns]
) -> dict[RoundKey, float]:
    """Return ln(numerator / denominator) of each round that both ran in; see `round_log_ratio`."""
    found = {}
    for number in sorted(numerators.keys() & denominators.keys(), key=lambda key: (machine_in(key), number_in(key))):
        if (ratio := round_log_ratio(numerators[number], denominators[number])) is not None:
            found[number] = ratio
    return found


def unpaired_ratio_estimate(numerators: ArrayLike, denominators: ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """Return numerator / denominator of two independent groups of processes, as from two runs.

    The Hodges-Lehmann estimate of the shift between the logarithms, its interval by inverting the Mann-Whitney test
    with its exact distribution (Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 4.2 and 4.3).

    Args:
        numerators: one positive number a process, shape (n,).
        denominators: one positive number a process, shape (m,).
        confidence: the coverage to keep at least.

    Returns:
        The ratio; with ends if n and m are large enough (4 and 4 at 95 %).

    Raises:
        ValueError: a group is empty or holds a number that is not positive and finite.
    """
    a, b = np.log(np.asarray(numerators, dtype=float)), np.log(np.asarray(denominators, dtype=float))
    shifts = differences(b, a)
    ends = rank_bounds(shifts, mann_whitney_cdf(len(a), len(b)), (1 - confidence) / 2)
    return exponential(Estimate(float(np.median(shifts)), *ends))


def exponential(logs: Estimate) -> Estimate:
    """Return e to the power of an estimate and its ends."""
    low, high = (None if end is None else math.exp(end) for end in (logs.low, logs.high))
    return Estimate(math.exp(logs.value), low, high)


def detectable_slowdown(log_ratios: ArrayLike, alpha: float = 0.01, power: float = 0.8) -> float:
    """Return the smallest slowdown that so many pairs as these would find, from the spread of their log ratios.

    Args:
        log_ratios: ln(B / A) of n >= 2 pairs that are known to be the same.
        alpha: how often a difference may be seen where there is none.
        power: how often one of that size is to be seen.
    """
    values = np.asarray(log_ratios, dtype=float)
    n = len(values)
    return detectable_by_t(float(values.std(ddof=1)) / math.sqrt(n), n - 1, alpha, power)


def detectable_by_t(error: float, freedom: int, alpha: float, power: float) -> float:
    """Return exp((t(1 - alpha) + t(power)) error) - 1: the usual sample-size formula of a one-sided t test.

    Args:
        error: the standard error of the logarithm that is tested.
        freedom: its degrees of freedom.
        alpha: how often a difference may be seen where there is none.
        power: how often one of the size returned is to be seen.
    """
    return math.expm1((t_quantile(freedom, 1 - alpha) + t_quantile(freedom, power)) * error)
