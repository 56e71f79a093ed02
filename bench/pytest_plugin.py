"""A pytest plugin: a suite fails where a registered step got slower than it was in another revision.

    pytest --bench-gate main --bench-gate-load my_step.py

Each case becomes one test, `stepbench::CASE`, after the suite's own. The first of them has all of them measured, as
`bench gate` measures; each then passes or fails by its own verdict. Without --bench-gate nothing happens and nothing
heavy is imported. It measures, so it refuses to share the machine with pytest-xdist's workers.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Generator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.errors import StepbenchError, StorageError, os_cure

if TYPE_CHECKING:
    import click

    from bench.run.ab import Decided
    from bench.run.contest import Comparison
    from bench.run.matching import Match
    from bench.run.sides import Side
    from bench.run.terms import Terms

GROUP = "stepbench"
MOST_PAIRS, LEAST_PAIRS = 44, 7
"""As `bench gate --pairs`: the default, and the least that can be given."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; all but the first only say how."""
    group = parser.getgroup(GROUP, "fail where a training step got slower (stepbench)")
    group.addoption(
        "--bench-gate",
        metavar="REVISION",
        help="Add a test for each registered step: it must not be slower than in this revision.",
    )
    group.addoption(
        "--bench-gate-load",
        action="append",
        default=[],
        metavar="FILE.py",
        help="A file of implementations beside those in implementations/; repeat for more.",
    )
    group.addoption(
        "--bench-gate-implementation",
        action="append",
        default=[],
        metavar="NAME",
        help="Only these implementations; use commas or repeat.",
    )
    group.addoption(
        "--bench-gate-budget", type=_duration, default=300.0, metavar="TIME", help="Time for all pairs.  [default: 5m]"
    )
    group.addoption(
        "--bench-gate-pairs",
        type=_pairs,
        default=MOST_PAIRS,
        metavar="N",
        help="Most pairs of each case; it stops sooner where fewer decide.  [default: 44]",
    )
    group.addoption(
        "--bench-gate-tolerance",
        type=_percent,
        default=0.05,
        metavar="SHARE",
        help="PASS: surely not slower than this.  [default: 5%%]",
    )
    group.addoption(
        "--bench-gate-allow-inconclusive", action="store_true", help="Skip what stays INCONCLUSIVE; else it fails."
    )


def _duration(text: str) -> Any:
    from bench.options.numeric import Duration

    return _read(Duration(), text)


def _percent(text: str) -> Any:
    from bench.options.numeric import Percent

    return _read(Percent(), text)


def _pairs(text: str) -> Any:
    from bench.options.numeric import PAIRS_LIMIT, Whole

    return _read(Whole(LEAST_PAIRS, PAIRS_LIMIT), text)


def _read(kind: click.ParamType[Any], text: str) -> Any:
    """Read a text as the command line of `bench` does, and refuse it in the same words."""
    import click

    try:
        return kind.convert(text, None, None)
    except click.BadParameter as error:
        raise argparse.ArgumentTypeError(error.message) from None


def pytest_configure(config: pytest.Config) -> None:
    """Register the gate; do nothing without --bench-gate."""
    revision = config.getoption("bench_gate")
    if revision is None or hasattr(config, "workerinput"):
        return
    if config.getoption("tx", None):
        raise pytest.UsageError("--bench-gate measures and needs the machine for itself: run it without -n.")
    config.pluginmanager.register(Gate(config, revision), "stepbench-gate")


