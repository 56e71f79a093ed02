"""The headline: whole steps, and the median time of one in each process."""

from __future__ import annotations

import pandas as pd

from bench.data.schema import CASE_KEY, HOST, STEP, Method


def whole_steps(samples: pd.DataFrame) -> pd.DataFrame:
    """The samples of whole steps by the host's clock, over each workload's own mix of depths.

    Args:
        samples: a frame with the columns of `SampleRow`.
    """
    return samples[
        (samples["phase"] == STEP)
        & (samples["method"] == Method.WHOLE.value)
        & (samples["clock"] == HOST)
        & samples["depth"].isna()
    ]


def whole_step_medians(samples: pd.DataFrame) -> pd.Series[float]:
    """Seconds an iteration, the median of each process's `whole_steps`.

    Args:
        samples: a frame with the columns of `SampleRow`.

    Returns:
        One value a process, indexed by the case's columns and then the process.
    """
    chosen = whole_steps(samples)
    each = chosen["seconds"] / chosen["iterations"].astype(float)
    medians = each.groupby(chosen["process"], sort=False).median()
    cases = chosen.drop_duplicates("process").set_index("process")[list(CASE_KEY)].loc[medians.index]
    return medians.set_axis(pd.MultiIndex.from_frame(cases.astype(object).reset_index()[[*CASE_KEY, "process"]]))
