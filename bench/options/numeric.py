"""Types of options that are numbers: what is no number, or one out of range, is refused before anything is done."""

from __future__ import annotations

import re
from typing import Any

import click

from bench.model.axis import MOST_THREADS
from bench.model.sizes import MOST

_SECONDS = 1e-3, 7 * 24 * 3600.0
"""The shortest and the longest time: clocks and sockets hold no endless one."""
_SHARES = 1e-6, 1 - 1e-6
MOST_DEVICES = 1024
_UNITS = {"ms": 1e-3, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}


def whole(text: object, least: int, most: int) -> int | None:
    """Read a whole number; None if it is none, or not in the range."""
    digits = re.fullmatch(r"\s*0*([0-9]{1,19})\s*", str(text))
    return int(digits[1]) if digits is not None and least <= int(digits[1]) <= most else None


class Whole(click.ParamType[int]):
    """A whole number in a range."""

    name = "number"

    def __init__(self, least: int = 1, most: int = MOST) -> None:
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail with a usage error."""
        found = whole(value, self._least, self._most)
        if found is None:
            self.fail(f"{value!r} is not a whole number from {self._least} to {self._most}.", param, ctx)
        return found


class Duration(click.ParamType[float]):
    """A time such as `60`, `60s`, `2m` or `500ms`, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds, or fail with a usage error."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|)", str(value).strip())
        seconds = 0.0 if match is None else float(match[1]) * _UNITS[match[2]]
        if not _SECONDS[0] <= seconds <= _SECONDS[1]:
            self.fail(f"{value!r} is not a time from 1ms to 168h: write 60s, 2m or 500ms.", param, ctx)
        return seconds


class Percent(click.ParamType[float]):
    """A share such as `2%` or `0.02`."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the share, or fail with a usage error."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(%?)", str(value).strip())
        share = 0.0 if match is None else float(match[1]) / (100 if match[2] else 1)
        if not _SHARES[0] <= share <= _SHARES[1]:
            self.fail(f"{value!r} is not a share from 0.0001% to 99.9999%: write 2% or 0.02.", param, ctx)
        return share


class Threads(click.ParamType[int]):
    """A number of CPU threads, or `all` that this process may use."""

    name = "threads"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail with a usage error."""
        if value == "all":
            from bench.machine.environment import usable_cpus

            return usable_cpus()
        found = whole(value, 1, MOST_THREADS)
        if found is None:
            words = f"give a whole number from 1 to {MOST_THREADS}, or all."
            self.fail(f"{value!r} is not a number of threads: {words}", param, ctx)
        return found


class ThreadsList(Threads):
    """Numbers of CPU threads with commas, in the order given and each once."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the numbers as a tuple, or fail with a usage error."""
        if isinstance(value, tuple):
            return value
        numbers = [super(ThreadsList, self).convert(part.strip(), param, ctx) for part in str(value).split(",")]
        return tuple(dict.fromkeys(numbers))


class Counts(click.ParamType[tuple[int, ...]]):
    """Numbers of devices with commas, in the order given and each once."""

    name = "devices"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers, or fail with a usage error."""
        if isinstance(value, tuple):
            return value
        found = {part: whole(part, 1, MOST_DEVICES) for part in str(value).split(",")}
        for part, number in found.items():
            if number is None:
                words = f"give whole numbers from 1 to {MOST_DEVICES}, as in 1,2,4."
                self.fail(f"{part.strip()!r} is not a number of devices: {words}", param, ctx)
        return tuple(dict.fromkeys(number for number in found.values() if number is not None))


class NamedSize(click.ParamType[tuple[tuple[str, int], ...]]):
    """Sizes such as `layers=4` or `layers=4,width=64`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return names and values, or fail with a usage error."""
        if isinstance(value, tuple):
            return value
        found = []
        for part in str(value).split(","):
            name, _, text = (piece.strip() for piece in part.partition("="))
            number = whole(text, 1, MOST)
            if number is None or not re.fullmatch(r"[A-Za-z][\w-]{0,31}", name):
                words = f"write layers=4, a whole number from 1 to {MOST}."
                self.fail(f"{part.strip()!r} is not a size: {words}", param, ctx)
            found.append((name.replace("-", "_"), number))
        return tuple(found)


SIZE = Whole()
ROUNDS = Whole(most=10**6)
THREADS = Whole(most=MOST_THREADS)
SEEDS = Whole(0, 2**32 - 1)
"""What every framework takes as one."""

PAIRS_LIMIT = 10**4
