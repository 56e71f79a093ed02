"""Trials of a calibration, with pairs that are drawn instead of measured."""

from __future__ import annotations

import numpy as np

from bench.analysis.rule import Criteria, Verdict
from bench.run.ab import typical_seconds
from bench.run.calibrate import Trials, add_trial, arms_of, hold_trial
from bench.run.pairs import A, B, Pair, SideTurn
from bench.run.rounds import Arm
from bench.stats.looks import planned_looks

LOOKS = planned_looks(44, 0.01)
NANOSECONDS = {"step": 1e6, "forward": 3e5, "backward": 5e5, "update": 2e5}


class Machine:
    """Steps that take what they take, but for noise of each process, and the delays of their arms."""

    def __init__(self, sd: float, phase: str = "backward") -> None:
        self.arms, self.sd, self.rng = (Arm(A), *arms_of(phase)), sd, np.random.default_rng(1)
        self.asked: list[int] = []

    def __call__(self, number: int) -> Pair:
        self.asked.append(number)
        noise = {side: float(np.exp(self.rng.normal(0, self.sd))) for side in (A, B)}
        turn = {}
        for arm in self.arms:
            times = dict(NANOSECONDS)
            for phase in ("step", arm.delay_phase) if arm.delay_share else ():
                times[phase] += arm.delay_share * NANOSECONDS["step"]
            times = {phase: value * noise[A if arm.name == A else B] for phase, value in times.items()}
            turn[arm.name] = SideTurn(times, times)
        return Pair((turn,))


def test_a_trial_ends_when_every_arm_is_decided() -> None:
    machine = Machine(0.004)
    pairs, verdicts = hold_trial(machine, LOOKS, Criteria(), 0)
    assert {name: found.verdict for name, found in verdicts.items()} == {
        "same": Verdict.PASS,
        **dict.fromkeys(("2%", "5%", "10%"), Verdict.REGRESSION),
    }
    assert machine.asked == list(range(len(pairs)))
    assert len(pairs) in LOOKS[:3]
    assert verdicts["same"].columns[0].evidence[0].pairs == 8  # it keeps what the first look said


def test_what_stays_open_takes_all_pairs() -> None:
    pairs, verdicts = hold_trial(Machine(0.5), LOOKS, Criteria(), 0)
    assert len(pairs) == 44
    assert verdicts["same"].verdict is Verdict.INCONCLUSIVE


def test_a_trial_is_counted_once_with_the_phase_that_was_named() -> None:
    trials = Trials()
    pairs, verdicts = hold_trial(Machine(0.004, "update"), LOOKS, Criteria(), 0)
    add_trial(trials, verdicts, typical_seconds(pairs, A), "update")
    assert (trials.false_positives, trials.localised) == ([False], [True] * 3)
    assert trials.found == {0.02: [True], 0.05: [True], 0.10: [True]}
    add_trial(trials, verdicts, typical_seconds(pairs, A), "forward")
    assert trials.localised == [True] * 3 + [False] * 3
