"""The queue of a cluster: handing tasks in, looking where they are, taking them back. Slurm's own programs do it.

States come from `squeue`, which answers wherever Slurm runs; `sacct` needs a database that small clusters lack.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from bench.errors import UsageError, brief, nearest

_RESERVED = {
    **dict.fromkeys(("array", "job-name", "output", "error", "open-mode", "signal", "wait", "wrap"), "bench sets it"),
    **dict.fromkeys(("nodes", "ntasks", "ntasks-per-node", "requeue"), "a round is one task on one node"),
    "partition": "name it in --on slurm:PARTITION",
    "no-requeue": "bench submits lost rounds again by itself",
}
_KEY = re.compile(r"[a-z][a-z0-9-]*")
_DAY_MINUTES = 24 * 60
_QUEUED = ("PENDING", "CONFIGURING", "REQUEUED", "RESV_DEL_HOLD", "SUSPENDED")
_RUNNING = ("RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "STOPPED", "RESIZING")
_BLAMELESS = ("NODE_FAIL", "PREEMPTED", "BOOT_FAIL")
"""States of tasks that the cluster took, which may happen again and again."""
_NEVER = ("held", "NeverSatisfied", "BadConstraints", "InvalidQOS", "InvalidAccount", "PartitionTimeLimit")
"""Parts of the reasons of tasks that wait for ever."""


class Whereabouts(StrEnum):
    """Where a task is."""

    QUEUED = "queued"
    RUNNING = "running"
    TAKEN = "taken"
    """The cluster took it: a node died, or somebody with more right came."""
    GONE = "gone"


@dataclass(frozen=True)
class Standing:
    """A task's place in the queue."""

    place: Whereabouts
    node: str = ""
    why: str = ""
    """The state as Slurm calls it, or why it waits."""


class Queue(Protocol):
    """Where tasks wait for nodes: `SlurmQueue`, or a double in a test."""

    def submit(self, names: Sequence[str], without: Collection[str]) -> dict[str, str]:
        """Hand tasks in as one array, not to run on the nodes named in `without`; give their ids by name."""

    def standings(self) -> dict[str, Standing]:
        """Look where the tasks of this run are, by id; those that Slurm has forgotten are missing."""

    def cancel(self, ids: Collection[str]) -> None:
        """Take tasks back; some may have ended meanwhile."""

    def cancel_all(self, waiting: bool = False) -> None:
        """Take back all tasks of this run; only those that wait, if `waiting`."""


def parse_launcher(text: str) -> str:
    """Read the value of `--on` and return the partition.

    Raises:
        UsageError: it is not of the form slurm:PARTITION.
    """
    kind, _, partition = text.partition(":")
    if kind != "slurm" or not re.fullmatch(r"[\w.-]+", partition):
        raise UsageError(f"--on is {text!r}: write slurm:PARTITION, as `sinfo` names it; leave it out to measure here.")
    return partition


def parse_settings(texts: Sequence[str]) -> dict[str, str | bool]:
    """Read the values of `--slurm`: KEY=VALUE, or KEY for a switch, with the names of sbatch's long options.

    Raises:
        UsageError: one is malformed, given twice, or set by bench itself.
    """
    found: dict[str, str | bool] = {}
    for text in texts:
        key, given, value = text.partition("=")
        key = key.strip().removeprefix("--").replace("_", "-")
        if not _KEY.fullmatch(key) or (given and not value) or not value.isprintable():
            raise UsageError(f"--slurm is {text!r}: write KEY=VALUE with an option of sbatch, such as time=30.")
        if key in _RESERVED:
            raise UsageError(f"--slurm {key} cannot be set: {_RESERVED[key]}.")
        if key in found:
            raise UsageError(f"--slurm {key} is given twice: leave out one of them.")
        found[key] = value if given else True
    return found


