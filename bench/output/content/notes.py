"""Notes beside the numbers of a run: what failed, what disturbed it, how sure it is, how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.analysis.steady import UNSTEADY
from bench.data.manifest import Manifest
from bench.data.schema import STEP, Status, SummaryRow
from bench.output.content.passages import passages
from bench.output.content.summary import Summary, folder_of
from bench.output.document import Bullets, Words, prose
from bench.output.names import counted, from_to
from bench.output.text import share
from bench.run.resume import resuming
from bench.stats.estimates import MIN_PROCESSES, Estimate
from bench.stats.machines import LEAST, RISK

_MOST_PLACES = 4
"""Most cases of one implementation whose sizes a sentence names one by one."""


def below_the_tables(summary: Summary, folder: str, more: Iterable[Words] = ()) -> Bullets:
    """Return all of it, for below the tables of a run in a terminal.

    Args:
        summary: the run's rows.
        folder: the run's, as the user calls it.
        more: other results to be told in words.
    """
    notes = unmeasured(summary)
    if summary.measured:
        notes += [how_measured(summary), *quality(summary)]
    return Bullets(
        (
            *notes,
            *more,
            *explanations(summary),
            *disturbances(summary),
            ending(summary.manifest, folder, summary.manifest.load),
        )
    )


def unmeasured(summary: Summary) -> list[Words]:
    """Return the cases without a time, those with the same reason together; what went wrong comes first."""
    reasons: dict[tuple[Status, str, str], list[SummaryRow]] = {}
    for row in summary.headlines:
        if row.status is not Status.OK:
            where = row.case.backend if row.status is Status.SKIPPED else row.case.label
            reasons.setdefault((row.status, where, row.reason or "no reason is recorded"), []).append(row)
    skipped, wrong = [], []
    for (status, where, reason), rows in reasons.items():
        if status is Status.SKIPPED:
            skipped.append(prose("skipped on {}: {}: {}", where, named(summary, rows, False), reason))
        else:
            wrong.append(prose("{}: {}: {}", status.value, named(summary, rows, True), reason))
    return [*reversed(wrong), *skipped]


def named(summary: Summary, rows: Iterable[SummaryRow], on_backend: bool | None = None) -> str:
    """Return what cases are called in a sentence about them.

    What holds of some of an implementation's cases only is said with their sizes and conditions: without them, two
    sentences about two sizes would contradict each other.

    Args:
        summary: the run's rows.
        rows: rows of whole steps.
        on_backend: whether backends are named; by default where an implementation was planned on several.
    """
    found: dict[tuple[str, str], list[SummaryRow]] = {}
    for row in rows:
        found.setdefault((row.case.implementation, row.case.backend), []).append(row)
    planned = Counter((row.case.implementation, row.case.backend) for row in summary.headlines)
    backends = Counter(name for name, _ in planned)
    told = []
    for (name, backend), inside in found.items():
        label = name if not (backends[name] > 1 if on_backend is None else on_backend) else f"{name} on {backend}"
        told.append(label + _which(summary, inside, planned[name, backend]))
    return ("; " if any(", " in each for each in told) else ", ").join(told)


def _which(summary: Summary, rows: Sequence[SummaryRow], planned: int) -> str:
    """Return which of the planned cases of an implementation on its backend these are."""
    if len(rows) == planned:
        return "" if planned == 1 else f" (all {planned} cases)"
    places = [", ".join(summary.telling(row)) for row in rows]
    if len(places) <= _MOST_PLACES:
        return f" at {' and at '.join(places)}"
    return f" (in {len(rows)} of {planned} cases, from {places[0]} to {places[-1]})"


def how_measured(summary: Summary) -> Words:
    """Return how many processes stand behind a time, and what a speedup is over."""
    baselines = sorted({str(row.baseline) for row in summary.contenders})
    (text,) = passages(
        "notes.txt",
        "how_measured",
        processes=from_to(row.processes for row in summary.measured),
        baseline=baselines[0] if len(baselines) == 1 else "the baseline",
        turns=summary.manifest.turns,
    )
    return text


def quality(summary: Summary) -> tuple[Words, ...]:
    """Return what speaks against quoting the numbers."""
    fewest = min(row.processes for row in summary.measured)
    remarks: dict[str, list[SummaryRow]] = {}
    for row in summary.measured:
        if row.reason:
            remarks.setdefault(row.reason, []).append(row)
    anew = [
        (named(summary, [row], True), counted(row.recompiles, "time")) for row in summary.measured if row.recompiles
    ]
    bound = [
        (named(summary, [row], True), row.launch_bound, row.samples, row.case.device)
        for row in summary.rows
        if row.phase == STEP and row.variant is None and (row.launch_bound or 0) > row.samples / 2
    ]
    remarked = [(named(summary, rows, True), reason) for reason, rows in remarks.items()]
    return passages(
        "notes.txt",
        "quality",
        anew=anew,
        bound=bound,
        fewest=fewest,
        needed=MIN_PROCESSES,
        remarks=remarked,
        **_flagged(summary),
    )


def _flagged(summary: Summary) -> dict[str, int]:
    return {name: sum(getattr(row, name) for row in summary.measured) for name in ("flagged", "samples", "unsettled")}


def explanations(summary: Summary) -> tuple[Words, ...]:
    """Return what is needed to read the tables right."""
    unsteady = {row.case.workload for row in summary.measured if row.reason.startswith(UNSTEADY)}
    lonely = {row.case.workload for row in summary.measured if row.speedup is None} - unsteady
    return passages(
        "notes.txt",
        "explanations",
        summary=summary,
        lonely=[name for name in summary.workloads if name in lonely],
        invalid=max((row.invalid_rounds for row in summary.rows), default=0),
        more=named(summary, [row for row in summary.measured if (row.sync_tax_low or 0) > 0]),
        less=named(summary, [row for row in summary.measured if (row.sync_tax_high or 0) < 0]),
    ) + of_machines(summary.manifest)


def of_machines(manifest: Manifest) -> tuple[Words, ...]:
    """Return what several machines mean for intervals, and which of them is the odd one; nothing of a single one."""
    machines, left, odd = sorted(manifest.machines), set(manifest.machines), []
    for name, facts in manifest.odd_machines.items():
        left.discard(name)
        odd.append((name, facts.factor - 1, ", ".join(sorted(left)), facts.p))
    return passages("notes.txt", "machines", machines=machines, odd=odd, share=share, least=LEAST, risk=RISK)


def disturbances(summary: Summary) -> tuple[Words, ...]:
    """Return how many samples carry a flag, and by how much times would move if they were left out."""
    shifts = [
        (abs(row.clean_median_seconds / row.median_seconds - 1), named(summary, [row]))
        for row in summary.measured
        if row.clean_median_seconds is not None and row.median_seconds
    ]
    moved = max(shifts, default=None)
    return passages("notes.txt", "disturbances", moved=moved, share=share, **_flagged(summary))


def within(halfwidth: float) -> str:
    """Return half an interval over its middle, in words."""
    return f"± {halfwidth * 100:.1f} %"


def ending(manifest: Manifest, folder: str, load: Iterable[str]) -> Words:
    """Return what ended the run, and how to go on where that makes sense.

    Args:
        manifest: the run's.
        folder: its folder, as a command names it.
        load: the files of implementations that it began with, as a command names them.
    """
    rounds = counted(manifest.rounds_done, "round")
    spent = rounds if manifest.wall_seconds is None else f"{manifest.wall_seconds:.1f} s and {rounds}"
    aim, resume = within(manifest.within), resuming(("run", "--resume", folder), load, manifest.launcher)
    (text,) = passages("notes.txt", "ending", manifest=manifest, spent=spent, aim=aim, resume=resume)
    return text


def ended(manifest: Manifest) -> Words:
    """Return the same for people who may have the files elsewhere: without their folders."""
    return ending(manifest, folder_of(manifest), [Path(path).name for path in manifest.load])


def shortfall(manifest: Manifest, contenders: Iterable[SummaryRow]) -> tuple[Words, ...]:
    """Return how far the run stayed behind what was asked for; nothing if it did not."""
    halves = [Estimate(row.speedup or 0.0, row.speedup_low, row.speedup_high).halfwidth for row in contenders]
    wide = [half for half in halves if half is not None and half > manifest.within]
    end = ended(manifest)
    return passages("notes.txt", "shortfall", manifest=manifest, end=end, halves=halves, wide=wide, within=within)
