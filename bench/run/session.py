"""One run from its options to its files."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.analysis.baseline import check_baseline
from bench.data.manifest import Manifest
from bench.data.repair import repair
from bench.data.schema import Status, SummaryRow
from bench.data.store import RunStore, is_older, read_manifest
from bench.errors import NothingRanError, UsageError
from bench.machine.conditions import machine_findings
from bench.machine.environment import constraints_sha256
from bench.machine.processor import affinity, pinned_cpu
from bench.model.backends import BACKENDS
from bench.model.discovery import built_in
from bench.model.sharing import Sharing
from bench.run.asking import Truths, ask_case
from bench.run.circumstances import circumstances
from bench.run.cluster import slurm_launcher
from bench.run.doctor import Report, examine
from bench.run.fit import Fit, find_fits
from bench.run.launcher import Launcher, Local
from bench.run.leases import leased
from bench.run.plan import (
    Planned,
    Selection,
    backends_of,
    check_devices,
    check_sizes,
    choose,
    implementation_facts,
    plan_cases,
    workload_facts,
)
from bench.run.pool import Pool
from bench.run.prove import Proof, prove
from bench.run.queue import longest_minutes
from bench.run.reading import read_all
from bench.run.resume import check_launcher, check_load, check_same, done_so_far, loaded, planned_of
from bench.run.runner import Done, Runner
from bench.run.sources import source_hashes
from bench.run.terms import Cluster, RunTerms
from bench.run.watcher import Watcher
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
        """The exit status: 0 all well, 4 some case failed, 130 interrupted."""
        if self.interrupted:
            return 130
        return 0 if all(row.status in (Status.OK, Status.SKIPPED) for row in self.rows) else 4


def new_id(now: datetime, kind: str = "") -> str:
    """Name a run, or what is of another kind, so that names sort by time: its start in UTC, and our process."""
    return f"{kind}{'-' if kind else ''}{now:%Y%m%d-%H%M%S}-{os.getpid()}"


def run(planned: Sequence[Planned], terms: RunTerms, watcher: Watcher) -> Outcome:
    """Measure the planned cases into a new folder. Ctrl-C ends it early and keeps what is finished.

    Args:
        planned: the cases, as `plan_cases` gives them.
        terms: what was asked for beside them.
        watcher: is told about progress.

    Raises:
        NothingRanError: not one of the cases can run here.
        UsageError: the baseline that was chosen is none of them.
        StorageError: the folder holds something already or cannot be written.
    """
    if all(item.skipped for item in planned):
        reasons = "; ".join(sorted({item.skipped for item in planned}))
        raise NothingRanError(f"Nothing can run here: {reasons}.")
    check_baseline(terms.baseline, [item.case for item in planned if not item.skipped])
    if terms.cluster is not None:  # nothing is measured here; a folder is made only if tasks can be submitted
        longest_minutes(terms.cluster.partition)
        return _begin(planned, terms, watcher, ())
    with _leased(planned, terms.command, terms.sharing, watcher) as beside:
        return _begin(planned, terms, watcher, beside)


def _leased(
    planned: Iterable[Planned], command: Sequence[str], sharing: Sharing, watcher: Watcher
) -> AbstractContextManager[tuple[str, ...]]:
    backends = backends_of(item for item in planned if not item.skipped)
    return leased(backends, " ".join(command), sharing, watcher.queued)


def _begin(planned: Sequence[Planned], terms: RunTerms, watcher: Watcher, beside: Sequence[str]) -> Outcome:
    """Begin the run's folder and fill it; `beside` says who else measures here."""
    began, started = time.monotonic(), datetime.now(UTC)
    folder = terms.out if terms.out is not None else RESULTS / new_id(started)
    manifest = Manifest(
        run_id=folder.resolve().name,
        created=started.isoformat(timespec="seconds"),
        command=list(terms.command),
        seed=terms.seed,
        budget_seconds=terms.budget_seconds,
        rounds=terms.rounds,
        within=terms.within,
        cold=terms.cold,
        timeout_seconds=terms.timeout_seconds,
        **loaded(terms.load),
        baseline=terms.baseline,
        fits={name: dict(found) for name, found in terms.fits.items()},
        axes={axis.column: list(axis.values) for axis in terms.axes},
        crossover_within=terms.crossover_within,
        turns=True,
        cpu=pinned_cpu(1) if _is_pinned(planned, terms.cluster) else None,
        launcher="" if terms.cluster is None else terms.cluster.launcher,
        nodes=None if terms.cluster is None else terms.cluster.nodes,
        cases=[item.for_manifest() for item in planned],
        workloads=workload_facts(planned),
        implementations=implementation_facts(planned),
        **_circumstances(planned, here=terms.cluster is None),
    )
    manifest.disturbances += beside
    store = RunStore.create(folder, manifest)
    with locked(folder):
        return _drive(store, manifest, planned, watcher, began, Done(), terms.cluster, terms.load)


