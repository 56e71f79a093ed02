"""From a process's reply to the rows that are written, and from the rows of a run to its summary."""

from __future__ import annotations

from functools import cache
from statistics import median

from bench.analysis.crossover import crossovers
from bench.analysis.summarise import summarise
from bench.data.manifest import Manifest
from bench.data.schema import (
    HOST,
    STEP,
    Method,
    ProcessRow,
    SampleRow,
    SummaryRow,
)
from bench.data.store import RunStore, read_processes, read_samples
from bench.machine.processor import cpu_name
from bench.model.case import Case
from bench.model.condition import THROTTLED
from bench.timing.protocol import Reply

_cpu_name = cache(cpu_name)


def rows_of(
    run_id: str, case: Case, number: int, process: int, reply: Reply, wall_seconds: float
) -> tuple[list[SampleRow], ProcessRow]:
    """Make the rows of one measuring process.

    Args:
        run_id: the run.
        case: what was measured.
        number: the round.
        process: the process's number within the run.
        reply: what it answered.
        wall_seconds: how long it took, as its parent saw it.
    """
    samples = [
        SampleRow(
            phase=sample.phase,
            method=sample.method,
            clock=sample.clock,
            process=process,
            turn=sample.turn,
            iterations=sample.iterations,
            seconds=sample.nanoseconds / 1e9,
            variant=sample.variant,
            flags=sample.flags,
        )
        for sample in reply.samples
    ]
    found, warmup, condition = reply.verification, reply.warmup, reply.condition
    return samples, ProcessRow(
        run_id=run_id,
        case=case,
        device_name=reply.device_name or _cpu_name(),
        round=number,
        process=process,
        status=reply.status,
        reason=reply.reason,
        verified=found is not None and found.passed and not found.unverified,
        loss_error=None if found is None else found.error("loss"),
        gradient_error=None if found is None else found.error("gradient"),
        change_error=None if found is None else found.error("change"),
        result_error=None if found is None else found.error("result"),
        warmup_iterations=None if warmup is None else warmup.iterations,
        warmup_settled=None if warmup is None else warmup.settled,
        threads_used=reply.threads,
        cpus_used=reply.cpus_used,
        peak_bytes=reply.peak_bytes,
        counts=" ".join(f"{name}={count}" for name, count in reply.counts.items()),
        build_seconds=reply.build_seconds,
        start_seconds=reply.start_seconds,
        wall_seconds=round(wall_seconds, 6),
        zygote=reply.zygote,
        throttled=throttled(reply),
        clock_mhz=None if condition is None else condition.sm_clock_mhz,
        power_watts=None if condition is None else condition.power_watts,
        temperature_celsius=None if condition is None else condition.temperature_celsius,
        other_bytes=None if condition is None else condition.other_bytes,
        energy_joules=reply.energy_joules,
    )


def throttled(reply: Reply) -> str:
    """Say why the device was slower than it can be, while sampling or right after; empty if it was not."""
    reasons = () if reply.condition is None else reply.condition.throttle
    if not reasons and any(THROTTLED in sample.flags.split() for sample in reply.samples):
        return "for a while"
    return ", ".join(reasons)


def whole_step_seconds(reply: Reply) -> float | None:
    """Return a process's median time of a whole step over the workload's own mix of variants; None if it has none."""
    times = [
        sample.nanoseconds / sample.iterations / 1e9
        for sample in reply.samples
        if (sample.phase, sample.method, sample.clock, sample.variant) == (STEP, Method.WHOLE, HOST, None)
    ]
    return median(times) if times else None


def write_summary(store: RunStore, manifest: Manifest) -> list[SummaryRow]:
    """Make summary.csv, and crossovers.csv where a size varies, from the run's other files."""
    samples, processes = read_samples(store.folder), read_processes(store.folder)
    rows = summarise(manifest, samples, processes)
    store.write_summary(rows)
    store.write_crossovers(crossovers(manifest, rows, samples, processes))
    return rows
