"""The launcher `slurm`: rounds of groups as tasks on the nodes of a cluster, whose results the driver merges.

The driver waits, and measures nothing. A task leaves one file, and what the driver has kept of it is removed; so a task
that is lost is submitted again, and none counts twice. Whoever resumes a run takes back what still waits in the queue,
waits for what is under way, and merges what lies there before it plans anything.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.data.manifest import Manifest
from bench.data.store import write_atomically
from bench.errors import DataFormatError, UsageError, brief
from bench.model.problem import Problem
from bench.run.launcher import RunView
from bench.run.machines import kind_differs
from bench.run.plan import Planned
from bench.run.queue import Queue, Standing, Whereabouts
from bench.run.task import TASKS, PartFile, TaskFile, name_of, part_path, parts_of, read_part, round_of, task_path
from bench.run.watcher import Watcher
from bench.run.worker import Job, JobFound

MOST_AHEAD = 100
"""The most rounds of an array; Slurm limits those, by default to a thousand tasks."""
_TRIES = 3
"""How often a task is submitted that ends without a result."""
_POLL_SECONDS = 1.0
_GRACE_SECONDS = 10.0
"""How long after a task's end its file may take to be seen on another machine."""

_ENDING_SECONDS = 20.0
"""How long a task may take to end once it has answered or was taken back."""
_SILENCE_SECONDS = 300.0
"""How long Slurm may say nothing: its controller is started anew now and then."""


@dataclass
class _Task:
    """A task that has not answered yet."""

    name: str
    jobs: tuple[Job, ...]
    id: str = ""
    tries: int = 0
    ended: float | None = None
    """When it was first seen to have ended, by the clock."""
    unwanted: bool = False
    """Whether the budget has no room for it any more."""
    last: Standing = field(default_factory=lambda: Standing(Whereabouts.QUEUED))


