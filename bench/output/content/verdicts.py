"""Verdicts, from pairs or from two stored runs: as blocks, and as lines for a log."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.analysis.rule import Criteria, Evidence, Statistic, Verdict, worst
from bench.data.schema import STEP
from bench.machine.processor import core_kind, spans
from bench.output.content.passages import passages
from bench.output.document import Block, Bullets, Cell, Head, Table, Tone, Words, numbers, plain, prose, table
from bench.output.names import counted, variant_word
from bench.output.text import duration, interval, one_line
from bench.stats.paired import unseen_share

if TYPE_CHECKING:
    from bench.analysis.run_verdicts import CaseVerdict
    from bench.run.ab import Decided
    from bench.run.calibration import Calibration
    from bench.run.contest import Comparison

    Judged = Decided | CaseVerdict
    """A case with its verdict, from pairs or from two stored runs."""

TONES: dict[Verdict, Tone] = {
    Verdict.REGRESSION: "bad",
    Verdict.INVALID: "bad",
    Verdict.INCONCLUSIVE: "warn",
    Verdict.PASS: "good",
}
"""What a reader should think of each verdict."""


@dataclass(frozen=True)
class Judgement:
    """The verdicts of one comparison, whatever they were found from."""

    labels: tuple[str, str]
    """Names of A and B."""
    criteria: Criteria
    cases: Sequence[Judged]
    absent: Mapping[str, str]
    """Cases that were not compared, with the reason."""
    notes: tuple[Words, ...]
    """Sentences about what the verdicts rest on."""
    seconds: float = 0.0
    """Time that it took."""
    conditions: str = ""
    letter: str = "B"
    """What the one that is judged is called."""

    @property
    def verdict(self) -> Verdict:
        """The verdict of the worst case."""
        return worst(case.verdict.verdict for case in self.cases)


def of_pairs(found: Comparison, calibration: Calibration | None) -> Judgement:
    """Return what `bench ab` and `bench gate` found.

    Args:
        found: the comparison.
        calibration: this machine's; None if it has none.
    """
    passed = [case for case in found.cases if case.verdict.verdict is Verdict.PASS]
    fewest = min((evidence.pairs for case in passed if (evidence := step_evidence(case))), default=0)
    unseen = f"{unseen_share(fewest, found.criteria.alpha):.0%}" if fewest else ""
    values = {"seconds": f"{found.seconds:.0f}", "pairs": f"{found.folder}/pairs.csv"}
    notes = verdict_notes(found.criteria, calibration, **values, fewest=fewest, unseen=unseen)
    under = variant_word("threads", found.threads)
    if found.cpus:
        kind = core_kind(found.cpus[0])
        under += f", {counted(len(found.cpus), 'pair')} at once" if len(found.cpus) > 1 else ""
        under += f", pinned to CPU {spans(found.cpus)}" + (f", a {kind} core" if kind else "")
    return Judgement(found.labels, found.criteria, found.cases, found.absent, notes, found.seconds, under)


def verdict_notes(criteria: Criteria, calibration: Calibration | None, **values: Any) -> tuple[Words, ...]:
    """Return what a verdict takes, and what this machine has shown of its verdicts or that it has not."""
    text = "This machine is not calibrated: `bench doctor --calibrate` measures how often verdicts are wrong here."
    values["calibrated"] = prose(text) if calibration is None else calibration.sentence()
    values = {"factor": "", "of": "", "fewest": 0, "letter": "B", "runs": 1, **values}
    return passages("verdicts.txt", criteria=criteria, percentage=percentage, **values)


def slowdown(value: float | None) -> str:
    """Return a slowdown as a signed percentage."""
    return "-" if value is None or not math.isfinite(value) else f"{round(value, 3) + 0.0:+.1%}"


def percentage(value: float) -> str:
    """Return a criterion with as many digits as it was given with."""
    return f"{value * 100:.6g}%"


def step_evidence(case: Judged) -> Evidence | None:
    """Return the evidence that decides of the whole step; None if nothing could be measured."""
    return next((column.deciding for column in case.verdict.columns if column.name == STEP), None)


def shown(evidence: Evidence | None) -> str:
    """Return a slowdown, and which statistic it is of where that is not the primary one and decides against B."""
    if evidence is None:
        return slowdown(None)
    primary = evidence.statistic is Statistic.MINIMUM or evidence.verdict is Verdict.PASS
    return slowdown(evidence.slowdown) + ("" if primary else f" ({evidence.statistic})")


def where(case: Judged) -> str:
    """Return the phases that got slower, the one that adds most first; the step itself if no phase shows it alone."""
    if case.verdict.verdict is not Verdict.REGRESSION:
        return ""
    if not case.changed:
        return "the step; no single phase shows it"
    return ", ".join(
        f"{change.phase} {shown(change.evidence)}, {slowdown(change.evidence.added)} of the step"
        for change in case.changed
    )


def detectable(case: Judged) -> float | None:
    """Return the slowdown of the step that would have been found in whatever column: the largest of theirs."""
    seen = [(each.detectable, each.share) for column in case.verdict.columns for each in column.evidence]
    known = [value * share for value, share in seen if value is not None]
    return max(known) if known and len(known) == len(seen) else None


def verdict_blocks(*judged: Judgement) -> list[Block]:
    """Return one row for each case, the reasons of what is not a PASS, all remarks, and what all of it rests on.

    Of several comparisons each is shown with the notes that are its own, and those that all share once.
    """
    shared = [words for words in judged[0].notes if all(words in found.notes for found in judged)]
    blocks: list[Block] = []
    for found in judged:
        reasons = [
            prose("{}: {}: {}.", case.verdict.verdict, case.verdict.name, case.verdict.reason.rstrip("."))
            for case in found.cases
            if case.verdict.verdict is not Verdict.PASS
        ]
        named = [case.verdict for case in found.cases if case.verdict.remark]
        reasons += [prose("{}: {}.", verdict.name, verdict.remark) for verdict in named]
        reasons += [*_absent(found), *(words for words in found.notes if words not in shared)]
        blocks += [_labels(found), _table(found), *([Bullets(tuple(reasons))] if reasons else [])]
    return [*blocks, Bullets(tuple(shared))]


def _labels(found: Judgement) -> Words:
    under = f"; {found.conditions}" if found.conditions else ""
    first, other = found.labels
    return prose("A is {}, {} is {}{}.", first, found.letter, other, under)


def _absent(found: Judgement) -> list[Words]:
    return [prose("not compared: {}: {}.", name, reason.rstrip(".")) for name, reason in found.absent.items()]


def _table(found: Judgement) -> Table:
    paired = any(evidence.pairs for case in found.cases if (evidence := step_evidence(case)))
    heads = [Head("verdict"), Head("case", wraps=True), *numbers("A", found.letter, "slowdown")]
    # Each of the two bounds is wrong with probability alpha.
    heads += numbers(f"{percentage(1 - found.criteria.alpha)} bounds", "detectable", spare=1)
    heads += [*(numbers("pairs", spare=2) if paired else []), Head("slower in", wraps=True)]
    rows = []
    for case in found.cases:
        verdict, evidence = case.verdict.verdict, step_evidence(case)
        row: list[Cell | str] = [Cell(verdict, tone=TONES[verdict]), case.verdict.name]
        row += [duration(case.seconds_a), duration(case.seconds_b), shown(evidence)]
        row += [interval(evidence.low, evidence.high, slowdown) if evidence else "-", slowdown(detectable(case))]
        row += [str(evidence.pairs) if evidence else "-"] if paired else []
        rows.append([*row, where(case)])
    return table("verdicts", (), heads, rows)


def log_lines(found: Judgement) -> list[str]:
    """Return lines for a log: what is compared, each case, what is not compared, and what the verdicts rest on."""
    lines = [one_line(plain(_labels(found)))]
    for case in found.cases:
        verdict, evidence, seen = case.verdict, step_evidence(case), detectable(case)
        told = "" if seen is None else f", detectable {slowdown(seen)}"
        if verdict.verdict is not Verdict.PASS:
            told += f"; {where(case) or verdict.reason}"
        told += f"; {verdict.remark}" if verdict.remark else ""
        text = one_line(f"{verdict.name}: {shown(evidence)}{told}")
        lines.append(f"{verdict.verdict:12} {text}")
    return [*lines, *(one_line(plain(words)) for words in (*_absent(found), *found.notes))]
