"""What the parent and its measuring processes say to each other: one JSON object a line, over a socket.

parent -> zygote    fork        with one end of a fresh socket attached
zygote -> parent    {"pid"}
parent -> child     Request     over that socket
child  -> parent    Reply
  where it takes turns with others, as often as the parent likes:
parent -> child     Turn
child  -> parent    Turned, or a Reply that says what went wrong
  and once at the end:
parent -> child     null
child  -> parent    Reply
parent -> zygote    wait        once the child's socket is closed
zygote -> parent    {"exit"}    as os.waitstatus_to_exitcode gives it

An empty line of a child says that it is still at work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import Field, TypeAdapter

from bench.data.schema import Status
from bench.model.case import Mode
from bench.model.condition import Condition
from bench.model.precision import Precision
from bench.model.problem import Problem
from bench.oracle.verify import Verification
from bench.timing.compiling import Compiled
from bench.timing.measure import WarmUp
from bench.timing.peaks import Peaks
from bench.timing.policy import Sample, SamplingPolicy
from bench.timing.proof import Check


class Task(StrEnum):
    """What a child is asked for."""

    VERIFY = "verify"
    """Verify a case."""
    TURNS = "turns"
    """Verify a case, take one turn for each `Turn` that follows, and verify it again at the end."""
    PEAKS = "peaks"
    """Measure what the device can do at most; the request names no implementation."""
    PROVE = "prove"
    """Check the measuring itself: of a case that its phases do not wait, without one the device's clock."""
    CLOCKS = "clocks"
    """Compare the device's clock with the framework's profiler on steps of a case; no truth is needed."""
    FIT = "fit"
    """Build a case and run it twice, to see whether it fits in memory."""
    TRUTH = "truth"
    """Find out what is true of the workload's first steps, and write it to the file that the request names."""


@dataclass(frozen=True)
class Request:
    """What one child is to do."""

    origins: tuple[str, ...]
    """What registers backend, workload and implementation, to be loaded in this order."""
    implementation: str
    backend: str
    problem: Problem
    threads: int
    truth: str
    """Path of the oracle's file; see `bench.oracle.truth`."""
    mode: Mode = Mode.RESIDENT_WARM
    precision: Precision = Precision.FULL
    task: Task = Task.VERIFY
    policy: SamplingPolicy = SamplingPolicy()
    """How to sample."""
    fresh: bool = True
    """Whether the step is verified on fresh inputs too, at the end."""
    runs: int = 0
    """Perturbed runs behind a truth."""
    path: tuple[str, ...] = ()
    """Where else the implementation's own imports are looked for: a revision's checkout, and folders in it."""
    foreign: tuple[str, ...] = ()
    """Other checkouts of the same repository, and files: a module that comes from one of them makes the case fail."""
    modules: tuple[str, ...] = ()
    """The repository's modules without a dot: one that comes from anywhere but the checkout makes the case fail."""
    cpu: int | None = None
    """The CPU that the process is pinned to; None to leave it to the system."""
    devices: int = 1
    """Devices that the step is spread over, a process on each."""
    cpus: tuple[int, ...] = ()
    """The CPUs of these processes, `threads` for each of them in turn; empty to leave them to the system."""
    memory_bytes: int | None = None
    """Bytes of the host's memory that the process may allocate beyond what it holds; None for no limit."""
    plant: bool = False
    """Whether turns may ask for a planted delay."""
    cache: str = ""
    """Folder of the compiler's cache on disk; empty to leave that where it is."""
    asked_nanoseconds: int | None = None
    """`time.monotonic_ns()` of the parent when it asked; the clock is one for all processes of a machine."""


@dataclass(frozen=True)
class Turn:
    """One turn that a process is to take."""

    number: int
    """Its number in the round: turns of one number were taken together."""
    delay_phase: str = ""
    """The phase that a delay is planted in."""
    delay_nanoseconds: int = 0
    """The delay of one iteration."""


@dataclass(frozen=True)
class Turned:
    """What one turn found."""

    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Reply:
    """What one child did."""

    status: Status
    reason: str = ""
    device_name: str = ""
    threads: int | None = None
    cpus_used: float | None = None
    """CPUs that were busy on average; see `bench.timing.load`."""
    facts: dict[str, str] = field(default_factory=dict)
    verification: Verification | None = None
    warmup: WarmUp | None = None
    turn_seconds: float | None = None
    """What one turn takes, as the warm-up suggests."""
    samples: tuple[Sample, ...] = ()
    """Those that belong to no turn."""
    peak_bytes: int | None = None
    framework_bytes: int | None = None
    """Bytes held before the build; see `bench.timing.memory.Meter`."""
    step_peak_bytes: int | None = None
    phase_peaks: dict[str, int] = field(default_factory=dict)
    """Peak of each stage, where it can be told."""
    reserved_bytes: int | None = None
    flops: dict[str, float] = field(default_factory=dict)
    """Floating-point operations of each stage of the baseline, counted beside a truth; empty if they are not known."""
    memory: tuple[tuple[int, int], ...] = ()
    """Iterations so far, and bytes that the process held then; see `Sampling.memory`."""
    counts: dict[str, int] = field(default_factory=dict)
    """What the step itself counted in its last iteration."""
    condition: Condition | None = None
    """State of the device, after sampling."""
    energy_joules: float | None = None
    """Energy of one step."""
    peaks: Peaks | None = None
    checks: tuple[Check, ...] = ()
    compiled: Compiled | None = None
    """The cost of compiling; known at the end."""
    communication_share: float | None = None
    """The part of a step in which rank 0 exchanged data with others, or waited to do so."""
    build_seconds: float | None = None
    start_seconds: float | None = None
    """From the asking to the end of the first step."""
    modules: dict[str, str] = field(default_factory=dict)
    """SHA-256 of every module of the user's own that was imported, by its name."""
    packages: dict[str, str] = field(default_factory=dict)
    """Versions of the packages that the user's code imported, by their names."""
    zygote: int | None = None
    """Which of the framework's interpreters it was forked from; filled in by the parent."""


REQUEST: TypeAdapter[Request] = TypeAdapter(Request)
REPLY: TypeAdapter[Reply] = TypeAdapter(Reply)
TURN: TypeAdapter[Turn | None] = TypeAdapter(Turn | None)
TURNED: TypeAdapter[Reply | Turned] = TypeAdapter(Annotated[Reply | Turned, Field(union_mode="left_to_right")])
"""What answers a turn. A `Turned` has no status, so it is never read as a `Reply`."""
