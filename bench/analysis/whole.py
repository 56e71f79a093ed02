"""The headline: whole steps, and the median time of one in each process."""

from __future__ import annotations

import pandas as pd

from bench.data.schema import HOST, STEP, Method


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


def whole_step_medians(samples: pd.DataFrame) -> pd.Series[float]:
    """Reduce each process to the median of its whole steps, in seconds an iteration.

    Args:
        samples: a frame with the columns of `SampleRow`.

    Returns:
        One value a process, indexed by process.
    """
    chosen = samples[is_whole(samples)]
    each = chosen["seconds"] / chosen["iterations"].astype(float)
    return each.groupby(chosen["process"], sort=False).median()


def whole_steps_by_round(samples: pd.DataFrame, processes: pd.DataFrame) -> dict[int, tuple[int, float]]:
    """Give the round and the median of a whole step of each process that has one.

    Args:
        samples: a frame with the columns of `SampleRow`.
        processes: a frame with the columns of `ProcessRow`: only these count.
    """
    medians = whole_step_medians(samples[samples["process"].isin(processes["process"])])
    rounds = dict(zip(processes["process"].astype(int), processes["round"].astype(int), strict=True))
    return {int(process): (rounds[int(process)], float(value)) for process, value in medians.items()}  # type: ignore[call-overload]
