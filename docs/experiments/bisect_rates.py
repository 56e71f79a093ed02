"""How often is the commit that `bench bisect` names wrong, and how many pairs does it take?

Draws pairs instead of measuring them, as `gate_rates.py` does, and searches by the code of `bench bisect`: one case, a
slowdown that comes with one commit at random and stays. Beside it the same search by the criteria of `bench ab`: all of
alpha for each commit, and a tolerance that does not depend on the slowdown.

    .venv/bin/python docs/experiments/bisect_rates.py [--searches 1000] [--commits 32]
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product

import numpy as np
from gate_rates import MOST, Planted, draw, family

from bench.analysis.rule import Criteria, FamilyVerdict, Verdict
from bench.analysis.verdict import judge
from bench.run.search import criteria_of_commit, first_slow, most_measured
from bench.stats.looks import planned_looks
from bench.stats.rates import binomial_interval

BISECT, AB = "bench bisect", "bench ab"
CONDITIONS = ((0.012, 0.03), (0.02, 0.1), (0.02, 0.05), (0.03, 0.03))
"""The spread of pairs, and the slowdown of the step."""
ENDS = ("right", "one of several", "too early", "too late", "no REGRESSION of BAD")


def judged(rng: np.random.Generator, sd: float, added: float, criteria: Criteria) -> FamilyVerdict:
    """Judge one commit against the good one, look after look."""
    looks = planned_looks(MOST, criteria.alpha)
    values = draw(rng, MOST, sd, Planted(added))
    for pairs in looks:
        (found,) = judge([family("case", values[:pairs], looks)], 0, criteria)
        if found.decided:
            break
    return found


def search(sd: float, added: float, commits: int, rule: str, seed: int) -> tuple[str, int, int]:
    """Hold one search; return how it ended, its tests and its pairs."""
    rng, whole = np.random.default_rng(seed), Criteria()
    slow = int(rng.integers(commits))
    tested: list[FamilyVerdict] = []

    def decide(name: str) -> Verdict | None:
        if len(tested) >= most_measured(commits):
            return None
        criteria = criteria_of_commit(whole, commits, tested[:1]) if rule == BISECT else whole
        tested.append(judged(rng, sd, added if int(name) >= slow else 0.0, criteria))
        return tested[-1].verdict

    first = [int(name) for name in first_slow([str(number) for number in range(commits)], decide)]
    ended = "no REGRESSION of BAD" if not first else "too early" if first[-1] < slow else "too late"
    if slow in first:
        ended = "right" if len(first) == 1 else "one of several"
    return ended, len(tested), sum(each.columns[0].evidence[0].pairs for each in tested)


def row(sd: float, added: float, rule: str, found: Sequence[tuple[str, int, int]]) -> str:
    """Return one row of the table."""
    ends, count = Counter(ended for ended, _, _ in found), len(found)
    wrong = ends["too early"] + ends["too late"]
    low, high = binomial_interval(wrong, count)
    cells = [f"{sd:.1%}", f"{added:.0%}", rule, f"{count}"]
    cells += [f"{ends[end] / count:.1%}" for end in ENDS] + [f"{wrong / count:.2%} ({low:.2%} to {high:.2%})"]
    cells += [f"{np.mean([each[place] for each in found]):.1f}" for place in (1, 2)]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Draw, search and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--searches", type=int, default=1000)
    parser.add_argument("--commits", type=int, default=32)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    heads = ["spread of pairs", "slower by", "criteria of", "searches", *ENDS, "wrong commit", "tests", "pairs"]
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")  # noqa: T201
    with ProcessPoolExecutor(given.jobs) as pool:
        for (sd, added), rule in product(CONDITIONS, (BISECT, AB)):
            one = partial(search, sd, added, given.commits, rule)
            line = row(sd, added, rule, list(pool.map(one, range(given.searches), chunksize=10)))
            print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
