"""The figure of break-evens: its lines are the numbers of the run, and every text has its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.errors import NothingToShowError
from bench.output.figures import Look
from bench.workloads import tutorial

EAGER, COMPILED = 0.04, 0.03


def compiled(number: int) -> dict[str, Any]:
    cold = number < 3
    seconds = 40.0 + number if cold else 5.0 + 0.1 * (number % 3)
    return {"build_seconds": 0.0, "compile_seconds": seconds, "cache": "cold" if cold else "warm"}


def add(sampled: Any, hidden: int = 100) -> None:
    options = {"phases": False, "problem": tutorial(hidden=hidden)}
    eager = {"first": EAGER, "build_seconds": 0.01}
    sampled.add("mine.eager", seconds=EAGER, row=lambda number: eager, **options)
    sampled.add("mine.compiled", seconds=COMPILED, row=compiled, **options)


def test_lines_begin_at_the_start_and_rise_by_a_step(sampled: Any, drawn: Callable[..., Any]) -> None:
    add(sampled)
    drawing = drawn("break_even", sampled)
    lines = [line.get_xydata() for line in drawing.axis.lines if len(line.get_xdata()) > 2]
    starts = sorted(float(line[0, 1]) for line in lines)
    assert starts == pytest.approx([0.01 + EAGER, 5.08 + COMPILED, 41.0 + COMPILED], rel=0.05)
    (end,) = {float(line[-1, 0]) for line in lines}
    assert max(float(line[-1, 1]) for line in lines) == pytest.approx(EAGER * end, rel=0.1)
    assert drawing.titles == ["mine.compiled"]


def test_notes_say_what_the_sentences_say(sampled: Any, drawn: Callable[..., Any]) -> None:
    add(sampled)
    cold, warm, other = drawn("break_even", sampled).notes()
    assert cold.startswith("empty cache: pays after ")
    assert warm.startswith("filled cache: pays after ")
    assert "[" in cold
    assert other == "mine.eager on torch-cpu"


def test_texts_have_their_places(sampled: Any, drawn: Callable[..., Any], look: Look) -> None:
    add(sampled)
    add(sampled, hidden=200)
    assert drawn("break_even", sampled, look).problems() == []


def test_a_run_in_which_nothing_compiles_has_nothing_to_show(sampled: Any, drawn: Callable[..., Any]) -> None:
    sampled.add("mine.eager")
    with pytest.raises(NothingToShowError, match="measure both"):
        drawn("break_even", sampled)
