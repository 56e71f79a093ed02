"""Notes beside the numbers of a run: what failed, what disturbed it, how sure it is, how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from bench.data.manifest import Manifest
from bench.data.schema import Status, SummaryRow
from bench.output.content.summary import Summary, folder_of
from bench.output.document import Bullets, Code, Words, joined, prose
from bench.output.names import counted, from_to
from bench.output.text import share
from bench.stats.estimates import MIN_PROCESSES, Estimate

_MANY_FLAGGED = 0.5


def below_the_tables(summary: Summary, folder: str) -> Bullets:
    """Return all of it, for below the tables of a run in a terminal; `folder` is the run's, as the user calls it."""
    notes = unmeasured(summary)
    if summary.measured:
        notes += [how_measured(summary), *quality(summary)]
    return Bullets((*notes, *explanations(summary), *disturbances(summary), ending(summary.manifest, folder)))


def unmeasured(summary: Summary) -> list[Words]:
    """Return the cases without a time, those with the same reason together; what went wrong comes first."""
    reasons: dict[tuple[Status, str, str], list[str]] = {}
    for row in summary.headlines:
        if row.status is not Status.OK:
            where = row.case.backend if row.status is Status.SKIPPED else row.case.label
            key = (row.status, where, row.reason or "no reason is recorded")
            reasons.setdefault(key, []).append(row.case.implementation)
    skipped, wrong = [], []
    for (status, where, reason), names in reasons.items():
        if status is Status.SKIPPED:
            skipped.append(prose("skipped on {}: {}: {}", where, _counted(names), reason))
        else:
            wrong.append(prose("{}: {}{}: {}", status.value, where, _cases(len(names)), reason))
    return [*reversed(wrong), *skipped]


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{name}{_cases(count)}" for name, count in Counter(names).items())


def _cases(count: int) -> str:
    return "" if count == 1 else f" ({count} cases)"


def how_measured(summary: Summary) -> Words:
    """Return how many processes stand behind a time, and what a speedup is over."""
    processes = from_to(row.processes for row in summary.measured)
    baselines = sorted({str(row.baseline) for row in summary.contenders})
    return prose(
        f"Each case was measured in {processes} fresh {'process' if processes == '1' else 'processes'}; a time is the "
        "median over them, and its interval says how much they differ. A speedup is the time of {} over this one, from "
        "the rounds that both ran in: over 1x is faster.",
        baselines[0] if len(baselines) == 1 else "the baseline",
    )


def quality(summary: Summary) -> list[Words]:
    """Return what speaks against quoting the numbers."""
    found = []
    flagged, samples = _flagged(summary)
    if flagged > _MANY_FLAGGED * samples:
        text = "({} of {}): do not quote these numbers; `bench doctor` says what can be done."
        found.append(prose(f"**Most samples were disturbed** {text}", flagged, samples))
    fewest = min(row.processes for row in summary.measured)
    if fewest < MIN_PROCESSES:
        text = (
            "**Some cases have no interval**: it takes {} processes, and the case with the fewest had {}. A number "
            "without one is no more than a hint: raise `--budget` or `--rounds`."
        )
        found.append(prose(text, MIN_PROCESSES, fewest))
    return found


def _flagged(summary: Summary) -> tuple[int, int]:
    return sum(row.flagged for row in summary.measured), sum(row.samples for row in summary.measured)


def explanations(summary: Summary) -> list[Words]:
    """Return what is needed to read the tables right."""
    notes = []
    if summary.has_profiled:
        text = "~ marks a fused step's share, from an extra pass under its framework's own profiler; it is not a time."
        notes.append(prose(text))
    lonely = {row.case.workload for row in summary.measured if row.speedup is None}
    text = "{} has cases without a speedup, since their baseline was not measured; add {}."
    notes += [prose(text, name, Code(summary.cure(name))) for name in summary.workloads if name in lonely]
    if summary.has_device:
        text = "on device: how long the device was busy, by its own clock; step: how long it took, by the host's clock."
        notes.append(prose(text))
    if invalid := max((row.invalid_rounds for row in summary.rows), default=0):
        text = "left out for all cases: the device was throttled (see `throttled` in processes.csv)."
        notes.append(prose(f"{counted(invalid, 'round was', 'rounds were')} {text}"))
    return notes + _tax(summary)


