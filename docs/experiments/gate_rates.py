"""How often is a whole gate wrong, and how many pairs does it take?

Draws pairs instead of measuring them and judges them as `bench gate` does, look after look: 12 cases, each with a
whole step and three phases of 35, 45 and 20 % of it, each seen by minimum and median. Noise has heavy tails (Student's
t with 5 degrees of freedom) and is shared by what shares a process.

    .venv/bin/python docs/experiments/gate_rates.py [--gates 20000] [--powers 500]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.analysis.rule import Criteria, Statistic, Verdict
from bench.analysis.verdict import Family, PairedColumn, judge
from bench.stats.looks import planned_looks, sequential_p
from bench.stats.paired import sign_flip_test
from bench.stats.rates import binomial_interval

CASES, MOST = 12, 44
SHARES = {"forward": 0.35, "backward": 0.45, "update": 0.20}


@dataclass(frozen=True)
class Planted:
    """A slowdown of one case: what it adds to the whole step, and in which phase; in all alike if there is no name."""

    added: float = 0.0
    phase: str = ""


@dataclass(frozen=True)
class Outcome:
    """How one gate ended."""

    verdicts: tuple[Verdict, ...]
    """The verdict of each case; the first is the one with the slowdown."""
    pairs: int
    """The pairs of all cases together."""


def draw(rng: np.random.Generator, pairs: int, sd: float, planted: Planted) -> NDArray[np.float64]:
    """Draw log ratios of the step and its phases by minimum and median, shape (pairs, 4, 2)."""
    t = rng.standard_t(5, (pairs, 9)) * sd / math.sqrt(5 / 3)
    slower = [
        planted.added / share if name == planted.phase else 0.0 if planted.phase else planted.added
        for name, share in SHARES.items()
    ]
    phases = 0.8 * (t[:, :1] + t[:, 1:4]) + np.log1p(slower)
    step = np.log(np.exp(phases) @ list(SHARES.values())) + 0.3 * t[:, 4]
    minimum = np.column_stack([step, phases])
    return np.stack([minimum, minimum + 0.3 * t[:, 5:9]], axis=2)


def gate(sd: float, planted: Planted, seed: int) -> Outcome:
    """Hold one gate."""
    rng, criteria = np.random.default_rng(seed), Criteria()
    looks = planned_looks(MOST, criteria.alpha)
    data = [draw(rng, MOST, sd, planted if case == 0 else Planted()) for case in range(CASES)]
    pairs = [looks[0]] * CASES
    while True:
        judged = judge([family(str(i), d[:n], looks) for i, (d, n) in enumerate(zip(data, pairs, strict=True))], 0)
        going = [i for i, each in enumerate(judged) if not each.decided]
        if not going:
            return Outcome(tuple(each.verdict for each in judged), sum(pairs))
        for i in going:
            pairs[i] = looks[looks.index(pairs[i]) + 1]


def family(name: str, values: NDArray[np.float64], looks: tuple[int, ...]) -> Family:
    """Return one case with what was drawn of it."""
    columns = tuple(
        PairedColumn(column, dict(zip(Statistic, values[:, h].T, strict=True)), share=share)
        for h, (column, share) in enumerate({"step": 1.0, **SHARES}.items())
    )
    return Family(name, len(values), columns, looks)


def gates(sd: float, planted: Planted, count: int) -> list[Outcome]:
    """Hold many gates on all cores."""
    with ProcessPoolExecutor() as pool:
        return list(pool.map(partial(gate, sd, planted), range(count), chunksize=20))


def least_p(seed: int) -> float:
    """Return the least p, of all hypotheses and looks, of a case that did not change and stays to its last look."""
    rng = np.random.default_rng(seed)
    looks, values = planned_looks(MOST, Criteria().alpha), draw(rng, MOST, 0.02, Planted()).reshape(MOST, -1)
    tests = [sign_flip_test(values[:look], rng, 1999) for look in looks]
    return float(sequential_p([test.adjusted for test in tests], len(looks)).min())


def _rate(found: Sequence[bool]) -> str:
    low, high = binomial_interval(sum(found), len(found))
    return f"{sum(found) / len(found):.2%} ({low:.2%} to {high:.2%})"


def tests_alone(count: int) -> Iterator[str]:
    """Make the table of how often tests claim a slowdown where there is none, were no bound to be over the margin."""
    with ProcessPoolExecutor() as pool:
        found = np.array(list(pool.map(least_p, range(count), chunksize=20)))
    yield "| alpha of one case | any false claim |"
    yield "| --- | --- |"
    for alpha in (0.2, 0.05, 0.01):
        yield f"| {alpha:.0%} | {_rate((found <= alpha).tolist())} |"


def unchanged(count: int) -> Iterator[str]:
    """Make the table of gates in which nothing changed."""
    yield "| spread of pairs | gates | any false REGRESSION | all cases PASS | pairs a gate |"
    yield "| --- | --- | --- | --- | --- |"
    for sd, part in ((0.012, 10), (0.02, 1), (0.03, 10)):
        found = gates(sd, Planted(), count // part)
        false = [Verdict.REGRESSION in each.verdicts for each in found]
        passed = [set(each.verdicts) == {Verdict.PASS} for each in found]
        pairs = np.mean([each.pairs for each in found])
        yield f"| {sd:.1%} | {len(found)} | {_rate(false)} | {_rate(passed)} | {pairs:.0f} |"


def slower(count: int) -> Iterator[str]:
    """Make the table of gates in which one case is slower."""
    yield "| spread of pairs | slower by, of the step | in | REGRESSION | PASS | INCONCLUSIVE | pairs a gate |"
    yield "| --- " * 7 + "|"
    for sd in (0.012, 0.02, 0.03):
        for planted in (Planted(added, phase) for added in (0.02, 0.05) for phase in ("", "backward", "update")):
            found = gates(sd, planted, count)
            first = [each.verdicts[0] for each in found]
            rates = (
                _rate([each is verdict for each in first]) for verdict in Verdict if verdict is not Verdict.INVALID
            )
            regression, open_, passed = rates
            where, pairs = planted.phase or "all phases", np.mean([each.pairs for each in found])
            yield f"| {sd:.1%} | {planted.added:.0%} | {where} | {regression} | {passed} | {open_} | {pairs:.0f} |"


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gates", type=int, default=20_000, help="gates without a change; a tenth for two rows")
    parser.add_argument("--powers", type=int, default=500, help="gates a row with a slowdown")
    chosen = parser.parse_args()
    for table in (tests_alone(chosen.gates), unchanged(chosen.gates), slower(chosen.powers)):
        print(flush=True)  # noqa: T201
        for line in table:
            print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
