"""The command line: parses and calls. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from bench import __version__
from bench.errors import StepbenchError, UsageError

if TYPE_CHECKING:
    from bench.model.registry import Registry
    from bench.run.plan import Planned

Command = TypeVar("Command", bound=Callable[..., Any])
INTERRUPTED = 130


class Duration(click.ParamType[float]):
    """A time such as `60`, `60s`, `2m` or `500ms`, in seconds."""

    name = "duration"
    _UNITS = {"ms": 1e-3, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}  # noqa: RUF012 - never changed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds, or a usage error."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)", str(value).strip())
        if match is None or float(match[1]) == 0:
            self.fail(f"{value!r} is not a time: write 60s, 2m or 500ms.", param, ctx)
        return float(match[1]) * self._UNITS[match[2]]


class Threads(click.ParamType[int]):
    """A number of CPU threads, or `all` that this process may use."""

    name = "threads"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, or a usage error."""
        if isinstance(value, int):
            return value
        if value == "all":
            from bench.timing.environment import usable_cpus

            return usable_cpus()
        if not str(value).isdecimal() or int(value) < 1:
            self.fail(f"{value!r} is not a number of threads: give a whole number of at least 1, or all.", param, ctx)
        return int(value)


_SIZE = click.IntRange(min=1)

_choosing = (
    click.option("--implementation", "-i", multiple=True, metavar="NAME", help="Only this one; repeat for more."),
    click.option("--workload", "-w", multiple=True, metavar="NAME", help="Only this workload; repeat for more."),
    click.option("--device", default="all", show_default=True, metavar="cpu|cuda|all", help="Where to compute."),
    click.option(
        "--load", multiple=True, metavar="FILE.py", type=click.Path(path_type=Path), help="Implementations of your own."
    ),
)
_sizing = (
    click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True),
    click.option("--batch", type=_SIZE, default=64, show_default=True, help="Rows of the input batch."),
    click.option("--d-in", type=_SIZE, default=1000, show_default=True, help="Features of an input."),
    click.option("--hidden", type=_SIZE, default=100, show_default=True, help="Units of the hidden layer."),
    click.option("--d-out", type=_SIZE, default=10, show_default=True, help="Features of an output."),
    click.option("--threads", type=Threads(), default="all", show_default=True, help="CPU threads, the same for all."),
    click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of data, weights and order."
    ),
    click.option(
        "--timeout", type=Duration(), default="30s", show_default=True, help="Longest silence of one process."
    ),
)


