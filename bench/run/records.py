"""From a process's reply to the rows that are written, and from the rows of a run to its summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from statistics import median
from typing import Any

from bench.analysis.crossover import crossovers
from bench.analysis.machines import odd_ones
from bench.analysis.steady import drift, growth
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
from bench.errors import outliving
from bench.machine.disturbance import DRIFTING
from bench.machine.processor import cpu_name
from bench.model.case import Case
from bench.model.condition import THROTTLED, Condition
from bench.oracle.verify import Verification
from bench.run.rounds import Found
from bench.run.watcher import Watcher
from bench.run.worker import HERE, JobFound
from bench.timing.compiling import Compiled
from bench.timing.policy import Sample
from bench.timing.protocol import Reply

_cpu_name = cache(cpu_name)


def rows_of(
    run_id: str, case: Case, number: int, process: int, found: Found, part: JobFound = HERE
) -> tuple[list[SampleRow], ProcessRow]:
    """Make the rows of one measuring process.

    Whole steps are kept one by one. Stages timed apart are summed over a turn: what becomes of single ones is not
    looked at, and they are three times as many.

    Args:
        run_id: the run.
        case: what was measured.
        number: the round.
        process: the process's number within the run.
        found: what it found.
        part: the part of the run that it belongs to.
    """
    reply = found.reply
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
        for sample in _summed(_flagged(found.samples))
    ]
    verified, warmup, condition = reply.verification, reply.warmup, reply.condition
    return samples, ProcessRow(
        run_id=run_id,
        case=case,
        device_name=_device_name(reply, part),
        round=number,
        process=process,
        status=reply.status,
        reason=reply.reason,
        verified=verified is not None and verified.passed and not verified.unverified,
        warmup_iterations=None if warmup is None else warmup.iterations,
        warmup_settled=None if warmup is None else warmup.settled,
        threads_used=reply.threads,
        cpus_used=reply.cpus_used,
        counts=" ".join(f"{name}={count}" for name, count in reply.counts.items()),
        build_seconds=reply.build_seconds,
        start_seconds=reply.start_seconds,
        wall_seconds=round(found.seconds, 6),
        zygote=reply.zygote,
        throttled=throttled(found),
        energy_joules=reply.energy_joules,
        communication_share=reply.communication_share,
        machine=part.machine,
        **_condition(condition),
        **_errors(verified),
        **_compiled(reply),
        **_memory(reply),
    )


def _device_name(reply: Reply, part: JobFound) -> str:
    """Return the hardware's name: the device's own, or that of the machine's processor."""
    return reply.device_name or (str(part.facts.get("cpu") or "") if part.machine else _cpu_name())


def _condition(found: Condition | None) -> dict[str, Any]:
    """Return what the device's state was after sampling, as a process's row has it."""
    if found is None:
        return {}
    return {
        "clock_mhz": found.sm_clock_mhz,
        "power_watts": found.power_watts,
        "temperature_celsius": found.temperature_celsius,
        "other_bytes": found.other_bytes,
    }


def _errors(verified: Verification | None) -> dict[str, Any]:
    """Return how far a process was from the truth, as its row has it."""
    kinds = ("loss", "gradient", "change", "result")
    return {f"{kind}_error": None if verified is None else verified.error(kind) for kind in kinds}


def _compiled(reply: Reply) -> dict[str, Any]:
    """Return what a process's row says of compiling."""
    found = reply.compiled or Compiled()
    return {"compile_seconds": found.seconds} | {
        name: getattr(found, name) for name in ("cache", "graph_breaks", "recompiles")
    }


def _memory(reply: Reply) -> dict[str, Any]:
    """Make the columns of a process's memory."""
    names = ("peak_bytes", "framework_bytes", "step_peak_bytes", "reserved_bytes")
    phases = " ".join(f"{phase}={count}" for phase, count in reply.phase_peaks.items())
    return {
        **{name: getattr(reply, name) for name in names},
        "phase_peaks": phases,
        "growth_bytes": growth(reply.memory),
    }


def _flagged(samples: Sequence[Sample]) -> list[Sample]:
    """Flag the whole steps of a process that drifts."""
    if not drift(whole_steps(samples)):
        return list(samples)
    return [
        replace(each, flags=f"{each.flags} {DRIFTING}".strip()) if each.phase == STEP and each.variant is None else each
        for each in samples
    ]


def _summed(samples: Iterable[Sample]) -> list[Sample]:
    """Sum the samples of a turn's stages, stage by stage."""
    kept: list[Sample] = []
    places: dict[tuple[int, str], int] = {}
    for sample in samples:
        if sample.method is not Method.STAGED or sample.clock != HOST:
            kept.append(sample)
        elif (key := (sample.turn, sample.phase)) in places:
            before = kept[places[key]]
            kept[places[key]] = replace(
                before,
                iterations=before.iterations + sample.iterations,
                nanoseconds=before.nanoseconds + sample.nanoseconds,
            )
        else:
            places[key] = len(kept)
            kept.append(sample)
    return kept


def throttled(found: Found) -> str:
    """Say why the device was slower than it can be, while sampling or right after; empty if it was not."""
    condition = found.reply.condition
    reasons = () if condition is None else condition.throttle
    if not reasons and any(THROTTLED in sample.flags.split() for sample in found.samples):
        return "for a while"
    return ", ".join(reasons)


def whole_steps(samples: Iterable[Sample]) -> dict[int, float]:
    """Return a process's time of a whole step in each turn, over the workload's own mix of variants, in seconds."""
    times: dict[int, list[float]] = {}
    for sample in samples:
        if (sample.phase, sample.method, sample.clock, sample.variant) == (STEP, Method.WHOLE, HOST, None):
            times.setdefault(sample.turn, []).append(sample.nanoseconds / sample.iterations / 1e9)
    return {turn: median(each) for turn, each in times.items()}


def write_summary(store: RunStore, manifest: Manifest, watcher: Watcher) -> list[SummaryRow]:
    """Make summary.csv, and crossovers.csv where a size varies, from the run's other files; give the former's rows."""
    samples, processes = read_samples(store.folder), read_processes(store.folder)
    rows = summarise(manifest, samples, processes)
    if manifest.machines:
        manifest.odd_machines = odd_ones(manifest, rows, samples, processes)
        with outliving(watcher.unwritten):
            store.write_manifest(manifest)
    with outliving(watcher.unwritten):
        store.write_summary(rows)
        store.write_crossovers(crossovers(manifest, rows, samples, processes))
    return rows