def _is_pinned(planned: Iterable[Planned], cluster: Cluster | None) -> bool:
    """Say whether processes are pinned to a CPU of this machine."""
    return cluster is None and any(item.is_pinned for item in planned if not item.skipped)


def largest_that_fit(
    wanted: Selection, name: str, start: int, watcher: Watcher, timeout: float | None, told: Callable[[Fit], None]
) -> list[Fit]:
    """Find the largest value of a size at which each chosen implementation fits in memory.

    Args:
        wanted: what is chosen; workloads without such a size are left out.
        name: the size.
        start: the first value that is tried.
        watcher: is told about progress.
        timeout: longest silence of a process, in seconds.
        told: is told what was found of each.

    Raises:
        UsageError: no chosen workload has such a size.
    """
    check_sizes([name], wanted.implementations)
    having = tuple(item for item in wanted.implementations if name in item.workload.sizes)
    at = replace(wanted, implementations=having, sizes={**wanted.sizes, name: start})
    planned = [item for item in plan_cases(at, keep_too_large=True) if not item.skipped]
    with Pool(waiting=watcher.waiting) as pool:
        backends = backends_of(planned)
        watcher.starting(sorted({backend.framework for backend in backends}))
        pool.start(backends)
        return find_fits(planned, name, pool, timeout, told)


def resume(
    folder: Path,
    watcher: Watcher,
    budget_seconds: float | None = None,
    load: Sequence[Path] = (),
    sharing: Sharing = Sharing.WAIT,
    cluster: Cluster | None = None,
) -> Outcome:
    """Finish a run that was interrupted or killed: what is missing is measured, what is done is kept.

    No file is loaded because the folder names it, and none before everything else was found to be as it was.

    Args:
        folder: the run's folder.
        watcher: is told about progress.
        budget_seconds: a new budget for the whole run, what it has spent so far included; by default its own.
        load: the files of implementations that it began with.
        sharing: what is done where another command measures already.
        cluster: where it is measured; None for this machine. It goes on only where it began.

    Raises:
        UsageError: the machine, the packages or an implementation changed since, or these are other files.
        DataFormatError: the folder holds no run, or a damaged one.
    """
    manifest = read_manifest(folder)
    if is_older(folder):
        raise UsageError(
            f"{folder} was begun by an earlier stepbench, whose files cannot be added to: start a new run."
        )
    check_launcher(manifest, "" if cluster is None else cluster.launcher, folder)
    same = {} if cluster is None else {"machine": manifest.machine}  # a node compares its own
    check_same(manifest, manifest.model_copy(update=circumstances((), manifest.packages) | same), folder)
    check_load(manifest, load, ("run", "--resume", str(folder)))
    planned = planned_of(manifest, read_all(load, manifest.timeout_seconds))
    here = manifest.model_copy(update=_circumstances(planned, manifest.packages, cluster is None) | same)
    check_same(manifest, here, folder)
    if manifest.cpu is not None and manifest.cpu not in affinity():
        raise UsageError(
            f"{folder} cannot be resumed: its processes were pinned to CPU {manifest.cpu}, which this one may not use: "
            "widen its affinity (`taskset`)."
        )
    if budget_seconds is not None:
        manifest.budget_seconds = budget_seconds
    command = ("bench", "run", "--resume", str(folder))
    lease = nullcontext(()) if cluster is not None else _leased(planned, command, sharing, watcher)
    with locked(folder), lease as beside:
        began = time.monotonic()
        manifest.disturbances = list(dict.fromkeys([*manifest.disturbances, *here.disturbances, *beside]))
        repair(folder)
        done = done_so_far(folder, manifest)
        return _drive(RunStore(folder), manifest, planned, watcher, began, done, cluster, load)


