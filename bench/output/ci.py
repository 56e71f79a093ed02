"""Verdicts for continuous integration: JUnit XML, and the summary of a pull request."""

from __future__ import annotations

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from bench.analysis.rule import Verdict
from bench.output.content.verdicts import Judgement, verdict_blocks
from bench.output.render.markdown import fragment
from bench.output.text import one_line

SUMMARY_BYTES = 1 << 20
"""GitHub refuses a step's summary that is larger."""


def summary(found: Judgement) -> str:
    """Return a summary in Markdown, at most `SUMMARY_BYTES` long."""
    *findings, notes = verdict_blocks(found)
    head, foot = f"## stepbench: {found.verdict}\n\n", "\n" + fragment([notes])
    return head + fragment(findings, SUMMARY_BYTES - len((head + foot).encode())) + foot


def junit(*judged: Judgement, allow_inconclusive: bool = False) -> str:
    """Return one suite for each comparison, with a test case for each case.

    A regression is a failure, what could not be judged an error. What was not compared is skipped, and so is an
    INCONCLUSIVE that is allowed: neither is a pass.
    """
    xml = JUnitXml("stepbench")
    for found in judged:
        name = "stepbench" if len(judged) == 1 else f"stepbench, {found.letter} against A"
        xml.add_testsuite(_suite(name, found, allow_inconclusive))
    xml.update_statistics()  # type: ignore[no-untyped-call]
    for suite, found in zip(xml, judged, strict=True):
        suite.time = found.seconds  # last: the statistics sum up the times of the cases, which have none of their own
    xml.time = sum(found.seconds for found in judged)
    text: bytes = xml.tostring()  # type: ignore[no-untyped-call]
    return text.decode("utf-8")


def _suite(name: str, found: Judgement, allow_inconclusive: bool) -> TestSuite:
    suite = TestSuite(name)
    for side, label in zip(("A", found.letter), found.labels, strict=True):
        suite.add_property(side, one_line(label))
    for case in found.cases:
        item = _test_case(case.verdict.name)
        verdict, reason = case.verdict.verdict, one_line(case.verdict.reason)
        if verdict is Verdict.REGRESSION:
            item.result = [Failure(reason, verdict.value)]
        elif verdict is Verdict.INCONCLUSIVE and allow_inconclusive:
            item.result = [Skipped(reason, verdict.value)]
        elif verdict is not Verdict.PASS:
            item.result = [Error(reason, verdict.value)]
        columns = case.verdict.columns
        lines = [f"{each.name}: {each.verdict}: {each.reason}" for each in columns] + [case.verdict.remark]
        item.system_out = "\n".join(map(one_line, filter(None, lines)))
        suite.add_testcase(item)
    for absent, reason in found.absent.items():
        item = _test_case(absent)
        item.result = [Skipped(one_line(reason), "absent")]
        suite.add_testcase(item)
    return suite


def _test_case(name: str) -> TestCase:
    return TestCase(one_line(name), classname="stepbench")
