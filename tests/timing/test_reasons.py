"""What is said of an exception: one sentence, however much a compiler has printed, with what helps."""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import StepError
from bench.timing.protocol import Request
from bench.timing.reasons import failure
from bench.workloads import tutorial

REQUEST = Request(("file:mine.py",), "mine", "torch-cpu", tutorial(), 1, "truth.npz")


class InductorError(Exception):
    """Its name is all that counts."""


def said(error: Exception) -> str:
    return failure(error, REQUEST).reason


def test_an_absent_compiler_is_named_with_the_cure() -> None:
    found = InductorError(
        "InvalidCxxCompiler: No working C++ compiler found in torch._inductor.config.cpp.cxx: (None, 'g++')\n\n"
        "Set TORCHDYNAMO_VERBOSE=1 for the internal stack trace (please do this especially if you're reporting a bug)"
    )
    assert said(found) == (
        "InductorError: InvalidCxxCompiler: No working C++ compiler found in torch._inductor.config.cpp.cxx: "
        "(None, 'g++'); torch.compile writes C++ for the CPU: install g++, or name one in CXX"
    )


def test_a_compiler_that_would_give_up_without_a_word_is_explained() -> None:
    reason = said(RuntimeError("Hard failure due to fail_on_recompile_limit_hit"))
    assert "without its compiler" in reason
    assert "the same from step to step" in reason


def test_of_what_a_compiler_prints_the_first_error_is_kept() -> None:
    printed = "\n".join(f"line {number}" for number in range(5000))
    output = f"a.cpp:3:1: error: no such header\n{printed}\nerror: 2"
    text = f"\nC++ compile error\n\nCommand:\ng++ -O3 a.cpp\n\nOutput:\n{output}"
    assert said(RuntimeError(text)) == "RuntimeError: C++ compile error a.cpp:3:1: error: no such header"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo", "one two"),
        ("it failed because:\n\nof this\n\nand a trace", "it failed because: of this"),
        ("", "no message"),
    ],
)
def test_the_first_paragraph_is_what_counts(text: str, expected: str) -> None:
    assert said(ValueError(text)) == f"ValueError: {expected}"


def test_a_long_line_is_cut_and_our_own_sentences_are_not() -> None:
    long: Any = "word " * 1000
    assert len(said(ValueError(long))) < 450
    assert said(StepError(long)) == long.strip()
