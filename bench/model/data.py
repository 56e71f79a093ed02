"""The arrays that every implementation starts from, made once with NumPy from the problem's seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Data:
    """The batch, the initial parameters and the numbers that steer training. Arrays are read-only."""

    x: Array
    """Inputs, (batch, d_in)."""
    y: Array
    """Targets, (batch, d_out)."""
    parameters: Mapping[str, Array]
    """Initial parameters under their canonical names; the workload gives them."""
    learning_rate: float
    depths: tuple[int, ...] = ()
    """How often the middle layer is applied in each step of training; empty for a fixed network."""
