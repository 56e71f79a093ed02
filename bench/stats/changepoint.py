"""Where in a series of runs the time changed, and by how much: E-divisive, with a permutation test.

The method is that of Matteson and James, "A nonparametric approach for multiple change point analysis of
multivariate data", Journal of the American Statistical Association 109, 2014, on logarithms and with exponent 1.
Performance histories are searched with it elsewhere too (Daly et al., "The use of change point detection to identify
software performance regressions in a continuous integration system", ICPE 2020). It needs no model of the noise, a
single odd run seldom hides a change from it, and a slowdown that was mended later is found as two changes.

The packages that offer it or its like do not fit: one pins an older NumPy and brings clients of several databases,
another gives no significance.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats import Floats
from bench.stats.estimates import Estimate, unpaired_ratio_estimate
from bench.stats.ranks import ROUNDING

ALPHA = 0.01
MIN_SEGMENT = 3
"""Fewer values than this in a row are not called a change, however odd they are."""
_PERMUTATIONS = (999, 9999)
"""Fewest and most: a short series costs little, and its p-values lie closest to the level."""
_PERMUTED_DISTANCES = 10**6
_CHUNK, _CHUNK_BYTES = 100, 2**22
"""So many permutations at once, in so much memory."""


@dataclass(frozen=True)
class ChangePoint:
    """A change of level."""

    index: int
    """The first value after the change, from 0."""
    p_value: float
    """The share of shuffled series with a split as clear as this one."""
    ratio: Estimate
    """After / before, from the values as far as the neighbouring changes; over 1 is slower."""


def change_points(values: ArrayLike, alpha: float = ALPHA, seed: int = 0) -> tuple[ChangePoint, ...]:
    """Return the changes of a series, in its order; the same series gives the same answer.

    The clearest split of all segments is taken as long as it is significant: at most the share `alpha` of the series of
    nothing but noise gets a change, provided that the order of such a series means nothing. A slow drift is cut into
    steps. The interval of a ratio does not know that the place of the change was chosen by the same values.

    Args:
        values: one positive number a run, in order, shape (n,).
        alpha: how often a change may be seen in noise.
        seed: the seed of the permutations.
    """
    seconds = np.asarray(values, dtype=float)
    if len(seconds) < fewest_values(alpha):
        return ()
    logs = np.log(seconds)
    random = np.random.default_rng(seed)
    fewest, most = _PERMUTATIONS
    permutations = min(most, max(fewest, _PERMUTED_DISTANCES // len(logs) ** 2))
    found: dict[int, float] = {}
    while True:
        bounds = [0, *sorted(found), len(logs)]
        segments = [logs[start:end] for start, end in itertools.pairwise(bounds)]
        splits = [_best_splits(segment[None, :]) for segment in segments]
        best = max(range(len(segments)), key=lambda index: float(splits[index][0][0]))
        statistic = float(splits[best][0][0])
        p_value = _p_value(segments, statistic, alpha, random, permutations) if statistic > 0 else 1.0
        if p_value > alpha:
            break
        found[bounds[best] + int(splits[best][1][0])] = p_value
    inner = bounds[1:-1]
    ratios = [
        unpaired_ratio_estimate(seconds[place:end], seconds[start:place])
        for start, place, end in zip(bounds, inner, bounds[2:], strict=False)
    ]
    return tuple(ChangePoint(place, found[place], ratio) for place, ratio in zip(inner, ratios, strict=True))


def fewest_values(alpha: float = ALPHA) -> int:
    """Return the length of the shortest series in which a change can be significant.

    Of the ways to split n values into halves, two separate the small from the large; they must be rare enough.
    """
    count = 2 * MIN_SEGMENT
    while 2 / math.comb(count, count // 2) > alpha:
        count += 1
    return count


def _p_value(
    segments: Sequence[Floats], statistic: float, alpha: float, random: np.random.Generator, permutations: int
) -> float:
    """Return the share of permutations, each segment within itself, whose best split is as good as the series' own.

    The series counts as one of them. It stops as soon as the share cannot be `alpha` or less any more (Besag and
    Clifford, "Sequential Monte Carlo p-values", Biometrika 78, 1991).
    """
    longest = max(map(len, segments))
    chunk = max(1, min(_CHUNK, _CHUNK_BYTES // (8 * longest * longest)))
    as_good = done = 0
    while done < permutations and as_good + 1 <= alpha * (permutations + 1):
        count = min(chunk, permutations - done)
        best = np.zeros(count)
        for segment in segments:
            shuffled = random.permuted(np.tile(segment, (count, 1)), axis=1)
            best = np.maximum(best, _best_splits(shuffled)[0])
        as_good += int((best >= statistic * (1 - ROUNDING)).sum())
        done += count
    return (as_good + 1) / (done + 1)


def _best_splits(series: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Return the best split of each series, shape (r, n): its statistic, 0 if there is none, and its place, both (r,).

    The statistic is m l / (m + l) times the energy distance between the m values before t and the l values from t up
    to k, the largest over t and k: with k below n, a change is seen although another follows. Sums of distances between
    ranges come from one two-dimensional running sum.
    """
    count, n = series.shape
    if n < 2 * MIN_SEGMENT:
        return np.zeros(count), np.zeros(count, dtype=np.intp)
    sums = np.zeros((count, n + 1, n + 1))
    np.abs(series[:, :, None] - series[:, None, :]).cumsum(axis=1).cumsum(axis=2, out=sums[:, 1:, 1:])
    within = sums.diagonal(axis1=1, axis2=2) / 2  # of the first t values, each pair once
    t, k = np.arange(n + 1)[:, None], np.arange(n + 1)[None, :]
    m, rest = t.astype(float), (k - t).astype(float)
    valid = (m >= MIN_SEGMENT) & (rest >= MIN_SEGMENT)
    m, rest = np.where(valid, m, 2.0), np.where(valid, rest, 2.0)
    scale = valid * m * rest / (m + rest)
    across, first, second = 2 * scale / (m * rest), 2 * scale / (m * (m - 1)), 2 * scale / (rest * (rest - 1))
    # With S(t, k) the sum over both ranges: across = S - 2 within(t); second range = within(k) - within(t) - across.
    statistic = (across + second) * sums
    statistic -= (2 * across + first + second) * within[:, :, None] + second * within[:, None, :]
    flat = statistic.reshape(count, -1)
    best = flat.argmax(axis=1)
    return np.maximum(flat[np.arange(count), best], 0.0), best // (n + 1)
