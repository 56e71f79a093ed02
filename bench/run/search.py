"""The search for the first slow commit: which one to test next, and at which risk."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.analysis.rule import Verdict


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
    """Return how many commits may be measured: as many again as find it may stay INCONCLUSIVE.

    Each of them is tested at alpha over this number. So the chance of any wrong verdict is at most alpha (Bonferroni),
    however many are measured and whichever the search chooses.
    """
    return 2 * most_tests(commits)
