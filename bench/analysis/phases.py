"""The phases of a step beside the whole: their shares, and what timing them apart costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bench.data.schema import HOST, Method
from bench.model.step import DATA, FORWARD, STAGES, TRAINING
from bench.stats.estimates import Estimate, ratio_estimate


def _side_by_side(stages: pd.DataFrame) -> pd.DataFrame:
    """Put the stages of each process side by side; no rows if they are not a whole step."""
    table = stages.pivot_table(index="process", columns="phase", values="median").dropna()
    covered = {phase for label in table.columns for phase in label.split("+")} - {*DATA}
    return table if covered in ({*FORWARD}, {*TRAINING}) else table.iloc[:0]


def shares_of(times: pd.DataFrame) -> dict[tuple[str, str, str], float]:
    """Work out each phase's part of the phases' sum, as a median over processes."""
    shares: dict[tuple[str, str, str], float] = {}
    kinds: Any = times[times["phase"].isin(STAGES)].groupby(["method", "clock"])
    for (method, clock), stages in kinds:
        table = _side_by_side(stages)
        table = table[table.sum(axis=1) > 0]  # a profiler that saw no phase has no shares to tell
        if len(table):
            parts = table.div(table.sum(axis=1), axis=0).median()
            parts /= parts.sum()
            shares |= {(str(phase), method, clock): float(part) for phase, part in parts.items()}
    return shares


def sync_tax(times: pd.DataFrame, whole: pd.DataFrame) -> Estimate | None:
    """Relate the sum of the phases timed apart to the whole step of the same process, minus 1."""
    staged = (times["method"] == Method.STAGED.value) & (times["clock"] == HOST) & times["phase"].isin(STAGES)
    phases = _side_by_side(times[staged]).sum(axis=1).rename("phases")
    pairs = pd.concat([phases, whole.set_index("process")["median"]], axis=1, join="inner")
    pairs = pairs[(pairs > 0).all(axis=1)]
    if not len(pairs):
        return None
    ratio = ratio_estimate(np.asarray(pairs["phases"]), np.asarray(pairs["median"]))
    low, high = (None if end is None else end - 1 for end in (ratio.low, ratio.high))
    return Estimate(ratio.value - 1, low, high)
