"""A problem: how large the network and its batch are, in which number format, from which seed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

from bench.errors import UsageError
from bench.model.columns import Role, condition, size


class Dtype(StrEnum):
    """The number format that every backend computes in."""

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
    """Sizes, number format and seed; the defaults are the tutorial's own.

    Raises:
        UsageError: a size is not a positive whole number.
    """

    batch: int = size("Rows of the input batch, N.", 64)
    d_in: int = size("Features of one input.", 1000)
    hidden: int = size("Units of the hidden layer, H.", 100)
    d_out: int = size("Features of one output.", 10)
    dtype: Dtype = condition("Number format of data, weights and arithmetic.", default=Dtype.FLOAT32)
    seed: int = 0
    """Seed of the batch, of the initial weights and of the sequence of depths."""
    steps: int = 500
    """Iterations after which training starts again from the initial weights."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name in ("dtype", "seed"):
                continue
            value = getattr(self, field.name)
            if not isinstance(value, int) or value < 1:
                option = "--" + field.name.replace("_", "-")
                raise UsageError(f"{option} is {value!r}: give a whole number of at least 1.")
        if self.seed < 0:
            raise UsageError(f"--seed is {self.seed}: give a whole number of at least 0.")


SIZES = tuple(field.name for field in fields(Problem) if field.metadata.get("role") is Role.SIZE)
"""The names of a problem's sizes."""
