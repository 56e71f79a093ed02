"""Two stored runs side by side: the ratio of each case's whole step, with its interval; no verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis.stats import Estimate, median_estimate, unpaired_ratio_estimate
from bench.analysis.whole import whole_step_medians
from bench.data.schema import CASE_KEY, Manifest, Status

_IDENTITY = ("cpu", "cpus_usable", "memory_bytes", "python")


@dataclass(frozen=True)
class Comparison:
    """One case in both runs. `ratio` is B / A, so over 1 is slower; None where one side has no times."""

    columns: dict[str, Any]
    seconds_a: Estimate | None
    seconds_b: Estimate | None
    ratio: Estimate | None
    reason: str = ""
    """Why there is no ratio."""


def differences(a: Manifest, b: Manifest) -> list[str]:
    """What differs between two runs' machines and packages, by name: a ratio may be due to any of it."""
    found = [
        f"{name}: {one} / {other}" for name in _IDENTITY if (one := _identity(a, name)) != (other := _identity(b, name))
    ]
    if a.stepbench != b.stepbench:
        found.append(f"stepbench: {a.stepbench} / {b.stepbench}")
    names = sorted(set(a.packages) | set(b.packages))
    return found + [
        f"{name}: {a.packages.get(name, 'absent')} / {b.packages.get(name, 'absent')}"
        for name in names
        if a.packages.get(name) != b.packages.get(name)
    ]


def _identity(manifest: Manifest, name: str) -> str | int | float | None:
    """A fact about the machine; memory to the GiB, since a kernel keeps a little for itself and not always as much."""
    value = manifest.machine.get(name)
    return round(value / 2**30) if name == "memory_bytes" and isinstance(value, int | float) else value


def _process_medians(samples: pd.DataFrame, processes: pd.DataFrame) -> dict[tuple[Any, ...], NDArray[np.float64]]:
    """Each case's whole-step medians, one a process that finished well."""
    good = processes[processes["status"] == Status.OK.value]["process"]
    medians = whole_step_medians(samples[samples["process"].isin(good)])
    grouped: Any = medians.groupby(level=list(range(len(CASE_KEY))), sort=False)
    return {key: group.to_numpy(dtype=float) for key, group in grouped}


def compare(a: tuple[pd.DataFrame, pd.DataFrame], b: tuple[pd.DataFrame, pd.DataFrame]) -> list[Comparison]:
    """Every case of either run. Each side is (samples, processes) as `bench.data.store` reads them."""
    times_a, times_b = _process_medians(*a), _process_medians(*b)
    rows = []
    for key in [*times_a, *(key for key in times_b if key not in times_a)]:
        columns = dict(zip(CASE_KEY, key, strict=True))
        one, other = times_a.get(key), times_b.get(key)
        if one is None or other is None:
            missing = "A" if one is None else "B"
            seconds_a, seconds_b = (None if side is None else median_estimate(side) for side in (one, other))
            rows.append(Comparison(columns, seconds_a, seconds_b, None, f"no times in {missing}"))
            continue
        ratio = unpaired_ratio_estimate(other, one)
        rows.append(Comparison(columns, median_estimate(one), median_estimate(other), ratio))
    return rows
