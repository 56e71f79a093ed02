"""Verdicts for eyes, pull requests and build servers, also where names are hostile or cases are many."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped

from bench.analysis.decision import PhaseChange
from bench.analysis.rule import ColumnVerdict, Criteria, Evidence, FamilyVerdict, Statistic, Verdict
from bench.model.step import Phase
from bench.output.ci import SUMMARY_BYTES, junit, summary
from bench.output.content.verdicts import Judgement, detectable, log_lines, of_pairs, slowdown, verdict_blocks, where
from bench.output.document import plain
from bench.run.ab import Decided
from bench.run.calibration import Calibration, Rate
from bench.run.contest import Comparison

R, INVALID, OPEN, PASS = Verdict.REGRESSION, Verdict.INVALID, Verdict.INCONCLUSIVE, Verdict.PASS
SLOWER = "backward +50.0%, +15.0% of the step, update +25.0%, +5.0% of the step"
HOSTILE = "a|b\\|c `code` *x* _y_ <script> & [link](http://x) ![i](y) ~~z~~ $e$\n\n## head\x1b[31m\x00\ud800"


def evidence(value: float = 0.0, verdict: Verdict = PASS, seen: float | None = 0.012, share: float = 1.0) -> Evidence:
    return Evidence(Statistic.MINIMUM, 20, value, value - 0.01, value + 0.01, 0.5, 1.0, seen, verdict, share)


def decided(name: str, verdict: Verdict, value: float = 0.0, reason: str = "why", **options: object) -> Decided:
    columns = tuple(
        ColumnVerdict(column, verdict, f"{column} reason", (evidence(value, verdict), evidence(value, verdict, 0.03)))
        for column in ("step", "backward")
    )
    backward, update = evidence(0.5, share=0.3), evidence(0.25, share=0.2)
    changed = (PhaseChange(Phase.BACKWARD, backward, 1e-3), PhaseChange(Phase.UPDATE, update, 1e-4))
    found = Decided(FamilyVerdict(name, verdict, reason, columns), 2, 1e-3, 1.1e-3, changed if verdict is R else ())
    return replace(found, **options)  # type: ignore[arg-type]


def missing(name: str, reason: str) -> Decided:
    column = ColumnVerdict("step", INVALID, reason)
    return Decided(FamilyVerdict(name, INVALID, f"step: {reason}", (column,)), 0)


@pytest.fixture
def make() -> Callable[..., Judgement]:
    def do(
        *cases: Decided,
        labels: tuple[str, str] = ("main (1234)", "working tree"),
        calibration: Calibration | None = None,
        **options: object,
    ) -> Judgement:
        absent = {"torch-cuda": "no CUDA device"}
        found = Comparison(Path("results/ab-1"), "2026-01-01", labels, Criteria(), cases, absent, 12.3, 1)
        return of_pairs(replace(found, **options), calibration)  # type: ignore[arg-type]

    return do


@pytest.fixture
def mixed(make: Callable[..., Judgement]) -> Judgement:
    return make(
        decided("slow on numpy", R, 0.1),
        missing("gone on numpy", "side B (working tree) does not have it"),
        decided("open on numpy", OPEN, 0.03, "the minimum is slower by something from 1% to 7%"),
        decided("fine on numpy", PASS, -0.001),
    )


@pytest.mark.parametrize(("kind", "told"), [("", ""), ("fast", ", a fast core"), ("slow", ", a slow core")])
def test_the_result_says_on_which_cpu_a_pair_was(
    make: Callable[..., Judgement], monkeypatch: pytest.MonkeyPatch, kind: str, told: str
) -> None:
    monkeypatch.setattr("bench.output.content.verdicts.core_kind", lambda cpu: kind if cpu == 5 else "?")
    assert make(cpus=(5,)).conditions == f"1 CPU thread, pinned to CPU 5{told}"
    assert make(cpus=(5, 4)).conditions == f"1 CPU thread, 2 pairs at once, pinned to CPU 4-5{told}"
    assert make().conditions == "1 CPU thread"


CALIBRATION = Calibration(
    fingerprint="x",
    created="2026-02-03T04:05:06+00:00",
    implementation="n",
    pairs=20,
    seconds=1.0,
    false_positives=Rate(happened=0, trials=40, low=0.0, high=0.088),
    power={"5%": Rate(happened=19, trials=20, low=0.75, high=0.999)},
    localised=Rate(happened=18, trials=19, low=0.7, high=0.99),
)


@pytest.fixture
def printed(shown: Callable[..., str]) -> Callable[[Judgement], str]:
    return lambda found: shown(verdict_blocks(found), 300)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "+10.0%"), (-0.05, "-5.0%"), (-0.0001, "+0.0%"), (None, "-"), (float("inf"), "-"), (float("nan"), "-")],
)
def test_a_slowdown(value: float | None, text: str) -> None:
    assert slowdown(value) == text


def test_the_phases_that_got_slower_in_the_order_given() -> None:
    assert where(decided("x", R)) == SLOWER
    assert where(decided("x", R, changed=())) == "the step; no single phase shows it"
    assert where(decided("x", PASS)) == ""


def test_what_could_have_been_seen_is_the_largest_of_all_columns_or_unknown() -> None:
    case = decided("x", PASS)
    assert detectable(case) == 0.03
    phase = ColumnVerdict("update", PASS, "", (evidence(seen=0.2, share=0.1),))
    assert detectable(replace(case, verdict=replace(case.verdict, columns=(*case.verdict.columns, phase)))) == 0.03
    column = ColumnVerdict("step", PASS, "", (evidence(seen=None),))
    assert detectable(replace(case, verdict=replace(case.verdict, columns=(*case.verdict.columns, column)))) is None
    assert detectable(missing("x", "y")) is None


def test_the_criteria_are_told_as_they_were_given(
    make: Callable[..., Judgement], printed: Callable[[Judgement], str]
) -> None:
    text = plain(make(criteria=Criteria(0.001, 0.005, 0.125)).notes[0])
    assert all(part in text for part in ("more than 0.5%;", "more than 12.5%, a phase by", "at most 0.1%."))
    assert "99% bounds" in printed(make(decided("x", PASS)))
    assert "95% bounds" in printed(make(decided("x", PASS), criteria=Criteria(alpha=0.05)))


def test_the_statistic_that_decides_is_shown_with_its_name(
    make: Callable[..., Judgement], printed: Callable[[Judgement], str]
) -> None:
    """The minimum is faster by 5 %, and the median, which shows the slowdown, is slower by 8 %."""
    faster, slower = evidence(-0.05), replace(evidence(0.08, R), statistic=Statistic.MEDIAN)
    case = decided("x", R, changed=(PhaseChange(Phase.UPDATE, replace(slower, share=0.5), 1e-4),))
    columns = (ColumnVerdict("step", R, "the median is slower by 8.0%", (faster, slower)),)
    found = make(replace(case, verdict=replace(case.verdict, columns=columns)))
    assert log_lines(found)[1].endswith("x: +8.0% (median), detectable +1.2%; update +8.0% (median), +4.0% of the step")
    (row,) = [line for line in printed(found).splitlines() if line.startswith("REGRESSION  ")]
    assert "+8.0% (median)" in row
    assert "+7.0% … +9.0%" in row
    for text in (row, summary(found), junit(found)):
        assert "-5.0" not in text


def test_a_remark_is_made_of_any_verdict(make: Callable[..., Judgement], printed: Callable[[Judgement], str]) -> None:
    case = decided("x", PASS)
    found = make(replace(case, verdict=replace(case.verdict, remark="1 of the 20 pairs is slower by 40% or more")))
    assert "x: 1 of the 20 pairs is slower by 40% or more." in printed(found)
    assert log_lines(found)[1].endswith("; 1 of the 20 pairs is slower by 40% or more")
    assert "1 of the 20 pairs is slower" in junit(found)


def test_a_pass_says_what_so_few_pairs_cannot_exclude(make: Callable[..., Judgement]) -> None:
    text = "A PASS after 20 pairs: a slowdown that strikes some processes only, fewer than 21% of them, can be missed."
    assert text in map(plain, make(decided("x", PASS), decided("y", R)).notes)
    assert text not in map(plain, make(decided("y", R)).notes)


def test_a_machine_that_is_not_calibrated_says_so(make: Callable[..., Judgement]) -> None:
    assert "not calibrated" in plain(make().notes[1])
    assert plain(make(calibration=CALIBRATION).notes[1]) == CALIBRATION.sentence()


def test_the_table_has_a_line_for_each_case_and_the_reason_of_what_is_no_pass(
    mixed: Judgement, printed: Callable[[Judgement], str]
) -> None:
    lines = [line.rstrip() for line in printed(mixed).splitlines()]
    assert lines[0] == "A is main (1234), B is working tree; 1 CPU thread."
    rows = {line.split()[0]: line for line in lines[3:7]}
    assert list(rows) == ["REGRESSION", "INVALID", "INCONCLUSIVE", "PASS"]
    assert re.search(
        r"1\.00 ms +1\.10 ms +\+10\.0% +\+9\.0% … \+11\.0% +\+3\.0% +20 +backward \+50", rows["REGRESSION"]
    )
    assert re.search(r"gone on numpy +- +- +- +- +- +-$", rows["INVALID"])
    assert "INVALID: gone on numpy: step: side B (working tree) does not have it." in lines
    assert "INCONCLUSIVE: open on numpy: the minimum is slower by something from 1% to 7%." in lines
    assert not any(line.startswith("PASS: ") for line in lines)
    assert "not compared: torch-cuda: no CUDA device." in lines
    assert lines[-1] == "Took 12 s; all turns are in results/ab-1/pairs.csv."


def test_one_line_a_case_for_logs_with_every_reason(mixed: Judgement) -> None:
    assert log_lines(mixed)[:6] == [
        "A is main (1234), B is working tree; 1 CPU thread.",
        "REGRESSION   slow on numpy: +10.0%, detectable +3.0%; " + SLOWER,
        "INVALID      gone on numpy: -; step: side B (working tree) does not have it",
        "INCONCLUSIVE open on numpy: +3.0%, detectable +3.0%; the minimum is slower by something from 1% to 7%",
        "PASS         fine on numpy: -0.1%, detectable +3.0%",
        "not compared: torch-cuda: no CUDA device.",
    ]
    assert log_lines(mixed)[6:] == list(map(plain, mixed.notes))


def test_hostile_names_stay_on_their_line_and_no_terminal_obeys_them(
    make: Callable[..., Judgement], printed: Callable[[Judgement], str]
) -> None:
    found = make(missing(HOSTILE, HOSTILE), labels=(HOSTILE, "[red]b[/red]"), absent={"x": HOSTILE})
    lines = log_lines(found)
    assert len(lines) == 3 + len(found.notes)
    for text in (*lines, *printed(found).split("\n")):
        assert "\x1b" not in text
        assert "\x00" not in text
        text.encode()
    assert "B is [red]b[/red]" in printed(found)


def cells(row: str) -> list[str]:
    """Split a row as the tables of GitHub's Markdown are split: a backslash keeps the character after it."""
    assert row.startswith("| ")
    assert row.endswith(" |")
    return [cell.strip() for cell in re.findall(r"\|((?:\\.|[^|\\])*)(?=\|)", row)]


