"""A run on a cluster: what Slurm calls its tasks, and who submits them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from bench.data.manifest import Manifest
from bench.run.plan import Planned
from bench.run.queue import SlurmQueue
from bench.run.slurm import Slurm
from bench.run.task import TASKS, do_task
from bench.run.terms import Cluster
from bench.run.watcher import Watcher


def job_name(folder: Path, manifest: Manifest) -> str:
    """Name a run's tasks for Slurm, so that they can be found again and no other run has them."""
    mark = hashlib.sha256(f"{folder.resolve()} {manifest.created}".encode()).hexdigest()[:10]
    return f"bench-{mark}"


def slurm_launcher(
    folder: Path,
    manifest: Manifest,
    cluster: Cluster,
    planned: Sequence[Planned],
    load: Sequence[Path],
    watcher: Watcher,
) -> Slurm:
    """Make the launcher of a run.

    Args:
        folder: the run's.
        manifest: the run's plan.
        cluster: where it is measured.
        planned: its cases.
        load: the files of implementations that were named.
        watcher: is told about progress.

    Raises:
        UsageError: tasks cannot be submitted from here.
    """
    files = [str(path.resolve()) for path in load]
    cpus = max(item.case.threads * item.case.devices for item in planned if not item.skipped)
    queue = SlurmQueue(
        cluster.partition,
        cluster.settings,
        job_name(folder, manifest),
        folder / TASKS / "log",
        lambda name: (do_task, str(folder.resolve()), name, files),
        cluster.nodes,
        cpus,
    )
    return Slurm(folder, manifest, queue, watcher, cluster.nodes)
