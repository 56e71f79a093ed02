"""`bench new`: a file to begin with."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from bench.errors import UsageError
from bench.options import LOAD, TIMEOUT
from bench.options.paths import LOADED
from bench.output.starter import FRAMEWORKS, KINDS
from bench.output.streams import note, say


@click.command()
@click.argument("name")
@click.option("--framework", type=click.Choice(FRAMEWORKS), default="torch", show_default=True, help="Its framework.")
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default="training",
    show_default=True,
    help="training: your own model; workload: a step of your own, phase by phase, with two implementations; "
    "implementation: one more of a workload that there is.",
)
@click.option("--workload", "-w", metavar="NAME", help="What an implementation is of.  [default: mlp_sgd]")
@LOAD
@TIMEOUT
@click.option("--out", type=LOADED, metavar="FILE.py", help="Write there.  [default: NAME.py]")
def new(
    name: str,
    framework: str,
    kind: str,
    workload: str | None,
    load: tuple[Path, ...],
    timeout: float | None,
    out: Path | None,
) -> None:
    """Write a file that registers NAME, runs as it is, and explains itself in comments.

    \b
      bench new my_step                          your own torch model, to be put in
      bench new my_step --framework jax          your own program in JAX, or with --framework keras in Keras
      bench new my_step --kind workload          a step written phase by phase, in torch or with --framework numpy
      bench new my_step --kind implementation    another way to compute mlp_sgd, or --workload NAME
    """
    from bench.model.workload import find_workload
    from bench.output.starter import check_name, commands, starter, write
    from bench.run.reading import read_all

    if workload is not None and kind != "implementation":
        raise UsageError(f"--workload goes with --kind implementation: a {kind} is a workload itself.")
    path, registry = out or Path(f"{name}.py"), read_all(load, timeout)
    check_name(name, path, registry)
    of, file = find_workload(workload or "mlp_sgd"), shlex.quote(str(path))
    write(path, starter(name, file, kind, framework, of, registry))
    note(f"wrote {path}")
    for line in commands(name, file, kind, of):
        say(line)
