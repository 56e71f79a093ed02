"""Which machine of several is the odd one: slower or faster than the others by more than rounds on them can explain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.stats.special import t_cdf

RISK = 0.05
"""How often any machine is named at most, where none differs from the others by more than `LEAST`."""
LEAST = 0.05
"""The difference that machines of one kind may have: the same parts never do exactly the same."""


@dataclass(frozen=True)
class OddMachine:
    """A machine that surely differs from the others."""

    machine: str
    factor: float
    """Its time over that of the others, which is the geometric mean of theirs; of two, the slower is the odd one."""
    p: float
    """The probability of such a difference or more, if it were no more than `LEAST`; corrected for all machines."""


@dataclass(frozen=True)
class MachineTime:
    """What one round of a group took on a machine."""

    machine: str
    group: str
    log_seconds: float


def odd_machines(times: Sequence[MachineTime], risk: float = RISK, least: float = LEAST) -> list[OddMachine]:
    """Name the odd machines, the oddest first.

    Machines and groups add up in the logarithm, which least squares take apart, and the yardstick is what rounds of one
    group on one machine scatter by. Each machine is held against the mean of the others by Student's test of whether
    they are no more than `least` apart, to either side, with Bonferroni's correction for the number of machines. If one
    is named it is left out, and the rest are looked at again. So the risk of naming any where none is odd is `risk`
    at most, if rounds scatter alike (`tests/stats/test_machines.py`).

    Args:
        times: one a round of a group.
        risk: the risk of naming any where there is none.
        least: the difference that does not count.
    """
    left, found = list(times), list[OddMachine]()
    while (oddest := _oddest(left, math.log1p(least))) is not None and oddest.p <= risk:
        found.append(oddest)
        left = [each for each in left if each.machine != oddest.machine]
    return found


def _oddest(times: Sequence[MachineTime], margin: float) -> OddMachine | None:
    """Return the machine with the least p; None where nothing can be said."""
    machines = sorted({each.machine for each in times})
    groups = sorted({each.group for each in times})
    if len(machines) < 2:
        return None
    design = np.array([[*_marks(each.machine, machines), *_marks(each.group, groups)] for each in times])
    values = np.array([each.log_seconds for each in times])
    effects, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    freedom = len(times) - int(rank)
    if freedom < 1:
        return None
    variance = float(((values - design @ effects) ** 2).sum()) / freedom
    inverse = np.linalg.pinv(design.T @ design)
    found = []
    for index, machine in enumerate(machines):
        contrast = np.zeros(design.shape[1])
        contrast[: len(machines)] = -1 / (len(machines) - 1)
        contrast[index] = 1.0
        if not np.allclose(contrast @ inverse @ design.T @ design, contrast, atol=1e-8):
            continue  # no group was measured here and on others
        apart = float(contrast @ effects)
        error = math.sqrt(variance * float(contrast @ inverse @ contrast))
        p = _p(abs(apart) - margin, error, freedom) * (len(machines) if len(machines) > 2 else 1)
        found.append(OddMachine(machine, math.exp(apart), min(1.0, p)))
    return min(found, key=lambda odd: (odd.p, -odd.factor), default=None)


def _marks(name: str, names: Sequence[str]) -> NDArray[np.float64]:
    return np.array([float(name == each) for each in names])


def _p(beyond: float, error: float, freedom: int) -> float:
    """Return the probability that chance alone gives so much beyond the margin, to either side."""
    if error == 0:
        return 0.0 if beyond > 0 else 1.0
    return 2 * t_cdf(freedom, -beyond / error) if beyond > 0 else 1.0
