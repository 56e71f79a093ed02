"""The command line: parses and calls. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

import click

from bench import __version__
from bench.commands.ab import ab
from bench.commands.bisect import bisect
from bench.commands.compare import compare
from bench.commands.doctor import doctor
from bench.commands.explain import explain
from bench.commands.export import export
from bench.commands.gate import gate
from bench.commands.gpu_proof import gpu_proof
from bench.commands.history import history
from bench.commands.import_file import import_file
from bench.commands.new import new
from bench.commands.plot import plot
from bench.commands.report import report
from bench.commands.run import run
from bench.commands.site import site
from bench.commands.sweep import sweep
from bench.commands.verify import verify
from bench.errors import ReaderGoneError, StepbenchError, UsageError, os_cure
from bench.options import LOAD, TIMEOUT
from bench.output.streams import note, outlets, say_json, shortened

INTERRUPTED = 130
_POLITE = (signal.SIGTERM, signal.SIGHUP)
OUTPUT_LOST = ReaderGoneError.exit_code
"""What a shell reports of a program whose reader hung up: 128 and the number of SIGPIPE."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="stepbench")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Benchmark one training step: prove it right, time its phases, compare it fairly.

    \b
      bench list                     what can run here, and what cannot and why
      bench new my_step              a file for your own model: runs as it is, explains itself
      bench verify                   do the tutorial's programs compute the right thing?
      bench run                      measure the tutorial's programs, write CSVs and figures
      bench run --select all         JAX, tf.function and compiled programs as well
      bench run -w mlp_sgd           one workload only
      bench run --load my_step.py    your own step beside the tutorial's programs
      bench run --resume results/RUN finish a run that was interrupted
      bench sweep --axis hidden=64:4096:x2   the same over sizes, and where one overtakes another
      bench doctor                   what disturbs measurements here, and what cures it
      bench gpu-proof                does everything work on this GPU?
      bench plot results/RUN         draw all figures of a run
      bench report results/RUN       all of it in one HTML file, or as LaTeX or Markdown
      bench site                     static pages of all runs: reports, histories, machines side by side
      bench explain FIGURE           where a figure comes from, and how to draw it again
      bench ab main                  did it get slower than that revision, and where?
      bench gate --base origin/main  the same for continuous integration
      bench bisect v1.0 main         which commit made it slower?
      bench compare RUN_A RUN_B      verdicts from stored runs
      bench report RUN_A RUN_B       several runs side by side, of any machines
      bench history                  a step's time over the runs of this machine
      bench import FILE              what pytest-benchmark, pyperf and other tools measured
      bench export RUN --to NAME     for pytest-benchmark, pyperf and other tools

    \b
    From your own model to a speedup, a gate and a figure, in ten minutes: docs/own-step.md.

    \b
    Exit status: 0 all well, 1 regression (explain --check: the data changed), 2 wrong use, 3 inconclusive,
    4 some case failed or was wrong, 5 nothing ran, 130 interrupted, what was finished is kept, 141 standard output
    was closed by its reader, or full.
    """


@cli.command("list")
@LOAD
@TIMEOUT
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, on standard output.")
def list_command(load: tuple[Path, ...], timeout: float | None, as_json: bool) -> None:
    """Show every implementation on every backend: available, or why not."""
    from bench.output.content.listing import list_blocks, list_json
    from bench.output.render.terminal import show
    from bench.run.reading import read_all

    registry = read_all(load, timeout)
    if as_json:
        say_json(list_json(registry))
    else:
        show(list_blocks(registry))


for command in (
    *(new, run, verify, sweep, plot, report, site, explain, doctor, gpu_proof),
    *(ab, gate, bisect, compare, history, import_file, export),
):
    cli.add_command(command)


def _terminate(number: int, frame: object) -> NoReturn:
    """End a run on a polite kill, and when its terminal is closed, as Ctrl-C does: what is finished is kept.

    Whoever sends the one often sends the other too, or the same again: that must not end the tidying up.
    """
    for polite in _POLITE:
        signal.signal(polite, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status; every error is one sentence on standard error."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments  # wherever it stands
    for polite in _POLITE:
        if signal.getsignal(polite) is not signal.SIG_IGN:  # nohup has a run outlive its terminal
            signal.signal(polite, _terminate)
    with outlets() as output:
        status = _run([argument for argument in arguments if argument != "--debug"], debug)
        output.flush()
        if output.sentence:
            _complain(output.sentence)
    # A terminal that is closed takes the output along: what counts is that the command was interrupted.
    sys.exit(status if output.failure is None or status == INTERRUPTED else OUTPUT_LOST)


def _run(arguments: list[str], debug: bool) -> int:
    """Run a command and return its exit status; an error is told, or raised to show where it came from."""
    try:
        _check_text(arguments)
        cli.main(arguments, prog_name="bench", standalone_mode=False)
    except (click.exceptions.Exit, SystemExit) as error:
        code = error.exit_code if isinstance(error, click.exceptions.Exit) else error.code
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        told = io.StringIO()
        error.show(told)
        usage, _, message = told.getvalue().partition("Error: ")
        for line in usage.splitlines():
            note(line)
        _complain(" ".join(message.split()))  # click spreads a list of choices over lines
        return 2
    except (click.Abort, KeyboardInterrupt):
        note("Interrupted.")
        return INTERRUPTED
    except (StepbenchError, OSError, MemoryError) as error:
        if debug:
            raise
        return _told(error)
    return 0


def _check_text(arguments: list[str]) -> None:
    """Refuse what is not UTF-8, since what a command was told is written down; a file of such a name may be read."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            if not os.path.lexists(argument):
                raise UsageError(f"{argument!r} is not UTF-8: write it so, or rename what it names.") from None


def _told(error: StepbenchError | OSError | MemoryError) -> int:
    """Tell an error in one sentence, and return its exit status."""
    if isinstance(error, StepbenchError):
        _complain(str(error))
        return error.exit_code
    if isinstance(error, MemoryError):
        _complain("memory ran out: choose smaller sizes, or end other programs.")
    else:  # a disk that gave way where no better message was to be had
        where = f"{error.filename}: " if error.filename else ""
        _complain(f"{where}{error.strerror or error}: {os_cure(error, 'write elsewhere')}.")
    return 2


def _complain(message: str) -> None:
    note(f"Error: {shortened(' '.join(message.splitlines()))}")
