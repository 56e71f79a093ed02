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


def junit(found: Judgement, allow_inconclusive: bool = False) -> str:
    """Return one test case for each case; a regression is a failure, what could not be judged an error.

    What was not compared is skipped, and so is an INCONCLUSIVE that is allowed: neither is a pass.
    """
    suite = TestSuite("stepbench")
    for side, label in zip(("A", "B"), found.labels, strict=True):
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
    for name, reason in found.absent.items():
        item = _test_case(name)
        item.result = [Skipped(one_line(reason), "absent")]
        suite.add_testcase(item)
    xml = JUnitXml("stepbench")
    xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call]
    for part in (suite, xml):  # last: the statistics sum up the times of the cases, which have none of their own
        part.time = found.seconds
    text: bytes = xml.tostring()  # type: ignore[no-untyped-call]
    return text.decode("utf-8")


def _test_case(name: str) -> TestCase:
    return TestCase(one_line(name), classname="stepbench")