class Gate:
    """One comparison of the files as they are with a revision, and the tests that stand for its cases."""

    def __init__(self, config: pytest.Config, revision: str) -> None:
        self._config, self._revision = config, revision
        self._checkouts = ExitStack()
        config.add_cleanup(self._checkouts.close)
        self._asked: tuple[tuple[Side, Side], Match, Terms] | None = None
        self._found: Comparison | None = None
        self._error: Exception | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        """Add a test for each case: early, so that -k chooses among them too, and in the end behind all others."""
        try:
            self._asked = self._ask()
        except StepbenchError as error:
            raise pytest.UsageError(_in_our_words(str(error))) from error
        items += session.genitems(GateCollector.from_parent(session, name=GROUP, nodeid=GROUP, gate=self))
        result = yield
        items.sort(key=lambda item: isinstance(item, GateItem))
        return result

    def _ask(self) -> tuple[tuple[Side, Side], Match, Terms]:
        """Check the revision out and see what can be compared."""
        from bench.options import names_of
        from bench.options.judging import criteria_of
        from bench.run.matching import match
        from bench.run.session import RESULTS, new_id
        from bench.run.sides import of_revisions
        from bench.run.terms import Terms, Volume

        option, root = self._config.getoption, self._config.rootpath
        terms = Terms(
            names=names_of(option("bench_gate_implementation")),
            volume=Volume(option("bench_gate_pairs"), option("bench_gate_budget")),
            criteria=criteria_of(tolerance=option("bench_gate_tolerance")),
            out=root / RESULTS / new_id(datetime.now(UTC), "ab"),
        )
        load = [self._config.invocation_params.dir / path for path in option("bench_gate_load")]
        sides = self._checkouts.enter_context(of_revisions(self._revision, None, load, root))
        return sides, match(sides, terms), terms

    def names(self) -> list[str]:
        """List the labels of all cases, those that only one side has included; empty before the collection."""
        if self._asked is None:
            return []
        cases = self._asked[1]
        return [*(case.label for case in cases.cases), *cases.unmatched]

    def decided(self, item: GateItem) -> Decided:
        """Give the verdict of a test's case. The first that asks has all cases measured, and nobody measures again.

        Raises:
            StepbenchError: the comparison could not be made; for every test that asks.
        """
        if self._error is not None:
            raise self._error
        if self._found is None:
            chosen = {each.name for each in item.session.items if isinstance(each, GateItem)}
            try:
                self._found = self._measure(chosen)
            except OSError as error:
                cause = f"The comparison broke off ({error}): {os_cure(error, 'write elsewhere')}."
                self._error = StorageError(cause)
                raise self._error from error
            except Exception as error:
                self._error = error
                raise
        return next(case for case in self._found.cases if case.verdict.name == item.name)

    def _measure(self, chosen: set[str]) -> Comparison:
        from bench.output.progress import Progress
        from bench.run.contest import compare_sides

        if self._asked is None:  # an item is only made once this is known
            raise AssertionError("a test of stepbench runs although nothing was collected")
        sides, cases, terms = self._asked
        cases = replace(
            cases,
            cases=tuple(case for case in cases.cases if case.label in chosen),
            unmatched={name: why for name, why in cases.unmatched.items() if name in chosen},
        )
        capture = self._config.pluginmanager.getplugin("capturemanager")
        # It takes minutes: whoever waits must see that something happens.
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            sys.stderr.write("\n")  # pytest has begun a line
            with Progress() as progress:
                return compare_sides(sides, cases, progress, terms)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write one line for each case and what the verdicts rest on: a PASS says which slowdown was detectable."""
        if self._found is None:
            return
        from bench.output.content.verdicts import log_lines, of_pairs
        from bench.run.calibration import load

        found = self._found
        terminalreporter.section(f"{GROUP}: {found.labels[1]} against {found.labels[0]}")
        for line in log_lines(of_pairs(found, load())):
            terminalreporter.line(line)


class GateCollector(pytest.Collector):
    """What holds the cases in the tree of tests."""

    def __init__(self, *, gate: Gate, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._gate = gate

    def collect(self) -> list[pytest.Item]:
        """Make a test for each case."""
        return [GateItem.from_parent(self, name=name, gate=self._gate) for name in self._gate.names()]


class GateItem(pytest.Item):
    """The verdict of one case, as a test."""

    def __init__(self, *, gate: Gate, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._gate = gate
        # The budget bounds it; a limit that is meant for a test would end it on the way.
        if any(line.partition("(")[0] == "timeout" for line in self.config.getini("markers")):
            self.add_marker(pytest.mark.timeout(0))

    def runtest(self) -> None:
        """Pass, fail or skip by the verdict."""
        from bench.analysis.rule import Verdict

        try:
            case = self._gate.decided(self)
        except StepbenchError as error:
            raise pytest.fail.Exception(_in_our_words(str(error)), pytrace=False) from None
        verdict = case.verdict.verdict
        if verdict is Verdict.INCONCLUSIVE and self.config.getoption("bench_gate_allow_inconclusive"):
            pytest.skip(_in_our_words(f"{verdict}: {case.verdict.reason}"))
        if verdict is not Verdict.PASS:
            pytest.fail(_explained(case), pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Say where the test is: in no file."""
        return self.config.rootpath / GROUP, None, self.name


def _explained(case: Decided) -> str:
    """Tell the verdict, in which phases, and why; then the same of all that was timed."""
    from bench.output.content.verdicts import where

    verdict, slower = case.verdict, where(case)
    lines = [f"{verdict.verdict}: slower in {slower}" if slower else f"{verdict.verdict}: {verdict.reason}"]
    lines += [f"{column.name}: {column.verdict}: {column.reason}" for column in verdict.columns if column.evidence]
    lines += [verdict.remark] if verdict.remark else []
    return _in_our_words("\n".join(lines))


def _in_our_words(text: str) -> str:
    """Reword a message that names an option of `bench gate` with the name that the option has here."""
    return re.sub(r"--(load|budget|pairs|tolerance)\b", r"--bench-gate-\1", text)
