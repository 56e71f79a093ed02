"""The columns of a run's files: names, types, units and meaning, and the version they are of.

A row is a frozen dataclass; its fields are the columns, in order, and their metadata is the documentation from which
`results/README.md` is checked. An unknown value is None and an empty cell, never 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import reduce
from typing import Any, get_type_hints

from bench.model.case import CASE_COLUMNS, CONDITIONS, WHO, Case, Contender
from bench.model.columns import SIZE_PREFIX, CaseColumn
from bench.model.step import STAGES

SCHEMA_VERSION = 3

STEP = "step"
FIRST_STEP = "first_step"
HOST, DEVICE = "host", "device"
"""The clocks."""
PHASES = (STEP, FIRST_STEP, *STAGES)
"""What a row can be a time of, in the order of tables."""


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
    path: tuple[str, ...]
    """Where a row holds the value: names of attributes."""
    values: tuple[str, ...] = ()
    """The only values that it may have; any if empty."""

    def value_in(self, row: object) -> Any:
        """Look up the value that a row has."""
        return reduce(_inside, self.path, row)


def _inside(owner: Any, name: str) -> Any:
    if isinstance(owner, Mapping):
        return owner.get(name)
    return owner[name] if isinstance(owner, Contender) else getattr(owner, name)


def sizes_in(names: Iterable[str]) -> tuple[str, ...]:
    """Pick the columns of sizes among the columns of a file."""
    return tuple(name for name in names if name.startswith(SIZE_PREFIX))


def columns_of(row: type, sizes: Iterable[str] = ()) -> tuple[Column, ...]:
    """List the columns of a row class in the order in which they are written.

    A `Case` in it stands for all columns of a case, a `Contender` for those that tell contenders apart, named after
    its field, and a mapping for all others.

    Args:
        row: the row class.
        sizes: columns of the sizes that the workloads of the run have.
    """
    hints = get_type_hints(row)
    found: list[Column] = []
    for item in fields(row):
        hint, name = hints[item.name], item.name
        if hint is Case:
            found += [_of_case(column, (name, *column.path)) for column in WHO]
            found += [_of_size(size, (name, "problem", "sizes", size.removeprefix(SIZE_PREFIX))) for size in sizes]
            found += [_of_case(column, (name, *column.path)) for column in CONDITIONS]
        elif hint is Contender:
            own = [_of_case(column, (name, column.name)) for column in CASE_COLUMNS if column.contender]
            found += [replace(column, name=f"{name}_{column.name}") for column in own]
        elif "doc" not in item.metadata:
            found += [_of_case(column, (name, column.name)) for column in WHO if not column.contender]
            found += [_of_size(size, (name, size)) for size in sizes]
            found += [_of_case(column, (name, column.name)) for column in CONDITIONS if not column.contender]
        else:
            found.append(_plain(name, hint, **item.metadata))
    return tuple(found)


def _of_case(column: CaseColumn, path: tuple[str, ...]) -> Column:
    kind = int if issubclass(column.kind, int) else str
    return Column(column.name, kind, False, "", column.doc, path, column.values)


def _of_size(name: str, path: tuple[str, ...]) -> Column:
    return Column(name, int, True, "", "A size of the workload; empty where it has none of that name.", path)


def _plain(name: str, hint: Any, doc: str, unit: str, values: tuple[str, ...]) -> Column:
    members = [member for member in getattr(hint, "__args__", (hint,)) if member is not type(None)]
    optional = len(members) < len(getattr(hint, "__args__", (hint,)))
    kind = next(base for base in (bool, int, float, str) if issubclass(members[0], base))
    known = tuple(map(str, members[0])) if issubclass(members[0], StrEnum) else values
    return Column(name, kind, optional, unit, doc, (name,), known)


@dataclass(frozen=True, kw_only=True)
class SampleRow:
    """One row a sample: one recorded time over one or more iterations. Its case stands in processes.csv."""

    process: int = _column("Measuring process that took it; see processes.csv.")
    turn: int = _column("Which turn of the round, from 0; processes took it together. By variant: the order.")
    phase: str = _column(
        "`step`, `data`, `forward`, `backward`, `update`, two fused phases such as `forward+backward`, or "
        "`first_step`: the first call in a fresh process.",
        values=PHASES,
    )
    method: Method = _column(
        "`whole`: the phases back to back; `staged`: each timed apart; `batched`: many at once, by differences; "
        "`profiled`: the framework's own profiler."
    )
    clock: str = _column("`host` or `device`: whose clock was read.", values=(HOST, DEVICE))
    iterations: int = _column("Iterations that the sample covers.")
    seconds: float = _column("Time of the whole sample; divide by `iterations` for one step.", "s")
    variant: int | None = _column(
        "Of single steps of a workload whose amount of work varies: which amount, such as the depth of `mlp_dynamic`.",
        default=None,
    )
    flags: str = _column("What disturbed the sample, separated by spaces; empty if nothing did.", default="")


@dataclass(frozen=True, kw_only=True)
class ProcessRow:
    """One row a measuring process, also one that failed. Written last: a process without a row did not finish."""

    schema_version: int = _column("Version of these columns.", default=SCHEMA_VERSION)
    run_id: str = _column("Run that it belongs to; also the name of its folder.")
    case: Case
    device_name: str = _column("The hardware's name.", default="")
    round: int = _column("Round, from 0; the first six go over all cases.")
    process: int = _column("Measuring process of the run, from 0.")
    status: Status = _column("`ok`, `failed`, `wrong` or `timeout`.")
    reason: str = _column("Why it is not `ok`.", default="")
    verified: bool = _column(
        "Whether this very process agreed with the float64 truth, before it was timed and after; never where the "
        "author of the workload says why it cannot be compared."
    )
    loss_error: float | None = _column("Largest relative error of the loss.", default=None)
    gradient_error: float | None = _column("Largest relative error of a gradient.", default=None)
    change_error: float | None = _column("Largest relative error of a parameter's change.", default=None)
    result_error: float | None = _column(
        "Largest relative error of what else a step leaves: predictions, running statistics.", default=None
    )
    warmup_iterations: int | None = _column("Iterations discarded before sampling.", default=None)
    warmup_settled: bool | None = _column("Whether the warm-up became steady before its cap.", default=None)
    threads_used: int | None = _column(
        "Threads that really compute, as framework or system tell after a step.", default=None
    )
    cpus_used: float | None = _column(
        "Median CPU time over wall time of whole steps, by stretches of 20 ms; empty of fewer than three.", default=None
    )
    peak_bytes: int | None = _column(
        "Peak memory: allocated on a GPU, or resident in the process on the CPU (framework included).",
        "bytes",
        default=None,
    )
    counts: str = _column(
        "What the step itself counted in its last iteration, such as `evaluations=20` of the loss by an optimiser that "
        "searches along a line; separated by spaces.",
        default="",
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
    growth_bytes: float | None = _column("Memory gained an iteration; 0 if that may be chance.", "bytes", default=None)


@dataclass(frozen=True, kw_only=True)
class SummaryRow:
    """One row a case, phase, method and variant; a case that could not run keeps one row with the reason."""

    schema_version: int = _column("Version of these columns.", default=SCHEMA_VERSION)
    run_id: str = _column("Run that it belongs to; also the name of its folder.")
    case: Case

    phase: str = _column("`step`, a phase, two fused phases or `first_step`; see samples.csv.", values=PHASES)
    method: Method | None = _column("How the times were obtained; see samples.csv.", default=None)
    clock: str | None = _column("`host` or `device`.", values=(HOST, DEVICE), default=None)
    variant: int | None = _column("Amount of work of single steps; see samples.csv.", default=None)
    status: Status = _column("`ok`, `skipped`, `failed`, `wrong` or `timeout`.")
    reason: str = _column("Why the status is not `ok`, or what speaks against its time.", default="")
    verified: bool = _column("Whether every process of the case agreed with the truth before it was timed and after.")
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
    baseline: str | None = _column(
        "What the speedup is over: an implementation on the CPU or the same backend, under the same conditions; what "
        "is otherwise stands after it, as in `eager@torch-cpu,threads=1`.",
        default=None,
    )
    speedup: float | None = _column(
        "Baseline / this case, over 1 is faster; geometric mean over the rounds that both ran in.", default=None
    )
    speedup_low: float | None = _column("Lower end of the 95 % interval of `speedup`.", default=None)
    speedup_high: float | None = _column("Upper end of the 95 % interval of `speedup`.", default=None)
    precision_speedup: float | None = _column(
        "The same implementation and backend at full precision / this case; empty at full.", default=None
    )
    precision_speedup_low: float | None = _column(
        "Lower end of the 95 % interval of `precision_speedup`.", default=None
    )
    precision_speedup_high: float | None = _column(
        "Upper end of the 95 % interval of `precision_speedup`.", default=None
    )
    error: float | None = _column(
        "Largest relative error of loss, gradients, changes or other results in any of the case's processes.",
        default=None,
    )
    sync_tax: float | None = _column(
        "Sum of the phases timed apart / the whole step, minus 1: what stopping between phases costs.", default=None
    )
    sync_tax_low: float | None = _column("Lower end of the 95 % interval of `sync_tax`.", default=None)
    sync_tax_high: float | None = _column("Upper end of the 95 % interval of `sync_tax`.", default=None)
    per_second: float | None = _column(
        "Rows of the batch per second: `size.batch` over `median_seconds` of a whole step.", "1/s", default=None
    )
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
    """One row a pair of contenders and size: where one overtakes the other along a swept axis, or that none does.

    Columns that both cases share come first, then those of each contender.
    """

    schema_version: int = _column("Version of these columns.", default=SCHEMA_VERSION)
    run_id: str = _column("Run that it belongs to; also the name of its folder.")
    axis: str = _column("Column of the size that varies; that column is empty.")
    common: Mapping[str, str | int]
    """Values of the columns that both cases share; the axis is not among them."""
    a: Contender
    b: Contender
    status: Crossing = _column(
        "`found`: one overtakes the other; `never`: one is faster at every size measured; `undecided`: intervals are "
        "too wide to tell."
    )
    crossing: int = _column("Which crossing of this pair, from 0; a pair may have several.", default=0)
    faster_below: str = _column(
        "`a` or `b`: who is faster below the size; empty if unknown.", values=("a", "b"), default=""
    )
    faster_above: str = _column(
        "`a` or `b`: who is faster above the size; empty if unknown.", values=("a", "b"), default=""
    )
    size: float | None = _column("Value of `axis` at which both take equally long.", default=None)
    size_low: float | None = _column("Lower end of the 95 % interval of `size`.", default=None)
    size_high: float | None = _column("Upper end of the 95 % interval of `size`.", default=None)
    smallest: int = _column("Smallest value of `axis` that both were measured at.")
    largest: int = _column("Largest value of `axis` that both were measured at.")
    sizes: int = _column("Values of `axis` that both were measured at.")


@dataclass(frozen=True, kw_only=True)
class PairRow:
    """One row a turn and phase of a comparison: what one side of one pair took."""

    schema_version: int = _column("Version of these columns.", default=SCHEMA_VERSION)
    run_id: str = _column("Comparison that it belongs to; also the name of its folder.")
    case: Case
    stage: int = _column("Which look of the case it was measured for, from 1.")
    pair: int = _column("Which pair of the case, from 0.")
    turn: int = _column("Which turn of the pair, from 0; a coin decides which side takes it first.")
    side: str = _column("`A` or `B`.", values=("A", "B"))
    phase: str = _column("`step`, a phase or two fused phases; see samples.csv.", values=PHASES)
    minimum_seconds: float = _column("Shortest single time of the turn, per iteration.", "s")
    median_seconds: float = _column("Median of the turn's single times, per iteration.", "s")


def is_headline(row: SummaryRow) -> bool:
    """Say whether a row is its case's whole step by the host's clock, or says why there is none."""
    return row.phase == STEP and row.variant is None and row.clock in (None, HOST)
