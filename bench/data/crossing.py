"""The columns of crossovers.csv."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bench.data.column import POSITIVE, described
from bench.data.schema import SCHEMA_VERSION
from bench.model.case import Contender


class Crossing(StrEnum):
    """What is known about two contenders' order along an axis."""

    FOUND = "found"
    NEVER = "never"
    UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True)
class CrossoverRow:
    """One row a pair of contenders and size: where one overtakes the other along a swept axis, or that none does.

    Columns that both cases share come first, then those of each contender.
    """

    schema_version: int = described("Version of these columns.", default=SCHEMA_VERSION)
    run_id: str = described("Run that it belongs to; also the name of its folder.")
    axis: str = described("Column of the size that varies; that column is empty.")
    common: Mapping[str, str | int]
    """Values of the columns that both cases share; the axis is not among them."""
    a: Contender
    b: Contender
    status: Crossing = described(
        "`found`: one overtakes the other; `never`: one is faster at every size measured; `undecided`: intervals are "
        "too wide to tell."
    )
    crossing: int = described("Which crossing of this pair, from 0; a pair may have several.", default=0)
    faster_below: str = described(
        "`a` or `b`: who is faster below the size; empty if unknown.", values=("a", "b", ""), default=""
    )
    faster_above: str = described(
        "`a` or `b`: who is faster above the size; empty if unknown.", values=("a", "b", ""), default=""
    )
    size: float | None = described("Value of `axis` at which both take equally long.", least=POSITIVE, default=None)
    size_low: float | None = described("Lower end of the 95 % interval of `size`.", least=POSITIVE, default=None)
    size_high: float | None = described("Upper end of the 95 % interval of `size`.", least=POSITIVE, default=None)
    smallest: int = described("Smallest value of `axis` that both were measured at.", least=1)
    largest: int = described("Largest value of `axis` that both were measured at.", least=1)
    sizes: int = described("Values of `axis` that both were measured at.", least=1)