def test_markdown_is_a_table_and_the_reasons(mixed: Judgement) -> None:
    lines = summary(mixed).splitlines()
    assert lines[0] == "## stepbench: REGRESSION"
    assert lines[2] == "A is main (1234), B is working tree; 1 CPU thread."
    head, _, slow, gone, _, fine = [cells(line) for line in lines if line.startswith("| ")]
    assert [*head[:5], head[-1]] == ["verdict", "case", "A", "B", "slowdown", "slower in"]
    numbers = ["1.00 ms", "1.10 ms", "+10.0%", "+9.0% … +11.0%", "+3.0%", "20"]
    assert slow == ["**REGRESSION**", "slow on numpy", *numbers, SLOWER]
    assert gone == ["**INVALID**", "gone on numpy", *"------", ""]
    assert fine[:5] == ["**PASS**", "fine on numpy", "1.00 ms", "1.10 ms", "-0.1%"]
    assert "- INVALID: gone on numpy: step: side B (working tree) does not have it." in lines
    assert "- not compared: torch-cuda: no CUDA device." in lines
    assert f"- {plain(mixed.notes[0])}" in lines


def test_a_hostile_name_stays_inside_its_cell(make: Callable[..., Judgement]) -> None:
    text = summary(make(missing(HOSTILE, HOSTILE), labels=(HOSTILE, HOSTILE)))
    text.encode()
    (row,) = [line for line in text.splitlines() if line.startswith("| **INVALID**")]
    assert len(cells(row)) == 8  # no pairs were measured at all
    name = cells(row)[1]
    shown = re.sub(r"\\(.)", r"\1", name).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert shown == (
        "a|b\\|c `code` *x* _y_ <script> & [link](http://x) ![i](y) ~~z~~ $e$ ## head\\x1b[31m\\x00\\ud800"
    )
    assert not re.search(r"(?<!\\)[`*_~$\[\]<|]", name)
    assert [line for line in text.splitlines() if line.startswith("#")] == ["## stepbench: INVALID"]


