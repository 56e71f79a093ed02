"""Verdicts for the terminal, for a pull request and for a build server."""

from __future__ import annotations

import math
import re

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from rich.console import Group, RenderableType
from rich.text import Text

from bench.analysis.rule import ColumnVerdict, Evidence, Verdict
from bench.data.schema import STEP
from bench.output.terminal import plain_table
from bench.output.text import duration
from bench.run.ab import Decided
from bench.run.calibration import Calibration
from bench.run.contest import Comparison

STYLES = {
    Verdict.REGRESSION: "bold red",
    Verdict.INVALID: "red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.PASS: "green",
}
SUMMARY_BYTES = 1 << 20
"""GitHub refuses a step's summary that is larger."""


def slowdown(value: float | None) -> str:
    """A slowdown as a signed percentage."""
    return "-" if value is None or not math.isfinite(value) else f"{round(value, 3) + 0.0:+.1%}"


def _share(value: float) -> str:
    """A criterion, with as many digits as it has."""
    return f"{value * 100:.6g}%"


def _printable(text: str) -> str:
    """On one line, without the control characters that terminals obey and XML cannot hold."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def said(case: Decided) -> str:
    """What there is to say beyond the numbers: where it got slower, or why it is not a PASS; nothing of a PASS."""
    if case.verdict.verdict is Verdict.PASS:
        return ""
    return where(case) if case.verdict.verdict is Verdict.REGRESSION else _printable(case.verdict.reason)


def step_evidence(case: Decided) -> Evidence | None:
    """The primary evidence of the whole step; None if nothing could be measured."""
    column = next((column for column in case.verdict.columns if column.name == STEP), None)
    return column.evidence[0] if column is not None and column.evidence else None


def where(case: Decided) -> str:
    """The phases that got slower, the one that adds most first; the step itself if no phase shows it alone."""
    if case.verdict.verdict is not Verdict.REGRESSION:
        return ""
    if not case.changed:
        return "the step; no single phase shows it"
    return ", ".join(f"{change.phase} {slowdown(change.evidence.slowdown)}" for change in case.changed)


def detectable(case: Decided) -> float | None:
    """The slowdown that could have been seen in every column of a case: the largest of them."""
    seen = [each.detectable for column in case.verdict.columns for each in column.evidence]
    return None if not seen or None in seen else max(value for value in seen if value is not None)


def verdict_table(found: Comparison, calibration: Calibration | None) -> RenderableType:
    """One line a case, the reasons of what is not a PASS, and what all of it rests on."""
    # Each of the two bounds is wrong with probability alpha.
    numbers = ["A", "B", "slowdown", f"{_share(1 - found.criteria.alpha)} bounds", "sees from", "pairs"]
    table = plain_table("verdict", "case", *numbers, "slower in", right=numbers, wrap=["case", "slower in"])
    for case in found.cases:
        evidence = step_evidence(case)
        table.add_row(
            Text(case.verdict.verdict, style=STYLES[case.verdict.verdict]),
            Text(_printable(case.verdict.name)),
            duration(case.seconds_a),
            duration(case.seconds_b),
            slowdown(None if evidence is None else evidence.slowdown),
            "-" if evidence is None else f"{slowdown(evidence.low)} … {slowdown(evidence.high)}",
            slowdown(detectable(case)),
            "-" if evidence is None else str(evidence.pairs),
            Text(where(case)),
        )
    lines = [
        f"{case.verdict.verdict}: {_printable(f'{case.verdict.name}: {case.verdict.reason}').rstrip('.')}."
        for case in found.cases
        if case.verdict.verdict is not Verdict.PASS
    ]
    lines = [_labels(found), *lines, *_absent(found), *notes(found, calibration)]
    return Group(table, Text(), *(Text(line) for line in lines))


def _labels(found: Comparison) -> str:
    a, b = map(_printable, found.labels)
    return f"A is {a}, B is {b}; {found.threads} CPU thread{'' if found.threads == 1 else 's'}."


def _absent(found: Comparison) -> list[str]:
    return [f"not compared on {name}: {_printable(reason).rstrip('.')}." for name, reason in found.absent.items()]


def calibration_note(calibration: Calibration | None) -> str:
    """What this machine has shown of its verdicts, or that it has not."""
    if calibration is None:
        return "This machine is not calibrated: `bench doctor --calibrate` measures how often verdicts are wrong here."
    return calibration.sentence()


def notes(found: Comparison, calibration: Calibration | None) -> list[str]:
    """What a verdict takes, and whether this machine has shown that it keeps its word."""
    criteria = found.criteria
    return [
        f"REGRESSION: a slowdown that is surely over {_share(criteria.margin)}; PASS: surely under "
        f"{_share(criteria.tolerance)}; the chance of any false REGRESSION is at most {_share(criteria.alpha)}. "
        f"`sees from`: the slowdown that would have been found {_share(criteria.power)} of the time.",
        calibration_note(calibration),
        f"Took {found.seconds:.0f} s; all batches are in {_printable(str(found.folder))}/pairs.csv.",
    ]


def markdown(found: Comparison, calibration: Calibration | None) -> str:
    """A summary for a pull request, at most `SUMMARY_BYTES` long."""
    a, b = found.labels
    head = [f"## stepbench: {found.verdict}", "", f"A is {_cell(a)}, B is {_cell(b)}.", ""]
    head += [
        "| verdict | case | A | B | slowdown | sees from | slower in |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    foot = ["", *(f"{note}" for note in notes(found, calibration)), ""]
    rows = [_row(case) for case in found.cases]
    rows += [f"| not compared | {_cell(name)} | | | | | {_cell(reason)} |" for name, reason in found.absent.items()]
    room = SUMMARY_BYTES - len("\n".join([*head, *foot]).encode()) - 200  # for the line on what was left out
    kept: list[str] = []
    for row in rows:
        room -= len(row.encode()) + 1
        if room < 0:
            kept.append(f"| | {len(rows) - len(kept)} more, left out for their length | | | | | |")
            break
        kept.append(row)
    return "\n".join([*head, *kept, *foot])


def _row(case: Decided) -> str:
    evidence = step_evidence(case)
    cells = [
        f"**{case.verdict.verdict}**",
        _cell(case.verdict.name),
        duration(case.seconds_a),
        duration(case.seconds_b),
        slowdown(None if evidence is None else evidence.slowdown),
        slowdown(detectable(case)),
        _cell(said(case)),
    ]
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Text that stays inside its cell and is shown as it is: no table, link, formula or emphasis comes of it."""
    text = _printable(text).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\|`*_~$\[\]])", r"\\\1", text)


def junit(found: Comparison, allow_inconclusive: bool = False) -> str:
    """One test case a case; a regression is a failure, what could not be judged an error.

    What was not compared is skipped, and so is an INCONCLUSIVE that is allowed: neither is a pass.
    """
    suite = TestSuite("stepbench")
    for side, label in zip(("A", "B"), found.labels, strict=True):
        suite.add_property(side, _printable(label))
    for case in found.cases:
        item = _test_case(case.verdict.name)
        verdict, reason = case.verdict.verdict, _printable(case.verdict.reason)
        if verdict is Verdict.REGRESSION:
            item.result = [Failure(reason, verdict.value)]
        elif verdict is Verdict.INCONCLUSIVE and allow_inconclusive:
            item.result = [Skipped(reason, verdict.value)]
        elif verdict is not Verdict.PASS:
            item.result = [Error(reason, verdict.value)]
        item.system_out = "\n".join(_column_line(column) for column in case.verdict.columns)
        suite.add_testcase(item)
    for name, reason in found.absent.items():
        item = _test_case(name)
        item.result = [Skipped(_printable(reason), "absent")]
        suite.add_testcase(item)
    xml = JUnitXml("stepbench")
    xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call]
    for part in (suite, xml):  # last: the statistics sum up the times of the cases, which have none of their own
        part.time = found.seconds
    text: bytes = xml.tostring()  # type: ignore[no-untyped-call]
    return text.decode("utf-8")


def _test_case(name: str) -> TestCase:
    return TestCase(_printable(name), classname="stepbench")


def _column_line(column: ColumnVerdict) -> str:
    return _printable(f"{column.name}: {column.verdict}: {column.reason}")


def one_lines(found: Comparison) -> list[str]:
    """One line a case, for logs; before them what is compared, after them what is not."""
    lines = [_labels(found)]
    for case in found.cases:
        evidence = step_evidence(case)
        slower = slowdown(None if evidence is None else evidence.slowdown)
        seen = detectable(case)
        could = "" if seen is None else f", could have seen {slowdown(seen)}"
        more = said(case)
        lines.append(
            f"{case.verdict.verdict:12} {_printable(case.verdict.name)}: {slower}{could}{f'; {more}' if more else ''}"
        )
    return [*lines, *_absent(found)]
