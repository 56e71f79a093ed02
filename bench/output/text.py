"""Numbers as people read them, and texts as terminals can show them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from functools import partial

from bench.errors import visible

_PLAIN = {"±": "+-", "µ": "u", "…": "...", "→": "->", "≤": "<=", "≥": ">=", "°": " deg", "\u00d7": "x"}
_PLAIN |= dict.fromkeys("\u2018\u2019", "'") | dict.fromkeys("\u201c\u201d", '"') | dict.fromkeys("\u2013\u2014", "-")
"""What stands for signs where an encoding lacks them."""
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def duration(seconds: float | None, digits: int = 3) -> str:
    """Return a time with a fitting unit and three significant digits; a dash if it is unknown."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    scale, unit = next((item for item in _UNITS if abs(seconds) >= item[0] * 0.9995), _UNITS[-1])
    return f"{significant(seconds / scale, digits)} {unit}"


def size(count: float | None) -> str:
    """Return an amount of memory with a fitting unit and three significant digits; a dash if it is unknown."""
    if count is None:
        return "-"
    powers = ((1024.0**power, unit) for power, unit in enumerate(("B", "KiB", "MiB", "GiB", "TiB")))
    scale, unit = next((item for item in powers if count < 999.5 * item[0]), (1024.0**4, "TiB"))
    return f"{significant(count / scale)} {unit}"


def rough(seconds: float) -> str:
    """Return how long something lasts: in seconds, or from two minutes on in minutes."""
    return f"{seconds / 60:.0f} min" if seconds >= 120 else duration(seconds, 2) if seconds >= 1 else "1 s"


def option(seconds: float) -> str:
    """Return a time in whole seconds as options take it."""
    return f"{seconds:.0f}s" if seconds % 60 else f"{seconds / 60:.0f}m"


def significant(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits and no exponent."""
    if value == 0:
        return "0"
    exponent = int(f"{abs(value):e}".partition("e")[2])
    rounded = round(value, digits - 1 - exponent)
    exponent = int(f"{abs(rounded):e}".partition("e")[2])  # 9.999 becomes 10.0, which needs a decimal less
    return f"{rounded:.{max(0, digits - 1 - exponent)}f}"


def factor(value: float | None) -> str:
    """Return a speedup."""
    return "-" if value is None else f"{significant(value)}x"


def interval(low: float | None, high: float | None, text: Callable[[float], str]) -> str:
    """Return an interval whose ends `text` writes, their unit once if they share it; a dash if an end is unknown."""
    if low is None or high is None:
        return "-"
    unit = text(high).partition(" ")[2]
    return f"{text(low).removesuffix(f' {unit}')} … {text(high)}"


duration_interval = partial(interval, text=duration)
factor_interval = partial(interval, text=significant)


def share(value: float | None) -> str:
    """Return a part of a whole, in percent."""
    return "-" if value is None else f"{significant(value * 100, 2)} %"


def percent(value: float | None) -> str:
    """Return a signed percentage."""
    return "-" if value is None else f"{round(value * 100, 1) + 0.0:+.1f} %"


def readable(text: str) -> str:
    """Return a text of several lines with its control characters spelled out, for a file that a browser shows."""
    return "".join(each if each in "\n\t" or unicodedata.category(each) == "Zs" else visible(each) for each in text)


def one_line(text: str) -> str:
    """Return a text with its control characters spelled out, on one line."""
    return visible(re.sub(r"\s+", " ", text))


def spoken(text: str, encoding: str) -> str:
    """Return a text with the signs that an encoding lacks replaced by what is as readable, or spelled out."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_letter(each, encoding) for each in text)
    return text


def _letter(letter: str, encoding: str) -> str:
    def held(text: str) -> bool:
        return text.encode(encoding, "ignore").decode(encoding) == text

    if held(letter):
        return letter
    similar = "".join(filter(held, unicodedata.normalize("NFKD", letter)))
    return _PLAIN.get(letter) or similar or letter.encode("unicode_escape").decode("ascii")