def _tax(summary: Summary) -> list[Words]:
    """Return what it means where the sum of the phases and the whole step surely disagree."""
    more = [row.case.implementation for row in summary.measured if (row.sync_tax_low or 0) > 0]
    less = [row.case.implementation for row in summary.measured if (row.sync_tax_high or 0) < 0]
    text = "Phases timed apart add up to {} than the step for {}: "
    costs = "reading the clock and waiting between phases costs that much; the step is the number to quote."
    lies = "what lies between phases, or a median of parts against a median of wholes, is in the step only."
    found = [prose(text + costs, "more", _counted(more))] if more else []
    return [*found, *([prose(text + lies, "less", _counted(less))] if less else [])]


def disturbances(summary: Summary) -> list[Words]:
    """Return how many samples carry a flag, and by how much times would move if they were left out."""
    notes = []
    flagged, samples = _flagged(summary)
    if flagged:
        shifts = [
            (abs(row.clean_median_seconds / row.median_seconds - 1), row.case.implementation)
            for row in summary.measured
            if row.clean_median_seconds is not None and row.median_seconds
        ]
        moved = "; without them step times move by up to {} ({})" if shifts else ""
        text = f"{{}} of {{}} samples of whole steps were disturbed (see `flags` in samples.csv){moved}."
        shift, name = max(shifts, default=(0.0, ""))
        notes.append(prose(text, flagged, samples, share(shift), name))
    if unsettled := sum(row.unsettled for row in summary.measured):
        some = counted(unsettled, "process", "processes")
        notes.append(prose(f"{some} never became steady in the warm-up; the samples are flagged."))
    return notes


def within(halfwidth: float) -> str:
    """Return half an interval over its middle, in words."""
    return f"± {halfwidth * 100:.1f} %"


def ending(manifest: Manifest, folder: str) -> Words:
    """Return what ended the run, and how to go on where that makes sense."""
    rounds = counted(manifest.rounds_done, "round")
    spent = rounds if manifest.wall_seconds is None else f"{manifest.wall_seconds:.1f} s and {rounds}"
    aim = within(manifest.within)
    asked = f"every speedup's interval was within {aim}"
    if manifest.rounds is not None:
        asked = f"the {manifest.rounds} rounds asked for"
    told = {
        "precision": f"Done after {spent}: every speedup's interval is within {aim}, as asked for.",
        "rounds": f"Done after {spent}, as asked for.",
        "failures": f"Ended after {spent}: no case was left to measure.",
        "budget": f"The `--budget` was spent after {spent}, before {asked}.",
    }
    if manifest.ended_by in told:
        return prose(told[manifest.ended_by])
    word = "Interrupted" if manifest.ended_by == "interrupted" else "Not finished"
    return prose(f"{word} after {spent}: {{}} goes on with it.", Code(f"bench run --resume {folder}"))


def shortfall(manifest: Manifest, contenders: Iterable[SummaryRow]) -> list[Words]:
    """Return how far the run stayed behind what was asked for; nothing if it did not."""
    if manifest.ended_by in ("interrupted", "unfinished", "failures"):
        return [joined([prose("**The run did not come to its end.**"), ending(manifest, folder_of(manifest))])]
    if manifest.ended_by != "budget":
        return []
    early = "**The time budget ended the run**"
    if manifest.rounds is not None:
        return [prose(f"{early} after {{}} of {{}} rounds.", manifest.rounds_done, manifest.rounds)]
    halves = [Estimate(row.speedup or 0.0, row.speedup_low, row.speedup_high).halfwidth for row in contenders]
    wide = [half for half in halves if half is not None and half > manifest.within]
    if not wide:
        return []
    text = f"{early} before every speedup's interval was within {{}}: {{}} of {{}} are wider, the widest {{}}."
    return [prose(text, within(manifest.within), len(wide), len(halves), within(max(wide)))]
