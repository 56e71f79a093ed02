"""The columns of a run's files: names, types, units and meaning, and the version they are of.

A row is a frozen dataclass; its fields are the columns, in order, and their metadata is the documentation from which
`results/README.md` is checked. An unknown value is None and an empty cell, never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from bench.data.column import POSITIVE, described
from bench.model.case import Case
from bench.model.device import Cache
from bench.model.step import STAGES

SCHEMA_VERSION = 3

STEP, FIRST_STEP = "step", "first_step"
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


@dataclass(frozen=True, kw_only=True)
class SampleRow:
    """One row a sample: one recorded time over one or more iterations. Its case stands in processes.csv."""

    process: int = described("Measuring process that took it; see processes.csv.")
    turn: int = described("Which turn of the round, from 0; processes took it together. By variant: the order.")
    phase: str = described(
        "`step`, `data`, `forward`, `backward`, `update`, two fused phases such as `forward+backward`, or "
        "`first_step`: the first call in a fresh process.",
        values=PHASES,
    )
    method: Method = described(
        "`whole`: the phases back to back; `staged`: each timed apart; `batched`: many at once, by differences; "
        "`profiled`: the framework's own profiler."
    )
    clock: str = described("`host` or `device`: whose clock was read.", values=(HOST, DEVICE))
    iterations: int = described("Iterations that the sample covers.", least=1)
    seconds: float = described("Time of the whole sample; divide by `iterations` for one step.", "s")
    variant: int | None = described(
        "Of single steps of a workload whose amount of work varies: which amount, such as the depth of `mlp_dynamic`.",
        default=None,
    )
    flags: str = described("What disturbed the sample, separated by spaces; empty if nothing did.", default="")


@dataclass(frozen=True, kw_only=True)
class ProcessRow:
    """One row a measuring process, also one that failed. Written last: a process without a row did not finish."""

    schema_version: int = described("Version of these columns.", default=SCHEMA_VERSION)
    run_id: str = described("Run that it belongs to; also the name of its folder.")
    case: Case
    device_name: str = described("The hardware's name.", default="")
    round: int = described("Round, from 0; the first six go over all cases.")
    process: int = described("Measuring process of the run, from 0.")
    status: Status = described("`ok`, `failed`, `wrong` or `timeout`.")
    reason: str = described("Why it is not `ok`.", default="")
    verified: bool = described(
        "Whether this very process agreed with the float64 truth, before it was timed and after; never where the "
        "author of the workload says why it cannot be compared."
    )
    loss_error: float | None = described("Largest relative error of the loss.", most=math.inf, default=None)
    gradient_error: float | None = described("Largest relative error of a gradient.", most=math.inf, default=None)
    change_error: float | None = described(
        "Largest relative error of a parameter's change.", most=math.inf, default=None
    )
    result_error: float | None = described(
        "Largest relative error of what else a step leaves: predictions, running statistics.",
        most=math.inf,
        default=None,
    )
    warmup_iterations: int | None = described("Iterations discarded before sampling.", default=None)
    warmup_settled: bool | None = described("Whether the warm-up became steady before its cap.", default=None)
    threads_used: int | None = described(
        "Threads that really compute, as framework or system tell after a step.", default=None
    )
    cpus_used: float | None = described(
        "Median CPU time over wall time of whole steps, by stretches of 20 ms; empty of fewer than three.", default=None
    )
    peak_bytes: int | None = described(
        "Peak memory: allocated on a GPU, or resident in the process on the CPU (framework included).",
        "bytes",
        default=None,
    )
    counts: str = described(
        "What the step itself counted in its last iteration, such as `evaluations=20` of the loss by an optimiser that "
        "searches along a line; separated by spaces.",
        default="",
    )
    build_seconds: float | None = described("Time of the untimed `build`.", "s", default=None)
    start_seconds: float | None = described(
        "From asking for the process to the end of its first step.", "s", default=None
    )
    wall_seconds: float | None = described("From asking for the process to its answer.", "s", default=None)
    zygote: int | None = described("Which of the framework's interpreters it was forked from, from 0.", default=None)
    throttled: str = described(
        "Why the device ran slower than it can, separated by commas; empty if it did not.", default=""
    )
    clock_mhz: int | None = described("Clock of the GPU's multiprocessors after sampling.", "MHz", default=None)
    power_watts: float | None = described("Power that the device drew after sampling.", "W", default=None)
    temperature_celsius: float | None = described(
        "Temperature of the device after sampling.", "°C", least=-274, default=None
    )
    other_bytes: int | None = described("Device memory that other processes held.", "bytes", default=None)
    energy_joules: float | None = described("Energy of a whole step, by the device's counter.", "J", default=None)
    growth_bytes: float | None = described(
        "Memory gained an iteration; 0 if that may be chance.", "bytes", added=True, default=None
    )
    framework_bytes: int | None = described(
        "Memory held before the build: allocated on a GPU, or resident on the CPU, without pages of files.",
        "bytes",
        added=True,
        default=None,
    )
    step_peak_bytes: int | None = described(
        "Peak memory while steps were sampled, minus `framework_bytes`; empty where a peak cannot be reset.",
        "bytes",
        added=True,
        default=None,
    )
    phase_peaks: str = described(
        "The same for each phase by itself, in bytes, such as `forward=123 backward=456`; only on a GPU.",
        added=True,
        pattern=r"([\w+]+=\d{1,18}( [\w+]+=\d{1,18})*)?",
        default="",
    )
    reserved_bytes: int | None = described(
        "Most memory that the framework's allocator reserved on the GPU; empty on the CPU.",
        "bytes",
        added=True,
        default=None,
    )
    communication_share: float | None = described(
        "Part of a step in which rank 0 exchanged data with other ranks or waited to, by the framework's profiler.",
        added=True,
        default=None,
    )
    compile_seconds: float | None = described(
        "Time of the first steps beyond that of as many steady ones; only of an implementation that compiles.",
        "s",
        added=True,
        default=None,
    )
    cache: str = described(
        "What the compiler's cache on disk held of what was needed: `cold`, nothing; "
        "`warm`, everything; `mixed`, part of it; empty if nothing compiled or there is no cache.",
        values=tuple(Cache),
        added=True,
        default="",
    )
    graph_breaks: int | None = described(
        "Places where torch.compile could not follow the code; empty if nothing compiled.", added=True, default=None
    )
    recompiles: int | None = described(
        "Programs compiled after the warm-up, while the case was sampled; "
        "empty if nothing compiled or the framework does not count.",
        added=True,
        default=None,
    )
    machine: str = described("Name of its machine in manifest.json; empty if there is one.", added=True, default="")


@dataclass(frozen=True, kw_only=True)
class SummaryRow:
    """One row a case, phase, method and variant; a case that could not run keeps one row with the reason."""

    schema_version: int = described("Version of these columns.", default=SCHEMA_VERSION)
    run_id: str = described("Run that it belongs to; also the name of its folder.")
    case: Case

    phase: str = described("`step`, a phase, two fused phases or `first_step`; see samples.csv.", values=PHASES)
    method: Method | None = described("How the times were obtained; see samples.csv.", default=None)
    clock: str | None = described("`host` or `device`.", values=(HOST, DEVICE), default=None)
    variant: int | None = described("Amount of work of single steps; see samples.csv.", default=None)
    status: Status = described("`ok`, `skipped`, `failed`, `wrong` or `timeout`.")
    reason: str = described("Why the status is not `ok`, or what speaks against its time.", default="")
    verified: bool = described("Whether every process of the case agreed with the truth before it was timed and after.")
    processes: int = described("Processes that were started, failed ones included.", default=0)
    samples: int = described("Samples behind the row.", default=0)
    median_seconds: float | None = described(
        "Per iteration: median over processes of each one's median; geometric mean of several machines.",
        "s",
        default=None,
    )
    low_seconds: float | None = described("Lower end of the 95 % interval of `median_seconds`.", "s", default=None)
    high_seconds: float | None = described("Upper end of the 95 % interval of `median_seconds`.", "s", default=None)
    minimum_seconds: float | None = described(
        "Per iteration: median over processes of each process's minimum.", "s", default=None
    )
    share: float | None = described("This phase's part of the sum of the three phases.", default=None)
    baseline: str | None = described(
        "What the speedup is over: an implementation on the CPU or the same backend, under the same conditions; what "
        "is otherwise stands after it, as in `eager@torch-cpu,threads=1`.",
        default=None,
    )
    speedup: float | None = described(
        "Baseline / this case, over 1 is faster; geometric mean over the rounds that both ran in.",
        least=POSITIVE,
        default=None,
    )
    speedup_low: float | None = described("Lower end of the 95 % interval of `speedup`.", least=POSITIVE, default=None)
    speedup_high: float | None = described("Upper end of the 95 % interval of `speedup`.", least=POSITIVE, default=None)
    precision_speedup: float | None = described(
        "The same implementation and backend at full precision / this case; empty at full.",
        least=POSITIVE,
        default=None,
    )
    precision_speedup_low: float | None = described(
        "Lower end of the 95 % interval of `precision_speedup`.", least=POSITIVE, default=None
    )
    precision_speedup_high: float | None = described(
        "Upper end of the 95 % interval of `precision_speedup`.", least=POSITIVE, default=None
    )
    error: float | None = described(
        "Largest relative error of loss, gradients, changes or other results in any of the case's processes.",
        most=math.inf,
        default=None,
    )
    sync_tax: float | None = described(
        "Sum of the phases timed apart / the whole step, minus 1: what stopping between phases costs.",
        least=-1,
        default=None,
    )
    sync_tax_low: float | None = described("Lower end of the 95 % interval of `sync_tax`.", least=-1, default=None)
    sync_tax_high: float | None = described("Upper end of the 95 % interval of `sync_tax`.", least=-1, default=None)
    per_second: float | None = described(
        "Rows of the batch per second: `size.batch` over `median_seconds` of a whole step.", "1/s", default=None
    )
    gflops: float | None = described(
        "Matrix products of the row's phase per second, in 10^9 floating-point operations: by the workload's own cost, "
        "else as counted; empty where an operation cannot be counted.",
        "GFLOP/s",
        default=None,
    )
    peak_fraction: float | None = described(
        "`gflops` over the measured peak of the device, see `peaks` in manifest.json; of a whole step its model-FLOPs "
        "utilisation.",
        default=None,
    )
    energy_joules: float | None = described(
        "Energy of one step: median over processes; only where the device counts it.", "J", default=None
    )
    invalid_rounds: int = described("Rounds left out because the device was throttled in them.", default=0)
    flagged: int = described("Samples with a flag; see `flags` in samples.csv.", default=0)
    clean_median_seconds: float | None = described(
        "What `median_seconds` would be without the flagged samples.", "s", default=None
    )
    launch_bound: int | None = described("Samples of a device that waited for the host.", added=True, default=None)
    unsettled: int = described("Processes whose warm-up did not become steady before its cap.", default=0)
    peak_bytes: int | None = described(
        "Largest peak memory of the case's processes; see processes.csv.", "bytes", default=None
    )
    framework_bytes: int | None = described(
        "Most memory that any of the processes held before the build.", "bytes", added=True, default=None
    )
    step_peak_bytes: int | None = described(
        "Largest of the processes: peak memory while steps were sampled, minus what the "
        "process held before the build; in the row of a phase that of the phase, only on a GPU.",
        "bytes",
        added=True,
        default=None,
    )
    reserved_bytes: int | None = described(
        "Most memory that the framework's allocator reserved on the GPU in any of the processes.",
        "bytes",
        added=True,
        default=None,
    )
    compile_cold_seconds: float | None = described(
        "Median `compile_seconds` of the processes whose compiler found nothing in its cache, or has none.",
        "s",
        added=True,
        default=None,
    )
    compile_warm_seconds: float | None = described(
        "Median `compile_seconds` of the processes whose compiler found everything in its cache.",
        "s",
        added=True,
        default=None,
    )
    graph_breaks: int | None = described("Largest `graph_breaks` of the case's processes.", added=True, default=None)
    recompiles: int | None = described("Largest `recompiles` of the processes.", added=True, default=None)
    communication_share: float | None = described(
        "Median `communication_share` of the processes.", added=True, default=None
    )
    machines: str = described("Its machines, separated by spaces; empty if there is one.", added=True, default="")


def is_headline(row: SummaryRow) -> bool:
    """Say whether a row is its case's whole step by the host's clock, or says why there is none."""
    return row.phase == STEP and row.variant is None and row.clock in (None, HOST)
