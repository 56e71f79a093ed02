"""Types of options by themselves; on the real command line they are in test_cli.py."""

from __future__ import annotations

from typing import Any

import click
import pytest

from bench.analysis.rule import Criteria
from bench.errors import UsageError
from bench.machine.environment import usable_cpus
from bench.model.case import Mode
from bench.options import MODES, Columns, Modes
from bench.options.judging import criteria_of
from bench.options.numeric import Duration, Percent, Threads, ThreadsList
from bench.output.content.cases import SHOWN


def refused(kind: Any, value: object) -> str:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(value, None, None)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", (1,)), ("1,4", (1, 4)), ("4, 1", (4, 1)), ("2,2,1,2", (2, 1)), ("all", (usable_cpus(),))],
)
def test_numbers_of_threads_keep_their_order_and_come_once(text: str, expected: tuple[int, ...]) -> None:
    assert ThreadsList().convert(text, None, None) == expected
    assert ThreadsList().convert(expected, None, None) == expected


def test_all_threads_beside_a_number() -> None:
    assert ThreadsList().convert("1,all", None, None) == tuple(dict.fromkeys((1, usable_cpus())))


@pytest.mark.parametrize("text", ["", "0", "1,", ",", "1,-2", "1;2", "many", "1,1.5", "1,ALL"])
def test_a_number_of_threads_that_is_none_is_quoted(text: str) -> None:
    assert "is not a number of threads: give a whole number from 1 to 8192, or all" in refused(ThreadsList(), text)


def test_one_number_of_threads_is_one() -> None:
    assert Threads().convert("3", None, None) == 3
    assert "is not a number of threads" in refused(Threads(), "1,2")


def test_the_modes_are_those_of_the_model() -> None:
    """They are written out in the options, so that --help imports nothing."""
    assert tuple(mode.value for mode in Mode) == MODES


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("resident-warm", ("resident-warm",)),
        ("transferred-cold, resident-warm", ("transferred-cold", "resident-warm")),
        ("resident-cold,resident-cold", ("resident-cold",)),
        ("all", MODES),
    ],
)
def test_modes_keep_their_order_and_come_once(text: str, expected: tuple[str, ...]) -> None:
    assert Modes().convert(text, None, None) == expected
    assert Modes().convert(expected, None, None) == expected


def test_a_mode_that_is_none_suggests_the_nearest() -> None:
    assert "'resident-hot' is not a mode: did you mean 'resident-" in refused(Modes(), "resident-hot")
    assert "'' is not a mode: choose one of" in refused(Modes(), "resident-warm,")
    assert "'all'" not in refused(Modes(), "qqqqqq")
    assert "all" in refused(Modes(), "qqqqqq")


@pytest.mark.parametrize(("text", "seconds"), [("60", 60.0), ("1.5m", 90.0), ("500ms", 0.5), ("2h", 7200.0)])
def test_times(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize(("text", "share"), [("2%", 0.02), ("0.02", 0.02), ("99.5 %", 0.995)])
def test_shares(text: str, share: float) -> None:
    assert Percent().convert(text, None, None) == pytest.approx(share)


def test_criteria_are_what_the_options_set_and_else_the_default() -> None:
    assert criteria_of(alpha=0.02, margin=0.03, tolerance=0.2) == Criteria(0.02, 0.03, 0.2)
    assert criteria_of(tolerance=0.2) == Criteria(tolerance=0.2)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"alpha": 0.6, "margin": 0.01}, "--alpha is 0.6"),
        ({"margin": 0.05, "tolerance": 0.05}, "--margin is 0.05 and --tolerance 0.05"),
        ({"tolerance": 0.005}, "margin is 0.01 and --tolerance 0.005"),  # what is no option is not called one
    ],
)
def test_criteria_that_no_verdict_follows_from_name_the_options(given: dict[str, float], named: str) -> None:
    with pytest.raises(UsageError) as caught:
        criteria_of(**given)
    assert str(caught.value).startswith(named)


def test_columns_are_those_of_the_tables_in_the_order_given() -> None:
    assert Columns().convert("memory,step, first-step,memory", None, None) == ("memory", "step", "first_step")
    assert Columns().convert("all", None, None) == tuple(SHOWN)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("memroy", "'memroy' is not a column: did you mean 'memory'?"),
        ("", "it names no column"),
        (",", "names no column"),
    ],
)
def test_a_column_that_is_none_is_named_with_the_nearest(text: str, words: str) -> None:
    assert words in refused(Columns(), text)
