"""Tables for the terminal."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.analysis.card import CardCell
from bench.data.manifest import Manifest
from bench.data.schema import (
    DEVICE,
    STEP,
    Method,
    Status,
    SummaryRow,
    is_headline,
)
from bench.model.step import ALL_PHASES
from bench.model.workload import WORKLOADS
from bench.output.card import card_table
from bench.output.terminal import plain_table
from bench.output.text import (
    VARIANT,
    common_words,
    duration,
    duration_interval,
    factor,
    factor_interval,
    percent,
    share,
    variant_word,
)
from bench.run.plan import Planned
from bench.stats.estimates import MIN_PROCESSES
from bench.timing.protocol import Reply

_WIDE, _MIDDLE = 118, 94
"""Below these widths the run's table leaves the phases, then the tax and an interval, to summary.csv."""


def verify_table(replies: Sequence[tuple[Planned, Reply]]) -> Table:
    """What the gate found: relative errors over the first steps, largest of all arrays."""
    table = plain_table(
        "implementation",
        "backend",
        "loss",
        "gradients",
        "changes",
        "allowed",
        "verdict",
        "reason",
        wrap=["implementation", "reason"],
    )
    for planned, reply in replies:
        found = reply.verification
        errors = (None, None, None) if found is None else (found.loss_error, found.gradient_error, found.change_error)
        passed = reply.status is Status.OK
        table.add_row(
            planned.case.implementation,
            planned.case.backend,
            *("-" if error is None else f"{error:.1e}" for error in errors),
            "-" if found is None else f"{found.tolerance:.0e}",
            Text("right", style="green") if passed else Text(reply.status.value, style="bold red"),
            Text(reply.reason),
        )
    return table


def run_table(
    rows: Sequence[SummaryRow], manifest: Manifest, width: int, folder: str = "RUN", card: Sequence[CardCell] = ()
) -> RenderableType:
    """The result of a run: one table a workload, then what is missing from it and how it ended."""
    measured = [row for row in rows if row.status is Status.OK]
    differing = [column for column in VARIANT if len({getattr(row, column) for row in measured}) > 1]
    parts: list[RenderableType] = []
    if measured:
        parts += [Text(_problem_line(measured, manifest)), Text()]
    for name, workload in WORKLOADS.items():
        inside = [row for row in measured if row.workload == name]
        for variant in dict.fromkeys(_variant(row) for row in inside):
            alike = [row for row in inside if _variant(row) == variant]
            words = [variant_word(column, getattr(alike[0], column)) for column in differing]
            heading = ", ".join([f"{name}: {workload.title}", *words])
            parts += [Text(heading, style="bold"), _workload_table(alike, width)]
            parts += [*(Text(line) for line in _depth_lines(alike)), Text()]
    if card:
        parts += [Text("Speedup card", style="bold"), card_table(card), Text()]
    parts += [Text(note) for note in notes_of(rows, manifest, folder)]
    return Group(*parts)


def _variant(row: SummaryRow) -> tuple[object, ...]:
    return tuple(getattr(row, column) for column in VARIANT)


def _problem_line(rows: Sequence[SummaryRow], manifest: Manifest) -> str:
    said = common_words({column: {getattr(row, column) for row in rows} for column in VARIANT})
    return "; ".join(part for part in (said, str(manifest.machine.get("cpu")), f"run {manifest.run_id}") if part)


def _depth_lines(rows: Sequence[SummaryRow]) -> list[str]:
    """Single steps by depth, for a workload whose depth varies."""
    lines = []
    for case in dict.fromkeys((row.implementation, row.backend) for row in rows if row.depth is not None):
        single = [row for row in rows if (row.implementation, row.backend) == case and row.depth is not None]
        times = ", ".join(f"{row.depth}: {duration(row.median_seconds)}" for row in single)
        lines.append(f"{' on '.join(case)} by depth: {times}")
    return lines


