"""Against what a case may be held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.model.case import Mode

_SAME = ("workload", "dtype", "batch", "d_in", "hidden", "d_out", "threads", "precision")


def is_fair(columns: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a speedup of one case over another is fair; `Case.has_baseline` on columns.

    Args:
        columns: the `CASE_KEY` columns of the case that the speedup is of.
        other: those of the case that it is over: it computes on the CPU, where nothing is transferred.
    """
    same = all(columns[name] == other[name] for name in _SAME)
    return same and other["device"] == "cpu" and other["mode"] == Mode(str(columns["mode"])).on_host.value
