"""The headline of a process: its median time of a whole step."""

from __future__ import annotations

import pandas as pd

from bench.data.schema import CASE_KEY, HOST, STEP, Method


def whole_step_medians(samples: pd.DataFrame) -> pd.Series[float]:
    """Seconds an iteration, the median of each process's whole steps by the host clock over its own mix of depths.

    Args:
        samples: a frame with the columns of `SampleRow`.

    Returns:
        One value a process, indexed by the case's columns and then the process.
    """
    chosen = samples[
        (samples["phase"] == STEP)
        & (samples["method"] == Method.WHOLE.value)
        & (samples["clock"] == HOST)
        & samples["depth"].isna()
    ]
    each = chosen["seconds"] / chosen["iterations"].astype(float)
    return each.groupby([chosen[name] for name in (*CASE_KEY, "process")], sort=False).median()