class SlurmQueue:
    """The queue of one partition; the tasks of a run are those of its name."""

    def __init__(
        self,
        partition: str,
        settings: Mapping[str, str | bool],
        name: str,
        log: Path,
        function: Callable[[str], Sequence[Any]],
        cap: int,
        cpus: int,
    ) -> None:
        """Prepare, and look whether there is such a partition.

        Args:
            partition: where tasks run.
            settings: options of sbatch, from `parse_settings`.
            name: what Slurm is to call the tasks.
            log: folder for what they write.
            function: gives a function and its arguments for a task's name.
            cap: the most tasks that run at once.
            cpus: CPUs of each task.

        Raises:
            UsageError: submitit or Slurm is absent, or the partition is unknown.
        """
        self._name, self._log, self._function = name, log.resolve(), function
        self._parameters: dict[str, Any] = {
            "partition": partition,
            "job_name": name,
            "array_parallelism": cap,
            "cpus_per_task": cpus,
            "time": longest_minutes(partition),
        }
        self._more: dict[str, str | bool] = {"exclusive": True, "no-requeue": True, **settings}
        if self._more["exclusive"] == "no":
            del self._more["exclusive"]

    def submit(self, names: Sequence[str], without: Collection[str]) -> dict[str, str]:
        """Hand tasks in as one array.

        Raises:
            UsageError: Slurm refuses; the message gives its words.
        """
        executor = _submitit().SlurmExecutor(folder=self._log)
        more = dict(self._more)
        if without:
            more["exclude"] = ",".join([*([str(more["exclude"])] if "exclude" in more else []), *sorted(without)])
        executor.update_parameters(**self._parameters, additional_parameters=more)
        try:
            with executor.batch():
                jobs = [executor.submit(*self._function(name)) for name in names]
        except Exception as error:
            raise UsageError(
                f"Slurm refuses the tasks: {brief(error, 300)}; look at --on, --nodes and --slurm."
            ) from error
        return {name: str(job.job_id) for name, job in zip(names, jobs, strict=True)}

    def standings(self) -> dict[str, Standing]:
        """Look where the tasks of this run are, by id."""
        shown = ("--noheader", "--array", "--states=all", "--format=%i|%T|%N|%r")
        lines = _asked("squeue", *shown, f"--name={self._name}").splitlines()
        return {words[0]: standing(*words[1:]) for line in lines if len(words := line.split("|", 3)) == 4}

    def cancel(self, ids: Collection[str]) -> None:
        """Take tasks back. Beside an id, `scancel` takes a name or a state for another choice, not for a condition."""
        if ids:
            with suppress(UsageError):  # one of them has ended meanwhile
                _asked("scancel", *ids)

    def cancel_all(self, waiting: bool = False) -> None:
        """Take back all tasks of this run."""
        _asked("scancel", *(["--state=PENDING"] if waiting else []), f"--name={self._name}")


def _submitit() -> Any:
    try:
        import submitit
    except ImportError:
        raise UsageError(
            "--on slurm takes the package submitit, which is not installed: `pip install 'stepbench[slurm]'`."
        ) from None
    return submitit


def longest_minutes(partition: str) -> int:
    """Return how long a task may run in a partition, a day at most; so it says whether tasks can be submitted there.

    Raises:
        UsageError: submitit or Slurm is absent, or the partition is unknown.
    """
    _submitit()
    limits = dict(line.split("|") for line in _asked("sinfo", "--noheader", "--format=%R|%l").splitlines())
    if partition not in limits:
        raise UsageError(f"--on slurm:{partition}: there is no such partition; {nearest(partition, limits)}")
    return min(_DAY_MINUTES, _minutes(limits[partition]))


def standing(state: str, node: str, reason: str) -> Standing:
    """Say where a task is by what Slurm calls its state."""
    if state in _QUEUED:
        stuck = any(each in reason for each in _NEVER)
        return Standing(Whereabouts.GONE if stuck else Whereabouts.QUEUED, node, reason if stuck else "")
    if state in _RUNNING:
        return Standing(Whereabouts.RUNNING, node)
    return Standing(Whereabouts.TAKEN if state in _BLAMELESS else Whereabouts.GONE, node, state)


def _minutes(limit: str) -> int:
    """Return a time limit of Slurm, as in 1-12:30:00, in minutes; a day if there is none."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", limit.strip())
    if match is None:
        return _DAY_MINUTES
    days, hours, minutes, _ = (int(each or 0) for each in match.groups())
    return max(1, days * _DAY_MINUTES + hours * 60 + minutes)


def _asked(*command: str) -> str:
    """Run one of Slurm's programs and return what it prints.

    Raises:
        UsageError: it is absent, does not answer or fails; the message gives its words.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    except FileNotFoundError:
        raise UsageError(
            f"--on slurm takes Slurm's programs, and `{command[0]}` is not here: start it on a machine of the cluster."
        ) from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"`{shlex.join(command)}` does not answer: is Slurm's controller running?") from None
    except subprocess.CalledProcessError as error:
        raise UsageError(
            f"`{shlex.join(command)}` failed: {brief(error.stderr or 'no reason given', 300)}: look at the cluster."
        ) from error
    return done.stdout