def _workload_table(rows: Sequence[SummaryRow], width: int) -> Table:
    phases = [str(phase) for phase in ALL_PHASES] if width >= _WIDE else []
    spread, tax = (["95 % interval"], ["sync tax"]) if width >= _MIDDLE else ([], [])
    on_device = {(row.implementation, row.backend): row for row in rows if row.phase == STEP and row.clock == DEVICE}
    device = ["on device"] if on_device else []
    peak = ["of peak"] if width >= _WIDE and any(row.peak_fraction is not None for row in rows) else []
    numbers = ["step", *spread, *device, "speedup", "95 % interval ", *phases, *tax, *peak]
    table = plain_table("implementation", "backend", *numbers, right=numbers)
    for row in rows:
        if not is_headline(row):
            continue
        mine = [other for other in rows if (other.implementation, other.backend) == (row.implementation, row.backend)]
        is_baseline = row.baseline == row.implementation
        table.add_row(
            row.implementation,
            row.backend,
            duration(row.median_seconds),
            *([duration_interval(row.low_seconds, row.high_seconds)] if spread else []),
            *([_device_cell(on_device.get((row.implementation, row.backend)))] if device else []),
            "baseline" if is_baseline else factor(row.speedup),
            "" if is_baseline else factor_interval(row.speedup_low, row.speedup_high),
            *(_phase_cell(mine, phase) for phase in phases),
            *([percent(row.sync_tax)] if tax else []),
            *([share(row.peak_fraction)] if peak else []),
        )
    return table


def _device_cell(row: SummaryRow | None) -> str:
    return "-" if row is None else duration(row.median_seconds)


def _phase_cell(rows: Sequence[SummaryRow], phase: str) -> str:
    row = next((row for row in rows if row.phase == phase), None)
    if row is None:
        return "-"
    if row.method is Method.PROFILED:
        return "-" if row.share is None else f"~{row.share * 100:.0f} %"
    return duration(row.median_seconds)


def notes_of(rows: Sequence[SummaryRow], manifest: Manifest, folder: str) -> list[str]:
    """What failed, was skipped or disturbed, how sure the figures are, and how the run ended; a sentence each."""
    notes = []
    steps = [row for row in rows if is_headline(row)]
    for status in (Status.WRONG, Status.FAILED, Status.TIMEOUT):
        notes += [
            f"{status.value}: {row.implementation} on {row.backend}: {row.reason}"
            for row in steps
            if row.status is status
        ]
    skipped: dict[tuple[str, str], list[str]] = {}
    for row in steps:
        if row.status is Status.SKIPPED:
            skipped.setdefault((row.backend, row.reason), []).append(row.implementation)
    notes += [
        f"skipped on {backend}: {', '.join(dict.fromkeys(names))}: {reason}"
        for (backend, reason), names in skipped.items()
    ]
    processes = [row.processes for row in steps if row.status is Status.OK]
    if processes:
        fewest, most = min(processes), max(processes)
        each = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        notes.append(
            f"{each} {'process' if each == '1' else 'processes'} a case; speedup is the workload's NumPy baseline / "
            "this, from the same rounds; intervals say how much processes differ."
        )
        if fewest < MIN_PROCESSES:
            notes.append(
                f"An interval needs {MIN_PROCESSES} processes, and a figure without one is no more than a hint: "
                "raise --budget or --rounds."
            )
        lonely = {row.workload for row in steps if row.status is Status.OK and row.speedup is None}
        for name in sorted(lonely):
            baseline = WORKLOADS[name].baseline
            notes.append(f"{name} has no speedups: its baseline was not measured; add --implementation {baseline}.")
    if any(row.method is Method.PROFILED for row in rows):
        notes.append("~ a fused step's share, from its framework's own profiler in an extra pass.")
    notes += device_notes(rows) + disturbance_notes(steps) + tax_notes(steps)
    return [*notes, ending(manifest, folder)]


def device_notes(rows: Sequence[SummaryRow]) -> list[str]:
    """What the device's own clock and its condition have to say."""
    notes = []
    if any(row.clock == DEVICE for row in rows):
        notes.append(
            "on device: what the device was busy for, by its own clock; step: what a step costs, by the host's clock."
        )
    if invalid := max((row.invalid_rounds for row in rows), default=0):
        rounds = "1 round was" if invalid == 1 else f"{invalid} rounds were"
        notes.append(f"{rounds} left out for all cases: the device was throttled (see `throttled` in processes.csv).")
    return notes


