"""The columns of a run's files: names, types, units and meaning, and the version they are of.

A row is a frozen dataclass; its fields are the columns, in order, and their metadata is the documentation from which
`results/README.md` is checked. An unknown value is None and an empty cell, never 0.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict

from bench.model.case import Case, Mode
from bench.model.device import Precision
from bench.model.problem import SIZES as SIZES  # a case's columns of that name
from bench.model.problem import Dtype
from bench.model.step import ALL_PHASES
from bench.model.workload import WORKLOADS

SCHEMA_VERSION = 2

STEP = "step"
FIRST_STEP = "first_step"
HOST, DEVICE = "host", "device"
"""The clocks."""
_PHASES = (STEP, FIRST_STEP, *ALL_PHASES)


class Method(StrEnum):
    """How a time was obtained."""

    WHOLE = "whole"
    STAGED = "staged"
    BATCHED = "batched"
    PROFILED = "profiled"


class Status(StrEnum):
    """What became of a case, or of one of its processes."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"
    WRONG = "wrong"
    TIMEOUT = "timeout"


class Crossing(StrEnum):
    """What is known about two contenders' order along an axis."""

    FOUND = "found"
    NEVER = "never"
    UNDECIDED = "undecided"


def _column(doc: str, unit: str = "", values: Collection[str] = (), **options: Any) -> Any:
    return field(metadata={"doc": doc, "unit": unit, "values": tuple(map(str, values))}, **options)


@dataclass(frozen=True)
class Column:
    """One column of one file."""

    name: str
    kind: type
    """str, int, float or bool."""
    optional: bool
    unit: str
    doc: str
    values: tuple[str, ...] = ()
    """The only values that it may have; any if empty."""


def columns_of(row: type) -> tuple[Column, ...]:
    """The columns of a row class, in the order in which they are written."""
    hints = get_type_hints(row)
    found = []
    for item in fields(row):
        hint = hints[item.name]
        members = [member for member in getattr(hint, "__args__", (hint,)) if member is not type(None)]
        optional = len(members) < len(getattr(hint, "__args__", (hint,)))
        kind = next(base for base in (bool, int, float, str) if issubclass(members[0], base))
        values = tuple(map(str, members[0])) if issubclass(members[0], StrEnum) else item.metadata["values"]
        found.append(Column(item.name, kind, optional, item.metadata["unit"], item.metadata["doc"], values))
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class CaseColumns:
    """What identifies a case; every file begins with these columns."""

    schema_version: int = _column("Version of these columns.")
    run_id: str = _column("The run; also the name of its folder.")
    implementation: str = _column("Registered name of the implementation.")
    workload: str = _column(
        "Which mathematics it computes; speedups are stated inside one workload only.", values=WORKLOADS
    )
    backend: str = _column("Framework plus device, for example `torch-cpu`.")
    framework: str = _column("`numpy`, `torch` or `tensorflow`.")
    device: str = _column("`cpu`, `cuda`, or the kind that a loaded file has added.")
    dtype: str = _column("Number format of data, weights and arithmetic.", values=tuple(Dtype))
    batch: int = _column("Rows of the input batch, N.")
    d_in: int = _column("Features of one input.")
    hidden: int = _column("Units of the hidden layer, H.")
    d_out: int = _column("Features of one output.")
    threads: int = _column("CPU threads that the framework was told to use.")
    mode: str = _column(
        "`resident` or `transferred`: where the batch is when a step begins; `cold`: caches are flushed before it.",
        values=tuple(Mode),
    )
    precision: str = _column(
        "`full`, or `tf32` where factors of float32 products may be rounded to TensorFloat-32.", values=tuple(Precision)
    )


