"""Backends and devices: a backend is a framework plus a device.

Requirements that every `Backend` keeps:

- `availability` imports no framework and touches no device, so that `bench list` is quick and a process that forks
  stays clean;
- `preload` imports the framework and runs nothing in it (no tensor operation, no device call), because processes are
  forked after it; a framework that does not bear even this sets `may_fork = False`, and each measurement then starts
  an interpreter;
- `open` is the first touch: it pins threads and precision and returns the `Device` for one measuring process;
- `packages` names what decides its times: runs record these versions, and runs in which they differ are not compared;
- an absent backend says why, in words that contain the cure;
- a framework that compiles overrides `compilations`, and `cache_in` if its compiler has a cache on disk: then a run
  tells what compiling costs, and when a step is compiled anew while it is sampled.

The backends that come with the harness are in `bench.backends`; a file given to `--load` adds its own with the
decorator `@backend`.
"""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.model.precision import Precision
from bench.model.problem import Dtype

if TYPE_CHECKING:
    from bench.model.condition import Condition
    from bench.model.data import AnyArray, Array
    from bench.model.step import Operation


@dataclass(frozen=True)
class Availability:
    """Whether a backend can be used here, and if not, why not and what would help."""

    present: bool
    reason: str = ""


@dataclass(frozen=True)
class Settings:
    """What is pinned when a device is opened."""

    threads: int
    precision: Precision = Precision.FULL
    dtype: Dtype = Dtype.FLOAT32
    """The widest number format that is computed in."""
    place: int = 0
    """Which of several devices of its kind: the rank of the process among those that share out a step."""


@dataclass(frozen=True)
class Compilations:
    """The work of a framework's compiler in this process so far."""

    programs: int = 0
    """Programs that it has made or has loaded from its cache; each is for certain shapes and branches of the code."""
    graph_breaks: int | None = None
    """Places where the compiler could not follow the code and a program ends early; None where that cannot be."""
    hits: int = 0
    """Programs that were found in the cache on disk."""
    misses: int = 0
    """Programs that were looked for there in vain."""


class Cache(StrEnum):
    """The help that a process had from its compiler's cache on disk."""

    COLD = "cold"
    WARM = "warm"
    MIXED = "mixed"
    NONE = ""
    """There is no cache, or nothing asked it."""


COLD_STARTS = (Cache.COLD, Cache.NONE)
"""Starts without help: with an empty cache, and all where there is none."""


class Stream(ABC):
    """The queue of a device that works while the host goes on, with marks that carry the device's own time.

    It is the queue that an implementation's work goes to unless it asks for another.
    """

    @abstractmethod
    def record(self) -> Any:
        """Put a mark into the queue; the device notes its time when it gets there."""

    @abstractmethod
    def reached(self, mark: Any) -> bool:
        """Tell whether the device has reached the mark, without waiting."""

    @abstractmethod
    def nanoseconds(self, start: Any, end: Any) -> float:
        """Return the device's time between two marks, both of them reached."""

    @abstractmethod
    def hold(self, units: int) -> None:
        """Put work into the queue that keeps the device busy for a time proportional to `units`."""

    @abstractmethod
    def watched(self) -> AbstractContextManager[None]:
        """Return a context in which an operation that makes the host wait for the device raises."""

    def kernels(self, run: Callable[[], object]) -> tuple[float, ...] | None:
        """Return the nanoseconds of each piece of work that a function gives the device, by the framework's profiler.

        They are in the order in which they began; None where there is no such profiler. It is a second clock, which
        shares nothing with the marks. The function waits for the device before it returns.
        """
        return None


@dataclass(frozen=True)
class Device:
    """An open backend, as an implementation's `build` receives it: `put`, and perhaps `handle`, are for the author.

    The fields after `facts` are for the harness; each is None where the device has no such thing.
    """

    kind: str
    """`cpu`, `cuda`, or what a loaded file calls its own."""
    name: str
    """The hardware's own name; empty for the CPU, whose name `bench.machine.environment` knows."""
    threads: int
    handle: Any
    """What the framework calls a device: `torch.device` for torch, None for NumPy and TensorFlow graphs."""
    put: Callable[[AnyArray], Any]
    """A function that copies a NumPy array to the device, as the framework's own array type."""
    synchronize: Callable[[], None]
    """A function that returns when the device has finished all work handed to it. Only the harness calls it."""
    precision: Precision = Precision.FULL
    """The precision that is asked for; a step that registers for others than the usual ones looks here."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What was pinned and what is really in use: threads, precision modes."""
    ready: Callable[[object], object] | None = None
    """A function that is given what stages have returned, and returns when all of it has been computed. None where
    `synchronize` alone waits for everything. Only the harness calls it."""
    stream: Stream | None = None
    """The device's queue; None for a device that has finished when a call returns."""
    upload: Callable[[Any, Array], Callable[[], None]] | None = None
    """Given what `put` returned and an array: a function that copies the array there again, without waiting."""
    flush: Callable[[], None] | None = None
    """A function that pushes everything else out of the last cache before main memory."""
    condition: Callable[[], Condition] | None = None
    """A function that reads clocks, throttling, power, temperature and use by others."""
    matmul: Callable[[Array, Array], Callable[[], object]] | None = None
    """Given two square matrices: a function that multiplies them into a third, all of them on the device."""
    copy: Callable[[Array], Callable[[], object]] | None = None
    """Given an array: a function that copies it from one place of the device's memory to another."""


