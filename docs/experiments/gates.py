"""Whole gates on this machine: how often are they wrong, how often do they find a slowdown, and how long do they take?

Unchanged: `bench gate --base HEAD` as a user runs it, in a repository whose files are those of HEAD.
Planted: the same gate, but in six of its twelve cases, drawn anew each time, side B is delayed in one phase, two each
by 2, 5 and 10 % of the step. What is planted is known, and so is that the other six did not change.

    .venv/bin/python docs/experiments/gates.py [--unchanged 40] [--planted 15]
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

import numpy as np

from bench.analysis.rule import Criteria, Verdict
from bench.model.step import TRAINING
from bench.output.progress import Progress
from bench.run import contest
from bench.run.ab import Decided
from bench.run.matching import match
from bench.run.pairs import B, Pair, PairCase, SeatOf, measure_pair
from bench.run.rounds import Arm, Rounds
from bench.run.sides import of_interpreter
from bench.run.terms import Terms
from bench.stats.rates import binomial_interval

SHARES = (0.02, 0.05, 0.10)


def unchanged(folder: Path) -> tuple[dict[str, str], float]:
    """Run one gate that has nothing to find; return each case's verdict, and the seconds from command to exit."""
    command = [str(Path(sys.executable).with_name("bench")), "gate", "--base", "HEAD", "--device", "cpu"]
    began = time.monotonic()
    subprocess.run([*command, "--out", str(folder)], capture_output=True, check=False)  # noqa: S603 - our own command
    seconds = time.monotonic() - began
    told = json.loads((folder / contest.VERDICTS).read_text(encoding="utf-8"))
    return {case["verdict"]["name"]: case["verdict"]["verdict"] for case in told["cases"]}, seconds


def planted(folder: Path, number: int) -> tuple[dict[str, Arm], dict[str, Decided]]:
    """Run one gate with slowdowns in six cases; return what was planted in which, and what was decided of each."""
    side = of_interpreter(sys.executable, ())
    terms = Terms(devices=("cpu",), seed=number, out=folder)
    cases = match((side, side), terms)
    chance = random.Random(number)  # noqa: S311 - which cases
    labels = chance.sample([case.label for case in cases.cases], 2 * len(SHARES))
    arms = {label: Arm(B, str(chance.choice(TRAINING)), share) for label, share in zip(labels, 2 * SHARES, strict=True)}

    def measure(rounds: Rounds, pair: PairCase, seats: Mapping[str, SeatOf]) -> Pair:
        return measure_pair(rounds, pair, seats, [arms[pair.label]] if pair.label in arms else ())

    with mock.patch.object(contest, "measure_pair", measure), Progress() as progress:
        found = contest.compare_sides((side, side), cases, progress, terms)
    return arms, {case.verdict.name: case for case in found.cases}


def rate(found: list[bool]) -> str:
    """Say how often it was so, with the exact 95 % interval."""
    low, high = binomial_interval(sum(found), len(found))
    return f"{sum(found)} of {len(found)} ({low:.1%} to {high:.1%})"


def report_unchanged(count: int, folder: Path) -> Iterator[str]:
    """Tell what gates say of what did not change."""
    verdicts: list[dict[str, str]] = []
    seconds = []
    for number in range(count):
        found, took = unchanged(folder / f"unchanged-{number}")
        verdicts.append(found)
        seconds.append(took)
        print(f"unchanged {number + 1}: {sorted(set(found.values()))}, {took:.0f} s", file=sys.stderr)  # noqa: T201
    each = [verdict for found in verdicts for verdict in found.values()]
    yield f"- false REGRESSION, of verdicts: {rate([one == Verdict.REGRESSION for one in each])}"
    yield f"- verdicts that are PASS: {rate([one == Verdict.PASS for one in each])}"
    yield f"- gates that PASS: {rate([set(found.values()) == {Verdict.PASS} for found in verdicts])}"
    low, middle, high = np.quantile(seconds, [0.25, 0.5, 0.75])
    yield f"- seconds a gate: {middle:.0f}; half of them {low:.0f} to {high:.0f}, the longest {max(seconds):.0f}"


def report_planted(count: int, folder: Path) -> Iterator[str]:
    """Tell what gates say of slowdowns of known size."""
    said: dict[float, list[Verdict]] = {share: [] for share in (0.0, *SHARES)}
    named: list[bool] = []
    for number in range(count):
        arms, decided = planted(folder / f"planted-{number}", number)
        for label, case in decided.items():
            arm = arms.get(label, Arm())
            said[arm.delay_share].append(case.verdict.verdict)
            if label in arms and case.verdict.verdict is Verdict.REGRESSION and case.changed:
                named.append(arm.delay_phase in str(case.changed[0].phase).split("+"))
    yield f"| slower by, of the step | {' | '.join(Verdict)} |"
    yield "| --- " * (1 + len(Verdict)) + "|"
    for share, verdicts in said.items():
        cells = [rate([one is verdict for one in verdicts]) for verdict in Verdict] if verdicts else []
        yield f"| {share:.0%} | {' | '.join(cells)} |"
    yield ""
    yield f"The phase was named in {rate(named)} REGRESSIONs of which one phase was to be named."


def main() -> None:
    """Run all gates and print what they said."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unchanged", type=int, default=40)
    parser.add_argument("--planted", type=int, default=15)
    chosen = parser.parse_args()
    print(f"alpha {Criteria().alpha:.0%}")  # noqa: T201
    with tempfile.TemporaryDirectory() as scratch:
        for report, count in ((report_planted, chosen.planted), (report_unchanged, chosen.unchanged)):
            for line in report(count, Path(scratch)) if count else ():
                print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
