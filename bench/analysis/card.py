"""The speedup card: one contender against the same opponents, condition by condition.

A speedup means little without what it was measured against. Beside the workload's baseline stands, for a device other
than the CPU, the very same implementation on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.analysis.summarise import rounds_of_cases
from bench.data.manifest import Manifest
from bench.data.schema import SummaryRow
from bench.model.case import Case, differing
from bench.stats.estimates import Estimate, ratio_estimate


@dataclass(frozen=True)
class CardCell:
    """One speedup with what it is of and over."""

    case: Case
    over: Case
    speedup: Estimate


def speedup_card(
    manifest: Manifest, rows: Sequence[SummaryRow], samples: pd.DataFrame, processes: pd.DataFrame
) -> list[CardCell]:
    """List all cells of a run; none if it holds neither a device beside the CPU nor several modes or threads.

    Args:
        manifest: the run's.
        rows: its summary: only cases that are well in it count.
        samples: a frame with the columns of `SampleRow`.
        processes: a frame with the columns of `ProcessRow`.
    """
    rounds = rounds_of_cases(rows, samples, processes)
    accelerated = any(case.device != "cpu" for case in rounds)
    if not accelerated and not {"mode", "threads"} & set(differing(rounds)):
        return []
    return [
        CardCell(case, other, speedup)
        for case, mine in rounds.items()
        if not accelerated or case.device != "cpu"
        for other, theirs in rounds.items()
        if _is_opponent(case, other, manifest.workloads[case.workload].baseline)
        and (speedup := _speedup(mine, theirs)) is not None
    ]


def _is_opponent(case: Case, other: Case, baseline: str) -> bool:
    """Say whether `other` is the baseline, or the same implementation on the CPU, under the same conditions."""
    if not case.may_be_held_against(other):
        return False
    itself = case.implementation == other.implementation
    elsewhere = case.device != "cpu"
    return (not itself or elsewhere) if other.implementation == baseline else (itself and elsewhere)


def _speedup(mine: Mapping[int, float], theirs: Mapping[int, float]) -> Estimate | None:
    """Estimate it over the rounds that both ran in; None if there is none."""
    shared = sorted(number for number in mine.keys() & theirs.keys() if mine[number] > 0 < theirs[number])
    if not shared:
        return None
    return ratio_estimate([theirs[number] for number in shared], [mine[number] for number in shared])
