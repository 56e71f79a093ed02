"""The command line: parses and calls. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from bench import __version__
from bench.commands.ab import ab
from bench.commands.compare import compare
from bench.commands.doctor import doctor
from bench.commands.export import export
from bench.commands.gate import gate
from bench.commands.history import history
from bench.errors import StepbenchError, UsageError
from bench.options import CHOOSING, SIZE, SIZING, Duration, Percent, with_options

if TYPE_CHECKING:
    from bench.model.registry import Registry
    from bench.run.plan import Planned

INTERRUPTED = 130


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
      bench run --resume results/RUN finish a run that was interrupted
      bench doctor                   what disturbs measurements here, and what cures it
      bench plot results/RUN         draw a run's figures again
      bench ab main                  did it get slower than that revision, and where?
      bench gate --base origin/main  the same for continuous integration
      bench compare RUN_A RUN_B      verdicts from two stored runs
      bench history                  a step's time over the runs of this machine
      bench export RUN --to NAME     for pytest-benchmark, pyperf and other tools

    \b
    Exit status: 0 all well, 1 regression, 2 wrong use, 3 inconclusive, 4 some case failed or was wrong,
    5 nothing ran, 130 interrupted, what was finished is kept.
    """


@cli.command("list")
@with_options(CHOOSING[3:])
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
@with_options(CHOOSING, SIZING)
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
@with_options(CHOOSING, SIZING)
@click.option("--budget", type=Duration(), default="60s", show_default=True, help="Time for the whole command.")
@click.option("--rounds", type=SIZE, help="So many rounds over all cases, if the budget allows.")
@click.option(
    "--precision",
    type=Percent(),
    default="2%",
    show_default=True,
    help="Stop when every speedup's interval is within ± this.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Finish an interrupted or killed run; only --budget may be new.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run.  [default: results/RUN-ID]")
@click.option("--figures/--no-figures", default=True, show_default=True, help="Draw figures at the end.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON, on standard output.")
def run(
    budget: float,
    rounds: int | None,
    precision: float,
    resume: Path | None,
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
    from bench.run.session import resume as resume_session
    from bench.run.session import run as run_session

    seconds = budget - min(_FIGURE_SECONDS if figures else 1.0, budget / 5)
    command = ["bench", *sys.argv[1:]]
    with Progress() as progress:
        if resume is not None:
            given = _given_besides("resume", "budget", "figures", "as_json")
            if given:
                raise UsageError(f"--resume takes everything but --budget from the run: leave out {', '.join(given)}.")
            outcome = resume_session(resume, progress, seconds if _is_given("budget") else None)
        else:
            planned = _plan(seed=seed, **chosen)
            limits = Limits(seconds, rounds, precision, timeout)
            load = chosen["load"]
            outcome = run_session(planned, limits, progress, seed=seed, command=command, out=out, load=load)
    _show_run(outcome, figures, as_json)
    sys.exit(outcome.exit_code)


def _is_given(name: str) -> bool:
    """Whether an option stands on the command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def _given_besides(*names: str) -> list[str]:
    """The options on the command line that are none of these, as the user spells them."""
    parameters = click.get_current_context().command.params
    return [item.opts[0] for item in parameters if item.name and item.name not in names and _is_given(item.name)]


_FIGURE_SECONDS = 7.0
"""Kept back from the budget for the summary and the figures."""


def _show_run(outcome: Any, figures: bool, as_json: bool) -> None:
    """The table on standard output, the paths of what was written on standard error."""
    from bench.analysis.card import speedup_card
    from bench.data.store import MANIFEST, PROCESSES, SAMPLES, SUMMARY, read_processes, read_samples
    from bench.output.table import run_table, summary_json
    from bench.output.terminal import console

    out = console()
    if as_json:
        click.echo(json.dumps(summary_json(outcome.rows), indent=2))
    else:
        card = speedup_card(read_samples(outcome.folder), read_processes(outcome.folder))
        out.print(run_table(outcome.rows, outcome.manifest, out.width, str(outcome.folder), card))
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


for command in (ab, compare, doctor, export, gate, history):
    cli.add_command(command)


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
    threads: tuple[int, ...],
    modes: tuple[str, ...],
    tf32: bool,
    **sizes: int,
) -> tuple[Planned, ...]:
    """The cases that the options ask for."""
    from bench.model.case import Mode
    from bench.model.device import Precision
    from bench.model.problem import Dtype, Problem
    from bench.run.plan import check_devices, choose, plan_cases
    from bench.timing.environment import usable_cpus

    names = [name for value in implementation for name in value.split(",") if name]
    workloads = [name for value in workload for name in value.split(",") if name]
    devices = [] if device == "all" else [device]
    registry = _registry(load)  # first: a loaded file may bring a device of its own
    check_devices(devices)
    if (most := max(threads)) > (cpus := usable_cpus()):
        click.echo(f"Warning: --threads {most}, but {cpus} CPUs may be used: they will wait for each other.", err=True)
    chosen = choose(registry, names, workloads)
    precision = Precision.TF32 if tf32 else Precision.FULL
    problem = Problem(dtype=Dtype(dtype), **sizes)
    return plan_cases(chosen, problem, threads, devices, [Mode(name) for name in modes], precision)


def _terminate(number: int, frame: object) -> NoReturn:
    """A polite kill ends a run as Ctrl-C does: what is finished is kept."""
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status; every error is one sentence on standard error."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments  # wherever it stands
    arguments = [argument for argument in arguments if argument != "--debug"]
    signal.signal(signal.SIGTERM, _terminate)
    try:
        cli.main(arguments, prog_name="bench", standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except StepbenchError as error:
        if debug:
            raise
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:  # a disk or a pipe that gave way where no better message was to be had
        if debug:
            raise
        if isinstance(error, BrokenPipeError):  # whoever read our output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(INTERRUPTED)
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"Error: {where}{error.strerror or error}; free space, or look at its permissions.", err=True)
        sys.exit(2)
    except MemoryError:
        if debug:
            raise
        click.echo("Error: memory ran out: choose smaller sizes, or end other programs.", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(0)