def _with(*groups: tuple[Callable[[Command], Command], ...]) -> Callable[[Command], Command]:
    """Add groups of options to a command, in their order."""

    def add(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return add


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="stepbench")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Benchmark one training step: prove it right, time its phases, compare it fairly.

    \b
      bench list                     what can run here, and what cannot and why
      bench verify                   does every implementation compute the right thing?
      bench run                      measure all of them, write CSVs and figures
      bench run -w mlp_sgd           one workload only
      bench run --load mine.py       your own step beside them
      bench plot results/RUN         draw a run's figures again
      bench compare RUN_A RUN_B      two runs side by side

    Exit status: 0 all well, 2 wrong use, 4 some case failed or was wrong, 5 nothing ran, 130 interrupted.
    """


@cli.command("list")
@_with(_choosing[3:])
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, on standard output.")
def list_command(load: tuple[Path, ...], as_json: bool) -> None:
    """Show every implementation on every backend: available, or why not."""
    from bench.output.listing import list_json, list_table
    from bench.output.terminal import console

    registry = _registry(load)
    if as_json:
        click.echo(json.dumps(list_json(registry), indent=2))
    else:
        console().print(list_table(registry))


@cli.command()
@_with(_choosing, _sizing)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, on standard output.")
def verify(as_json: bool, timeout: float, **chosen: Any) -> None:
    """Compare loss, gradients and parameter changes with a float64 oracle; time nothing."""
    from bench.output.progress import Progress
    from bench.output.table import verify_json, verify_table
    from bench.output.terminal import console
    from bench.run.session import verify_all

    planned = _plan(**chosen)
    with Progress() as progress:
        replies = verify_all(planned, progress, timeout)
    if as_json:
        click.echo(json.dumps(verify_json(replies), indent=2))
    else:
        console().print(verify_table(replies))
    sys.exit(0 if all(reply.status == "ok" for _, reply in replies) else 4)


@cli.command()
@_with(_choosing, _sizing)
@click.option("--budget", type=Duration(), default="60s", show_default=True, help="Time for the whole command.")
@click.option("--rounds", type=_SIZE, help="Stop after so many rounds, if the budget allows them.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run.  [default: results/RUN-ID]")
@click.option("--figures/--no-figures", default=True, show_default=True, help="Draw figures at the end.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON, on standard output.")
def run(
    budget: float,
    rounds: int | None,
    out: Path | None,
    figures: bool,
    as_json: bool,
    timeout: float,
    seed: int,
    **chosen: Any,
) -> None:
    """Measure implementations, each in fresh processes, and write CSVs and figures.

    Every case is compared with a float64 oracle before it is timed; one that is wrong is not timed.
    """
    from bench.output.progress import Progress
    from bench.run.runner import Limits
    from bench.run.session import run as run_session

    planned = _plan(seed=seed, **chosen)
    reserve = min(_FIGURE_SECONDS if figures else 1.0, budget / 5)
    limits = Limits(budget - reserve, rounds, timeout)
    with Progress() as progress:
        outcome = run_session(planned, limits, progress, seed=seed, command=["bench", *sys.argv[1:]], out=out)
    _show_run(outcome, figures, as_json)
    sys.exit(outcome.exit_code)


_FIGURE_SECONDS = 7.0
"""Kept back from the budget for the summary and the figures."""


def _show_run(outcome: Any, figures: bool, as_json: bool) -> None:
    """The table on standard output, the paths of what was written on standard error."""
    from bench.data.store import MANIFEST, PROCESSES, SAMPLES, SUMMARY
    from bench.output.table import run_table, summary_json
    from bench.output.terminal import console

    out = console()
    if as_json:
        click.echo(json.dumps(summary_json(outcome.rows), indent=2))
    else:
        out.print(run_table(outcome.rows, outcome.manifest, out.width))
    written = [outcome.folder / name for name in (SAMPLES, PROCESSES, SUMMARY, MANIFEST)]
    if figures and any(row.status == "ok" for row in outcome.rows):
        from bench.output.figures import draw

        written += draw(outcome.folder)
    for path in written:
        click.echo(f"wrote {path}", err=True)


@cli.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--figure", multiple=True, metavar="NAME", help="Only this figure; repeat for more.")
@click.option("--format", "formats", default="png,svg", show_default=True, help="Any of png, svg, pdf, with commas.")
def plot(folder: Path, figure: tuple[str, ...], formats: str) -> None:
    """Draw the figures of a run from its files, into its figures/ folder."""
    from bench.output.figures import FORMATS, draw

    kinds = [kind.strip() for kind in formats.split(",") if kind.strip()]
    if not kinds or set(kinds) - set(FORMATS):
        raise UsageError(f"--format is {formats!r}: give any of {', '.join(FORMATS)}, separated by commas.")
    for path in draw(folder, figure, kinds):
        click.echo(path)


@cli.command()
@click.argument("run_a", type=click.Path(path_type=Path))
@click.argument("run_b", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, on standard output.")
def compare(run_a: Path, run_b: Path, as_json: bool) -> None:
    """Show the ratio of each case's step time in two stored runs, B / A, with its interval.

    A ratio over 1 means that B is slower. This describes; it judges nothing.
    """
    from bench.analysis.compare import compare as compare_runs
    from bench.analysis.compare import differences
    from bench.data.store import read_manifest, read_processes, read_samples
    from bench.output.table import compare_json, compare_table
    from bench.output.terminal import console

    manifests = [read_manifest(folder) for folder in (run_a, run_b)]
    a, b = ((read_samples(folder), read_processes(folder)) for folder in (run_a, run_b))
    rows = compare_runs(a, b)
    differing = differences(*manifests)
    if as_json:
        click.echo(json.dumps({"differences": differing, "cases": compare_json(rows)}, indent=2))
        return
    console().print(compare_table(rows))
    for item in differing:
        click.echo(f"The runs differ in {item} (A / B).", err=True)


def _registry(load: tuple[Path, ...]) -> Registry:
    from bench.model.registry import discover

    return discover(load)


def _plan(
    *,
    implementation: tuple[str, ...],
    workload: tuple[str, ...],
    device: str,
    load: tuple[Path, ...],
    dtype: str,
    threads: int,
    **sizes: int,
) -> tuple[Planned, ...]:
    """The cases that the options ask for."""
    from bench.model.problem import Dtype, Problem
    from bench.run.plan import check_devices, choose, plan_cases

    names = [name for value in implementation for name in value.split(",") if name]
    workloads = [name for value in workload for name in value.split(",") if name]
    devices = [] if device == "all" else [device]
    check_devices(devices)
    chosen = choose(_registry(load), names, workloads)
    return plan_cases(chosen, Problem(dtype=Dtype(dtype), **sizes), threads, devices)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status; every error is one sentence on standard error."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        cli.main(arguments, prog_name="bench", standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except StepbenchError as error:
        if "--debug" in arguments:
            raise
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(0)
