"""An axis of a sweep: what varies, and its values."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bench.errors import UsageError, nearest
from bench.model.columns import SIZE_PREFIX
from bench.model.sizes import MOST
from bench.model.workload import WORKLOADS

CONDITIONS = ("threads", "dtype")
"""Axes that are no sizes."""
MOST_THREADS = 2**13
"""More CPUs than Linux knows of."""
_MOST = 64
_HOW = "write hidden=64:4096:x2, hidden=100:500:+100 or hidden=64,100,256"


@dataclass(frozen=True)
class Axis:
    """One thing that varies."""

    name: str
    """The axis's name: that of a size, or one of `CONDITIONS`."""
    values: tuple[int | str, ...]
    """Values in order, each once; texts for `dtype` only."""

    @property
    def is_size(self) -> bool:
        """Whether it is a size of workloads."""
        return self.name not in CONDITIONS

    @property
    def column(self) -> str:
        """The column of a case that holds it."""
        return f"{SIZE_PREFIX}{self.name}" if self.is_size else self.name


def fit_of(text: str) -> tuple[str, int, float] | None:
    """Parse an axis whose end is to be found, `NAME=START:fit` or `NAME=START:fit:xFACTOR`; None for any other.

    Raises:
        UsageError: the end is to be found, but there is no start, no size or no factor over 1.
    """
    name, _, given = text.partition("=")
    name, parts = name.strip().replace("-", "_"), given.strip().split(":")
    if "fit" not in parts:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,8}):fit(?::[x*]([0-9]{1,9}(?:\.[0-9]{1,6})?))?", given.strip())
    factor = 2.0 if match is None or match[2] is None else float(match[2])
    if match is None or factor <= 1:
        raise UsageError(f"--axis {text!r} needs a start, and a factor over 1: write batch=64:fit or batch=64:fit:x4.")
    if name in CONDITIONS:
        raise UsageError(
            f"--axis {name} is no size, so no value of it can be too large: vary a size, as in batch=64:fit."
        )
    return name, int(match[1]), factor


def parse_axis(text: str, cpus: Callable[[], int]) -> Axis:
    """Parse an axis: `NAME=START:STOP:xFACTOR`, `NAME=START:STOP:+STEP` or `NAME=VALUE,VALUE,...`.

    Args:
        text: as on the command line; sizes from a range are rounded to whole numbers, STOP is among them if it is met.
        cpus: how many threads `all` means.

    Raises:
        UsageError: it is none of these, or more than 64 values.
    """
    name, equals, given = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals:
        raise UsageError(f"--axis {text!r} names no values: {_HOW}.")
    known = [*dict.fromkeys(size for workload in WORKLOADS.values() for size in workload.sizes), *CONDITIONS]
    if name not in known:
        raise UsageError(f"--axis {name} is nothing that varies: {nearest(name, known)}")
    values = _range(given) if ":" in given else _listed(name, given, cpus)
    values = tuple(dict.fromkeys(values))
    if name == "threads" and max(map(int, values), default=0) > MOST_THREADS:
        raise UsageError(f"--axis {text!r} has more than {MOST_THREADS} threads: give fewer.")
    if not values:
        raise UsageError(f"--axis {text!r} has no values that make sense: {_HOW}.")
    if len(values) > _MOST:
        raise UsageError(f"--axis {text!r} has {len(values)} values, and {_MOST} are the most: take larger steps.")
    return Axis(name, values if name == "dtype" else tuple(sorted(values)))


def _listed(name: str, given: str, cpus: Callable[[], int]) -> tuple[int | str, ...]:
    parts = [part.strip() for part in given.split(",") if part.strip()]
    if name == "dtype":
        for part in parts:
            if part not in ("float32", "float64"):
                raise UsageError(f"--axis dtype has no {part!r}: give float32, float64 or both.")
        return tuple(parts)
    if name == "threads":
        parts = [str(cpus()) if part == "all" else part for part in parts]
    most = MOST_THREADS if name == "threads" else MOST
    for part in parts:
        if not re.fullmatch(r"[0-9]{1,10}", part) or not 1 <= int(part) <= most:
            raise UsageError(f"--axis {name} has {part!r} among its values: give whole numbers from 1 to {most}.")
    return tuple(int(part) for part in parts)


def _range(given: str) -> tuple[int | str, ...]:
    """Return the values of a range; none if it is not one."""
    match = re.fullmatch(r"\s*([0-9]{1,9}):([0-9]{1,9}):([x*+])([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*", given)
    if match is None:
        return ()
    start, stop, step = int(match[1]), int(match[2]), float(match[4])
    grows = step > 1 if match[3] in "x*" else step >= 1
    if start < 1 or stop < start or not grows:
        return ()
    values: list[int | str] = []
    value = float(start)
    while round(value) <= stop:
        values.append(round(value))
        if len(values) > 10 * _MOST:
            raise UsageError(f"--axis range {given!r} takes too small steps: {_HOW}.")
        value = value * step if match[3] in "x*" else value + step
    return tuple(values)
