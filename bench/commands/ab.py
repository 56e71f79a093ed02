"""`bench ab`: did it get slower?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bench.errors import UsageError
from bench.options import with_options
from bench.options.judging import COMPARING, SIDES, decide, finish, revisions


@click.command()
@click.argument("a", required=False)
@click.argument("b", required=False)
@click.option("--python-a", metavar="PATH", help="Compare interpreters instead: the one of side A.")
@click.option("--python-b", metavar="PATH", help="The interpreter of side B.")
@with_options(SIDES, COMPARING)
def ab(
    a: str | None,
    b: str | None,
    python_a: str | None,
    python_b: str | None,
    load: tuple[Path, ...],
    as_json: bool,
    junit: Path | None,
    allow_inconclusive: bool,
    **chosen: Any,
) -> None:
    """Judge B against A in pairs of processes that take turns: REGRESSION, PASS, INCONCLUSIVE or INVALID.

    \b
      bench ab main                          the files as they are against a revision
      bench ab v1.0 v1.1                     two revisions of the repository you are in
      bench ab torch_tensor torch_autograd   two implementations of one workload
      bench ab --python-a old/bin/python --python-b new/bin/python -i torch_optim

    A revision gives its implementations/ and --load files; the harness that measures is the one that you run.

    Exit status: 0 PASS, 1 REGRESSION, 3 INCONCLUSIVE, 4 INVALID (missing, wrong or failed on a side), 2 wrong use.
    """
    from bench.run.reading import read_all, read_each
    from bench.run.sides import of_implementation, of_interpreter

    timeout = chosen["timeout"]
    shown: dict[str, Any] = {"as_json": as_json, "junit": junit, "allow_inconclusive": allow_inconclusive}
    if python_a or python_b:
        if a or not (python_a and python_b):
            raise UsageError("--python-a and --python-b belong together, without A and B: give both interpreters.")
        registry = read_all(load, timeout)
        finish(decide((of_interpreter(python_a, registry), of_interpreter(python_b, registry)), **chosen), **shown)
    if a is None:
        raise UsageError("There is nothing to compare: give a revision, two revisions, or two implementations.")
    # Of two revisions the loaded files are taken as they were: what they are now need not even load.
    known = {item.name for item in (*read_all(), *read_each(load, timeout=timeout)[0])} if b is not None else set()
    if b is not None and {a, b} & known:
        registry = read_all(load, timeout)
        finish(decide((of_implementation(a, registry), of_implementation(b, registry)), **chosen), **shown)
    with revisions(a, b, load, timeout) as sides:
        found = decide(sides, **chosen)
    finish(found, **shown)
