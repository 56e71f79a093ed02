"""Numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def duration(seconds: float | None, digits: int = 3) -> str:
    """A time with a fitting unit and three significant digits; a dash if it is unknown."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    scale, unit = next((item for item in _UNITS if abs(seconds) >= item[0] * 0.9995), _UNITS[-1])
    return f"{significant(seconds / scale, digits)} {unit}"


def time_unit(longest: float) -> tuple[float, str]:
    """The unit for an axis whose longest time is so many seconds: its size in seconds, and its name."""
    return next((item for item in _UNITS if longest >= item[0]), _UNITS[-1])


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits and no exponent."""
    if value == 0:
        return "0"
    exponent = int(f"{abs(value):e}".partition("e")[2])
    rounded = round(value, digits - 1 - exponent)
    exponent = int(f"{abs(rounded):e}".partition("e")[2])  # 9.999 becomes 10.0, which needs a decimal less
    return f"{rounded:.{max(0, digits - 1 - exponent)}f}"


def duration_interval(low: float | None, high: float | None) -> str:
    """An interval of times, its unit once if both ends share it."""
    if low is None or high is None:
        return "-"
    units = [next((item for item in _UNITS if abs(end) >= item[0] * 0.9995), _UNITS[-1]) for end in (low, high)]
    if units[0] != units[1]:
        return f"{duration(low)} … {duration(high)}"
    scale, unit = units[1]
    return f"{significant(low / scale)} … {significant(high / scale)} {unit}"


def factor(value: float | None) -> str:
    """A speedup."""
    return "-" if value is None else f"{significant(value)}x"


def factor_interval(low: float | None, high: float | None) -> str:
    """An interval of speedups."""
    return "-" if low is None or high is None else f"{significant(low)} … {significant(high)}"


def share(value: float | None) -> str:
    """A part of a whole."""
    return "-" if value is None else f"{significant(value * 100, 2)} %"


def percent(value: float | None) -> str:
    """A signed percentage."""
    return "-" if value is None else f"{round(value * 100, 1) + 0.0:+.1f} %"


def visible(text: str) -> str:
    """A text with its control characters spelled out: neither does a terminal obey them, nor can XML hold them."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


VARIANT = ("dtype", "batch", "d_in", "hidden", "d_out", "threads", "mode", "precision")
"""The columns of a case that stand in a heading where a run holds several values of them."""


def common_words(values: Mapping[str, Collection[object]]) -> str:
    """What all cases have in common, in words; what differs is said where it does.

    Args:
        values: the distinct values of each column of `VARIANT`.
    """
    only = {name: next(iter(found)) for name, found in values.items() if len(found) == 1}
    words = {name: variant_word(name, value) for name, value in only.items()}
    if {"d_in", "hidden", "d_out"} <= only.keys():
        words["d_in"] = f"{only['d_in']}-{only['hidden']}-{only['d_out']}"
        del words["hidden"], words["d_out"]
    if only.get("mode") == "resident-warm":  # the usual goes without saying
        del words["mode"]
    if only.get("precision") == "full":
        del words["precision"]
    order = ("batch", "d_in", "hidden", "d_out", "dtype", "threads", "mode", "precision")
    return ", ".join(words[name] for name in order if name in words)


def variant_word(name: str, value: object) -> str:
    """One value of one of those columns, in words."""
    if name == "threads":
        return f"{value} CPU thread{'' if value == 1 else 's'}"
    if name == "precision":
        return f"{value} precision"
    return str(value) if name in ("dtype", "mode") else f"{name.replace('_', '-')} {value}"
