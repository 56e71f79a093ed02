"""The search for the first slow commit: which one to test next, and at which risk."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from bench.analysis.rule import Criteria, FamilyVerdict, Verdict


def first_slow(commits: Sequence[str], decide: Callable[[str], Verdict | None]) -> tuple[str, ...]:
    """Return the commits of which one is the first slow one: none if the last is not slow, one if all could be tested.

    The last commit is tested first, then always the middle one of those that are left and untested. So at most
    `most_tests` of them are tested that give a REGRESSION or a PASS, whichever others are passed over.

    Args:
        commits: those after the good one, the oldest first.
        decide: the verdict on a commit against the good one. REGRESSION is slow and PASS is not; with any other the
            commit is passed over. None ends the search.
    """
    if decide(commits[-1]) is not Verdict.REGRESSION:
        return ()
    after, slow = 0, len(commits) - 1
    passed_over: set[int] = set()
    while untested := [place for place in range(after, slow) if place not in passed_over]:
        place = untested[len(untested) // 2]
        verdict = decide(commits[place])
        if verdict is None:
            break
        if verdict is Verdict.REGRESSION:
            slow = place
        elif verdict is Verdict.PASS:
            after = place + 1
        else:
            passed_over.add(place)
    return tuple(commits[after : slow + 1])


def most_tests(commits: int) -> int:
    """Return how many tests at most find the first slow one of so many commits: one, and the logarithm to base 2."""
    return 1 + (commits - 1).bit_length()


def most_measured(commits: int) -> int:
    """Return how many commits may be measured: as many again as find it may stay INCONCLUSIVE."""
    return 2 * most_tests(commits)


def criteria_of_commit(whole: Criteria, commits: int, slow: Iterable[FamilyVerdict] = ()) -> Criteria:
    """Return what the verdict on one commit takes.

    Its alpha is that of the whole search over `most_measured`. So the chance of any wrong verdict is at most the
    latter, however many commits are measured and whichever the search chooses (Bonferroni).

    Its tolerance is at most what the slowdown of the last commit surely adds to the step: else a commit with all of a
    slowdown under the tolerance could PASS, and the commit that is found would be too late.

    Args:
        whole: the criteria of the whole search.
        commits: how many there are after the good one.
        slow: the verdicts on the cases that are a REGRESSION in the last one; none for that one itself.
    """
    surely = min((_surely_added(case) for case in slow), default=whole.tolerance)
    least = math.nextafter(whole.margin, 1.0)  # a tolerance is over the margin
    tolerance = min(whole.tolerance, max(least, surely))
    return replace(whole, alpha=whole.alpha / most_measured(commits), tolerance=tolerance)


def _surely_added(case: FamilyVerdict) -> float:
    """Return what a REGRESSION surely adds to the step, by the evidence that shows most."""
    shown = [each for column in case.columns for each in column.evidence if each.verdict is Verdict.REGRESSION]
    return max((each.low * each.share for each in shown if each.low is not None), default=0.0)
