"""A problem: how large a workload is, in which number format, from which seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bench.errors import UsageError
from bench.model.columns import condition
from bench.model.sizes import Sizes


class Dtype(StrEnum):
    """The number format of data, weights and results."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"

    @property
    def itemsize(self) -> int:
        """Bytes of one number."""
        return 4 if self is Dtype.FLOAT32 else 8

    @property
    def epsilon(self) -> float:
        """Distance from 1 to the next larger number."""
        return 2.0**-23 if self is Dtype.FLOAT32 else 2.0**-52


@dataclass(frozen=True)
class Problem:
    """Sizes, number format and seed of one workload; its sizes are attributes too, as in `problem.batch`.

    Raises:
        UsageError: the seed is negative, or there is no step.
    """

    sizes: Sizes = field(default_factory=Sizes)
    dtype: Dtype = condition("Number format of data, weights and arithmetic.", default=Dtype.FLOAT32)
    seed: int = 0
    """Seed of the batch, of the initial weights and of the amounts of work."""
    steps: int = 500
    """Iterations after which training starts again from the initial weights."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise UsageError(f"--seed is {self.seed}: give a whole number of at least 0.")
        if self.steps < 1:
            raise UsageError(f"a problem has {self.steps} steps: give at least 1.")

    def changed(self, sizes: Mapping[str, int]) -> Problem:
        """Return the problem with other values for some of its sizes."""
        return replace(self, sizes=self.sizes.changed(sizes))

    def __getattr__(self, name: str) -> int:
        if name.startswith("__") or name == "sizes":  # copying asks before there are sizes
            raise AttributeError(name)
        value: int = getattr(self.sizes, name)
        return value
