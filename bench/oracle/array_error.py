"""How far one array of a step is from its truth, and how far it may be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from bench.oracle.truth import Key


@dataclass(frozen=True)
class ArrayError:
    """The error of one array in the step in which it is worst."""

    # Read by pydantic, which would otherwise send an infinite error as an unknown one.
    __pydantic_config__: ClassVar[dict[str, str]] = {"ser_json_inf_nan": "constants"}

    kind: str
    name: str
    step: int
    error: float
    """Relative error."""
    allowed: float
    """Relative error that the truth allows."""
    element: bool = False
    """Whether it is that of the worst element instead of the norm."""

    @property
    def ratio(self) -> float:
        """The error in units of what is allowed."""
        return self.error / self.allowed if self.allowed > 0 else math.inf if self.error > 0 else 0.0

    @property
    def key(self) -> Key:
        """Which array it is."""
        return Key(self.kind, self.name)