def case_columns(run_id: str, case: Case) -> dict[str, Any]:
    """The values of `CaseColumns` for one case."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "implementation": case.implementation,
        "workload": case.workload,
        "backend": case.backend,
        "framework": case.framework,
        "device": case.device,
        "dtype": case.problem.dtype.value,
        "batch": case.problem.batch,
        "d_in": case.problem.d_in,
        "hidden": case.problem.hidden,
        "d_out": case.problem.d_out,
        "threads": case.threads,
        "mode": case.mode.value,
        "precision": case.precision.value,
    }


CASE_KEY = tuple(item.name for item in fields(CaseColumns) if item.name not in ("schema_version", "run_id"))
"""The columns that tell two cases of one run apart."""


@dataclass(frozen=True, kw_only=True)
class SampleRow(CaseColumns):
    """One row a sample: one recorded time over one or more iterations."""

    device_name: str = _column("The hardware's name.")
    phase: str = _column(
        "`step`, `forward`, `backward`, `update`, or `first_step`: the first call in a fresh process.", values=_PHASES
    )
    method: Method = _column(
        "`whole`: the phases back to back; `staged`: each timed apart; `batched`: many at once, by differences; "
        "`profiled`: the framework's own profiler."
    )
    clock: str = _column("`host` or `device`: whose clock was read.", values=(HOST, DEVICE))
    round: int = _column("Which round, from 0; the first six go over all cases.")
    process: int = _column("Which measuring process of the run, from 0.")
    sample: int = _column("Order within process, phase and method, from 0.")
    iterations: int = _column("Iterations that the sample covers.")
    seconds: float = _column("Time of the whole sample; divide by `iterations` for one step.", "s")
    depth: int | None = _column(
        "For single steps of `mlp_dynamic`: how often the middle layer was applied.", default=None
    )
    flags: str = _column("What disturbed the sample, separated by spaces; empty if nothing did.", default="")


@dataclass(frozen=True, kw_only=True)
class ProcessRow(CaseColumns):
    """One row a measuring process, also one that failed. Written last: a process without a row did not finish."""

    round: int = _column("Which round, from 0; the first six go over all cases.")
    process: int = _column("Which measuring process of the run, from 0.")
    status: Status = _column("`ok`, `failed`, `wrong` or `timeout`.")
    reason: str = _column("Why it is not `ok`.", default="")
    verified: bool = _column("Whether this very process agreed with the float64 oracle before it was timed.")
    loss_error: float | None = _column("Largest relative error of the loss.", default=None)
    gradient_error: float | None = _column("Largest relative error of a gradient.", default=None)
    change_error: float | None = _column("Largest relative error of a parameter's change.", default=None)
    warmup_iterations: int | None = _column("Iterations discarded before sampling.", default=None)
    warmup_settled: bool | None = _column("Whether the warm-up became steady before its cap.", default=None)
    threads_used: int | None = _column(
        "Threads that really compute, as framework or system tell after a step.", default=None
    )
    peak_bytes: int | None = _column(
        "Peak memory: allocated on a GPU, or resident in the process on the CPU (framework included).",
        "bytes",
        default=None,
    )
    build_seconds: float | None = _column("Time of the untimed `build`.", "s", default=None)
    start_seconds: float | None = _column(
        "From asking for the process to the end of its first step.", "s", default=None
    )
    wall_seconds: float | None = _column("From asking for the process to its answer.", "s", default=None)
    zygote: int | None = _column("Which of the framework's interpreters it was forked from, from 0.", default=None)
    throttled: str = _column(
        "Why the device ran slower than it can, separated by commas; empty if it did not.", default=""
    )
    clock_mhz: int | None = _column("Clock of the GPU's multiprocessors after sampling.", "MHz", default=None)
    power_watts: float | None = _column("Power that the device drew after sampling.", "W", default=None)
    temperature_celsius: float | None = _column("Temperature of the device after sampling.", "°C", default=None)
    other_bytes: int | None = _column("Device memory that other processes held.", "bytes", default=None)
    energy_joules: float | None = _column(
        "Energy of one whole step, from the device's own counter in an extra pass.", "J", default=None
    )


@dataclass(frozen=True, kw_only=True)
class SummaryRow(CaseColumns):
    """One row a case, phase, method and depth; a case that could not run keeps one row with the reason."""

    phase: str = _column("`step`, `forward`, `backward`, `update` or `first_step`.", values=_PHASES)
    method: Method | None = _column("How the times were obtained; see samples.csv.", default=None)
    clock: str | None = _column("`host` or `device`.", values=(HOST, DEVICE), default=None)
    depth: int | None = _column(
        "For single steps of `mlp_dynamic`: how often the middle layer was applied.", default=None
    )
    status: Status = _column("`ok`, `skipped`, `failed`, `wrong` or `timeout`.")
    reason: str = _column("Why the status is not `ok`.", default="")
    verified: bool = _column("Whether every process of the case agreed with the oracle before it was timed.")
    processes: int = _column("Processes that were started, failed ones included.", default=0)
    samples: int = _column("Samples behind the row.", default=0)
    median_seconds: float | None = _column(
        "Per iteration: median over processes of each process's median.", "s", default=None
    )
    low_seconds: float | None = _column("Lower end of the 95 % interval of `median_seconds`.", "s", default=None)
    high_seconds: float | None = _column("Upper end of the 95 % interval of `median_seconds`.", "s", default=None)
    minimum_seconds: float | None = _column(
        "Per iteration: median over processes of each process's minimum.", "s", default=None
    )
    share: float | None = _column("This phase's part of the sum of the three phases.", default=None)
    baseline: str | None = _column("The implementation that the speedup is over.", default=None)
    speedup: float | None = _column(
        "Baseline / this case, over 1 is faster; median over the rounds both ran in.", default=None
    )
    speedup_low: float | None = _column("Lower end of the 95 % interval of `speedup`.", default=None)
    speedup_high: float | None = _column("Upper end of the 95 % interval of `speedup`.", default=None)
    sync_tax: float | None = _column(
        "Sum of the phases timed apart / the whole step, minus 1: what stopping between phases costs.", default=None
    )
    sync_tax_low: float | None = _column("Lower end of the 95 % interval of `sync_tax`.", default=None)
    sync_tax_high: float | None = _column("Upper end of the 95 % interval of `sync_tax`.", default=None)
    gflops: float | None = _column(
        "Matrix products of the row's phase per second, in 10^9 floating-point operations.", "GFLOP/s", default=None
    )
    peak_fraction: float | None = _column(
        "`gflops` over the measured peak of the device; see `peaks` in manifest.json.", default=None
    )
    energy_joules: float | None = _column(
        "Energy of one step: median over processes; only where the device counts it.", "J", default=None
    )
    invalid_rounds: int = _column("Rounds left out because the device was throttled in them.", default=0)
    flagged: int = _column("Samples with a flag; see `flags` in samples.csv.", default=0)
    clean_median_seconds: float | None = _column(
        "What `median_seconds` would be without the flagged samples.", "s", default=None
    )
    unsettled: int = _column("Processes whose warm-up did not become steady before its cap.", default=0)
    peak_bytes: int | None = _column(
        "Largest peak memory of the case's processes; see processes.csv.", "bytes", default=None
    )


@dataclass(frozen=True, kw_only=True)
class CrossoverRow:
    """One row a pair of contenders and size: where one overtakes the other along a swept axis, or that none does."""

    schema_version: int = _column("Version of these columns.")
    run_id: str = _column("The run; also the name of its folder.")
    workload: str = _column("The workload that both compute.", values=WORKLOADS)
    axis: str = _column("The size that varies; its own column is empty.", values=SIZES)
    dtype: str = _column("Number format of both.", values=tuple(Dtype))
    batch: int | None = _column("Rows of the input batch; empty if this is the axis.", default=None)
    d_in: int | None = _column("Features of one input; likewise.", default=None)
    hidden: int | None = _column("Units of the hidden layer; likewise.", default=None)
    d_out: int | None = _column("Features of one output; likewise.", default=None)
    mode: str = _column("Mode of both; see samples.csv.", values=tuple(Mode))
    precision: str = _column("Precision of both.", values=tuple(Precision))
    a_implementation: str = _column("One contender.")
    a_backend: str = _column("Its backend.")
    a_threads: int = _column("Its CPU threads.")
    b_implementation: str = _column("The other contender.")
    b_backend: str = _column("Its backend.")
    b_threads: int = _column("Its CPU threads.")
    status: Crossing = _column(
        "`found`: one overtakes the other; `never`: one is faster at every size measured; `undecided`: intervals are "
        "too wide to tell."
    )
    crossing: int = _column("Which crossing of this pair, from 0; a pair may have several.", default=0)
    faster_below: str = _column(
        "`a` or `b`: who is faster below the size; empty if unknown.", values=("a", "b"), default=""
    )
    faster_above: str = _column("`a` or `b`: who is faster above it; likewise.", values=("a", "b"), default="")
    size: float | None = _column("Value of `axis` at which both take equally long.", default=None)
    size_low: float | None = _column("Lower end of the 95 % interval of `size`.", default=None)
    size_high: float | None = _column("Upper end of the 95 % interval of `size`.", default=None)
    smallest: int = _column("Smallest value of `axis` that both were measured at.")
    largest: int = _column("Largest value of `axis` that both were measured at.")
    sizes: int = _column("Values of `axis` that both were measured at.")


@dataclass(frozen=True, kw_only=True)
class PairRow(CaseColumns):
    """One row a batch and phase of a comparison: what one side of one pair took in one round."""

    stage: int = _column("1, or 2 for the fresh pairs that decide where the first were not clear.")
    pair: int = _column("Which pair of the case and stage, from 0.")
    round: int = _column("Which round of the pair, from 0.")
    side: str = _column("`A` or `B`.", values=("A", "B"))
    turn: int = _column("0 if this side came first in the round, 1 if second: a coin decided.")
    phase: str = _column("`step`, `forward`, `backward` or `update`.", values=_PHASES)
    minimum_seconds: float = _column("Shortest single time of the batch, per iteration.", "s")
    median_seconds: float = _column("Median of the batch's single times, per iteration.", "s")


def is_headline(row: SummaryRow) -> bool:
    """Whether a row is its case's whole step by the host's clock, or says why there is none."""
    return row.phase == STEP and row.depth is None and row.clock in (None, HOST)


class Peak(BaseModel):
    """What one backend reached at most with given threads, number format and precision."""

    model_config = ConfigDict(extra="forbid")

    backend: str
    device: str
    dtype: str
    threads: int
    precision: str
    gflops: float
    """Square matrix product, 10^9 floating-point operations per second: the best of several."""
    matmul_size: int
    gigabytes_per_second: float
    """Bytes read plus bytes written by a copy inside the device's memory, 10^9 a second: the best of several."""
    copy_bytes: int


