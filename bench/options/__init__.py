"""Types of options, and the groups of options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from bench.errors import nearest

Command = TypeVar("Command", bound=Callable[..., Any])


class Duration(click.ParamType[float]):
    """A time such as `60`, `60s`, `2m` or `500ms`, in seconds."""

    name = "duration"
    _UNITS = {"ms": 1e-3, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}  # noqa: RUF012 - never changed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds, or fail with a usage error."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)", str(value).strip())
        if match is None or float(match[1]) == 0:
            self.fail(f"{value!r} is not a time: write 60s, 2m or 500ms.", param, ctx)
        return float(match[1]) * self._UNITS[match[2]]


class Percent(click.ParamType[float]):
    """A share such as `2%` or `0.02`."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the share, or fail with a usage error."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", str(value).strip())
        share = 0.0 if match is None else float(match[1]) / (100 if match[2] else 1)
        if not 0 < share < 1:
            self.fail(f"{value!r} is not a share between 0 and 1: write 2% or 0.02.", param, ctx)
        return share


class Threads(click.ParamType[int]):
    """A number of CPU threads, or `all` that this process may use."""

    name = "threads"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail with a usage error."""
        if isinstance(value, int):
            return value
        if value == "all":
            from bench.machine.environment import usable_cpus

            return usable_cpus()
        if not str(value).isdecimal() or int(value) < 1:
            self.fail(f"{value!r} is not a number of threads: give a whole number of at least 1, or all.", param, ctx)
        return int(value)


class ThreadsList(Threads):
    """Numbers of CPU threads with commas, in the order given and each once."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the numbers as a tuple, or fail with a usage error."""
        if isinstance(value, tuple):
            return value
        numbers = [super(ThreadsList, self).convert(part.strip(), param, ctx) for part in str(value).split(",")]
        return tuple(dict.fromkeys(numbers))


MODES = ("resident-warm", "transferred-warm", "resident-cold", "transferred-cold")
"""`bench.model.case.Mode`, which is not imported for the sake of a quick --help; a test compares them."""


class Modes(click.ParamType[tuple[str, ...]]):
    """Modes with commas, or `all` of them."""

    name = "modes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the modes, or fail with a usage error."""
        if isinstance(value, tuple):
            return value
        names = MODES if value == "all" else tuple(dict.fromkeys(part.strip() for part in str(value).split(",")))
        for name in names:
            if name not in MODES:
                self.fail(f"{name!r} is not a mode: {nearest(name, [*MODES, 'all'])}", param, ctx)
        return names


SIZE = click.IntRange(min=1)

IMPLEMENTATION = click.option(
    "--implementation", "-i", multiple=True, metavar="NAME", help="Only these implementations; use commas or repeat."
)
DEVICE = click.option("--device", default="all", show_default=True, metavar="cpu|cuda|all", help="Where to compute.")
LOAD = click.option(
    "--load",
    multiple=True,
    metavar="FILE.py",
    type=click.Path(path_type=Path),
    help="Implementations or backends of your own.",
)
CHOOSING = (
    IMPLEMENTATION,
    click.option("--workload", "-w", multiple=True, metavar="NAME", help="Only these workloads; use commas or repeat."),
    DEVICE,
    LOAD,
)
PROBLEM = (
    click.option(
        "--dtype",
        type=click.Choice(["float32", "float64"]),
        default="float32",
        show_default=True,
        help="Number format of data, weights and arithmetic.",
    ),
    click.option("--batch", type=SIZE, default=64, show_default=True, help="Rows of the input batch."),
    click.option("--d-in", type=SIZE, default=1000, show_default=True, help="Features of an input."),
    click.option("--hidden", type=SIZE, default=100, show_default=True, help="Units of the hidden layer."),
    click.option("--d-out", type=SIZE, default=10, show_default=True, help="Features of an output."),
)
SEED = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of data, weights and orders."
)
TIMEOUT = click.option(
    "--timeout", type=Duration(), default="30s", show_default=True, help="Longest silence of one process."
)
MEASURING = (
    *PROBLEM,
    click.option(
        "--threads",
        type=ThreadsList(),
        default="all",
        show_default=True,
        help="CPU threads, the same for every framework; several with commas, as in 1,all.",
    ),
    click.option(
        "--modes",
        type=Modes(),
        default="resident-warm",
        show_default=True,
        help="Where the batch is and what caches hold, such as transferred-cold; several with commas, or all.",
    ),
    click.option("--tf32", is_flag=True, help="Let every framework round factors of float32 products to TF32."),
    SEED,
    TIMEOUT,
)


def names_of(values: Iterable[str]) -> tuple[str, ...]:
    """Split the values of an option, each of which may hold several names with commas; each name counts once."""
    names = (name.strip() for value in values for name in value.split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def with_options(*groups: tuple[Callable[[Command], Command], ...]) -> Callable[[Command], Command]:
    """Add groups of options to a command, in their order."""

    def add(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return add
