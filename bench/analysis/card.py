"""The speedup card: one contender against the same opponents, mode by mode and thread by thread.

A speedup means little without what it was measured against. Beside the workload's NumPy baseline stands, for a device
other than the CPU, the very same implementation on the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.baseline import is_fair
from bench.analysis.invalid import throttled_rounds
from bench.analysis.whole import whole_step_medians
from bench.data.schema import CASE_KEY, Status
from bench.model.workload import WORKLOADS
from bench.stats.estimates import Estimate, ratio_estimate


@dataclass(frozen=True)
class CardCell:
    """One speedup with what it is of and over."""

    workload: str
    implementation: str
    backend: str
    over: str
    """The opponent, as `implementation on backend`."""
    mode: str
    threads: int
    speedup: Estimate


def speedup_card(samples: pd.DataFrame, processes: pd.DataFrame) -> list[CardCell]:
    """All cells of a run, empty if it holds neither a device beside the CPU nor several modes or threads.

    Args:
        samples: a frame with the columns of `SampleRow`.
        processes: a frame with the columns of `ProcessRow`.
    """
    good = processes[processes["status"] == Status.OK.value]
    good = good[~good["round"].isin(throttled_rounds(processes))]
    if not len(good):
        return []
    accelerated = (good["device"] != "cpu").any()
    if not accelerated and good["mode"].nunique() == good["threads"].nunique() == 1:
        return []
    medians = whole_step_medians(samples[samples["process"].isin(good["process"])]).rename("seconds").reset_index()
    medians = medians.merge(good[["process", "round"]], on="process")
    by_case = dict(iter(medians.groupby(list(CASE_KEY), sort=False)))
    cases = [(dict(zip(CASE_KEY, key, strict=True)), frame) for key, frame in by_case.items()]
    return [
        cell
        for columns, frame in cases
        if not accelerated or columns["device"] != "cpu"
        for other, opponent in cases
        if _is_opponent(columns, other) and (cell := _cell(columns, frame, other, opponent)) is not None
    ]


def _is_opponent(mine: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether `other` is the baseline, or the same implementation on the CPU, under the same conditions."""
    if not is_fair(mine, other):
        return False
    itself = mine["implementation"] == other["implementation"]
    if other["implementation"] == WORKLOADS[str(mine["workload"])].baseline:
        return bool(not itself or mine["device"] != "cpu")
    return bool(itself and mine["device"] != "cpu")


def _cell(mine: dict[str, Any], frame: pd.DataFrame, other: dict[str, Any], opponent: pd.DataFrame) -> CardCell | None:
    """The speedup over the rounds that both ran in; None if there is none."""
    pairs: Sequence[Any] = [rows.groupby("round")["seconds"].median() for rows in (opponent, frame)]
    joined = pd.concat(pairs, axis=1, join="inner")
    joined = joined[(joined > 0).all(axis=1)]
    if not len(joined):
        return None
    return CardCell(
        workload=str(mine["workload"]),
        implementation=str(mine["implementation"]),
        backend=str(mine["backend"]),
        over=f"{other['implementation']} on {other['backend']}",
        mode=str(mine["mode"]),
        threads=int(mine["threads"]),
        speedup=ratio_estimate(joined.iloc[:, 0], joined.iloc[:, 1]),
    )
