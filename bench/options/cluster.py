"""Options that say on which nodes of a cluster a run is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bench.errors import UsageError
from bench.options.numeric import Whole

if TYPE_CHECKING:
    from bench.run.terms import Cluster

MOST_NODES = 1000
CLUSTER = (
    click.option(
        "--on",
        metavar="slurm:PARTITION",
        help="Measure on nodes of a Slurm cluster: each round of a group is one task on one node. Goes with --resume "
        "too.  [default: this machine]",
    ),
    click.option("--nodes", type=Whole(1, MOST_NODES), help="With --on: most tasks that run at once.  [default: 2]"),
    click.option(
        "--slurm",
        multiple=True,
        metavar="KEY=VALUE",
        help="With --on: an option of sbatch, such as time=60, account=NAME or exclude=NODE; repeat for several.",
    ),
)


def cluster_of(options: dict[str, Any]) -> Cluster | None:
    """Take the options of `CLUSTER` out of a command's, and read them; None where a run is measured on this machine.

    Raises:
        UsageError: one is malformed, or means nothing without --on.
    """
    from bench.run.queue import parse_launcher, parse_settings
    from bench.run.terms import Cluster

    on, nodes, slurm = (options.pop(name) for name in ("on", "nodes", "slurm"))
    if on is None:
        if nodes is not None or slurm:
            given = "--nodes" if nodes is not None else "--slurm"
            raise UsageError(f"{given} means nothing without --on slurm:PARTITION: add that, or leave it out.")
        return None
    found = Cluster(parse_launcher(on), settings=parse_settings(slurm))
    return found if nodes is None else Cluster(found.partition, nodes, found.settings)
