"""One run from its options to its files."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import __version__
from bench.data.schema import Manifest, Status, SummaryRow
from bench.data.store import RunStore
from bench.errors import NothingRanError
from bench.run.asking import Truths, ask_case
from bench.run.plan import Planned
from bench.run.runner import Limits, Runner, Watcher
from bench.run.zygotes import Zygotes
from bench.timing.environment import constraints_sha256, git_revision, machine_facts, package_versions
from bench.timing.protocol import Reply

RESULTS = Path("results")


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    folder: Path
    manifest: Manifest
    rows: list[SummaryRow]
    interrupted: bool

    @property
    def exit_code(self) -> int:
        """0 all well, 4 some case failed, 130 interrupted."""
        if self.interrupted:
            return 130
        return 0 if all(row.status in (Status.OK, Status.SKIPPED) for row in self.rows) else 4


def new_run_id(now: datetime) -> str:
    """Sortable and readable: when the run began, in UTC, and the process that holds it."""
    return f"{now:%Y%m%d-%H%M%S}-{os.getpid()}"


def run(
    planned: Sequence[Planned],
    limits: Limits,
    watcher: Watcher,
    *,
    seed: int,
    command: Sequence[str],
    out: Path | None = None,
) -> Outcome:
    """Measure the planned cases into a new folder. Ctrl-C ends it early and keeps what is finished.

    Args:
        planned: the cases, as `plan_cases` gives them.
        limits: budget, rounds, and how long a process may be silent.
        watcher: is told about progress.
        seed: of the order of the rounds.
        command: the command line, for the manifest.
        out: the run's folder; by default a new one below results/.

    Raises:
        NothingRanError: not one of the cases can run here.
        StorageError: the folder holds something already or cannot be written.
    """
    began = time.monotonic()
    if all(item.skipped for item in planned):
        reasons = "; ".join(sorted({item.skipped for item in planned}))
        raise NothingRanError(f"Nothing can run here: {reasons}.")
    started = datetime.now(UTC)
    run_id = out.resolve().name if out is not None else new_run_id(started)
    folder = out if out is not None else RESULTS / run_id
    manifest = Manifest(
        run_id=run_id,
        created=started.isoformat(timespec="seconds"),
        stepbench=__version__,
        command=list(command),
        seed=seed,
        budget_seconds=limits.budget_seconds,
        rounds=limits.rounds,
        machine=machine_facts(),
        packages=package_versions(),
        git_revision=git_revision(),
        constraints_sha256=constraints_sha256(),
        cases=[item.for_manifest() for item in planned],
    )
    store = RunStore.create(folder, manifest)
    interrupted = False
    with Zygotes() as zygotes:
        runner = Runner(store, manifest, planned, zygotes, limits, watcher, began=began)
        try:
            runner.execute()
        except KeyboardInterrupt:
            interrupted = True
            manifest.ended_by = "interrupted"
    return Outcome(folder, manifest, runner.finish(), interrupted)


def verify_all(planned: Sequence[Planned], watcher: Watcher, timeout: float) -> list[tuple[Planned, Reply]]:
    """Ask every planned case whether it agrees with the oracle; measure nothing and write nothing."""
    replies = []
    live = [item for item in planned if not item.skipped]
    with Zygotes() as zygotes:
        truths = Truths(zygotes.scratch)
        backends = list({item.case.backend: item.backend for item in live}.values())
        watcher.starting(sorted({backend.framework for backend in backends}))
        zygotes.start(backends)
        for done, item in enumerate(live):
            watcher.measuring(item.case, 0, done, len(live), 0.0)
            replies.append((item, ask_case(zygotes, item, truths.path(item.case), None, timeout)))
    return replies
