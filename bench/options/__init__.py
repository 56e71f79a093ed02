"""Types of options, and the groups of options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from bench.errors import UsageError, nearest
from bench.model.sharing import Sharing
from bench.options.numeric import ROUNDS, SEEDS, SIZE, Counts, Duration, NamedSize, ThreadsList
from bench.options.paths import LOADED
from bench.output.streams import note, pass_on

Command = TypeVar("Command", bound=Callable[..., Any])


MODES = ("resident-warm", "transferred-warm", "resident-cold", "transferred-cold")
"""`bench.model.case.Mode`, which is not imported for the sake of a quick --help; a test compares them."""


PRECISIONS = ("full", "tf32", "amp-bf16", "amp-fp16", "bf16")
"""`bench.model.precision.Precision`, for the same reason."""


class _Several(click.ParamType[tuple[str, ...]]):
    """Words of a list with commas, or `all` of them."""

    known: tuple[str, ...]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the words, each once, or fail with a usage error."""
        if isinstance(value, tuple):
            return value
        names = self.known if value == "all" else tuple(dict.fromkeys(part.strip() for part in str(value).split(",")))
        for name in names:
            if name not in self.known:
                self.fail(f"{name!r} is not a {self.name}: {nearest(name, [*self.known, 'all'])}", param, ctx)
        return names


class Modes(_Several):
    """Modes with commas."""

    name, known = "mode", MODES


class Precisions(_Several):
    """Precisions with commas."""

    name, known = "precision", PRECISIONS


class Columns(click.ParamType[tuple[str, ...]]):
    """Columns of a table of cases with commas, `all` of them, or `help`, which lists them and ends the command."""

    name = "columns"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the names in the order given, or fail with a usage error."""
        if isinstance(value, tuple):
            return value
        from bench.output.content.cases import SHOWN  # not before somebody asks: a quick --help imports none of it

        if value == "help" and ctx is not None:
            lines = [(name, f"{shown.header}: {shown.doc}") for name, shown in SHOWN.items()]
            formatter = ctx.make_formatter()
            formatter.write_dl(lines)
            pass_on(formatter.getvalue())
            ctx.exit()
        names = tuple(SHOWN) if value == "all" else names_of([str(value).replace("-", "_")])
        for name in names:
            if name not in SHOWN:
                self.fail(f"{name!r} is not a column: {nearest(name, [*SHOWN, 'all', 'help'])}", param, ctx)
        if not names:
            self.fail("it names no column: write step,speedup,memory, all, or help for the list.", param, ctx)
        return names


COLUMNS = click.option(
    "--columns",
    type=Columns(),
    default=(),
    metavar="NAME,...",
    help="Columns of the tables, such as step,speedup,memory, instead of the usual ones; all shows every one, help "
    "lists them.",
)

IMPLEMENTATION = click.option(
    "--implementation", "-i", multiple=True, metavar="NAME", help="Only these implementations; use commas or repeat."
)
DEVICE = click.option("--device", default="all", show_default=True, metavar="cpu|cuda|all", help="Where to compute.")
LOAD = click.option(
    "--load",
    multiple=True,
    metavar="FILE.py",
    type=LOADED,
    help="Your own model, workloads, implementations or backends; `bench new` writes one.",
)
CHOOSING = (
    IMPLEMENTATION,
    click.option("--workload", "-w", multiple=True, metavar="NAME", help="Only these workloads; use commas or repeat."),
    click.option(
        "--select",
        type=click.Choice(["tutorial", "all"]),
        default="tutorial",
        show_default=True,
        help="Which implementations if -i names none. tutorial: the tutorial's programs, their baselines and your own "
        "implementations; all: every one that `bench list` shows.",
    ),
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
    click.option(
        "--size",
        "sizes",
        multiple=True,
        type=NamedSize(),
        metavar="NAME=VALUE",
        help="A size of the workload, such as layers=4; use commas or repeat.  [default: the workload's own]",
    ),
    click.option("--batch", type=SIZE, help="The same as --size batch=...: rows of the input batch."),
    click.option("--d-in", type=SIZE, help="The same as --size d_in=...: features of an input."),
    click.option("--hidden", type=SIZE, help="The same as --size hidden=...: units of the hidden layer."),
    click.option("--d-out", type=SIZE, help="The same as --size d_out=...: features of an output."),
)
SEED = click.option("--seed", type=SEEDS, default=0, show_default=True, help="Seed of data, weights and orders.")
BASELINE = click.option(
    "--baseline",
    default="",
    metavar="NAME[@BACKEND][,SETTING=VALUE...]",
    help="What speedups are over: any measured case, such as mine, mine@torch-cuda or mine,threads=1; a setting that "
    "is not named is the contender's own.  [default: each workload's own, on the CPU, at full precision]",
)
COLD = click.option(
    "--cold",
    type=ROUNDS,
    default=1,
    show_default=True,
    help="How many processes of each case that compiles begin with an empty compiler cache; the others find it filled. "
    "From two on, the break-even with an empty cache has an interval.",
)
TIMEOUT = click.option(
    "--timeout",
    type=Duration(),
    help="Longest silence of one process, which gives a sign of life after each step.  [default: 5m if it uses no CPU "
    "time meanwhile, 1h if it does]",
)
SHARING = tuple(
    click.option(name, "sharing", flag_value=value, default=Sharing.WAIT, type=click.UNPROCESSED, help=text)
    for name, value, text in (
        (
            "--no-wait",
            Sharing.REFUSE,
            "Refuse where another bench measures on the same CPU or GPU; by default the second waits for the first.",
        ),
        ("--share", Sharing.SHARE, "Measure beside it; both are disturbed."),
    )
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
        "--devices",
        "spreads",
        type=Counts(),
        default="1",
        show_default=True,
        metavar="NUMBER,...",
        help="How many devices one step is spread over, as in 1,2,4, a process on each; on the CPU each process has "
        "--threads CPUs of its own. For implementations that can be spread; the others stay at one.",
    ),
    click.option(
        "--scaling",
        type=click.Choice(["strong", "weak"]),
        default="strong",
        show_default=True,
        help="What the devices share out. strong: the batch as it is; weak: as many times the batch as there are "
        "devices.",
    ),
    click.option(
        "--modes",
        type=Modes(),
        default="resident-warm",
        show_default=True,
        help="Where the batch is and what caches hold, such as transferred-cold; several with commas, or all.",
    ),
    click.option(
        "--precision",
        "precisions",
        type=Precisions(),
        default="full",
        show_default=True,
        help="How products are rounded: full, tf32, amp-bf16, amp-fp16 or bf16; several with commas.",
    ),
    SEED,
    TIMEOUT,
)


def warn(reason: str) -> None:
    """Warn of something on standard error."""
    note(f"Warning: {reason}")


def sizes_of(named: Iterable[Iterable[tuple[str, int]]], **options: int | None) -> dict[str, int]:
    """Collect the sizes that `--size` and the options of the tutorial's four give.

    Raises:
        UsageError: a size is given twice.
    """
    given = [pair for pairs in named for pair in pairs]
    given += [(name, value) for name, value in options.items() if value is not None]
    found: dict[str, int] = {}
    for name, value in given:
        if name in found:
            raise UsageError(f"The size {name} is given twice: leave out one of {found[name]} and {value}.")
        found[name] = value
    return found


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
