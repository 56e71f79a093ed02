"""What the first round, or the first pairs, let expect of the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass

_SLACK = 1.1
_KEPT_SECONDS = 10.0
"""What a command keeps of its budget for summary and figures, and some more."""


@dataclass(frozen=True)
class Forecast:
    """How much of what is wanted the budget holds."""

    unit: str
    """What is counted: `round`, or `pair of each case`."""
    seconds: float
    """What one takes."""
    held: int
    """How many the budget holds, the first included."""
    wanted: int
    purpose: str
    """What so many are wanted for, as the subject of `takes`."""
    budget_seconds: float
    """A budget that would hold all that are wanted, in whole minutes, or tens of seconds if it is short."""

    @property
    def short(self) -> bool:
        """Whether the budget does not hold what is wanted."""
        return self.held < self.wanted


def foresee(unit: str, seconds: float, wanted: int, purpose: str, *, left: float, budget: float) -> Forecast:
    """Foresee how many the budget holds, after the first.

    Args:
        unit: what is counted.
        seconds: what the next one will take.
        wanted: how many are wanted, the first included.
        purpose: what for.
        left: what is left of the budget, in seconds.
        budget: the budget, in seconds.
    """
    fit = int(max(0.0, left) / seconds) if seconds > 0 else wanted
    needed = (budget + (wanted - 1) * seconds - left) * _SLACK + _KEPT_SECONDS
    step = 10 if needed <= 120 else 60
    return Forecast(unit, seconds, 1 + fit, wanted, purpose, math.ceil(needed / step) * step)
