"""The stages of processes side by side: which count, and what is made of several variants."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import pytest

from bench.analysis.phases import shares_of, stages_of, sync_tax

Row = tuple[str, str, float]
"""A process, a phase, and its seconds."""


def times(rows: Sequence[Row], method: str = "staged", clock: str = "host") -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["process", "phase", "median"])
    return frame.assign(method=method, clock=clock)


def of(process: str, forward: float, backward: float, update: float) -> list[Row]:
    return [(process, "forward", forward), (process, "backward", backward), (process, "update", update)]


def test_of_several_variants_the_mean_counts() -> None:
    found = stages_of(times([*of("a", 1.0, 2.0, 3.0), *of("a", 3.0, 2.0, 5.0)]))
    (stages,) = found.values()
    assert dict(zip(stages.names, stages.seconds["a"], strict=True)) == {"forward": 2.0, "backward": 2.0, "update": 4.0}
    assert shares_of(found)["update", "staged", "host"] == pytest.approx(0.5)


@pytest.mark.parametrize("lost", [of("b", 9.0, 9.0, 9.0)[:2], of("b", 9.0, 9.0, math.nan)])
def test_a_process_that_lacks_a_stage_is_left_out(lost: list[Row]) -> None:
    found = stages_of(times([*of("a", 1.0, 1.0, 2.0), *lost]))
    assert list(found["staged", "host"].seconds) == ["a"]
    assert sum(shares_of(found).values()) == pytest.approx(1.0)


def test_stages_that_are_no_whole_step_have_no_shares() -> None:
    assert stages_of(times(of("a", 1.0, 1.0, 2.0)[:2])) == {}
    assert set(shares_of(stages_of(times([("a", "forward", 1.0)])))) == {("forward", "staged", "host")}


def test_each_method_and_clock_has_its_own_shares_and_the_tax_is_of_the_staged_ones_on_the_host() -> None:
    both = [
        times(of("a", 1.0, 1.0, 2.0)),
        times(of("a", 5.0, 3.0, 0.0), "profiled"),
        times(of("a", 8, 1, 1), clock="device"),
    ]
    sides = stages_of(pd.concat(both))
    shares = shares_of(sides)
    assert shares["forward", "staged", "host"] == 0.25
    assert shares["forward", "profiled", "host"] == 0.625
    assert shares["forward", "staged", "device"] == 0.8
    tax = sync_tax(sides, pd.DataFrame({"process": ["a", "b"], "median": [3.2, 1.0]}))
    assert tax is not None
    assert tax.value == pytest.approx(0.25)
    assert sync_tax(stages_of(both[1]), pd.DataFrame({"process": ["a"], "median": [1.0]})) is None


def test_a_profiler_that_saw_nothing_has_no_shares_and_a_step_without_time_no_tax() -> None:
    sides = stages_of(times(of("a", 0.0, 0.0, 0.0)))
    assert shares_of(sides) == {}
    assert sync_tax(sides, pd.DataFrame({"process": ["a"], "median": [1.0]})) is None
