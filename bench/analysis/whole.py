"""The headline: whole steps, by process and turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bench.data.schema import HOST, STEP, Method
from bench.model.case import Case
from bench.stats.estimates import RoundKey, Turns

_FAR = 1_000_000
"""More than a process has turns."""


def is_whole(rows: pd.DataFrame) -> pd.Series[bool]:
    """Mark the rows that are whole steps by the host's clock, over each workload's own mix of variants.

    Args:
        rows: a frame with the columns `phase`, `method`, `clock` and `variant`.
    """
    return (
        (rows["phase"] == STEP)
        & (rows["method"] == Method.WHOLE.value)
        & (rows["clock"] == HOST)
        & rows["variant"].isna()
    )


def whole_steps_by_turn(samples: pd.DataFrame, together: bool) -> dict[int, Turns]:
    """Give the time of a whole step in each turn of each process that has one, in seconds an iteration.

    Args:
        samples: a frame with the columns of `SampleRow`.
        together: whether turns of one number were taken together; else no two processes have a turn in common.
    """
    chosen = samples[is_whole(samples)]
    each = chosen["seconds"] / chosen["iterations"].astype(float)
    keys = [chosen["process"].astype(int), chosen["turn"].astype(int)]
    medians: Any = each.groupby(keys, sort=False).median().items()
    found: dict[int, dict[int, float]] = {}
    for (process, turn), seconds in medians:
        alone = -1 - process * _FAR - turn
        found.setdefault(process, {})[turn if together else alone] = float(seconds)
    return {**found}


def by_round(
    turns: Mapping[int, Turns], processes: pd.DataFrame, cases: Mapping[int, Case]
) -> dict[Case, dict[RoundKey, Turns]]:
    """Sort the times of processes by case and round; a round may hold several processes of a case.

    Rounds of several machines are told apart, so that nothing is ever paired across machines.

    Args:
        turns: as `whole_steps_by_turn` gives them.
        processes: a frame with the columns of `ProcessRow`: only these count.
        cases: the case of each process.
    """
    found: dict[Case, dict[RoundKey, Turns]] = {}
    for process, key in round_keys(processes).items():
        if process in turns:
            rounds = found.setdefault(cases[process], {})
            rounds[key] = {**rounds.get(key, {}), **turns[process]}
    return found


def round_keys(processes: pd.DataFrame) -> dict[int, RoundKey]:
    """Look up in which round each process ran, and on which machine where there are several.

    Args:
        processes: a frame with the columns of `ProcessRow`.
    """
    columns = (processes["process"].astype(int), processes["round"].astype(int), processes["machine"])
    return {
        process: (machine, number) if machine else number for process, number, machine in zip(*columns, strict=True)
    }
