"""Rounds that do not count."""

from __future__ import annotations

import pandas as pd


def throttled_rounds(processes: pd.DataFrame) -> set[int]:
    """Find the rounds in which a device was throttled, invalid for every case in them.

    None if that is all of them: a doubtful result is better than none, and `throttled` in processes.csv says so.

    Args:
        processes: a frame with the columns of `ProcessRow`.
    """
    invalid = {int(number) for number in processes[processes["throttled"] != ""]["round"]}
    return invalid if invalid < {int(number) for number in processes["round"]} else set()