_MANY_FLAGGED = 0.5


def disturbance_notes(steps: Sequence[SummaryRow]) -> list[str]:
    """How many samples carry a flag, and how much it would change if they were left out."""
    flagged, samples = sum(row.flagged for row in steps), sum(row.samples for row in steps)
    notes = []
    if flagged:
        text = f"{flagged} of {samples} samples of whole steps were disturbed (see `flags` in samples.csv)"
        shifts = [
            (row.clean_median_seconds / row.median_seconds - 1, row)
            for row in steps
            if row.clean_median_seconds is not None and row.median_seconds
        ]
        if shifts:
            shift, row = max(shifts, key=lambda item: abs(item[0]))
            text += f"; without them step times move by up to {abs(shift):.1%} ({row.implementation})"
        notes.append(text + ".")
        if flagged > _MANY_FLAGGED * samples:
            notes.append("That is most of them: do not quote these figures; `bench doctor` says what can be done.")
    unsettled = sum(row.unsettled for row in steps)
    if unsettled:
        some = "1 process" if unsettled == 1 else f"{unsettled} processes"
        notes.append(f"{some} never became steady in the warm-up; the samples are flagged.")
    return notes


def tax_notes(steps: Sequence[SummaryRow]) -> list[str]:
    """What it means where the phases' sum and the whole step disagree for certain."""
    notes = []
    more = dict.fromkeys(row.implementation for row in steps if (row.sync_tax_low or 0) > 0)
    if more:
        notes.append(
            f"Phases timed apart add up to more than the step for {', '.join(more)}: reading the clock and waiting "
            "between phases costs that much; the step is the number to quote."
        )
    less = dict.fromkeys(row.implementation for row in steps if (row.sync_tax_high or 0) < 0)
    if less:
        notes.append(
            f"Phases timed apart add up to less than the step for {', '.join(less)}: what lies between phases, or a "
            "median of parts against a median of wholes, is in the step only."
        )
    return notes


def ending(manifest: Manifest, folder: str) -> str:
    """What ended the run, and how to go on where that makes sense."""
    rounds = "1 round" if manifest.rounds_done == 1 else f"{manifest.rounds_done} rounds"
    spent = rounds if manifest.wall_seconds is None else f"{manifest.wall_seconds:.1f} s and {rounds}"
    precision = f"± {manifest.target_precision:.1%}"
    if manifest.ended_by == "precision":
        return f"Done after {spent}: every speedup's interval is within the --precision asked for ({precision})."
    if manifest.ended_by == "rounds":
        return f"Done after {spent}, as asked for."
    if manifest.ended_by == "failures":
        return f"Ended after {spent}: no case was left to measure."
    if manifest.ended_by == "budget":
        if manifest.rounds is not None:
            return f"The --budget was spent after {spent}, before the {manifest.rounds} rounds asked for."
        return f"The --budget was spent after {spent}, before every speedup's interval was within {precision}."
    word = "Interrupted" if manifest.ended_by == "interrupted" else "Not finished"
    return f"{word} after {spent}: `bench run --resume {folder}` goes on with it."


def verify_json(replies: Sequence[tuple[Planned, Reply]]) -> list[dict[str, Any]]:
    """What the gate found, for programs."""
    return [
        {
            "implementation": planned.case.implementation,
            "backend": planned.case.backend,
            "status": reply.status.value,
            "reason": reply.reason,
            "verification": None if reply.verification is None else _finite(dataclasses.asdict(reply.verification)),
        }
        for planned, reply in replies
    ]


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no infinity: it becomes the word."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def summary_json(rows: Sequence[SummaryRow]) -> list[dict[str, Any]]:
    """The rows of summary.csv, for programs; unknown values are null."""
    return [dataclasses.asdict(row) for row in rows]