class Slurm:
    """Starts rounds as tasks of a queue, and gives what they found."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        queue: Queue,
        watcher: Watcher,
        nodes: int,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Prepare.

        Args:
            folder: the run's, on a disk that the nodes share.
            manifest: the run's plan.
            queue: where tasks wait for nodes.
            watcher: is told about progress.
            nodes: the most tasks that run at once.
            now: a clock in seconds.
            sleep: waits so many seconds.
        """
        self._folder, self._manifest, self._queue, self._watcher = folder, manifest, queue, watcher
        self.nodes, self._now, self._sleep = nodes, now, sleep
        self._without: set[str] = set()
        """Nodes that are of another kind."""
        self._answered = self._started = self._given_up = False
        self._silent_since: float | None = None
        self._counts: tuple[int, ...] = ()

    def ahead(self, needed: bool) -> int:
        """Return that all rounds that are needed are planned at once, of others as many as run at once."""
        return MOST_AHEAD if needed else self.nodes

    def begin(self, live: Sequence[Planned]) -> None:
        """Do nothing: each task brings what it needs."""

    def raised(self, items: Iterable[Planned]) -> bool:
        """Say that no peak rose: every machine has measured its own."""
        return False

    def earlier(self, planned: Sequence[Planned], wait: bool) -> Iterator[tuple[Job, JobFound]]:
        """Give what lies there and is not kept yet; first take back what waits in the queue, and wait for the rest."""
        tasks = self._folder / TASKS
        if wait and tasks.is_dir():
            self._queue.cancel_all(waiting=True)
            while under_way := [each for each in self._queue.standings().values() if each.place is Whereabouts.RUNNING]:
                self._tell(0, len(under_way), 0)
                self._sleep(_POLL_SECONDS)
        for path in sorted(tasks.glob("round*.part.json")):
            with suppress(DataFormatError):  # what cannot be read is measured again
                found = read_part(path)
                if not found.refused and not self._odd(found):
                    yield from parts_of(found, round_of(path), planned, path)
            self._forget(path.name.removesuffix(".part.json"))
        if not wait and not self._given_up and tasks.is_dir() and self._ended():
            shutil.rmtree(tasks, ignore_errors=True)

    def _ended(self) -> bool:
        """Wait for the tasks that have just answered or were taken back; say whether none is left."""
        until = self._now() + _ENDING_SECONDS
        while any(
            each.place in (Whereabouts.QUEUED, Whereabouts.RUNNING) for each in (self._standings() or {}).values()
        ):
            if self._now() > until:
                return False
            self._sleep(_POLL_SECONDS)
        return True

    def measure(self, jobs: Sequence[Job], run: RunView) -> Generator[tuple[Job, JobFound]]:
        """Submit jobs, and give what each found, as tasks end; lost ones are submitted again once the others are done.

        Raises:
            UsageError: a task was lost too often, or a node refuses.
        """
        waiting = self._tasks(jobs, run)
        of = len(waiting)
        try:
            self._submit(waiting)
            while waiting:
                standings = self._standings()
                for task in list(waiting):
                    found = self._found_by(task)
                    if found is not None:
                        waiting.remove(task)
                        yield from zip(task.jobs, found, strict=True)
                        self._forget(task.name)
                    elif standings is not None:
                        self._look(task, standings.get(task.id), run)
                waiting = [task for task in waiting if not (task.unwanted and task.ended is not None)]
                lost = [task for task in waiting if task.ended is not None and self._is_lost(task)]
                if lost and len(lost) == len(waiting):
                    self._submit(lost)
                self._drop_unwanted(waiting, run)
                running = sum(task.last.place is Whereabouts.RUNNING for task in waiting)
                self._tell(len(waiting) - running, running, of - len(waiting))
                if waiting:
                    self._sleep(_POLL_SECONDS)
        except UsageError:
            self._given_up = True  # and the logs of its tasks say why
            raise
        finally:
            if waiting:
                self._queue.cancel_all()

    def _standings(self) -> dict[str, Standing] | None:
        """Look where tasks are; None if Slurm does not say, which it may not for a while.

        Raises:
            UsageError: it has not said for too long.
        """
        try:
            found = self._queue.standings()
        except UsageError:
            self._silent_since = self._now() if self._silent_since is None else self._silent_since
            if self._now() > self._silent_since + _SILENCE_SECONDS:
                raise
            return None
        self._silent_since = None
        return found

    def _tasks(self, jobs: Sequence[Job], run: RunView) -> list[_Task]:
        """Bundle jobs into tasks: what is held against each other in a round runs on one machine."""
        bundles: dict[tuple[int, str, Problem], list[Job]] = {}
        for job in jobs:
            case = job.group[0].case
            bundles.setdefault((job.number, case.workload, case.problem), []).append(job)
        found, seen = [], {item.case for item in run.live if run.known(item.case)}
        for (number, _, _), inside in bundles.items():
            groups = [job.group for job in inside]
            name = name_of(number, groups)
            asked = TaskFile(
                number=number,
                groups=[[item.case.columns for item in group] for group in groups],
                known=[[item.case in seen for item in group] for group in groups],
                first=run.first_turn(number),
            )
            seen |= {item.case for group in groups for item in group}  # verified on fresh inputs in its first round
            write_atomically(task_path(self._folder, name), asked.model_dump_json())
            found.append(_Task(name, tuple(inside)))
        return found

    def _submit(self, tasks: Sequence[_Task]) -> None:
        ids = self._queue.submit([task.name for task in tasks], self._without)
        for task in tasks:
            task.id, task.ended, task.last = ids[task.name], None, Standing(Whereabouts.QUEUED)

    def _found_by(self, task: _Task) -> list[JobFound] | None:
        """Read what the jobs of a task found; None if it has not answered, with what can be used."""
        path, planned = part_path(self._folder, task.name), [item for job in task.jobs for item in job.group]
        try:
            found = read_part(path)
            parts = [part for _, part in parts_of(found, task.jobs[0].number, planned, path)]
            if len(parts) != len(task.jobs) and not found.refused:
                raise DataFormatError(f"{path} does not hold what was asked for: remove it.")
        except OSError:
            return None
        except DataFormatError as error:
            self._watcher.queued(f"Measured again: {error}")
            self._again(task)
            return None
        self._answered = True
        if found.refused and not found.other_kind:
            path.unlink(missing_ok=True)
            raise UsageError(f"{found.refused}.")
        if odd := found.refused or self._odd(found):
            if found.machine not in self._without:
                self._watcher.queued(f"{found.machine} is left out, and its rounds are measured elsewhere: {odd}.")
                self._manifest.disturbances.append(f"{found.machine} was left out: {odd}")
            self._without.add(found.machine)
            self._again(task)
            return None
        return parts

    def _again(self, task: _Task) -> None:
        """Have a task measured again that has answered with what is of no use."""
        part_path(self._folder, task.name).unlink(missing_ok=True)
        task.ended, task.last = self._now() - _GRACE_SECONDS, Standing(Whereabouts.TAKEN)

    def _odd(self, found: PartFile) -> str:
        """Say what makes a machine one of another kind than those of the run; empty if it is of theirs."""
        machines = self._manifest.machines
        odd = kind_differs(self._manifest.machine, found.facts) if machines and found.machine not in machines else ""
        return f"{found.machine}: it is of another kind than {next(iter(machines))} ({odd})" if odd else ""

    def _look(self, task: _Task, standing: Standing | None, run: RunView) -> None:
        """Take note of where a task is that has not answered."""
        if task.ended is not None:
            return
        task.last = standing or Standing(Whereabouts.GONE, task.last.node, "forgotten by Slurm")
        if task.last.place is Whereabouts.RUNNING and not self._started:
            self._started = True
            run.started()
        if task.last.place in (Whereabouts.TAKEN, Whereabouts.GONE):
            task.ended = self._now()

    def _is_lost(self, task: _Task) -> bool:
        """Say whether a task that ended will not answer; it is one try more, unless the cluster took it.

        Raises:
            UsageError: it was lost too often.
        """
        if task.ended is None or self._now() < task.ended + _GRACE_SECONDS:
            return False
        if task.id and task.last.place is Whereabouts.GONE:
            task.tries, task.id = task.tries + 1, ""
            if task.tries >= _TRIES or self._unseen():
                raise UsageError(self._why_lost(task))
        return True

    def _unseen(self) -> bool:
        """Say whether no node has ever written into the run's folder."""
        return not self._answered and not any((self._folder / TASKS / "log").glob("*_log.*"))

    def _why_lost(self, task: _Task) -> str:
        """Tell of a task that ended without a result."""
        where, logs = f" on {task.last.node}" if task.last.node else "", self._folder / TASKS / "log"
        why = brief(task.last.why or "no reason")
        what = f"Round {task.jobs[0].number + 1}{where} ended without a result ({why})"
        if self._unseen():
            return (
                f"{what}, nor did the node write anything into {self._folder.resolve()}: "
                "choose an --out on a disk that the nodes share, under the same name."
            )
        return f"{what}, {task.tries} times: look into {logs}, and go on with --resume."

    def _drop_unwanted(self, waiting: Sequence[_Task], run: RunView) -> None:
        """Take back what waits in the queue and has no room in the budget."""
        late = [
            task
            for task in waiting
            if self._started
            and not task.unwanted
            and task.last.place is not Whereabouts.RUNNING
            and not all(map(run.has_room, task.jobs))
        ]
        if late:
            self._queue.cancel([task.id for task in late if task.id])
            for task in late:
                task.unwanted = True

    def _tell(self, queued: int, running: int, done: int) -> None:
        if (queued, running, done) != self._counts:
            self._counts = queued, running, done
            self._watcher.tasks(queued, running, done)

    def _forget(self, name: str) -> None:
        for path in (part_path(self._folder, name), task_path(self._folder, name)):
            path.unlink(missing_ok=True)