def _circumstances(planned: Sequence[Planned], packages: Iterable[str] = (), here: bool = True) -> dict[str, Any]:
    """Look at what a run's manifest says of the machine and of the programs on it, as they are now.

    Args:
        planned: the run's cases.
        packages: other packages that count.
        here: whether it is measured on this machine.
    """
    backends = backends_of(item for item in planned if not item.skipped)
    return {
        **circumstances(backends, packages),
        "sources": source_hashes(planned),
        "backend_packages": {backend.name: list(backend.packages) for backend in backends},
        "constraints_sha256": constraints_sha256(),
        "disturbances": [finding.sentence for finding in machine_findings() if here and finding.disturbs],
    }


def _drive(
    store: RunStore,
    manifest: Manifest,
    planned: Sequence[Planned],
    watcher: Watcher,
    began: float,
    done: Done,
    cluster: Cluster | None,
    load: Sequence[Path],
) -> Outcome:
    interrupted = False
    with ExitStack() as stack:
        launcher: Launcher
        if cluster is None:
            launcher = Local(stack.enter_context(Pool(waiting=watcher.waiting)), manifest, watcher)
        else:
            launcher = slurm_launcher(store.folder, manifest, cluster, planned, load, watcher)
        runner = Runner(store, manifest, planned, launcher, watcher, done=done, began=began)
        try:
            runner.execute()
        except KeyboardInterrupt:
            interrupted = True
            manifest.ended_by = "interrupted"
        except UsageError:  # a source changed: what was measured before it did is kept
            runner.finish()
            raise
        rows = runner.finish()
    return Outcome(store.folder, manifest, rows, interrupted)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process alone: two that write the same run would spoil it.

    The kernel lets go of the lock with the process, however that ends.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(f"{folder} is being written by another bench run: wait for it, or end it.") from error
        yield
    finally:
        os.close(descriptor)


def verify_all(planned: Sequence[Planned], watcher: Watcher, timeout: float | None) -> list[tuple[Planned, Reply]]:
    """Ask every planned case whether it agrees with the oracle; measure nothing and write nothing."""
    replies = []
    live = [item for item in planned if not item.skipped]
    with Pool(waiting=watcher.waiting) as pool:
        truths = Truths(pool, timeout)
        backends = backends_of(live)
        watcher.starting(sorted({backend.framework for backend in backends}))
        pool.start(backends)
        for done, item in enumerate(live):
            watcher.measuring(item.case, 0, done, len(live), 0.0, None)
            replies.append((item, ask_case(pool, item, truths, timeout)))
    return replies


_DOCTOR = ("bench", "doctor")
AA_IMPLEMENTATIONS = ("numpy_manual", "torch_autograd", "tf_static_graph", "jax_staged")
"""One implementation a framework: what the doctor measures against itself."""


def prove_device(
    device: str, load: Sequence[Path], watcher: Watcher, threads: int, timeout: float | None
) -> list[Proof]:
    """Prove that measuring works on one kind of device, with every implementation that runs on it.

    Raises:
        UsageError: there is no such device.
        DeviceAbsentError: it is absent here; the message gives the reason.
    """
    registry = read_all(load, timeout)
    check_devices([device])
    if all(backend.host_memory for backend in BACKENDS.values() if backend.device == device):
        raise UsageError(f"--device {device} has no clock of its own to prove: leave it out.")
    planned = [
        item
        for item in plan_cases(Selection(choose(registry), threads=(threads,), devices=(device,)))
        if not item.skipped
    ]
    with _leased(planned, _DOCTOR, Sharing.WAIT, watcher), Pool(waiting=watcher.waiting) as pool:
        return prove(planned, pool, watcher, timeout)


def examine_machine(watcher: Watcher, threads: int, pairs: int, timeout: float | None) -> Report:
    """Examine this machine for the doctor, with an A/A on each framework's CPU backend that is present."""
    chosen = choose(built_in(), AA_IMPLEMENTATIONS)
    planned = [item for item in plan_cases(Selection(chosen, threads=(threads,), devices=("cpu",))) if not item.skipped]
    with _leased(planned, _DOCTOR, Sharing.WAIT, watcher), Pool(waiting=watcher.waiting) as pool:
        return examine(planned, pool, watcher, pairs, timeout)
