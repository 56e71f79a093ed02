"""`bench verify`: does every implementation compute the right thing?"""

from __future__ import annotations

import sys
from typing import Any

import click

from bench.options import CHOOSING, MEASURING, with_options
from bench.options.planning import selection
from bench.output.streams import say_json


@click.command()
@with_options(CHOOSING, MEASURING)
@click.option("--verbose", is_flag=True, help="List every array with its error and what is allowed.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, on standard output.")
def verify(as_json: bool, verbose: bool, timeout: float | None, **chosen: Any) -> None:
    """Compare loss, gradients and parameter changes with the truth in float64; time nothing.

    Shown is the array that comes closest to what is allowed: its error, its own allowance, and their ratio.
    """
    from bench.output.content.verify import verify_blocks, verify_json
    from bench.output.progress import Progress
    from bench.output.render.terminal import show
    from bench.run.plan import plan_cases
    from bench.run.session import verify_all

    planned = plan_cases(selection(timeout=timeout, **chosen))
    with Progress() as progress:
        replies = verify_all(planned, progress, timeout)
    if as_json:
        say_json(verify_json(replies))
    else:
        show(verify_blocks(replies, verbose))
    sys.exit(0 if all(reply.status == "ok" for _, reply in replies) else 4)
