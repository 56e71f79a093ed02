"""Which of a run's machines is the odd one, by the time that its rounds took."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

import pandas as pd

from bench.analysis.summarise import rounds_of_cases
from bench.data.manifest import Manifest, OddFacts
from bench.data.schema import SummaryRow
from bench.model.case import Case
from bench.stats.estimates import RoundKey, Turns, machine_in
from bench.stats.machines import MachineTime, odd_machines


def odd_ones(
    manifest: Manifest, rows: Sequence[SummaryRow], samples: pd.DataFrame, processes: pd.DataFrame
) -> dict[str, OddFacts]:
    """Name the machines that surely differ from the others of the run; see `bench.stats.machines`.

    Args:
        manifest: the run's.
        rows: its summary: only cases that are well in it count.
        samples: a frame with the columns of `SampleRow`.
        processes: a frame with the columns of `ProcessRow`.
    """
    rounds = rounds_of_cases(manifest, rows, samples, processes)
    found = odd_machines(round_times(rounds))
    return {odd.machine: OddFacts(factor=odd.factor, p=odd.p) for odd in found}


def round_times(rounds: Mapping[Case, Mapping[RoundKey, Turns]]) -> list[MachineTime]:
    """Reduce each round of a group to one time: the geometric mean of its cases, since a slow machine slows them all.

    A case counts by its fastest turn: what else runs on a machine only ever adds time, and comes and goes. Rounds that
    measured the same cases of a workload and problem are of one group.
    """
    inside: dict[tuple[str, str, RoundKey], dict[str, float]] = {}
    for case, times in rounds.items():
        for key, turns in times.items():
            if turns and (seconds := min(turns.values())) > 0:
                at = case.workload, str(case.problem), key
                inside.setdefault(at, {})[str(sorted(case.columns.items()))] = math.log(seconds)
    return [
        MachineTime(machine_in(key), f"{workload} {problem} {sorted(cases)}", fmean(cases.values()))
        for (workload, problem, key), cases in inside.items()
    ]