def test_twenty_thousand_cases_stay_under_what_github_takes(make: Callable[..., Judgement]) -> None:
    assert "left out" not in summary(make(*(decided(f"ünit_{index} on numpy", R, 0.1) for index in range(2))))
    text = summary(make(*(decided(f"ünit_{index} on numpy", R, 0.1) for index in range(20_000))))
    assert 0.99 * SUMMARY_BYTES < len(text.encode()) <= SUMMARY_BYTES
    rows = [line for line in text.splitlines() if line.startswith("| **")]
    cases, reasons = re.findall(r"(\d+) more, left out for their length", text)
    assert len(rows) + int(cases) == 20_000
    assert int(reasons) > 19_990
    assert text.rstrip().endswith("pairs.csv.")


def test_one_endless_reason_does_not_break_the_limit(make: Callable[..., Judgement]) -> None:
    text = summary(make(missing("x", "ä" * SUMMARY_BYTES), decided("y", PASS)))
    assert len(text.encode()) <= SUMMARY_BYTES
    assert "left out for their length" in text
    assert "| **PASS** | y |" in text


def test_junit_says_what_failed_and_what_could_not_be_judged(mixed: Judgement) -> None:
    allowed = JUnitXml.fromstring(junit(mixed, allow_inconclusive=True).encode())
    assert (allowed.failures, allowed.errors, allowed.skipped) == (1, 1, 2)
    xml = JUnitXml.fromstring(junit(mixed).encode())
    assert (xml.tests, xml.failures, xml.errors, xml.skipped) == (5, 1, 2, 1)
    (suite,) = xml
    found = {case.name: [(type(each), each.type, each.message) for each in case.result] for case in suite}
    assert found == {
        "slow on numpy": [(Failure, "REGRESSION", "why")],
        "gone on numpy": [(Error, "INVALID", "step: side B (working tree) does not have it")],
        "open on numpy": [(Error, "INCONCLUSIVE", "the minimum is slower by something from 1% to 7%")],
        "fine on numpy": [],
        "torch-cuda": [(Skipped, "absent", "no CUDA device")],
    }
    assert {item.name: item.value for item in suite.properties()} == {"A": "main (1234)", "B": "working tree"}
    slow = next(case for case in suite if case.name == "slow on numpy")
    assert slow.system_out == "step: REGRESSION: step reason\nbackward: REGRESSION: backward reason"
    root = ElementTree.fromstring(junit(mixed))  # noqa: S314 - our own
    for part in (root, root[0]):
        counts = {name: part.attrib[name] for name in ("tests", "failures", "errors", "skipped", "time")}
        assert counts == {"tests": "5", "failures": "1", "errors": "2", "skipped": "1", "time": "12.3"}


def test_control_characters_do_not_break_the_xml(make: Callable[..., Judgement]) -> None:
    everything = "".join(map(chr, range(0x120))) + "\ud800\ufffe\uffff<>&\"'"
    case = decided(everything, R, 0.1, reason=everything)
    columns = (ColumnVerdict(everything, INVALID, everything),)
    case = replace(case, verdict=replace(case.verdict, columns=columns))
    text = junit(
        make(case, missing(everything, everything), labels=(everything, everything), absent={everything: everything})
    )
    (suite,) = JUnitXml.fromstring(text.encode())
    assert [len(case.result) for case in suite] == [1, 1, 1]
    name = next(iter(suite)).name
    assert all(character in name for character in "aZ09<>&\"'é")
    assert "\x1b" not in name
