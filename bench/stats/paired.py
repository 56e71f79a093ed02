"""A against B in pairs of processes: one number a pair, its estimate and bounds, and a test that flips signs.

A pair is one process of A and one of B, alive at once and taking turns. It gives one number, D, the
log ratio B / A; over 0 is slower. Everything here rests on one assumption: where A and B are the same, D and -D are
equally likely, because a coin decides who goes first. No shape of the noise is assumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats import Floats
from bench.stats.ranks import ROUNDING, finite, rank_bounds, signed_rank_cdf, walsh_averages
from bench.stats.special import t_cdf

FLIPS = 19_999
"""The most sign flips a test: with the observed signs as one more, p is a multiple of 1 / 20 000 or of 2^-pairs."""


def pair_value(a: ArrayLike, b: ArrayLike) -> float:
    """Return the log ratio of one pair: the median over its turns of ln(b / a).

    Args:
        a: A's times, one positive number a turn, shape (turns,); any unit.
        b: B's times of the same turns, in the same unit.

    Raises:
        ValueError: the sides differ in length, are empty, or hold a time that is not positive and finite.
    """
    one, other = finite(a), finite(b)
    if one.shape != other.shape or min(one.min(), other.min()) <= 0:
        raise ValueError(f"a pair needs one positive time a round on either side, not {one.tolist()}, {other.tolist()}")
    return float(np.median(np.log(other) - np.log(one)))


def hodges_lehmann(values: ArrayLike) -> float:
    """Return the median of the Walsh averages of pair values, shape (n,): the centre that the signed-rank test finds.

    Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 3.2.

    Raises:
        ValueError: there is no value, or one is not finite.
    """
    return float(np.median(walsh_averages(values)))


def signed_rank_bounds(values: ArrayLike, alpha: float) -> tuple[float | None, float | None]:
    """Return a lower and an upper bound of the centre of the pair values, by inverting the one-sided signed-rank test.

    Args:
        values: log ratios, one a pair, shape (n,).
        alpha: the risk of each bound.

    Returns:
        (low, high); None at both ends where n is too small for any bound, that is where 2^-n > alpha.

    Raises:
        ValueError: there is no value, or one is not finite.
    """
    return rank_bounds(walsh_averages(values), signed_rank_cdf(np.size(values)), alpha)


ODD = 5.0
"""How many standard deviations, taken from the median absolute deviation, make a pair odd."""


def odd_ones(values: ArrayLike, over: float) -> Floats:
    """Return the pair values that are far over all others and over a number; shape (odd,).

    Far is `ODD` standard deviations from the median, with 1.4826 times the median absolute deviation for one (Hampel,
    "The influence curve and its role in robust estimation", Journal of the American Statistical Association 69, 1974).

    Raises:
        ValueError: there is no value, or one is not finite.
    """
    d = finite(values)
    centre = np.median(d)
    found: Floats = d[d > max(over, float(centre + ODD * 1.4826 * np.median(np.abs(d - centre))))]
    return found


def spread_growth(a: ArrayLike, b: ArrayLike, alpha: float) -> tuple[float, float] | None:
    """Return the standard deviations of A's and of B's processes if those of B spread more.

    The test of Pitman ("A note on normal correlation", 1939) and Morgan: of pairs whose sides spread alike, difference
    and sum are not correlated. What both sides of a pair share, such as a busy machine, is in neither's favour.

    Args:
        a: ln of A's times, one a pair, shape (n,).
        b: those of B.
        alpha: how often a growth may be seen in normal values where there is none.

    Returns:
        The two; None where there are fewer than three pairs, or B does not surely spread more.

    Raises:
        ValueError: there is no value, or one is not finite.
    """
    one, other = finite(a), finite(b)
    n, difference, total = len(one), other - one, other + one
    scale = float(difference.std() * total.std())
    if n < 3 or not scale:
        return None
    r = min(1 - ROUNDING, float(np.mean((difference - difference.mean()) * (total - total.mean()))) / scale)
    if r <= 0 or t_cdf(n - 2, -r * math.sqrt((n - 2) / (1 - r * r))) > alpha:
        return None
    return float(one.std(ddof=1)), float(other.std(ddof=1))


@dataclass(frozen=True)
class FlipTest:
    """One-sided p values, "B is slower", of hypotheses that share their pairs."""

    p: Floats
    """The p of each hypothesis alone, shape (hypotheses,)."""
    adjusted: Floats
    """The same, corrected for all of them together, shape (hypotheses,)."""


def sign_flip_test(values: ArrayLike, rng: np.random.Generator, flips: int = FLIPS) -> FlipTest:
    """Test by the signed ranks under flipped signs, with the step-down max-T correction of Westfall and Young.

    The statistic of a hypothesis is the sum of the signed ranks of |D|, ties at their middle rank, over the root of
    the sum of their squares: mean 0 and variance 1 under the flips, so that hypotheses can be compared. A zero takes
    its rank and counts for neither side (Pratt), as it does for the bounds. One flip turns all hypotheses of a pair at
    once, which keeps their dependence, so the correction costs little where they say the same. Each p is
    (1 + flips at least as large) / (1 + flips), which is exact for any number of flips; up to 14 pairs have no more
    than all flips, and these are gone through one by one. Step-down: the largest
    statistic is held against the maximum over all hypotheses, the next against the maximum over what is left, and so
    on ("Resampling-Based Multiple Testing", 1993, algorithm 4.1). `scipy.stats.permutation_test` has no such
    correction, and `wilcoxon` no exact p with ties.

    Args:
        values: log ratios, shape (pairs, hypotheses) or (pairs,) for one hypothesis.
        rng: the source of the flips, where not all can be gone through.
        flips: the most there are.

    Raises:
        ValueError: there is no value, or one is not finite.
    """
    matrix = finite(values, (1, 2))
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    signed = _signed_ranks(matrix)
    signs = _signs(len(matrix), flips, rng)
    scale = np.sqrt((signed**2).sum(axis=0))
    scale[scale == 0] = 1.0  # all zeros: the statistic is 0 however it is flipped, and p is 1
    observed, null = signed.sum(axis=0) / scale, (signs @ signed) / scale
    p = _p_values(null, observed)

    order = np.argsort(-observed, kind="stable")
    highest_left = np.maximum.accumulate(null[:, order[::-1]], axis=1)[:, ::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(_p_values(highest_left, observed[order]))
    return FlipTest(p, adjusted)


def _signs(pairs: int, flips: int, rng: np.random.Generator) -> Floats:
    """Return all other signs than the observed ones, shape (2^pairs - 1, pairs), or random ones if those are more."""
    if 2**pairs > flips + 1:
        return 2.0 * rng.integers(0, 2, size=(flips, pairs), dtype=np.int8).astype(float) - 1.0
    patterns = np.arange(1, 2**pairs)[:, None] >> np.arange(pairs)
    return 1.0 - 2.0 * (patterns & 1).astype(float)


def _p_values(null: Floats, observed: Floats) -> Floats:
    reached: Floats = (1 + (null >= observed - ROUNDING).sum(axis=0)) / (1 + len(null))
    return reached


def _signed_ranks(matrix: Floats) -> Floats:
    """Return sign(d) times the middle rank of |d| within its column; shape as given."""
    size = np.abs(matrix)
    below = (size[None, :, :] < size[:, None, :]).sum(axis=1)
    equal = (size[None, :, :] == size[:, None, :]).sum(axis=1)
    ranks: Floats = np.sign(matrix) * (below + (equal + 1) / 2)
    return ranks


def step_down_families(adjusted: list[list[float]]) -> list[list[float]]:
    """Correct p values that were adjusted within their families for there being several families.

    Hypotheses are taken by rising p; each is multiplied by the number of families that have a hypothesis left, and
    none may fall below the one before. For families of one hypothesis this is Holm's method ("A simple sequentially
    rejective multiple test procedure", 1979). A family lowers the factor only when its *last* hypothesis has been
    taken: lowering it at the first would spend that family's share of alpha twice, on the others and on its own rest.
    Each step errs with probability <= alpha by Bonferroni over families and is weaker than the one before, so
    the whole keeps the chance of any false claim under alpha (Romano and Wolf, "Exact and approximate stepdown methods
    for multiple hypothesis testing", 2005).

    Args:
        adjusted: one list of p values a family; a family may be empty.

    Returns:
        The same shape.
    """
    left = [len(family) for family in adjusted]
    order = sorted((p, f, h) for f, family in enumerate(adjusted) for h, p in enumerate(family))
    result = [[1.0] * len(family) for family in adjusted]
    highest = 0.0
    for p, f, h in order:
        highest = max(highest, min(1.0, p * sum(count > 0 for count in left)))
        result[f][h] = highest
        left[f] -= 1
    return result


def pairs_needed(alpha: float, families: int = 1) -> int:
    """Return the fewest pairs that can show a slowdown: n signs alike have probability 2^-n, times the families."""
    return max(1, math.ceil(math.log2(families / alpha) - ROUNDING))


def unseen_share(pairs: int, alpha: float) -> float:
    """Return the share of all processes that may be struck although none of so many pairs shows it.

    Args:
        pairs: one process of B each.
        alpha: the probability that none of them is struck although this share of all is.
    """
    return float(1 - alpha ** (1 / pairs))
