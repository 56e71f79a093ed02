"""The speedup card: one contender against the same opponents, condition by condition.

A speedup means little without what it was measured against. Beside the baseline stands, for a device other than the
CPU, the very same implementation on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.analysis.baseline import Baseline, baselines_of
from bench.analysis.summarise import rounds_of_cases
from bench.data.manifest import Manifest
from bench.data.schema import SummaryRow
from bench.model.case import Case, differing
from bench.stats.estimates import Estimate, speedup_estimate


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
    rounds = rounds_of_cases(manifest, rows, samples, processes)
    accelerated = any(case.device != "cpu" for case in rounds)
    if not accelerated and not {"mode", "threads"} & set(differing(rounds)):
        return []
    rules = baselines_of(manifest)
    return [
        CardCell(case, other, speedup)
        for case, mine in rounds.items()
        if not accelerated or case.device != "cpu"
        for other in _opponents(case, rules[case.workload], rounds)
        if (speedup := speedup_estimate(rounds[other], mine)) is not None
    ]


def _opponents(case: Case, rule: Baseline, cases: Iterable[Case]) -> list[Case]:
    """List the baseline and, for a device other than the CPU, the same implementation on the CPU."""
    rules = [rule, Baseline.own(case.implementation)] if case.device != "cpu" else [rule]
    found = dict.fromkeys(each.of(case, cases) for each in rules)
    return [other for other in found if other is not None and other != case]