class Backend(ABC):
    """A framework on a device; the module's docstring says what a subclass must keep."""

    name: str
    framework: str
    device: str
    packages: tuple[str, ...] = ("numpy",)
    """The distributions, by their names on PyPI, whose versions decide its times: NumPy makes every step's data."""
    may_fork: bool = True
    """Whether a process may be forked once `preload` has run in it."""
    precisions: tuple[Precision, ...] = (Precision.FULL,)
    """Those that its hardware has and it can pin or offer."""
    meets: bool = False
    """Whether a step may be spread over processes of it: `meet` and `device_count` are its word on how."""
    host_memory: bool = True
    """Whether the device computes in the host's memory, so that a batch is never transferred."""
    matmul_kinds: tuple[str, ...] = ()
    """Parts of the kinds that the framework's profiler gives to matrix products; empty if these are not counted."""
    origin: str = ""
    """`file:PATH` or `module:NAME` of what registered it; empty for those that come with the harness."""
    path: tuple[str, ...] = ()
    """Where else its file's imports are looked for; see `Registry.load`."""

    @property
    def interpreter(self) -> str:
        """The name of the interpreter that its processes are forked from, which it may share with other backends."""
        return self.framework

    @property
    def lease(self) -> str:
        """The name of what it computes on, which two commands must not measure on at once; asked of no framework."""
        return "cpu" if self.host_memory else self.device

    @abstractmethod
    def availability(self) -> Availability:
        """Tell whether it is present, and if not, why; import no framework."""

    @abstractmethod
    def preload(self) -> None:
        """Import the framework and run nothing in it."""

    @abstractmethod
    def open(self, settings: Settings) -> Device:
        """Pin threads and precision, then hand out the device."""

    @abstractmethod
    def threads_in_use(self) -> int | None:
        """Return how many CPU threads compute, as framework or system tell once a step has run; None if unknown."""

    def is_matmul(self, operation: Operation) -> bool:
        """Tell whether an operation that the framework's profiler has listed is a matrix product."""
        return any(kind in operation.kind for kind in self.matmul_kinds)

    def memory_bytes(self) -> int | None:
        """Return all memory of the device; None where it is the host's or is not known. Starts no framework."""
        return None

    def peak_bytes(self) -> int | None:
        """Return the peak memory that this process had on the device, or None where the host's peak is what counts."""
        return None

    def held_bytes(self) -> int | None:
        """Return the memory that this process has allocated on the device now, or None where the host's counts."""
        return None

    def reserved_bytes(self) -> int | None:
        """Return the most that the framework's allocator took of the device, or None where that is not known."""
        return None

    def device_count(self) -> int | None:
        """Count its devices; None where it computes on CPUs, or nobody knows. Starts no framework."""
        return None

    def meet(self, ranks: int) -> dict[str, str]:
        """Open the place where the processes of one step find each other; called in that of rank 0, before the build.

        Args:
            ranks: how many there are.

        Returns:
            The variables of torchrun's environment that lead there, for each of them.
        """
        raise NotImplementedError(f"{self.name} has no place for {ranks} processes to meet")

    def communicating(self, run: Callable[[], object]) -> float | None:
        """Run something under the framework's profiler.

        Returns:
            The seconds for which this process was exchanging data with other ranks meanwhile, or waiting for them to
            do so; None where the profiler does not tell.
        """
        return None

    def reset_peak(self) -> bool:
        """Reset the peaks of `peak_bytes` and `reserved_bytes`; False where the framework cannot."""
        return False

    def cache_in(self, folder: Path) -> None:
        """Point the compiler's cache on disk to a folder; called before the first operation."""
        return

    def load_compiler(self) -> None:
        """Import what the first compilation would import; called before a step that compiles is built."""
        return

    def compilations(self) -> Compilations | None:
        """Tell what has been compiled in this process so far; None where nothing is, or nothing counts."""
        return None

    def rest_compilers(self) -> None:
        """End processes and threads that wait for something to compile; called when a step has been warmed up."""
        return


def nothing() -> None:
    """Do nothing: how to synchronise with a device that has finished when a call returns."""


def missing(package: str, pin: str) -> Availability | None:
    """Return the absence of a package that is not installed, with the command that installs it; None if it is there."""
    if importlib.util.find_spec(package) is not None:
        return None
    return Availability(False, f"{package} is not installed: pip install {pin}")