class PlannedCase(BaseModel):
    """A case of the run's plan, and why it will not run if it will not."""

    model_config = ConfigDict(extra="forbid")

    columns: dict[str, str | int]
    """The `CASE_KEY` columns."""
    skipped: str = ""
    """Why the case cannot run here; empty for a case that is measured."""
    added: bool = False
    """Whether it joined the run later: a size around a crossover."""


class Manifest(BaseModel):
    """What a run was made of: everything that is not a number of samples.csv."""

    model_config = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    run_id: str
    created: str
    """Start, UTC, ISO 8601."""
    stepbench: str
    command: list[str]
    seed: int
    budget_seconds: float
    """Time to measure in; the command keeps some of its own budget back for summary and figures."""
    rounds: int | None
    """Rounds asked for; None if budget and precision decide."""
    target_precision: float = 0.02
    """Half an interval over its speedup that was good enough to stop."""
    timeout_seconds: float = 30.0
    process_seconds: float | None = None
    """How long each process sampled; worked out from the budget when the run began."""
    environment: dict[str, str] = {}
    """Variables that steer the threads of numerical libraries, as far as they were set."""
    load: list[str] = []
    """Files of implementations that were named on the command line."""
    sources: dict[str, str] = {}
    """SHA-256 of each implementation's file."""
    rounds_done: int = 0
    ended_by: str = "unfinished"
    """`precision`, `budget`, `rounds`, `failures` if no case was left, `interrupted`, or `unfinished` while the run
    goes on or if it was killed."""
    wall_seconds: float | None = None
    machine: dict[str, str | int | float | None]
    packages: dict[str, str]
    backend_packages: dict[str, list[str]] = {}
    """For each backend of the run, the packages whose versions decide its times."""
    modes: dict[str, dict[str, str]] = {}
    """Of each backend: what was pinned and what is in use, as the measuring process reported it."""
    peaks: list[Peak] = []
    """Measured before the first round."""
    git_revision: str | None = None
    constraints_sha256: str | None = None
    disturbances: list[str] = []
    axes: dict[str, list[int | str]] = {}
    """Of a sweep: each axis and its values, as asked for; refinement adds others in between."""
    crossover_precision: float | None = None
    """Of a sweep: half a crossover's interval over its size that is good enough; None: crossovers are not refined."""
    cases: list[PlannedCase]
