"""What is said of compiling: after how many steps it pays, what it cost, and what was compiled anew."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.analysis.break_even import Payoff, Spending
from bench.model.device import Cache
from bench.output.content.compiling import pays, when_it_pays
from bench.output.content.notes import quality
from bench.output.content.result import tables
from bench.output.content.summary import Summary
from bench.output.document import Table, plain
from bench.stats.break_even import BreakEven, Mean

NEVER = math.inf


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (BreakEven(1899.2, 1380, 2611), "pays after 1,900 steps [1,400 … 2,600]"),
        (BreakEven(1899.2), "pays after 1,900 steps"),
        (BreakEven(1899.2, 0, NEVER), "pays after 1,900 steps [0 … never]"),
        (BreakEven(0, 0, 0), "pays from the first step"),
        (BreakEven(NEVER, NEVER, NEVER), "never pays"),
        (BreakEven(NEVER, 3904.7, NEVER), "is not known to pay (not before 3,900 steps)"),
        (BreakEven(NEVER, 0, NEVER), "is not known to pay"),
        (BreakEven(NEVER), "is not known to pay"),
    ],
)
def test_a_break_even_in_words(after: BreakEven, words: str) -> None:
    assert plain(pays(after)) == words


def test_a_case_has_one_sentence_with_both_caches_and_what_an_interval_takes(build: ModuleType) -> None:
    case, over = build.make_case("mine.compiled", "torch-cpu"), build.make_case("mine.eager", "torch-cpu")
    spent = Spending(Mean(1.0, None, 1), Mean(0.1, 0.01, 6))
    found = [
        Payoff(case, over, cache, spent, spent, after)
        for cache, after in ((Cache.COLD, BreakEven(1900.0)), (Cache.WARM, BreakEven(210.0, 180.0, 250.0)))
    ]
    summary = Summary([], build.make_manifest())
    assert [plain(each) for each in when_it_pays(summary, found)] == [
        "mine.compiled on torch-cpu against mine.eager on torch-cpu: compiling pays after 1,900 steps with an empty "
        "compiler cache, and pays after 210 steps [180 … 250] with a filled compiler cache; an interval takes "
        "`--cold 2` or more, and six rounds."
    ]


def test_cases_of_which_no_interval_is_known_share_a_sentence(build: ModuleType) -> None:
    over, spent = build.make_case("mine.eager", "torch-cpu"), Spending(Mean(1.0, None, 1), Mean(0.1, None, 1))
    found = [
        Payoff(build.make_case(name, "torch-cpu"), over, Cache.COLD, spent, spent, after)
        for name, after in (("one", BreakEven(1900.0)), ("two", BreakEven(NEVER)))
    ]
    (told,) = when_it_pays(Summary([], build.make_manifest()), found)
    assert plain(told).startswith(
        "After how many steps compiling pays is not known of one on torch-cpu, two on torch-cpu:"
    )
    assert "--cold 2" in plain(told)
    assert when_it_pays(Summary([], build.make_manifest()), []) == ()


def summary_of(build: ModuleType, tmp_path: Path, **row: Any) -> Summary:
    made = build.HandMade(tmp_path / "run")
    for name, more in (("numpy_manual", {}), ("mine", row)):
        case = made.plan(name)
        made.process(case, step=[0.01] * 6, first=3.0, **more)
    rows = made.summary(turns=True)
    return Summary(rows, build.make_manifest(cases=made.planned, turns=True))


def test_tables_have_the_columns_of_compiling_where_something_compiles(build: ModuleType, tmp_path: Path) -> None:
    (found,) = tables(summary_of(build, tmp_path, compile_seconds=2.5, cache="cold"))
    assert isinstance(found, Table)
    heads = [head.name for head in found.heads]
    assert {"first step", "compile cold"} <= {*heads}
    assert "compile warm" not in heads  # no process had a filled cache


def test_tables_lack_them_where_nothing_compiles(build: ModuleType, tmp_path: Path) -> None:
    (found,) = tables(summary_of(build, tmp_path))
    assert isinstance(found, Table)
    assert not {"first step", "compile cold", "compile warm"} & {head.name for head in found.heads}


def test_what_was_compiled_anew_while_sampled_is_named_with_the_cure(build: ModuleType, tmp_path: Path) -> None:
    told = [plain(each) for each in quality(summary_of(build, tmp_path, recompiles=3))]
    (named,) = [each for each in told if "Compiled anew" in each]
    assert named.startswith("Compiled anew while it was sampled: mine on numpy, 3 times in one process")
    assert "dynamic=True" in named
    assert not any("numpy_manual" in each and "Compiled anew" in each for each in told)
