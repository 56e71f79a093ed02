"""Backends and devices: a backend is a framework plus a device.

Requirements that every `Backend` keeps:

- asking for its `availability` imports no framework and touches no device, so `bench list` is quick and a forking
  parent stays clean;
- `preload` imports the framework and runs nothing in it (no tensor operation, no device call), because a process
  forks after it;
- `open` is the first touch: it pins threads and precision and returns the `Device` for one measuring process;
- an absent backend says why, in words that contain the cure.

The backends that come with the harness are in `bench.model.backends`; a file given to `--load` adds its own with the
decorator `@backend`.
"""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.model.condition import Condition
    from bench.model.data import Array


@dataclass(frozen=True)
class Availability:
    """Whether a backend can be used here, and if not, why not and what would help."""

    present: bool
    reason: str = ""


class Precision(StrEnum):
    """How a framework may multiply float32 matrices."""

    FULL = "full"
    TF32 = "tf32"
    """Factors may be rounded to TensorFloat-32 (10 bits of mantissa) where the hardware has it."""


@dataclass(frozen=True)
class Settings:
    """What is pinned when a device is opened."""

    threads: int
    precision: Precision = Precision.FULL


class Stream(ABC):
    """The queue of a device that works behind the host's back, with marks that carry the device's own time.

    All of it concerns the queue that an implementation's work goes to by default.
    """

    @abstractmethod
    def record(self) -> Any:
        """Put a mark into the queue; the device notes its time when it gets there."""

    @abstractmethod
    def reached(self, mark: Any) -> bool:
        """Whether the device has come to the mark; does not wait."""

    @abstractmethod
    def nanoseconds(self, start: Any, end: Any) -> float:
        """Device time between two marks, both reached."""

    @abstractmethod
    def hold(self, units: int) -> None:
        """Put work into the queue that keeps the device busy for a time proportional to `units`."""

    @abstractmethod
    def watched(self) -> AbstractContextManager[None]:
        """Inside it, an operation by which the host would wait for the device raises."""


@dataclass(frozen=True)
class Device:
    """An open backend, as an implementation's `build` receives it: it needs `put` and perhaps `handle`.

    What follows `facts` is for the harness, and None where the device has no such thing.
    """

    kind: str
    """`cpu`, `cuda`, or what a loaded file calls its own."""
    name: str
    """The hardware's own name; empty for the CPU, whose name the environment probe knows."""
    threads: int
    handle: Any
    """What the framework calls a device: `torch.device` for torch, None for NumPy and TensorFlow graphs."""
    put: Callable[[Array], Any]
    """Copies a NumPy array to the device, as the framework's own array type."""
    synchronize: Callable[[], None]
    """Returns when the device has finished all work handed to it. Only the harness calls it."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What was pinned and what is really in use: threads, precision modes."""
    stream: Stream | None = None
    """None for a device that has finished when a call returns."""
    upload: Callable[[Any, Array], Callable[[], None]] | None = None
    """Of what `put` returned and its array: a function that copies the array there again, without waiting."""
    flush: Callable[[], None] | None = None
    """Pushes everything else out of the last cache before main memory."""
    condition: Callable[[], Condition] | None = None
    """Reads clocks, throttling, power, temperature and foreign use."""
    matmul: Callable[[Array, Array], Callable[[], object]] | None = None
    """Of two square matrices: a function that multiplies them into a third, all of them on the device."""
    copy: Callable[[Array], Callable[[], object]] | None = None
    """Of one array: a function that copies it from one place of the device's memory to another."""


class Backend(ABC):
    """A framework on a device; see the module's docstring for what a subclass must keep."""

    name: str
    framework: str
    device: str
    host_memory: bool = True
    """Whether the device computes in the host's memory, so that a batch is never transferred."""
    origin: str = ""
    """`file:PATH` or `module:NAME` of what registered it; empty for those that come with the harness."""

    @abstractmethod
    def availability(self) -> Availability:
        """Present, or absent with the reason; imports no framework."""

    @abstractmethod
    def preload(self) -> None:
        """Import the framework and run nothing in it."""

    @abstractmethod
    def open(self, settings: Settings) -> Device:
        """Pin threads and precision, then hand out the device."""

    @abstractmethod
    def threads_in_use(self) -> int | None:
        """CPU threads that compute, as the framework says or the system shows once a step has run; None if unknown."""

    def memory_bytes(self) -> int | None:
        """All memory of the device; None where it computes in the host's, or does not tell. Starts no framework."""
        return None

    def peak_bytes(self) -> int | None:
        """Peak memory allocated on the device by this process, or None where the host's figure is the one to use."""
        return None


def nothing() -> None:
    """What a device does to synchronise that has finished when a call returns."""


def missing(package: str, pin: str) -> Availability | None:
    """Absence of a package that is not installed, with the command that installs it; None if it is there."""
    if importlib.util.find_spec(package) is not None:
        return None
    return Availability(False, f"{package} is not installed: pip install {pin}")
